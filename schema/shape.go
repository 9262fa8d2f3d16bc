package schema

import (
	"embed"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/parser"
)

//go:embed *.cue
var sources embed.FS

// shape is one definition of the language in the form the checker walks.
type shape struct {
	kind  cue.Kind
	name  string    // of the definition, such as #Port; "" without one
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

	short  map[string]string
	oneof  [][]string
	as     []string
	unless []string // the field that makes this one not required
	raw    string   // the name of an object of the Kubernetes API

	// What `stackctl explain` shows.
	doc       string
	emits     []string
	examples  []string
	otherwise string // the default that no table of #Defaults has
	off       string // how to do without the default
}

// isTree reports whether any map or list will do.
func (s *shape) isTree() bool { return s.kind == cue.StructKind|cue.ListKind }

// child returns the shape of a field, nil when there is none.
func (s *shape) child(name string) *shape {
	if s == nil {
		return nil
	}
	s = s.whole()
	if field := s.fields[name]; field != nil {
		return field
	}
	return s.elem
}

// whole returns the shape of the Kubernetes object that s stands for, or s.
func (s *shape) whole() *shape {
	if s.raw == "" || s.kind != cue.StructKind {
		return s
	}
	k := kubernetes()
	k.mu.Lock()
	defer k.mu.Unlock()
	out := *k.definition(k.root.LookupPath(cue.ParsePath("#" + s.raw)))
	out.doc, out.examples, out.emits = s.doc, s.examples, s.emits
	out.otherwise, out.off = s.otherwise, s.off
	return &out
}

// definitions are some of the .cue files, compiled.
type definitions struct {
	context  *cue.Context
	root     cue.Value
	stack    *shape
	defaults *node
	tables   []table           // where each of #Defaults is laid
	forms    map[string]*shape // of the short forms that Go reads, by name
	rules    []*Origin         // of rules.cue
	mu       sync.Mutex        // guards shapes after compiling
	shapes   map[string]*shape // by the name of a definition
}

// language compiles the definitions of a stack on first use, never when the
// program starts. CUE values may be read from many goroutines.
var language = sync.OnceValue(newLanguage)

func newLanguage() *definitions {
	d := compile("stack.cue", "parts.cue", "forms.cue", "rules.cue", "defaults.cue")
	d.stack = d.shapeOf(d.root.LookupPath(cue.ParsePath("#Stack")))
	defaults := d.root.LookupPath(cue.ParsePath("#Defaults"))
	d.defaults = defaultsOf(defaults)
	d.tables = d.tablesOf(defaults)
	d.forms = d.formsOf()
	d.rules = d.rulesOf()
	return d
}

// kubernetes compiles the objects of the Kubernetes API that a description may
// hold, only if one does.
var kubernetes = sync.OnceValue(func() *definitions { return compile("kubernetes.cue") })

// formsOf reads forms.cue.
func (d *definitions) formsOf() map[string]*shape {
	out := make(map[string]*shape)
	all, _ := d.root.Fields(cue.Definitions(true))
	for all.Next() {
		if name, ok := strings.CutSuffix(all.Selector().String(), "Form"); ok {
			form := d.shapeOf(all.Value())
			form.doc = docOf(all.Value())
			out[strings.ToLower(name[1:])] = form
		}
	}
	return out
}

func compile(names ...string) *definitions {
	files := make([]*ast.File, len(names))
	Concurrently(len(names), func(i int) {
		text, _ := sources.ReadFile(names[i])
		file, err := parser.ParseFile(names[i], text, parser.ParseComments)
		if err != nil {
			panic(err) // the tests would not begin
		}
		files[i] = file
	})
	instance := build.NewContext().NewInstance("", nil)
	for _, file := range files {
		if err := instance.AddSyntax(file); err != nil {
			panic(err)
		}
	}
	d := &definitions{context: cuecontext.New(), shapes: make(map[string]*shape)}
	d.root = d.context.BuildInstance(instance)
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
	switch {
	case s.raw != "" && s.kind == cue.ListKind:
		s.elem = &shape{kind: cue.StructKind, raw: s.raw}
	case s.raw != "":
		s.elem = nil
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
		known.name, known.doc = name, docOf(target)
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
	case s.kind == cue.StringKind || s.kind == cue.BoolKind:
		op, parts := v.Expr()
		s.free = op == cue.NoOp && !v.IsConcrete()
		if s.kind == cue.StringKind {
			s.enum = enumOf(v, op, parts)
		}
	}
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
	places := make(map[string][]int)
	for fields.Next() {
		name := fields.Selector().Unquoted()
		s.names = append(s.names, name)
		field := d.shapeOf(fields.Value())
		if doc := docOf(fields.Value()); doc != "" {
			field.doc = doc
		}
		s.fields[name] = field
		if fields.FieldType()&cue.RequiredConstraint != 0 {
			s.required = append(s.required, name)
		}
		places[name] = placeIn(v, fields.Value())
	}
	slices.SortStableFunc(s.names, func(a, b string) int { return slices.Compare(places[a], places[b]) })
}

// placeIn returns where a field stands in a struct; one that is embedded stands
// where its definition is embedded.
func placeIn(v, field cue.Value) []int {
	var body ast.Node = v.Source()
	if f, ok := body.(*ast.Field); ok {
		body = f.Value
	}
	literal, ok := body.(*ast.StructLit)
	if !ok || field.Source() == nil {
		return nil
	}
	at := field.Source().Pos()
	if at.Filename() == literal.Pos().Filename() && literal.Pos().Offset() <= at.Offset() && at.Offset() <= literal.End().Offset() {
		return []int{at.Offset()}
	}
	for _, decl := range literal.Elts {
		if embedded, ok := decl.(*ast.EmbedDecl); ok {
			return []int{embedded.Pos().Offset(), at.Offset()}
		}
	}
	return nil
}

// docOf returns the comment above a field.
func docOf(v cue.Value) string {
	var lines []string
	for _, group := range v.Doc() {
		lines = append(lines, strings.TrimSpace(group.Text()))
	}
	return strings.Join(lines, "\n")
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
	case "unless":
		s.unless = args
	case "raw":
		s.raw = args[0]
	case "emits":
		s.emits = args
	case "default":
		s.otherwise, _ = a.String(0)
	case "off":
		s.off, _ = a.String(0)
	case "example":
		text, _ := a.String(0)
		s.examples = append(s.examples, text)
	}
}

// enumOf returns the texts of a disjunction of texts, by its expression.
func enumOf(v cue.Value, op cue.Op, parts []cue.Value) []string {
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
