package schema

import (
	"bytes"
	"cmp"
	stdjson "encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// document is a YAML description as its writer sees it.
type document struct {
	root   *piece
	marked bool     // begins with ---
	header []string // comments that are about the file
}

// said returns all comments, sorted.
func (d *document) said() []string {
	out := slices.Clone(d.header)
	var collect func(p *piece)
	collect = func(p *piece) {
		out = append(out, p.foot...)
		for _, e := range p.entries {
			out = append(append(out, e.head...), e.tail)
			collect(&e.piece)
		}
	}
	collect(d.root)
	out = slices.DeleteFunc(out, func(line string) bool { return line == "" })
	slices.Sort(out)
	return out
}

// reader finds out where everything in a YAML text stands. The parser knows
// where a value begins; where it ends, and where comments are, the reader looks
// up in the text.
type reader struct {
	file     string
	text     []byte
	lines    []int // offsets
	at       int   // all before it was understood
	comments []remark
	entries  []*entry // in the order of the text
	scalars  [][2]int // what looks like a comment in there is none
}

// remark is a comment and where it stands.
type remark struct {
	text  string
	start int
	col   int
	own   bool // the line has nothing else
}

func readYAML(file string, text []byte) (*document, error) {
	if len(text) > 0 && text[0] == '%' {
		return nil, unsupported(Pos{file, 1, 1}, "a file with YAML directives", "remove the line; it changes nothing for a stack")
	}
	var top yaml.Node
	if err := yaml.Unmarshal(text, &top); err != nil {
		return nil, syntaxErrors(file, text, err)
	}
	r := &reader{file: file, text: text, lines: []int{0}}
	for i, c := range text {
		if c == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	d := &document{root: &piece{kind: nullKind}}
	r.skip()
	if bytes.HasPrefix(text[r.at:], []byte("---")) {
		d.marked = true
		r.at += 3
	}
	if len(top.Content) == 1 {
		if err := r.value(d.root, top.Content[0], -1); err != nil {
			return nil, err
		}
	}
	r.skip()
	if bytes.HasPrefix(text[r.at:], []byte("...")) {
		r.at += 3
		r.skip()
	}
	if r.at < len(text) {
		return nil, unsupported(r.pos(r.at), "what follows here", "write the file in a simpler way")
	}
	r.place(d)
	return d, nil
}

// skip moves over blanks and comments, which it notes.
func (r *reader) skip() {
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == ' ' || c == '\t' || c == '\n':
			r.at++
		case c == '#':
			r.comment()
		default:
			return
		}
	}
}

// comment notes the comment that begins here, and moves to the end of its line.
func (r *reader) comment() {
	end := r.endOfLine(r.at)
	begin := r.lines[r.line(r.at)]
	r.comments = append(r.comments, remark{
		text: strings.TrimRight(string(r.text[r.at:end]), " \t"), start: r.at,
		col: r.at - begin, own: len(bytes.TrimSpace(r.text[begin:r.at])) == 0,
	})
	r.at = end
}

// mark moves over one of the letters that give YAML its structure.
func (r *reader) mark(c byte) bool {
	r.skip()
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *reader) endOfLine(at int) int {
	if n := bytes.IndexByte(r.text[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(r.text)
}

// line returns the index of the line an offset is on.
func (r *reader) line(at int) int {
	i, found := slices.BinarySearch(r.lines, at)
	if !found {
		i--
	}
	return i
}

func (r *reader) pos(at int) Pos {
	line := r.line(at)
	return Pos{r.file, line + 1, at - r.lines[line] + 1}
}

// column returns how many bytes stand in front of an offset on its line.
func (r *reader) column(at int) int { return at - r.lines[r.line(at)] }

// offset returns where a node begins.
func (r *reader) offset(n *yaml.Node) int {
	at := r.lines[min(n.Line, len(r.lines))-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(r.text[at:])
		at += size
	}
	return at
}

// value reads a node into p. indent is the column of what it belongs to.
func (r *reader) value(p *piece, n *yaml.Node, indent int) error {
	before := r.at
	r.skip()
	if n.Style&yaml.TaggedStyle != 0 {
		return unsupported(r.pos(r.at), "a YAML tag", "write the value without the tag")
	}
	if n.Anchor != "" {
		if !r.mark('&') {
			return unsupported(r.pos(r.at), "this anchor", "write it in front of the value")
		}
		r.at += len(n.Anchor)
		p.anchor = "&" + n.Anchor
		r.skip()
	}
	var err error
	switch {
	case n.Kind == yaml.AliasNode:
		p.kind, p.alias, p.text = textKind, true, "*"+n.Value
		r.at += len(p.text)
	case n.Kind == yaml.ScalarNode:
		err = r.scalar(p, n, indent)
	case n.Kind == yaml.MappingNode:
		p.kind, p.flow = mapKind, n.Style&yaml.FlowStyle != 0
		err = r.collection(p, n, '{', '}')
	case n.Kind == yaml.SequenceNode:
		p.kind, p.flow = listKind, n.Style&yaml.FlowStyle != 0
		err = r.collection(p, n, '[', ']')
	}
	p.end = r.at
	switch last := len(p.entries) - 1; {
	case n.Kind == yaml.ScalarNode && n.Style == 0 && n.Value == "" && p.anchor == "":
		p.end = before // nothing is written
	case last >= 0 && !p.flow:
		p.end = p.entries[last].end
	}
	return err
}

// collection reads a map or a list.
func (r *reader) collection(p *piece, n *yaml.Node, open, end byte) error {
	if p.flow && !r.mark(open) {
		return unsupported(r.pos(r.at), "this value", "write the map or list in another way")
	}
	step := 1
	if p.kind == mapKind {
		step = 2
	}
	for i := 0; i < len(n.Content); i += step {
		r.skip()
		e := &entry{start: r.at}
		if i == 0 {
			p.col = r.column(r.at)
		}
		p.add(e)
		r.entries = append(r.entries, e)
		if p.kind == mapKind {
			if err := r.name(e, n.Content[i]); err != nil {
				return err
			}
		} else if !p.flow && !r.mark('-') {
			return unsupported(r.pos(r.at), "this item", "begin the line with -")
		}
		if err := r.value(&e.piece, n.Content[i+step-1], p.col); err != nil {
			return err
		}
		if p.flow {
			r.mark(',')
		}
	}
	if p.flow && !r.mark(end) {
		return unsupported(r.pos(r.at), "what stands here", "write the map or list in another way")
	}
	return nil
}

// name reads the key of a field.
func (r *reader) name(e *entry, n *yaml.Node) error {
	begin := r.at
	if n.Kind != yaml.ScalarNode || n.Anchor != "" || r.offset(n) != begin || r.line(begin) != n.Line-1 {
		return unsupported(r.pos(begin), "this key", "write a plain text as key")
	}
	var key piece
	if err := r.scalar(&key, n, 0); err != nil {
		return err
	}
	if len(key.block) > 0 || bytes.IndexByte(r.text[begin:r.at], '\n') >= 0 || !r.mark(':') {
		return unsupported(r.pos(begin), "this key", "write it on one line, with : after it")
	}
	e.name, e.key = n.Value, key.text
	return nil
}

// scalar reads a text, a number, true, false or null.
func (r *reader) scalar(p *piece, n *yaml.Node, indent int) error {
	begin := r.at
	p.kind, p.value = scalarKind(n), n.Value
	switch n.Style &^ yaml.TaggedStyle {
	case yaml.LiteralStyle, yaml.FoldedStyle:
		r.blockScalar(p, indent)
		p.spellBlock(n)
		return nil
	case yaml.SingleQuotedStyle:
		for r.at++; r.at < len(r.text); r.at++ {
			if r.text[r.at] != '\'' {
				continue
			}
			if r.at++; r.at == len(r.text) || r.text[r.at] != '\'' {
				break
			}
		}
	case yaml.DoubleQuotedStyle:
		for r.at++; r.at < len(r.text) && r.text[r.at] != '"'; r.at++ {
			if r.text[r.at] == '\\' {
				r.at++
			}
		}
		r.at++
	default:
		// Lines are folded: what counts is all but the blanks.
		for _, c := range []byte(n.Value) {
			if c == ' ' || c == '\t' || c == '\n' {
				continue
			}
			for r.at < len(r.text) && r.text[r.at] != c {
				r.at++
			}
			r.at++
		}
	}
	if r.at > len(r.text) {
		return unsupported(r.pos(begin), "this value", "write it in double quotes")
	}
	p.text = r.spelled(n, string(r.text[begin:r.at]))
	return nil
}

// spelled returns how a scalar is written: double quotes where quotes do no
// more than others, all on one line.
func (r *reader) spelled(n *yaml.Node, typed string) string {
	switch {
	case strings.Contains(typed, "\n") && n.Style == 0 && !strings.Contains(n.Value, "\n"):
		return n.Value
	case strings.Contains(typed, "\n"):
		return doubleQuoted(n.Value)
	case n.Style&yaml.SingleQuotedStyle != 0 && !strings.ContainsAny(n.Value, "\"\\\t"):
		return `"` + n.Value + `"`
	}
	return typed
}

// blockScalar reads a text that begins with | or > and goes on on the lines
// below it.
func (r *reader) blockScalar(p *piece, indent int) {
	mark, digit := string(r.text[r.at]), 0
	for r.at++; r.at < len(r.text) && strings.IndexByte("+-123456789", r.text[r.at]) >= 0; r.at++ {
		if c := r.text[r.at]; c == '+' || c == '-' {
			mark += string(c)
		} else {
			digit = int(c - '0')
		}
	}
	p.text = mark
	header := r.endOfLine(r.at)
	r.at = min(r.at, header)
	for r.at < header && r.text[r.at] != '#' {
		r.at++
	}
	if r.at < header {
		r.comment()
	}
	left := max(indent, 0) + digit
	at, end := header+1, header
	var found []string
	begun := digit > 0
	for at < len(r.text) {
		stop := r.endOfLine(at)
		line := string(r.text[at:stop])
		blank := strings.Trim(line, " ") == ""
		margin := len(line) - len(strings.TrimLeft(line, " "))
		if !blank && !begun {
			begun, left = true, max(margin, indent+1)
		}
		if !blank && margin < left {
			break
		}
		found = append(found, line)
		if !blank {
			end = stop
		}
		at = stop + 1
	}
	for i, line := range found {
		found[i] = line[min(left, len(line)):]
	}
	if strings.HasSuffix(mark, "+") {
		end = min(at, len(r.text))
	} else {
		for len(found) > 0 && strings.Trim(found[len(found)-1], " ") == "" {
			found = found[:len(found)-1]
		}
	}
	p.block = found
	r.at = end
	r.scalars = append(r.scalars, [2]int{header, end})
}

// spellBlock takes the lines of a text from what it stands for, unless they are
// folded. A text that ends with all its blank lines stays folded by nobody.
func (p *piece) spellBlock(n *yaml.Node) {
	literal := n.Style&yaml.LiteralStyle != 0
	ends := len(n.Value) - len(strings.TrimRight(n.Value, "\n"))
	switch {
	case n.Value == "" || !literal && strings.HasSuffix(p.text, "+"):
		p.text, p.block = doubleQuoted(n.Value), nil
	case literal:
		p.text = "|" + []string{"-", "", "+"}[min(ends, 2)]
		if ends == len(n.Value) {
			p.text = "|+"
		}
		p.block = strings.Split(strings.TrimSuffix(n.Value, "\n"), "\n")
	}
}

// scalarKind says what a scalar is, as the loader does.
func scalarKind(n *yaml.Node) kind {
	if n.Style != 0 {
		return textKind
	}
	switch n.ShortTag() {
	case "!!null":
		return nullKind
	case "!!bool":
		return boolKind
	case "!!int":
		return intKind
	case "!!float":
		return floatKind
	}
	return textKind
}

// readJSON reads a JSON text, keeping the order of its fields.
func readJSON(text []byte) (*piece, error) {
	d := stdjson.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	p := &piece{}
	if err := p.readJSON(d); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return p, nil
}

func (p *piece) readJSON(d *stdjson.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	delim, _ := token.(stdjson.Delim)
	switch token := token.(type) {
	case stdjson.Delim:
		p.kind = listKind
		if delim == '{' {
			p.kind = mapKind
		}
	case string:
		p.kind, p.text, p.value = textKind, doubleQuoted(token), token
	case stdjson.Number:
		p.kind, p.text = intKind, token.String()
		if strings.ContainsAny(p.text, ".eE") {
			p.kind = floatKind
		}
	case bool:
		p.kind, p.text = boolKind, cmp.Or(map[bool]string{true: "true"}[token], "false")
	}
	if delim == 0 {
		return nil
	}
	for d.More() {
		e := &entry{}
		if p.kind == mapKind {
			name, err := d.Token()
			if err != nil {
				return err
			}
			e.name, _ = name.(string)
			e.key = doubleQuoted(e.name)
		}
		if err := e.readJSON(d); err != nil {
			return err
		}
		p.add(e)
	}
	_, err = d.Token()
	return err
}
