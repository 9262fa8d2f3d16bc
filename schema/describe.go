package schema

import (
	"cmp"
	"slices"
	"strings"

	"cuelang.org/go/cue"
)

// Field is what the language says about one of its fields. It is read from the
// definitions alone, so that the help, the table in docs/fields.md and the
// exported schemas cannot say different things.
type Field struct {
	// Path is where the field may be written. Names that a user chooses stand
	// in capitals, such as apps.NAME.ports.NAME.port; "" is the stack itself.
	Path string `json:"path"`
	Name string `json:"name"`
	Doc  string `json:"doc"`
	// Type is text, a number, a map and so on, in words.
	Type string `json:"type"`
	// Keys and Values say what the keys and the values of a map, or the items
	// of a list, must be.
	Keys   string `json:"keys,omitempty"`
	Values string `json:"values,omitempty"`
	// Want completes the sentence "want …".
	Want     string    `json:"want,omitempty"`
	Required bool      `json:"required,omitempty"`
	Choices  []string  `json:"choices,omitempty"`
	Short    []Form    `json:"short,omitempty"`
	Defaults []Default `json:"defaults,omitempty"`
	// Off is what to write to do without the default.
	Off      string   `json:"off,omitempty"`
	Examples []string `json:"examples,omitempty"`
	// Emits are the objects and the paths in them that the field decides.
	Emits []string `json:"emits,omitempty"`
	// SameAs is the field that this one is another spelling of.
	SameAs string `json:"sameAs,omitempty"`
	// Fields are the fields below, with their own fields left out.
	Fields []*Field `json:"fields,omitempty"`
}

// Form is a short form: what is written, and the field it stands for, "" where
// it stands for several.
type Form struct {
	Want  string `json:"want"`
	Field string `json:"field,omitempty"`
}

// Default is what is assumed when a field is not written.
type Default struct {
	// Value is written as in YAML, or in words.
	Value string `json:"value"`
	// When says for which apps, "" for all.
	When string `json:"when,omitempty"`
}

// Describe returns what the language says about a field. The names that a user
// chooses may be left out: apps.web.ingress and apps.ingress are one field, and
// a field of an app goes by its own name where the stack has none of that name.
// Without a path it describes the stack. A path that leads nowhere comes back
// as [Errors], whose hint names what was probably meant.
//
// Describe may be called from several goroutines.
func Describe(path ...string) (*Field, error) {
	stack := view{shape: language().stack}
	if found, ok := stack.find(path); ok {
		return found.describe(), nil
	}
	app, _ := stack.find([]string{"apps", "NAME"})
	if found, ok := app.find(path); ok {
		return found.describe(), nil
	}
	return nil, Errors{stack.lost(path, app)}
}

// view is a shape at its place in the language. The path has [] for what a user
// names.
type view struct {
	shape *shape
	path  []string
}

// child returns a field below, or with [] what the entries or items are.
func (v view) child(name string) (view, bool) {
	s := v.shape.whole()
	next := s.fields[name]
	if name == "[]" {
		next = s.elem
	}
	return view{next, append(v.path[:len(v.path):len(v.path)], name)}, next != nil
}

// find follows a path. Where a map has names that a user chooses, the next part
// is one of them only if it cannot be a field below; a name that has dots takes
// several parts. What ends in a name that is nearly a field is a typo.
func (v view) find(path []string) (view, bool) {
	if len(path) == 0 {
		return v, true
	}
	if next, ok := v.child(path[0]); ok {
		if found, ok := next.find(path[1:]); ok {
			return found, true
		}
	}
	entry, ok := v.child("[]")
	if !ok {
		return view{}, false
	}
	if found, ok := entry.find(path); ok {
		return found, true
	}
	for i := range path {
		name := strings.Join(path[:i+1], ".")
		isTypo := i == len(path)-1 && len(nearest(name, entry.shape.whole().names)) > 0
		if isTypo || !v.shape.canName(name) {
			continue
		}
		if found, ok := entry.find(path[i+1:]); ok {
			return found, true
		}
	}
	return view{}, false
}

// canName reports whether a text can be a key of a map, or stand for an item
// of a list.
func (s *shape) canName(text string) bool {
	return s.key == nil || text == "NAME" || (&checker{}).fits(s.key, text)
}

// lost is the error about a path that leads nowhere: the first part that does
// not, with the fields that could be meant.
func (v view) lost(path []string, app view) Error {
	at, known := v, 0
	for i := range path {
		next, ok := v.find(path[:i+1])
		if !ok {
			next, ok = app.find(path[:i+1])
		}
		if !ok {
			break
		}
		at, known = next, i+1
	}
	name := path[min(known, len(path)-1)]
	out := Error{Path: join(path...), Msg: "unknown field"}
	if entry, ok := at.child("[]"); ok && len(at.shape.names) == 0 {
		at = entry
	}
	choices := slices.Clone(at.shape.whole().names)
	if known == 0 {
		choices = append(choices, app.shape.names...)
	}
	switch out.Hint = didYouMean(name, choices); {
	case out.Hint != "":
	case known == 0:
		out.Hint = "`stackctl explain` shows all fields"
	case len(choices) > 0:
		out.Hint = "the fields here are " + strings.Join(slices.Sorted(slices.Values(choices)), ", ")
	default:
		out.Hint = join(path[:known]...) + " has no fields"
	}
	return out
}

// describe returns the field with those below it.
func (v view) describe() *Field {
	f := v.describeOne()
	s := v.shape.whole()
	below := v
	if len(s.names) == 0 && s.elem != nil {
		below, _ = v.child("[]")
	}
	s = below.shape.whole()
	for _, name := range s.names {
		child, _ := below.child(name)
		one := child.describeOne()
		one.Required = slices.Contains(s.required, name)
		f.Fields = append(f.Fields, one)
	}
	f.Required = v.required()
	return f
}

// required reports whether the struct around a field demands it.
func (v view) required() bool {
	if len(v.path) == 0 {
		return false
	}
	last := len(v.path) - 1
	parent, _ := view{shape: language().stack}.find(v.path[:last])
	return parent.shape != nil && slices.Contains(parent.shape.whole().required, v.path[last])
}

// describeOne returns the field without those below it.
func (v view) describeOne() *Field {
	s := v.shape
	f := &Field{
		Path: pathText(v.path), Doc: s.doc, Type: s.typeText(), Want: s.want, Choices: s.enum,
		Short: s.forms(), Defaults: v.defaults(), Off: s.off, Examples: s.examples, Emits: v.emits(),
	}
	if len(v.path) > 0 {
		f.Name = placeholder(v.path[len(v.path)-1])
	}
	if len(s.as) > 0 {
		f.SameAs = join(s.as...)
	}
	if len(s.fields) == 0 && s.elem != nil {
		f.Values = s.elem.wants()
		if s.elem.raw != "" {
			f.Values = s.elem.typeText()
		}
	}
	if s.key != nil {
		f.Keys = s.key.want
	}
	return f
}

// pathText writes a path with NAME for what a user names.
func pathText(path []string) string {
	out := make([]string, len(path))
	for i, name := range path {
		out[i] = placeholder(name)
	}
	return strings.Join(out, ".")
}

func placeholder(name string) string {
	if name == "[]" {
		return "NAME"
	}
	return name
}

// typeText names the type of a value in words.
func (s *shape) typeText() string {
	switch {
	case s.raw != "" && s.kind == cue.StructKind:
		return "a " + s.raw + " of Kubernetes"
	case s.kind == cue.ListKind:
		return "a list"
	case s.isTree():
		return "a map or a list"
	case s.kind == cue.StructKind:
		return "a map"
	case len(s.enum) > 0:
		return either(s.enum)
	}
	plain := *s
	plain.want = ""
	return plain.wants()
}

// shortKinds are the kinds of a value that @short has a field for, in the order
// they are shown.
var shortKinds = []string{"string", "int", "float", "bool", "false", "list"}

// forms returns the short forms of a field.
func (s *shape) forms() []Form {
	var out []Form
	if name := s.short["go"]; name != "" {
		out = append(out, Form{Want: language().forms[name].doc})
	}
	for _, kind := range shortKinds {
		field := s.short[kind]
		form := Form{Field: field}
		switch {
		case field == "":
			continue
		case kind == "false":
			form.Want = "false"
		case kind == "list":
			form.Want = "a list"
		default:
			form.Want = s.fields[field].wants()
		}
		if !slices.Contains(out, form) {
			out = append(out, form)
		}
	}
	return out
}

// defaults returns what is assumed for a field, the tables of #Defaults first.
func (v view) defaults() []Default {
	var out []Default
	for _, table := range language().tables {
		value, ok := table.at(v.path)
		if !ok {
			continue
		}
		text := flow(value)
		i := slices.IndexFunc(out, func(d Default) bool { return d.Value == text && d.When != "" && table.when != "" })
		if i >= 0 {
			out[i].When += ", " + table.when
			continue
		}
		out = append(out, Default{Value: text, When: table.when})
	}
	if v.shape.otherwise != "" {
		out = append(out, Default{Value: v.shape.otherwise})
	}
	return out
}

// table is one of #Defaults with the field of an app that it is laid under.
type table struct {
	name  string
	under []string
	when  string
	value *node
}

// tablesOf reads where each of #Defaults is laid.
func (d *definitions) tablesOf(defaults cue.Value) []table {
	var out []table
	fields, _ := defaults.Fields()
	for fields.Next() {
		name := fields.Selector().Unquoted()
		t := table{name: name, value: d.defaults.get(name)}
		laid := false
		for _, a := range fields.Value().Attributes(cue.ValueAttr) {
			text := strings.TrimSpace(a.Contents())
			switch a.Name() {
			case "under":
				laid = true
				t.under = []string{"apps", "[]"}
				if text != "" {
					t.under = append(t.under, strings.Split(text, ".")...)
				}
			case "when":
				t.when = text
			}
		}
		if laid {
			out = append(out, t)
		}
	}
	return out
}

// at returns what the table has for a field, if it has anything. Every place
// where the language has an app counts: apps, those of an environment, defaults.
// A container beside the app has the same tables for what it runs.
func (t table) at(path []string) (*node, bool) {
	path = normal(path)
	if len(path) < len(t.under) || !slices.Equal(path[:len(t.under)], t.under) {
		return nil, false
	}
	n := t.value.get(path[len(t.under):]...)
	if n == nil || n.kind == mapKind && len(n.names) == 0 || len(path) == 2 {
		return nil, false
	}
	return n, true
}

// hasTable reports whether a table is laid under this very field.
func hasTable(path []string) bool {
	return slices.ContainsFunc(language().tables, func(t table) bool { return len(t.under) > 2 && slices.Equal(t.under, normal(path)) })
}

// normal returns the path of the same field in an app of the stack.
func normal(path []string) []string {
	if len(path) > 2 && path[0] == "environments" {
		path = path[2:]
	}
	if len(path) > 0 && path[0] == "defaults" {
		path = append([]string{"apps", "[]"}, path[1:]...)
	}
	if len(path) > 4 && path[0] == "apps" && (path[2] == "init" || path[2] == "sidecars") {
		path = append([]string{"apps", "[]"}, path[4:]...)
	}
	if len(path) > 2 && path[0] == "apps" && path[2] == "port" {
		path = append([]string{"apps", "[]", "ports", "[]"}, path[3:]...)
	}
	return path
}

// flow writes a value as YAML in one line.
func flow(n *node) string {
	switch n.kind {
	case mapKind:
		parts := make([]string, len(n.names))
		for i, name := range n.names {
			parts[i] = name + ": " + flow(n.fields[name])
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case listKind:
		parts := make([]string, len(n.items))
		for i, item := range n.items {
			parts[i] = flow(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return cmp.Or(n.text, `""`)
}
