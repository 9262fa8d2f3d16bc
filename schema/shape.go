package schema

import (
	_ "embed"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
)

//go:embed stack.cue
var stackCUE []byte

// shape is one definition of stack.cue in the form the checker walks.
type shape struct {
	kind  cue.Kind
	value cue.Value // the constraint
	free  bool      // nothing but the kind is constrained
	want  string
	enum  []string
	text  bool

	names    []string // of fields, in the order of stack.cue
	fields   map[string]*shape
	required []string
	elem     *shape // of a list, or of a map with free keys
	key      *shape // of a map with free keys

	short map[string]string
	oneof [][]string
	as    []string
	later []string
}

// child returns the shape of a field, nil when there is none.
func (s *shape) child(name string) *shape {
	if s == nil {
		return nil
	}
	if field := s.fields[name]; field != nil {
		return field
	}
	return s.elem
}

// definitions is stack.cue, compiled.
type definitions struct {
	context  *cue.Context
	root     cue.Value
	stack    *shape
	defaults *node
	shapes   map[string]*shape // by the name of a definition; only while compiling
}

// language compiles stack.cue on first use, never when the program starts.
// CUE values may be read from many goroutines.
var language = sync.OnceValue(compile)

func compile() *definitions {
	ctx := cuecontext.New()
	root := ctx.CompileBytes(stackCUE, cue.Filename("stack.cue"))
	d := &definitions{context: ctx, root: root, shapes: make(map[string]*shape)}
	d.stack = d.shapeOf(root.LookupPath(cue.ParsePath("#Stack")))
	d.defaults = defaultsOf(root.LookupPath(cue.ParsePath("#Defaults")))
	return d
}

// shapeOf reads the shape of a constraint: that of the definition it refers
// to, if it does, and what the field adds to it. No definition is recursive,
// so this ends.
func (d *definitions) shapeOf(v cue.Value) *shape {
	s := d.definition(v)
	for _, a := range v.Attributes(cue.ValueAttr) {
		d.attribute(s, a)
	}
	if s.want == "" && len(s.enum) > 0 {
		s.want = either(s.enum)
	}
	if s.text && s.elem != nil {
		elem := *s.elem
		elem.text = true
		s.elem = &elem
	}
	return s
}

// definition returns a copy of the shape of a definition, which is read once.
func (d *definitions) definition(v cue.Value) *shape {
	target := cue.Dereference(v)
	name := target.Path().String()
	if !strings.HasPrefix(name, "#") || strings.Contains(name, ".") || strings.Contains(name, "[") {
		return d.structure(v)
	}
	known := d.shapes[name]
	if known == nil {
		known = d.structure(target)
		for _, a := range target.Attributes(cue.ValueAttr) {
			d.attribute(known, a)
		}
		d.shapes[name] = known
	}
	out := *known
	return &out
}

// structure reads what a constraint is, without its attributes.
func (d *definitions) structure(v cue.Value) *shape {
	s := &shape{kind: v.IncompleteKind(), value: v}
	switch {
	case s.kind == cue.ListKind:
		s.elem = d.shapeOf(v.LookupPath(cue.MakePath(cue.AnyIndex)))
	case s.kind == cue.StructKind:
		d.fieldsOf(s, v)
	case s.kind == cue.StringKind:
		s.enum = enumOf(v)
	}
	op, _ := v.Expr()
	s.free = op == cue.NoOp && !v.IsConcrete() && (s.kind == cue.StringKind || s.kind == cue.BoolKind)
	return s
}

// fieldsOf reads the fields of a struct, or the values of a free map.
func (d *definitions) fieldsOf(s *shape, v cue.Value) {
	if elem := v.LookupPath(cue.MakePath(cue.AnyString)); elem.Exists() {
		s.elem = d.shapeOf(elem)
	}
	fields, err := v.Fields(cue.Optional(true))
	if err != nil {
		return
	}
	s.fields = make(map[string]*shape)
	for fields.Next() {
		name := fields.Selector().Unquoted()
		s.names = append(s.names, name)
		s.fields[name] = d.shapeOf(fields.Value())
		if fields.FieldType()&cue.RequiredConstraint != 0 {
			s.required = append(s.required, name)
		}
	}
}

// attribute adds what one attribute says.
func (d *definitions) attribute(s *shape, a cue.Attribute) {
	var args []string
	for i := range a.NumArgs() {
		name, value := a.Arg(i)
		if value != "" {
			name += "=" + value
		}
		args = append(args, name)
	}
	switch a.Name() {
	case "want":
		s.want, _ = a.String(0)
	case "text":
		s.text = true
	case "key":
		s.key = d.shapeOf(d.root.LookupPath(cue.ParsePath("#" + args[0])))
	case "short":
		s.short = make(map[string]string)
		for _, arg := range args {
			kind, field, _ := strings.Cut(arg, "=")
			s.short[kind] = field
		}
	case "oneof":
		s.oneof = append(s.oneof, args)
	case "as":
		s.as = args
	case "later":
		s.later = args
	}
}

// enumOf returns the texts of a disjunction of texts.
func enumOf(v cue.Value) []string {
	op, parts := v.Expr()
	if op == cue.NoOp && v.IsConcrete() {
		parts = []cue.Value{v}
	} else if op != cue.OrOp {
		return nil
	}
	var out []string
	for _, part := range parts {
		text, err := part.String()
		if err != nil {
			return nil
		}
		out = append(out, text)
	}
	return out
}

// either joins choices: a, b or c.
func either(choices []string) string {
	last := len(choices) - 1
	if last < 1 {
		return strings.Join(choices, "")
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}
