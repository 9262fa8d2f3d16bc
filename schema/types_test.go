package schema

import (
	"fmt"
	"iter"
	"reflect"
	"slices"
	"testing"

	"cuelang.org/go/cue"
	"github.com/google/go-cmp/cmp"
)

// TestTypesMatch compares the Go types with stack.cue in both directions, so
// that a field cannot be written and silently dropped, nor exist in Go and
// never be set.
func TestTypesMatch(t *testing.T) {
	root := language().stack
	for _, gap := range mismatches("stack", root, reflect.TypeFor[Stack]()) {
		t.Error(gap)
	}
	for _, gap := range mismatches("app", root.child("apps").elem, reflect.TypeFor[App]()) {
		t.Error(gap)
	}
}

// TestTypesMatchCanFail proves that the comparison sees each kind of gap.
func TestTypesMatchCanFail(t *testing.T) {
	text := &shape{kind: cue.StringKind}
	number := &shape{kind: cue.IntKind}
	s := &shape{kind: cue.StructKind, names: []string{"a", "b", "c"}, fields: map[string]*shape{"a": text, "b": number, "c": text}}
	type gaps struct {
		A string `cue:"a"`
		B string `cue:"b"`
		D string `cue:"d"`
		E string
	}
	want := []string{
		"x.b is a int in stack.cue and a string in Go",
		"x.d is not in stack.cue",
		"x.E has no cue tag",
		"x.c is not in Go",
	}
	if diff := cmp.Diff(want, mismatches("x", s, reflect.TypeFor[gaps]())); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// elsewhere are fields that Load handles itself: environments are applied and
// defaults laid under the apps, which are decoded one by one.
var elsewhere = []string{"stack.environments", "stack.defaults", "stack.apps"}

func mismatches(path string, s *shape, typ reflect.Type) []string {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if slices.Contains(elsewhere, path) {
		return nil
	}
	if s.raw != "" && s.elem == nil || s.isTree() {
		if typ != reflect.TypeFor[Raw]() {
			return []string{fmt.Sprintf("%s is an object of Kubernetes in the schema and a %s in Go", path, typ)}
		}
		return nil
	}
	if s.elem != nil {
		kind := reflect.Slice
		if s.kind == cue.StructKind {
			kind = reflect.Map
		}
		if typ.Kind() != kind {
			return []string{fmt.Sprintf("%s is a %v in stack.cue and a %s in Go", path, s.kind, typ)}
		}
		return mismatches(path+"[]", s.elem, typ.Elem())
	}
	if s.kind != cue.StructKind {
		if !holds(typ, s.kind) {
			return []string{fmt.Sprintf("%s is a %v in stack.cue and a %s in Go", path, s.kind, typ)}
		}
		return nil
	}
	if typ.Kind() != reflect.Struct {
		return []string{fmt.Sprintf("%s is a struct in stack.cue and a %s in Go", path, typ)}
	}
	var gaps []string
	inGo := make(map[string]bool)
	for field := range flattened(typ) {
		name := field.Tag.Get("cue")
		switch {
		case !field.IsExported() || name == "-":
			continue
		case name == "":
			gaps = append(gaps, path+"."+field.Name+" has no cue tag")
			continue
		case s.fields[name] == nil:
			gaps = append(gaps, path+"."+name+" is not in stack.cue")
			continue
		}
		inGo[name] = true
		gaps = append(gaps, mismatches(path+"."+name, s.fields[name], field.Type)...)
	}
	for _, name := range s.names {
		// Another spelling of a field becomes that field.
		if !inGo[name] && len(s.fields[name].as) == 0 && !slices.Contains(elsewhere, path+"."+name) {
			gaps = append(gaps, path+"."+name+" is not in Go")
		}
	}
	return gaps
}

// flattened returns the fields of a struct, those of embedded structs among
// them.
func flattened(typ reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for field := range typ.Fields() {
			if !field.Anonymous {
				if !yield(field) {
					return
				}
				continue
			}
			for inner := range flattened(field.Type) {
				if !yield(inner) {
					return
				}
			}
		}
	}
}

// holds reports whether a Go type can hold every value of a kind.
func holds(typ reflect.Type, kind cue.Kind) bool {
	if reflect.PointerTo(typ).Implements(reflect.TypeFor[textReader]()) {
		return true
	}
	switch typ.Kind() {
	case reflect.String:
		return kind == cue.StringKind
	case reflect.Bool:
		return kind == cue.BoolKind
	case reflect.Int32, reflect.Int64:
		return kind == cue.IntKind
	}
	return false
}

// TestAttributesMakeSense checks what only the checker reads: every name in an
// attribute exists, and every leaf says what it wants.
func TestAttributesMakeSense(t *testing.T) {
	seen := 0
	var walk func(path string, s *shape)
	walk = func(path string, s *shape) {
		seen++
		for kind, field := range s.short {
			if kind == "go" && shortForm(field) == nil {
				t.Errorf("%s: there is no short form %q", path, field)
			}
			if kind != "go" && s.fields[field] == nil {
				t.Errorf("%s: @short names %q, which is no field", path, field)
			}
		}
		for _, group := range s.oneof {
			for _, name := range group {
				if s.fields[name] == nil {
					t.Errorf("%s: @oneof names %q, which is no field", path, name)
				}
			}
		}
		if len(s.short) > 0 && s.want == "" {
			t.Errorf("%s has a short form and no @want", path)
		}
		s = s.whole()
		if s.kind != cue.StructKind && s.kind != cue.ListKind && s.wants() == "" {
			t.Errorf("%s: an error could not say what it wants", path)
		}
		for name, field := range s.fields {
			if len(field.as) > 0 && s.fields[field.as[0]] == nil {
				t.Errorf("%s.%s: @as names %q, which is no field", path, name, field.as[0])
			}
			walk(path+"."+name, field)
		}
		if s.elem != nil {
			walk(path+"[]", s.elem)
		}
	}
	walk("stack", language().stack)
	if seen < 100 {
		t.Errorf("walked %d shapes only", seen)
	}
}

// TestDefaultsAreValid lays #Defaults where they belong and checks them like
// something a user wrote.
func TestDefaultsAreValid(t *testing.T) {
	d := language().defaults
	s := language().stack.child("apps").elem
	tables := map[string]*shape{
		"app": s, "web": s, "worker": s, "job": s, "cron": s, "stateful": s, "daemon": s,
		"file": s.child("files").elem, "claim": s.child("volumes").elem, "gateway": s.child("gateway"),
		"schedule": s.child("schedule"), "autoscale": s.child("autoscale"), "metric": s.child("autoscale"), "port": s.child("ports").elem, "ingress": s.child("ingress"), "shutdown": s.child("shutdown"),
		"startup": s.child("health").child("startup"), "readiness": s.child("health").child("readiness"), "liveness": s.child("health").child("liveness"),
		"resources": s.child("resources"), "small": s.child("resources"), "medium": s.child("resources"), "large": s.child("resources"),
	}
	for _, name := range d.names {
		if tables[name] == nil {
			t.Errorf("the table %s is laid under nothing", name)
			continue
		}
		c := &checker{}
		c.check(d.get(name).copy(), tables[name], nil, []string{name})
		for _, err := range c.errs {
			t.Error(err)
		}
	}
	for name := range tables {
		if d.get(name) == nil {
			t.Errorf("there is no table %s", name)
		}
	}
}
