package schema

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/cuecontext"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"
)

// maxTokens bounds a CUE file: its evaluator recurses over long expressions,
// and a Go stack that is full cannot be recovered from.
const maxTokens = 200_000

// parseCUE evaluates a CUE file. It may import CUE's standard library and
// nothing else: no module, no registry, no network.
func parseCUE(file string, text []byte) (*node, Errors) {
	if at, over := tooManyTokens(file, text); over {
		return nil, Errors{{Pos: at, Msg: "the file has more than 200000 words", Hint: "split the stack"}}
	}
	syntax, err := parser.ParseFile(file, text)
	if err != nil {
		return nil, syntaxErrors(file, nil, err)
	}
	var errs Errors
	for spec := range syntax.ImportSpecs() {
		if path := strings.Trim(spec.Path.Value, `"`); strings.Contains(path, ".") || strings.HasPrefix(path, "tool/") {
			errs = append(errs, Error{
				Pos:  position(file, spec.Pos()),
				Msg:  "the import " + spec.Path.Value + " is not supported yet",
				Hint: "only packages of CUE's standard library, such as \"strings\", can be imported",
			})
		}
	}
	for _, decl := range syntax.Decls {
		if attribute, ok := decl.(*ast.Attribute); ok && strings.HasPrefix(attribute.Text, "@extern") {
			errs = append(errs, Error{
				Pos:  position(file, attribute.Pos()),
				Msg:  "other files cannot be embedded yet",
				Hint: "remove " + shown(attribute.Text) + "; a stack is one file",
			})
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	value := cuecontext.New().BuildFile(syntax)
	if err := value.Validate(cue.Concrete(true), cue.Final()); err != nil {
		return nil, syntaxErrors(file, nil, err)
	}
	e := &exporter{file: file}
	n := e.node(value, Pos{})
	if len(e.errs) > 0 {
		return nil, e.errs
	}
	return n, nil
}

// tooManyTokens counts the words of a file without building anything.
func tooManyTokens(file string, text []byte) (Pos, bool) {
	var s scanner.Scanner
	f := token.NewFile(file, -1, len(text))
	s.Init(f, text, func(token.Pos, string, []any) {}, 0)
	for range maxTokens {
		if _, tok, _ := s.Scan(); tok == token.EOF {
			return Pos{}, false
		}
	}
	at, _, _ := s.Scan()
	return position(file, at), true
}

// cueErrors converts errors of CUE: the first place in the user's file, and a
// path without the names of definitions.
func cueErrors(file string, err cueerrors.Error) Errors {
	var out Errors
	for _, one := range cueerrors.Errors(err) {
		at := Pos{File: file, Line: 1}
		for _, p := range append([]token.Pos{one.Position()}, one.InputPositions()...) {
			if p.IsValid() && (p.Filename() == file || p.Filename() == "") {
				at = position(file, p)
				break
			}
		}
		format, args := one.Msg()
		path := slices.DeleteFunc(slices.Clone(one.Path()), func(part string) bool { return strings.HasPrefix(part, "#") })
		out = append(out, Error{Pos: at, Path: join(path...), Msg: fmt.Sprintf(format, args...)})
	}
	return out
}

// exporter turns an evaluated CUE value into nodes.
type exporter struct {
	file   string
	values int
	depth  int
	full   bool
	errs   Errors
}

func (e *exporter) fail(n *node, v cue.Value, msg string) {
	e.errs = append(e.errs, Error{Pos: n.at(), Path: v.Path().String(), Msg: msg})
}

func (e *exporter) node(v cue.Value, key Pos) *node {
	n := &node{key: key, pos: position(e.file, v.Pos())}
	e.values++
	e.depth++
	defer func() { e.depth-- }()
	if e.full {
		return n
	}
	if e.values > maxValues || e.depth > maxDepth {
		e.full = true
		e.fail(n, v, fmt.Sprintf("more than %d values or %d levels", maxValues, maxDepth))
		return n
	}
	var err error
	switch v.Kind() {
	case cue.NullKind:
	case cue.StructKind:
		n.kind = mapKind
		err = e.fields(n, v)
	case cue.ListKind:
		n.kind = listKind
		items, _ := v.List()
		for items.Next() {
			n.items = append(n.items, e.node(items.Value(), Pos{}))
		}
	case cue.StringKind:
		n.kind = textKind
		n.text, err = v.String()
	case cue.BoolKind:
		n.kind = boolKind
		n.text = fmt.Sprint(v)
	case cue.IntKind:
		n.kind = intKind
		n.text = fmt.Sprint(v)
	case cue.FloatKind, cue.NumberKind:
		n.kind = floatKind
		n.text = fmt.Sprint(v)
	default:
		e.fail(n, v, "want a text, a number, true, false, a list or a map")
	}
	if err != nil {
		e.fail(n, v, err.Error())
	}
	return n
}

func (e *exporter) fields(n *node, v cue.Value) error {
	fields, err := v.Fields()
	if err != nil {
		return err
	}
	for fields.Next() {
		at := position(e.file, fields.Value().Pos())
		if field, ok := fields.Value().Source().(*ast.Field); ok {
			at = position(e.file, field.Label.Pos())
		}
		n.set(fields.Selector().Unquoted(), e.node(fields.Value(), at))
	}
	return nil
}

// defaultsOf reads #Defaults, whose values have no place in a user's file.
func defaultsOf(v cue.Value) *node {
	e := &exporter{}
	n := e.node(v, Pos{})
	n.forget()
	return n
}

// forget drops all positions.
func (n *node) forget() {
	n.pos, n.key = Pos{}, Pos{}
	for _, child := range n.fields {
		child.forget()
	}
	for _, child := range n.items {
		child.forget()
	}
}
