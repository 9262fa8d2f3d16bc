package schema

import (
	"fmt"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/token"
)

// parseCUE evaluates a CUE file with the files of its package and of the
// packages it imports. Definitions and hidden fields are no part of the stack.
func parseCUE(in *input) (*node, Errors) {
	l, root := loadCUE(in)
	if len(l.errs) > 0 {
		return nil, l.errs
	}
	value := cuecontext.New().BuildInstance(root)
	if err := value.Validate(cue.Concrete(true), cue.Final()); err != nil {
		return nil, cueErrors(l.places(), err)
	}
	e := &exporter{places: l.places()}
	n := e.node(value, Pos{})
	if len(e.errs) > 0 {
		return nil, e.errs
	}
	if n.pos.File != in.file { // of all files of the package, the one that was named
		n.pos = Pos{in.file, 1, 1}
	}
	return n, nil
}

// exporter turns an evaluated CUE value into nodes.
type exporter struct {
	places *places
	values int
	depth  int
	full   bool
	errs   Errors
}

func (e *exporter) fail(n *node, v cue.Value, msg, hint string) {
	e.errs = append(e.errs, Error{Pos: n.at(), Path: v.Path().String(), Msg: msg, Hint: hint})
}

func (e *exporter) node(v cue.Value, key Pos) *node {
	n := &node{key: key, pos: e.places.user(valuePos(v))}
	if chosen, ok := v.Default(); ok {
		v = chosen
	}
	if at := e.places.user(valuePos(v)); at.IsValid() {
		n.pos = at
	}
	if !n.pos.IsValid() {
		n.pos = key
	}
	e.values++
	e.depth++
	defer func() { e.depth-- }()
	if e.full {
		return n
	}
	if e.values > maxValues || e.depth > maxDepth {
		e.full = true
		e.fail(n, v, fmt.Sprintf("more than %d values or %d levels", maxValues, maxDepth), "split the stack")
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
	case cue.BytesKind:
		e.fail(n, v, "want a text, got bytes", "use double quotes; a text in single quotes is bytes in CUE")
	default:
		e.fail(n, v, "want a text, a number, true, false, a list or a map", "")
	}
	if err != nil {
		e.fail(n, v, err.Error(), "")
	}
	return n
}

// valuePos returns where a value is written; CUE sometimes says where its key
// is.
func valuePos(v cue.Value) token.Pos {
	if field, ok := v.Source().(*ast.Field); ok && field.Value != nil {
		return field.Value.Pos()
	}
	return v.Pos()
}

func (e *exporter) fields(n *node, v cue.Value) error {
	fields, err := v.Fields()
	if err != nil {
		return err
	}
	for fields.Next() {
		at := e.places.user(fields.Value().Pos())
		if field, ok := fields.Value().Source().(*ast.Field); ok {
			at = e.places.user(field.Label.Pos())
		}
		if !at.IsValid() {
			at = n.at()
		}
		n.set(fields.Selector().Unquoted(), e.node(fields.Value(), at))
	}
	return nil
}

// defaultsOf reads #Defaults, whose values have no place in a user's file.
func defaultsOf(v cue.Value) *node {
	e := &exporter{places: &places{}}
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
