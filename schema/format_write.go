package schema

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// lineWidth is how long a map or list on one line may be.
const lineWidth = 100

// writer writes pieces as YAML.
type writer struct {
	lines []outputLine
	// prefix is the mark of a list item, whose first line is still to come.
	prefix string
	margin int  // of the prefix
	fresh  bool // a map or list was just opened: no blank line yet
	kept   bool // a text ends here that a blank line would be part of
}

type outputLine struct {
	margin     int
	text, tail string
}

// write returns the document in its canonical form.
func (d *document) write() []byte {
	w := &writer{fresh: true}
	if d.marked {
		w.line(0, "---", "")
		w.fresh = true
	}
	w.remarks(d.header, 0)
	w.fresh = w.fresh || len(w.lines) == 0
	w.entries(d.root, 0)
	return w.bytes()
}

func (w *writer) line(margin int, text, tail string) {
	if w.prefix != "" {
		margin, text, w.prefix = w.margin, w.prefix+text, ""
	}
	w.lines = append(w.lines, outputLine{margin, text, tail})
	w.fresh, w.kept = false, false
}

// remarks writes comments and blank lines, never two of these.
func (w *writer) remarks(lines []string, margin int) {
	for _, text := range lines {
		n := len(w.lines)
		switch {
		case text != "":
			w.line(margin, text, "")
		case !w.fresh && !w.kept && n > 0 && w.lines[n-1].text != "":
			w.line(0, "", "")
		}
	}
}

// entries writes all of a map or list, each on a line of its own.
func (w *writer) entries(p *piece, margin int) {
	for _, e := range p.entries {
		head := append(e.head, e.lift()...)
		w.remarks(head, margin)
		start := e.key + ":"
		if p.kind == listKind {
			start = "-"
		}
		w.entry(e, start, margin)
	}
	w.remarks(p.foot, margin)
	if len(p.entries) == 0 { // the whole file
		w.line(margin, "{}", "")
	}
}

// lift takes the comments that have no line of their own inside e: those in
// front of the first field of an item, which shares the line of its mark, and
// those of an empty map or list.
func (e *entry) lift() []string {
	var lifted []string
	if len(e.entries) == 0 {
		lifted, e.foot = e.foot, nil
	} else if e.parent.kind == listKind && e.tail == "" && e.anchor == "" {
		first := e.entries[0]
		lifted, first.head = append(first.head, first.lift()...), nil
	}
	return lifted
}

func (w *writer) entry(e *entry, start string, margin int) {
	text := start
	if e.anchor != "" {
		text += " " + e.anchor
	}
	room := lineWidth - margin - len(w.prefix) - utf8.RuneCountInString(text) - 1
	if value, ok := e.inline(room); ok {
		if value != "" {
			text += " " + value
		}
		w.line(margin, text, e.tail)
		w.block(&e.piece, margin+2)
		return
	}
	if start == "-" && e.tail == "" && e.anchor == "" {
		if w.prefix == "" {
			w.margin = margin
		}
		w.prefix += "- "
		w.entries(&e.piece, margin+2)
		return
	}
	w.line(margin, text, e.tail)
	w.fresh = true
	w.entries(&e.piece, margin+2)
}

// block writes the lines of a text that has several.
func (w *writer) block(p *piece, margin int) {
	for _, line := range p.block {
		if line == "" {
			w.line(0, "", "")
		} else {
			w.line(margin, line, "")
		}
	}
	w.kept = strings.HasSuffix(p.text, "+") && isBlock(p.text)
}

func isBlock(text string) bool {
	return strings.HasPrefix(text, "|") || strings.HasPrefix(text, ">")
}

// inline returns a value as it stands behind its key, if it can.
func (p *piece) inline(room int) (string, bool) {
	switch {
	case p.kind != mapKind && p.kind != listKind:
		return p.marked(), true
	case len(p.entries) == 0:
		return p.empty(), true
	case !p.flow || p.hasNotes() || p.hasBlocks():
		return "", false
	}
	text := p.onOneLine()
	return text, utf8.RuneCountInString(text) <= room
}

func (p *piece) empty() string {
	if p.kind == listKind {
		return "[]"
	}
	return "{}"
}

// marked returns a scalar. The mark of a text whose first line is indented
// says by how much the others are.
func (p *piece) marked() string {
	if !isBlock(p.text) {
		return p.text
	}
	for _, line := range p.block {
		if strings.HasPrefix(line, " ") {
			return p.text[:1] + "2" + p.text[1:]
		}
		if line != "" {
			break
		}
	}
	return p.text
}

// hasBlocks reports whether a text in p has lines of its own.
func (p *piece) hasBlocks() bool {
	if p.kind == textKind && isBlock(p.text) {
		return true
	}
	for _, e := range p.entries {
		if e.hasBlocks() {
			return true
		}
	}
	return false
}

// onOneLine writes a value in the style of JSON.
func (p *piece) onOneLine() string {
	var parts []string
	for _, e := range p.entries {
		text := e.onOneLine()
		if e.anchor != "" {
			text = e.anchor + " " + text
		}
		if p.kind == mapKind {
			text = e.key + ": " + text
		}
		parts = append(parts, text)
	}
	switch {
	case p.kind == mapKind:
		return "{" + strings.Join(parts, ", ") + "}"
	case p.kind == listKind:
		return "[" + strings.Join(parts, ", ") + "]"
	case p.kind == nullKind && p.text == "":
		return "null" // a key with nothing behind it is another key here
	case p.kind == textKind && p.text == p.value && strings.ContainsAny(p.text, ",[]{}"):
		return doubleQuoted(p.value)
	}
	return p.text
}

// bytes joins the lines. Comments behind neighbouring lines begin in one
// column.
func (w *writer) bytes() []byte {
	var out bytes.Buffer
	for i := 0; i < len(w.lines); {
		width, end := 0, i
		for ; end < len(w.lines) && w.lines[end].tail != "" && w.lines[end].margin == w.lines[i].margin; end++ {
			width = max(width, utf8.RuneCountInString(w.lines[end].text))
		}
		for _, line := range w.lines[i:max(end, i+1)] {
			text := strings.Repeat(" ", line.margin) + line.text
			if line.tail != "" {
				text += strings.Repeat(" ", width-utf8.RuneCountInString(line.text)+2) + line.tail
			}
			out.WriteString(text + "\n")
		}
		i = max(end, i+1)
	}
	return out.Bytes()
}

// writeJSON writes a description as JSON, every value on a line of its own.
func writeJSON(p *piece) []byte {
	var out bytes.Buffer
	p.writeJSON(&out, "")
	out.WriteByte('\n')
	return out.Bytes()
}

func (p *piece) writeJSON(out *bytes.Buffer, margin string) {
	switch {
	case p.kind == nullKind:
		out.WriteString("null")
		return
	case p.kind == textKind:
		out.WriteString(doubleQuoted(p.value))
		return
	case p.kind != mapKind && p.kind != listKind:
		out.WriteString(p.text)
		return
	case len(p.entries) == 0:
		out.WriteString(p.empty())
		return
	}
	brackets := p.empty()
	out.WriteByte(brackets[0])
	for i, e := range p.entries {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString("\n" + margin + "  ")
		if p.kind == mapKind {
			out.WriteString(doubleQuoted(e.name) + ": ")
		}
		e.writeJSON(out, margin+"  ")
	}
	out.WriteString("\n" + margin + brackets[1:])
}

// doubleQuoted returns a text in double quotes, as JSON and YAML both have
// them.
func doubleQuoted(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out.WriteString(`\` + string(r))
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

var bare = onUse(`^[A-Za-z0-9_/.][A-Za-z0-9_/.@%+=~^$-]*(:[A-Za-z0-9_/.@%+=~^$-]+)*$`)

// inQuotes returns a text, in quotes where any parser could need them.
func inQuotes(text string) string {
	if _, isBool := yesNo(text); isBool || !bare().MatchString(text) || decimal().MatchString(text) || ambiguous(text) {
		return doubleQuoted(text)
	}
	return text
}
