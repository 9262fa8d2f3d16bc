package schema

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sort"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// parseYAML reads one YAML document. It stops at the tree of the parser, in
// which an alias is still a reference: what is too large is refused before it
// is expanded.
func parseYAML(file string, text []byte) (*node, Errors) {
	if errs := strayBreaks(file, text); len(errs) > 0 {
		return nil, errs
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	switch err := decoder.Decode(&first); {
	case errors.Is(err, io.EOF):
		return &node{kind: nullKind, pos: Pos{file, 1, 1}}, nil
	case err != nil:
		return nil, yamlFaults(file, text, err)
	}
	r := &yamlReader{file: file, text: text, lines: lineStarts(text), anchors: map[string]int{}}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, Errors{{
			Pos:  r.pos(second.Content[0]),
			Msg:  "a second YAML document begins here",
			Hint: "one file describes one stack; move this document to a file of its own",
		}}
	case !errors.Is(err, io.EOF):
		return nil, yamlFaults(file, text, err)
	}
	return r.result(r.value(first.Content[0], Pos{}))
}

// yamlDocuments reads all documents of a file, leaving out empty ones.
func yamlDocuments(file string, text []byte) (all []*node, errs Errors) {
	if errs := strayBreaks(file, text); len(errs) > 0 {
		return nil, errs
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return all, errs
		case err != nil:
			return all, append(errs, yamlFaults(file, text, err)...)
		}
		r := &yamlReader{file: file, text: text, lines: lineStarts(text), anchors: map[string]int{}}
		n, wrong := r.result(r.value(document.Content[0], Pos{}))
		if errs = append(errs, wrong...); n != nil && n.kind != nullKind {
			all = append(all, n)
		}
	}
}

// yamlReader makes nodes of the tree of the parser.
type yamlReader struct {
	builder
	file    string
	text    []byte
	lines   lineIndex
	anchors map[string]int // the line of each
	aliases int
	inside  []*yaml.Node // aliases being expanded

	// Where the last column was found: a line may hold all of the file.
	line, column, offset int
}

// pos returns where a node begins, after its anchor. The parser counts columns
// in characters.
func (r *yamlReader) pos(y *yaml.Node) Pos {
	if y.Line < 1 || y.Line > len(r.lines) {
		return Pos{r.file, max(1, len(r.lines)), 1}
	}
	begin := r.lines[y.Line-1]
	if y.Line != r.line || y.Column < r.column {
		r.line, r.column, r.offset = y.Line, 1, begin
	}
	for ; r.column < y.Column && r.offset < len(r.text); r.column++ {
		_, size := utf8.DecodeRune(r.text[r.offset:])
		r.offset += size
	}
	offset := r.offset
	if y.Anchor != "" && y.Kind == yaml.ScalarNode && bytes.HasPrefix(r.text[offset:], []byte("&"+y.Anchor+" ")) {
		offset += len(y.Anchor) + 2
	}
	return Pos{r.file, y.Line, offset - begin + 1}
}

// value makes the node of a value, key is the place of its key.
func (r *yamlReader) value(y *yaml.Node, key Pos) *node {
	n := &node{key: key, pos: r.pos(y)}
	defer r.leave()
	if !r.enter(n.pos) {
		return n
	}
	r.once(y)
	if y.Style&yaml.TaggedStyle != 0 {
		r.fail(n.pos, "YAML tags are not supported", "write the value without the tag; quotes make it a text")
	}
	switch {
	case y.Kind == yaml.AliasNode:
		return r.alias(y, n)
	case y.Kind == yaml.MappingNode:
		n.kind = mapKind
		r.fields(n, y)
	case y.Kind == yaml.SequenceNode:
		n.kind = listKind
		for _, item := range y.Content {
			n.items = append(n.items, r.value(item, Pos{}))
		}
	default:
		scalar(n, y)
	}
	return n
}

// once refuses an anchor that is written again: which one an alias means would
// depend on where it stands.
func (r *yamlReader) once(y *yaml.Node) {
	if y.Anchor == "" || len(r.inside) > 0 {
		return
	}
	if line, ok := r.anchors[y.Anchor]; ok {
		r.fail(r.pos(y), "the anchor &"+shown(y.Anchor)+" is written twice", "the first one is on line "+strconv.Itoa(line))
		return
	}
	r.anchors[y.Anchor] = y.Line
}

// alias makes a copy of what an alias stands for. Its parts keep their places.
func (r *yamlReader) alias(y *yaml.Node, n *node) *node {
	if slices.Contains(r.inside, y.Alias) {
		r.stop(n.pos, "the alias *"+shown(y.Value)+" stands for a value that contains itself", "write the values out, or use the defaults field")
		return n
	}
	if r.aliases++; r.aliases > maxAliases {
		r.stop(n.pos, "aliases expand more than "+strconv.Itoa(maxAliases)+" times", "write the values out, or use the defaults field")
		return n
	}
	r.inside = append(r.inside, y.Alias)
	defer func() { r.inside = r.inside[:len(r.inside)-1] }()
	target := *y.Alias
	if target.Kind != yaml.ScalarNode {
		return r.value(&target, n.key)
	}
	at := n.pos
	n = r.value(&target, n.key)
	n.pos, n.plain = at, false
	return n
}

// fields reads a map.
func (r *yamlReader) fields(n *node, y *yaml.Node) {
	for i := 0; i+1 < len(y.Content) && !r.full; i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		at := r.pos(key)
		r.once(key)
		if key.Kind == yaml.AliasNode && key.Alias.Kind == yaml.ScalarNode {
			key = key.Alias
		}
		switch {
		case key.Kind == yaml.MappingNode && key.Style&yaml.FlowStyle != 0:
			r.fail(at, "this key is a map", "a text that begins with a { needs quotes; stackctl knows no templates")
			n.kind, n.bad = textKind, true // what it was meant as
			return
		case key.Kind != yaml.ScalarNode:
			r.fail(at, "this key is not understood", "write a text as key")
			continue
		case key.Style&yaml.TaggedStyle != 0:
			r.fail(at, "YAML tags are not supported", "write the key without the tag")
			continue
		case isPlainYAML(key) && key.Value == "<<":
			r.fail(at, "merge keys are not supported", "YAML 1.2 has none and parsers disagree about them: write the fields out, or put what apps share under defaults")
			continue
		case r.twice(n, key.Value, at):
			continue
		case isPlainYAML(key) && ambiguous(key.Value):
			r.fail(at, "the key "+shown(key.Value)+" is read as another type by some parsers", "put it in quotes: "+quote(key.Value))
		}
		n.set(key.Value, r.value(value, at))
	}
}

// octalLike is what the parser calls a float, since no octal number has an 8.
var octalLike = onUse(`^[-+]?0[0-9_]+$`)

// scalar reads a scalar. Numbers and booleans keep the text that was typed.
func scalar(n *node, y *yaml.Node) {
	n.text, n.plain = y.Value, isPlainYAML(y)
	switch y.ShortTag() {
	case "!!null":
		n.text, n.plain = "null", false
	case "!!bool":
		n.kind = boolKind
	case "!!int":
		n.kind = intKind
	case "!!float":
		n.kind = floatKind
		if octalLike().MatchString(y.Value) {
			n.kind = textKind
		}
	default:
		n.kind = textKind
	}
}

// isPlainYAML reports whether a scalar has neither quotes nor a block mark.
func isPlainYAML(y *yaml.Node) bool {
	return y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// lineIndex holds the offset of each line.
type lineIndex []int

func lineStarts(text []byte) lineIndex {
	starts := lineIndex{0}
	for i, b := range text {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// pos converts an offset.
func (l lineIndex) pos(file string, offset int) Pos {
	line := sort.SearchInts(l, offset+1)
	return Pos{file, line, offset - l[line-1] + 1}
}
