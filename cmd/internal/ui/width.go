package ui

import (
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
