package schema

import (
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
)

// Origin is a field of a description, or a rule of stackctl, with the places in
// the objects that it decides.
type Origin struct {
	// Path is the field as the user wrote it, "" for a rule.
	Path string
	// Pos is where its value was written; not valid for what is assumed.
	Pos Pos
	// Note says what is assumed, and how to change it, where nothing was
	// written; or the rule.
	Note string
	// At are the places. $volume, $claim, $file, $main and $suffix in them are
	// names that only the renderer gives.
	At []Pattern
	// Entry is the key of the entry that the field is in: a mount path, a name.
	Entry string
	// Container is the container beside the app's that the field is in, "" for
	// the app's own.
	Container string

	depth int
	block bool // a map or a list
}

// Before reports whether o says more about a place than another origin that
// decides it with as many steps: what was written comes before what is
// assumed, then what is deeper in the file, then a value before what holds
// others, then what decides fewer places.
func (o *Origin) Before(other *Origin) bool {
	switch {
	case o.Pos.IsValid() != other.Pos.IsValid():
		return o.Pos.IsValid()
	case o.depth != other.depth:
		return o.depth > other.depth
	case o.block != other.block:
		return other.block
	}
	return len(o.At) < len(other.At)
}

// Origins returns what decides the objects of an app: its fields, those of the
// stack, and the rules. They come from @emits in the definitions. Without an
// app it returns what decides every object.
func (s *Stack) Origins(app *App) []*Origin {
	t := &tracer{stack: s, app: app}
	if app != nil {
		t.tables = tablesOf(app)
	}
	root := view{shape: language().stack}
	for _, name := range root.shape.names {
		if !slices.Contains([]string{"apps", "defaults", "environments"}, name) {
			t.field(s.tree.get(name), root, name, nil, scope{})
		}
	}
	if app != nil {
		entry, _ := root.find([]string{"apps", "[]"})
		t.value(s.tree.get("apps", app.Name), entry, []string{"apps", app.Name}, nil, scope{entry: app.Name})
	}
	for _, rule := range language().rules {
		t.origins = append(t.origins, &Origin{Note: rule.Note, At: rule.At})
	}
	return t.origins
}

// scope is what surrounds a value: the places that the field around decides,
// and the key of the entry it is in.
type scope struct {
	around    []Pattern
	entry     string
	container string
	raw       bool     // in an object of Kubernetes, whose fields go on by their name
	entries   []string // what @emits of the map around says about its entries
}

// tracer walks a description beside its definitions.
type tracer struct {
	stack   *Stack
	app     *App
	tables  []table // of #Defaults, for the app
	origins []*Origin
}

// field visits a field below a value.
func (t *tracer) field(n *node, around view, name string, path []string, in scope) {
	v, ok := around.child(name)
	if !ok || len(v.shape.as) > 0 || name == "patches" || name == "manifests" {
		return // another field, or what is decided is found by comparing
	}
	var step *Step
	if in.raw {
		step = &Step{Field: name}
	}
	t.value(n, v, append(path[:len(path):len(path)], name), step, in)
}

// value visits a value; nil is one that the tree has not, for which something
// may be assumed all the same. step is how its place goes on from the one
// around, unless the definition says it.
func (t *tracer) value(n *node, v view, path []string, step *Step, in scope) {
	in.raw = in.raw || v.shape.raw != ""
	if n == nil && in.raw {
		return
	}
	var places []Pattern
	switch {
	case len(v.shape.emits) > 0:
		var entries []string
		if places, entries = t.places(n, v, v.shape.ownEmits(), in), v.shape.entryEmits(); len(entries) > 0 {
			in.entries = entries
		}
		in.around = places
	case len(in.entries) > 0 && step != nil:
		places = t.places(n, v, in.entries, in)
		in.around, in.entries = places, nil
	case step != nil:
		for _, p := range in.around {
			p.Steps = append(p.Steps[:len(p.Steps):len(p.Steps)], *step)
			places = append(places, p)
		}
		in.around = places
	}
	if len(places) > 0 && (n != nil || v.shape.otherwise != "") {
		t.add(n, v, path, in, places)
	}
	for _, name := range v.shape.whole().names {
		t.field(n.get(name), v, name, path, in)
	}
	if n != nil && len(v.shape.whole().names) == 0 {
		t.entries(n, v, path, in)
	}
}

// entries visits the entries of a map and the items of a list.
func (t *tracer) entries(n *node, v view, path []string, in scope) {
	below, ok := v.child("[]")
	if !ok {
		return
	}
	for _, name := range n.names {
		in := in
		in.entry = name
		if last := path[len(path)-1]; len(path) == 3 && (last == "init" || last == "sidecars") {
			in.container = name
		}
		t.value(n.fields[name], below, append(path[:len(path):len(path)], name), &Step{Field: name}, in)
	}
	for i, item := range n.items {
		step := &Step{Index: i}
		if below.shape.raw != "" {
			step = &Step{Index: -1, Like: item.tree()}
		}
		t.value(item, below, append(path[:len(path):len(path)], "["+strconv.Itoa(i)+"]"), step, in)
	}
}

// ownEmits and entryEmits are what @emits says about a field itself, and about
// the entries of a map whose values are no structs: that is what has a $.
func (s *shape) ownEmits() []string   { own, _ := s.splitEmits(); return own }
func (s *shape) entryEmits() []string { _, entries := s.splitEmits(); return entries }

func (s *shape) splitEmits() (own, entries []string) {
	for _, text := range s.emits {
		if s.kind == cue.StructKind && len(s.names) == 0 && s.elem != nil && len(s.elem.names) == 0 && strings.Contains(text, "=$]") {
			entries = append(entries, text)
		} else {
			own = append(own, text)
		}
	}
	return own, entries
}

// containerKinds are those of what a container beside the app's decides.
var containerKinds = []string{"Container", "ConfigMap", "Secret", "Service"}

// places resolves what @emits says about a field.
func (t *tracer) places(n *node, v view, emits []string, in scope) []Pattern {
	var out []Pattern
	for _, text := range emits {
		p := parsePattern(text)
		if p.Kind == "" {
			for _, around := range in.around {
				around.Steps = slices.Concat(around.Steps, p.Steps)
				out = append(out, around)
			}
			continue
		}
		if in.container != "" && !slices.Contains(containerKinds, p.Kind) && !strings.Contains(text, "$suffix") {
			continue // it decides nothing but what it has of its own
		}
		out = append(out, p)
	}
	for i := range out {
		if where := out[i].Where; where != nil {
			of := *where
			of.Is = strings.ReplaceAll(of.Is, "$app", t.app.Name)
			out[i].Where = &of
		}
		out[i].Steps = slices.Clone(out[i].Steps)
		for j, step := range out[i].Steps {
			switch step.Is {
			case "$":
				out[i].Steps[j].Is = in.entry
			case "$value":
				out[i].Steps[j].Is = "nothing"
				if n != nil {
					out[i].Steps[j].Is = n.text
				}
			}
		}
	}
	return out
}

// add notes an origin.
func (t *tracer) add(n *node, v view, path []string, in scope, places []Pattern) {
	o := &Origin{Path: join(t.stack.written(path)...), At: named(places, path), Entry: in.entry, Container: in.container, depth: len(path)}
	o.block = n != nil && (n.kind == mapKind || n.kind == listKind)
	switch {
	case n == nil || !n.at().IsValid():
		if preset, at := t.preset(n, v, path); preset != nil {
			o.Path, o.Pos = join(at...), preset.at()
			break
		}
		o.Note = t.assumed(n, v)
	default:
		o.Pos = n.at()
		if n.inherited {
			o.Path = join(append([]string{"defaults"}, path[2:]...)...)
		}
	}
	t.origins = append(t.origins, o)
}

// named adds to a whole object what it is called: who decides that it is there
// decides that, too. The app itself does not, its kind does.
func named(places []Pattern, path []string) []Pattern {
	if len(path) < 3 {
		return places
	}
	out := slices.Clone(places)
	for _, p := range places {
		if len(p.Steps) > 0 || p.Kind == "*" {
			continue
		}
		for _, name := range []string{"apiVersion", "kind"} {
			p.Steps = []Step{{Field: name}}
			out = append(out, p)
		}
	}
	return out
}

// assumed says where the value of a field comes from that nobody wrote.
func (t *tracer) assumed(n *node, v view) string {
	text := ""
	if n != nil {
		text = t.fromTable(n, v)
	}
	for at := v; text == "" && len(at.path) > 2; at = at.up() {
		if at.shape.otherwise != "" {
			below := normal(at.path)[2:]
			text = at.changeable("default "+strings.Join(below, ".")+": "+at.shape.otherwise, below)
		}
	}
	if text == "" && len(v.path) == 1 && v.shape.otherwise != "" {
		return "default: " + v.shape.otherwise
	}
	if text == "" {
		return "default"
	}
	return text
}

// fromTable names the table of #Defaults that a value comes from, and how to
// have another one.
func (t *tracer) fromTable(n *node, v view) string {
	at := normal(v.path)
	for _, table := range t.tables {
		value, ok := table.at(at)
		if !ok || n.kind != mapKind && flow(value) != flow(n) {
			continue
		}
		name := append([]string{table.name}, at[len(table.under):]...)
		return v.changeable("default "+strings.Join(name, "."), at[2:])
	}
	return ""
}

// changeable adds to a default how to have another one, and how to do without.
func (v view) changeable(text string, path []string) string {
	text += "; " + change(path) + " changes it"
	if off := v.off(); off != "" {
		text += ", " + off + " does without"
	}
	return text
}

// preset returns the preset that a value comes from, if the user wrote one.
func (t *tracer) preset(n *node, v view, path []string) (*node, []string) {
	if n == nil {
		return nil, nil
	}
	at := normal(v.path)
	for _, table := range t.tables {
		name, isPreset := strings.CutPrefix(table.when, "preset ")
		if _, ok := table.at(at); !isPreset || !ok {
			continue
		}
		above := append(path[:len(path)-len(at)+len(table.under):len(path)-len(at)+len(table.under)], "preset")
		if preset := t.stack.tree.get(above...); preset != nil && preset.text == name && preset.at().IsValid() {
			return preset, above
		}
	}
	return nil, nil
}

// tablesOf returns the tables of #Defaults, that of the app's kind first and
// without those of other kinds.
func tablesOf(app *App) []table {
	var own, others []table
	for _, table := range language().tables {
		switch {
		case table.name == string(app.Kind) && len(table.under) == 2:
			own = append(own, table)
		case len(table.under) > 2 || table.name == "app":
			others = append(others, table)
		}
	}
	return append(own, others...)
}

// change writes the field of an app that a path leads to, to be changed.
func change(path []string) string {
	var out, end strings.Builder
	for i, name := range path {
		out.WriteString(placeholder(name) + ": ")
		if i < len(path)-1 {
			out.WriteString("{")
			end.WriteString("}")
		}
	}
	return out.String() + "..." + end.String()
}

// up returns the field around.
func (v view) up() view {
	if len(v.path) == 0 {
		return v
	}
	out, _ := (view{shape: language().stack}).find(v.path[:len(v.path)-1])
	out.path = v.path[:len(v.path)-1]
	return out
}

// off returns how to do without what a field, or one around it, assumes.
func (v view) off() string {
	for ; len(v.path) > 2; v = v.up() {
		if v.shape.off != "" {
			return v.shape.off
		}
	}
	return ""
}

// rulesOf reads rules.cue.
func (d *definitions) rulesOf() []*Origin {
	var out []*Origin
	all, _ := d.root.LookupPath(cue.ParsePath("#Rules")).Fields()
	for all.Next() {
		s := d.shapeOf(all.Value())
		o := &Origin{Note: "stackctl: " + docOf(all.Value())}
		for _, text := range s.emits {
			o.At = append(o.At, parsePattern(text))
		}
		out = append(out, o)
	}
	return out
}

// PosOf returns where a place in the object was written, given by the fields
// and indexes that lead to it, and whether it was. What was not answers with
// the nearest place around it.
func (m *Manifest) PosOf(place ...any) (pos Pos, written bool) {
	n := m.tree
	if n == nil { // built by hand
		return m.Pos, false
	}
	pos = n.at()
	for i, step := range place {
		switch step := step.(type) {
		case string:
			next := n.get(step)
			if next == nil && i == 0 && step == "stringData" {
				next = n.get("data") // the values of a Secret are shown in its place
			}
			n = next
		case int:
			if step >= len(n.items) {
				return pos, false
			}
			n = n.items[step]
		}
		if n == nil {
			return pos, false
		}
		if n.at().IsValid() {
			pos = n.at()
		}
	}
	return pos, true
}
