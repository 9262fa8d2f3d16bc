package schema

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"
	"cuelang.org/go/encoding/json"
	"cuelang.org/go/encoding/yaml"
)

// Limits of a description. They stop input that is small on disk and huge in
// memory, long before they stop a person.
const (
	maxBytes   = 8 << 20
	maxValues  = 64_000
	maxDepth   = 100
	maxAliases = 100
)

// parseYAML reads one YAML document.
func parseYAML(file string, text []byte) (*node, Errors) {
	if errs := strayBreaks(file, text); len(errs) > 0 {
		return nil, errs
	}
	decoder := yaml.NewDecoder(file, bytes.NewReader(text))
	first, err := decoder.Extract()
	if err != nil {
		return nil, syntaxErrors(file, text, err)
	}
	if _, ok := first.(*ast.BinaryExpr); ok { // what CUE makes of an empty file
		return &node{kind: nullKind, pos: Pos{file, 1, 1}}, nil
	}
	second, err := decoder.Extract()
	switch {
	case err == nil:
		return nil, Errors{{
			Pos:  position(file, second.Pos()),
			Msg:  "a second YAML document begins here",
			Hint: "one file describes one stack; move this document to a file of its own",
		}}
	case !errors.Is(err, io.EOF):
		return nil, syntaxErrors(file, text, err)
	}
	c := &converter{file: file, yaml: text}
	return c.convert(first)
}

// strayBreaks refuses what YAML 1.1 calls the end of a line and YAML 1.2, or
// any editor, does not: places after it would be wrong.
func strayBreaks(file string, text []byte) Errors {
	line, begin := 1, 0
	for i, r := range string(text) {
		name := ""
		switch {
		case r == '\n':
			line, begin = line+1, i+1
		case r == '\r' && !bytes.HasPrefix(text[i+1:], []byte("\n")):
			name = "a carriage return without a line feed"
		case r == '\u0085' || r == '\u2028' || r == '\u2029':
			name = fmt.Sprintf("the character U+%04X", r)
		}
		if name != "" {
			return Errors{{
				Pos:  Pos{file, line, i - begin + 1},
				Msg:  name + " ends a line for some parsers only",
				Hint: "end lines with a line feed; inside a text write an escape in double quotes",
			}}
		}
	}
	return nil
}

// parseJSON reads one JSON value.
func parseJSON(file string, text []byte) (*node, Errors) {
	if len(bytes.TrimSpace(text)) == 0 {
		return &node{kind: nullKind, pos: Pos{file, 1, 1}}, nil
	}
	var whole stdjson.RawMessage
	if err := stdjson.Unmarshal(text, &whole); err != nil {
		return nil, jsonErrors(file, text, err)
	}
	expr, err := json.Extract(file, text)
	if err != nil {
		return nil, syntaxErrors(file, nil, err)
	}
	c := &converter{file: file}
	return c.convert(expr)
}

// jsonErrors gives the error of encoding/json its place; CUE's has none.
func jsonErrors(file string, text []byte, err error) Errors {
	out := Error{Pos: Pos{file, 1, 1}, Msg: "not valid JSON: " + err.Error(), Hint: "JSON has no comments and no comma after the last item"}
	var syntax *stdjson.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset > 0 {
		before := text[:min(int(syntax.Offset), len(text))-1]
		out.Pos.Line += bytes.Count(before, []byte("\n"))
		out.Pos.Col = len(before) - bytes.LastIndexByte(before, '\n')
	}
	return Errors{out}
}

var yamlLine = regexp.MustCompile(`^(.*):(\d+): (.*)$`)

// syntaxErrors turns what a parser says into errors with a place. YAML knows
// only the line, and not always that.
func syntaxErrors(file string, yaml []byte, err error) Errors {
	var list cueerrors.Error
	if errors.As(err, &list) {
		return cueErrors(file, list)
	}
	out := Error{Pos: Pos{File: file}, Msg: strings.TrimPrefix(err.Error(), file+": ")}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		out.Pos.Line, _ = strconv.Atoi(m[2])
		out.Msg = m[3]
	}
	if at := tabIndent(file, yaml); at.IsValid() && (out.Pos.Line == 0 || at.Line <= out.Pos.Line+1) {
		return Errors{{Pos: at, Msg: "a tab indents this line", Hint: "indent YAML with spaces"}}
	}
	if strings.Contains(out.Msg, "aliases expand") || strings.Contains(out.Msg, "contains itself") {
		out.Msg = "aliases expand to too many values"
		out.Hint = "write the values out, or use the defaults field"
		return Errors{out}
	}
	if !out.Pos.IsValid() {
		out.Pos.Line = 1
	}
	out.Msg = "not valid YAML: " + out.Msg
	out.Hint = "the parser gave up near this line: look at indentation, brackets and quotes there"
	return Errors{out}
}

// tabIndent finds the first line that a tab indents.
func tabIndent(file string, text []byte) Pos {
	line := 0
	for one := range bytes.Lines(text) {
		line++
		rest := bytes.TrimLeft(one, " ")
		if len(rest) > 0 && rest[0] == '\t' && len(bytes.TrimSpace(rest)) > 0 && bytes.TrimSpace(rest)[0] != '#' {
			return Pos{file, line, len(one) - len(rest) + 1}
		}
	}
	return Pos{}
}

// position converts a position of CUE.
func position(file string, p token.Pos) Pos {
	if !p.IsValid() {
		return Pos{File: file}
	}
	at := p.Position()
	if at.Filename == "" {
		at.Filename = file
	}
	return Pos{File: at.Filename, Line: at.Line, Col: at.Column}
}

// converter turns the syntax tree of a data file into nodes.
type converter struct {
	file    string
	yaml    []byte // the text, if it is YAML
	values  int
	aliases int
	depth   int
	full    bool // a limit was hit, and reported
	errs    Errors
}

// convert returns the node even with errors, as far as it can be checked; nil
// when a limit was hit.
func (c *converter) convert(expr ast.Expr) (*node, Errors) {
	n := c.node(expr, Pos{})
	if c.full {
		return nil, c.errs
	}
	return n, c.errs
}

func (c *converter) fail(at Pos, msg, hint string) {
	c.errs = append(c.errs, Error{Pos: at, Msg: msg, Hint: hint})
}

// stop reports a limit once and ends the conversion.
func (c *converter) stop(at Pos, msg, hint string) {
	if !c.full {
		c.full = true
		c.fail(at, msg, hint)
	}
}

func (c *converter) node(expr ast.Expr, key Pos) *node {
	n := &node{key: key, pos: position(c.file, expr.Pos())}
	if !n.pos.IsValid() {
		n.pos = key
	}
	c.values++
	c.depth++
	defer func() { c.depth-- }()
	switch {
	case c.full:
		return n
	case c.values > maxValues:
		c.stop(n.pos, "the file has more than "+strconv.Itoa(maxValues)+" values", "split the stack")
		return n
	case c.depth > maxDepth:
		c.stop(n.pos, "values are nested deeper than "+strconv.Itoa(maxDepth)+" levels", "")
		return n
	}
	switch x := expr.(type) {
	case *ast.StructLit:
		n.kind = mapKind
		c.countAlias(n, x.Lbrace)
		c.fields(n, x)
	case *ast.ListLit:
		n.kind = listKind
		c.countAlias(n, x.Lbrack)
		for _, elt := range x.Elts {
			n.items = append(n.items, c.node(elt, Pos{}))
		}
	case *ast.UnaryExpr:
		if lit, ok := x.X.(*ast.BasicLit); ok {
			c.scalar(n, lit, x.Op.String(), x.Pos())
		}
	case *ast.BasicLit:
		c.scalar(n, x, "", x.Pos())
	default:
		c.fail(n.pos, "this value is not understood", "write a text, a number, true, false, a list or a map")
	}
	return n
}

// fields reads a map. The same key twice is an error, since parsers disagree
// about which one counts.
func (c *converter) fields(n *node, x *ast.StructLit) {
	for _, elt := range x.Elts {
		field, ok := elt.(*ast.Field)
		if !ok {
			continue
		}
		name, _, err := ast.LabelName(field.Label)
		at := position(c.file, field.Label.Pos())
		if !at.IsValid() {
			at = n.pos
		}
		if err != nil {
			c.fail(at, "this key is not understood", "write a text as key")
			continue
		}
		if first := n.fields[name]; first != nil {
			c.fail(at, "the key "+quote(name)+" is written twice", "the first one is on line "+strconv.Itoa(first.key.Line))
			continue
		}
		if typed := c.typedKey(field.Label.Pos(), name); ambiguous(typed) {
			c.fail(at, "the key "+shown(typed)+" is read as another type by some parsers", "put it in quotes: "+quote(typed))
		}
		n.set(name, c.node(field.Value, at))
	}
}

// typedKey returns a plain key as it was typed, "" for one in quotes.
func (c *converter) typedKey(at token.Pos, name string) string {
	if c.yaml == nil || !c.isPlain(at) {
		return ""
	}
	if typed := c.raw(at, name); !strings.HasPrefix(name, typed) {
		return typed // a number that CUE spelled differently
	}
	return name
}

// countAlias counts a map or list that is there by reference.
func (c *converter) countAlias(n *node, at token.Pos) {
	if c.yaml == nil || !at.IsValid() || at.Offset() >= len(c.yaml) || c.yaml[at.Offset()] != '*' {
		return
	}
	if c.aliases++; c.aliases > maxAliases {
		c.stop(n.pos, "aliases expand more than "+strconv.Itoa(maxAliases)+" times", "write the values out, or use the defaults field")
	}
}

// scalar reads a literal. Numbers and booleans keep the text that was typed.
func (c *converter) scalar(n *node, lit *ast.BasicLit, sign string, at token.Pos) {
	n.text = sign + lit.Value
	n.plain = c.yaml == nil // JSON has no quotes around what is not a text
	switch lit.Kind {
	case token.NULL:
		n.kind = nullKind
		return
	case token.TRUE, token.FALSE:
		n.kind = boolKind
	case token.INT:
		n.kind = intKind
	case token.FLOAT:
		n.kind = floatKind
	case token.STRING:
		n.kind = textKind
		n.plain = false
		text, err := literal.Unquote(lit.Value)
		if err != nil {
			c.fail(n.pos, "this text is not understood", "")
		}
		n.text = text
	}
	if c.yaml == nil {
		return
	}
	if c.byteAt(at) == '!' {
		c.fail(n.pos, "YAML tags are not supported", "write the value without the tag; quotes make it a text")
		return
	}
	n.plain = c.isPlain(at)
	if n.plain && n.kind != textKind {
		n.text = c.raw(at, n.text)
	}
}

// byteAt returns the first byte of a YAML node, after its anchor.
func (c *converter) byteAt(at token.Pos) byte {
	rest := c.after(at)
	if len(rest) == 0 {
		return 0
	}
	return rest[0]
}

// after returns the YAML text from a node on, after its anchor.
func (c *converter) after(at token.Pos) []byte {
	if !at.IsValid() || at.Offset() >= len(c.yaml) {
		return nil
	}
	rest := c.yaml[at.Offset():]
	if rest[0] == '&' {
		_, rest, _ = bytes.Cut(rest, []byte(" "))
		rest = bytes.TrimLeft(rest, " ")
	}
	return rest
}

// isPlain reports whether a YAML scalar has neither quotes nor a block mark.
func (c *converter) isPlain(at token.Pos) bool {
	return !strings.ContainsRune("\x00\"'|>*", rune(c.byteAt(at)))
}

// raw returns the one word a plain scalar consists of, as it was typed.
func (c *converter) raw(at token.Pos, otherwise string) string {
	rest := c.after(at)
	if end := bytes.IndexAny(rest, " \t\r\n,]}#:"); end >= 0 {
		rest = rest[:end]
	}
	if len(rest) == 0 {
		return otherwise
	}
	return string(rest)
}
