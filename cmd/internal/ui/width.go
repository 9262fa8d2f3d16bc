package ui

import (
	"bytes"
	"io"
	"strings"
	"unicode"
)

// visible is the number of columns a line takes, without its colours.
func visible(line string) int {
	n, escape := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n += columns(r)
		}
	}
	return n
}

// cut shortens a line to a width, keeping its colours whole.
func cut(line string, width int) string {
	if visible(line) <= width {
		return line
	}
	var b strings.Builder
	n, escape, colored := 0, false, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape, colored = true, true
		case escape:
			escape = r != 'm'
		default:
			if n += columns(r); n >= width {
				b.WriteRune('…')
				if colored {
					b.WriteString("\x1b[0m")
				}
				return b.String()
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

// columns is the number of columns a rune takes on a terminal: none for marks
// that sit on the rune before, two for East Asian wide ones and emoji.
func columns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
		r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// fold breaks a line without colours into pieces of at most so many columns.
func fold(line string, width int) []string {
	var all []string
	begin, n := 0, 0
	for i, r := range line {
		if n+columns(r) > width && n > 0 {
			all = append(all, line[begin:i])
			begin, n = i, 0
		}
		n += columns(r)
	}
	if begin < len(line) {
		all = append(all, line[begin:])
	}
	return all
}

// folded returns a writer that breaks lines which are too wide, and lets what
// is broken off begin further right than its line; width 0 breaks none.
func folded(w io.Writer, width int) io.Writer {
	if width < 20 {
		return w
	}
	return &foldWriter{w: w, width: width}
}

type foldWriter struct {
	w     io.Writer
	width int
	line  []byte // that has no end yet
}

func (f *foldWriter) Write(b []byte) (int, error) {
	f.line = append(f.line, b...)
	for {
		end := bytes.IndexByte(f.line, '\n')
		if end < 0 {
			return len(b), nil
		}
		if _, err := io.WriteString(f.w, foldColored(string(f.line[:end]), f.width)+"\n"); err != nil {
			return 0, err
		}
		f.line = f.line[end+1:]
	}
}

// foldColored breaks a line with colours, at a blank if there is one near.
func foldColored(line string, width int) string {
	if visible(line) <= width {
		return line
	}
	// The dots keep what is broken off from beginning a line: see [Clean].
	indent := strings.Repeat(" ", min(len(line)-len(strings.TrimLeft(line, " "))+2, width/2)) + "… "
	var b strings.Builder
	n, escape := 0, false
	blank, after := -1, 0 // where a blank is in b, and the columns behind it
	for _, r := range line {
		if escape || r == '\x1b' {
			escape = r != 'm'
			b.WriteRune(r)
			continue
		}
		if n+columns(r) > width {
			rest := ""
			if blank > 0 && after < width/3 {
				text := b.String()
				rest = text[blank+1:]
				b.Reset()
				b.WriteString(text[:blank])
				n = visible(indent) + after
			} else {
				n = visible(indent)
			}
			b.WriteString("\n" + indent + rest)
			blank = -1
		}
		if n += columns(r); r == ' ' && n > visible(indent) {
			blank, after = b.Len(), 0
		} else {
			after += columns(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}
