package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestADiffIsAPatch: for 200 pairs of objects the differences, as they are
// written in JSON, make the second out of the first; and no object differs from
// itself, however it is written.
func TestADiffIsAPatch(t *testing.T) {
	moves, total := 0, 0
	for seed := range uint64(200) {
		g := &generator{rand.New(rand.NewPCG(seed, 5))}
		a := g.object()
		b := g.changed(a, nil).(map[string]any)
		before, after := &unstructured.Unstructured{Object: a}, &unstructured.Unstructured{Object: b}
		for _, same := range []map[string]any{a, respelt(a).(map[string]any)} {
			if d := diff(keyOf(before), before, &unstructured.Unstructured{Object: same}, ""); len(d) > 0 {
				t.Fatalf("pair %d: an object differs from itself: %s", seed, canonical(d))
			}
		}
		changes := diff(keyOf(before), before, after, "")
		text := canonical(changes)
		for i, c := range changes {
			if i > 0 && changes[i-1].Path == c.Path && c.Op != FieldMove {
				t.Fatalf("pair %d: two differences at %s: %s", seed, c.Path, text)
			}
			if c.Op == FieldMove {
				moves++
			}
		}
		total += len(changes)
		got, want := canonical(normalize(patched(t, before, text))), canonical(normalize(after))
		if !bytes.Equal(got, want) {
			t.Fatalf("pair %d:\n%s\nwith %s\ncomes to %s\nand not  %s", seed, canonical(a), text, got, want)
		}
	}
	if total < 1000 || moves < 20 {
		t.Errorf("%d differences, of them %d moves: the pairs are too much alike to tell anything", total, moves)
	}
}

// generator makes objects such as there are, with what is hard in them: names
// with dots, quotes and brackets, lists with and without keys, empty values.
type generator struct{ *rand.Rand }

func (g *generator) pick(words ...string) string { return words[g.IntN(len(words))] }

func (g *generator) object() map[string]any {
	return map[string]any{
		"apiVersion": "example.org/v1", "kind": "Oven",
		"metadata": map[string]any{"name": "big", "labels": g.value(9, nil), "annotations": map[string]any{"a/b": g.text(), `q"`: g.text()}, "finalizers": []any{"a", "b"}},
		"spec":     g.fields(0),
	}
}

func (g *generator) text() string {
	return g.pick("", "a", "b", "1", "true", "a\nb", `"`, "]", "é", "1Gi", "0.5") + g.pick("", "x", "y")
}

func (g *generator) name() string {
	return g.pick("name", "image", "replicas", "a", "b", "c", "a.b", "a/b", `a"b`, `a\b`, "[0]", `["a"]`, "a]b", "", "envFrom", "ports", "limits", "volumeMounts", "timeout", "é")
}

func (g *generator) fields(depth int) map[string]any {
	m := map[string]any{}
	for range g.IntN(6) {
		name := g.name()
		m[name] = g.value(depth+1, &name)
	}
	return m
}

func (g *generator) value(depth int, field *string) any {
	if field != nil && *field == "limits" {
		return map[string]any{"cpu": g.pick("0.5", "1", "2"), "memory": g.pick("1Gi", "512Mi")}
	}
	kind := g.IntN(10)
	if depth > 4 {
		kind = g.IntN(5)
	}
	switch kind {
	case 0:
		return int64(g.IntN(3))
	case 1:
		return g.IntN(2) == 0
	case 2:
		return map[string]any{}
	case 3, 4:
		return g.text()
	case 5:
		list := []any{}
		for range g.IntN(4) {
			list = append(list, g.value(5, nil))
		}
		return list
	case 6, 7:
		list := []any{}
		key := g.pick("name", "mountPath", "containerPort", "type")
		for _, n := range g.Perm(5)[:g.IntN(5)] {
			item := g.fields(depth + 1)
			delete(item, "name")
			item[key] = g.pick("web", "a]b", `"`, "x.y") + fmt.Sprint(n)
			if key == "containerPort" {
				item[key], item["protocol"] = int64(n), "TCP"
			}
			list = append(list, item)
		}
		return list
	}
	return g.fields(depth)
}

// changed returns a copy of a value with some of it taken out, put in, set
// otherwise or moved.
func (g *generator) changed(v any, path fieldPath) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for _, k := range sortedNames(v) {
			switch {
			case len(path) == 0 && k != "metadata" && k != "spec", slices.Equal(path, fieldPath{"metadata"}) && k == "name":
				m[k] = v[k]
			case len(path) > 0 && g.IntN(8) == 0:
			default:
				m[k] = g.changed(v[k], path.field(k))
			}
		}
		if len(path) > 0 && g.IntN(4) == 0 {
			name := g.name()
			m[name] = g.value(len(path)+1, &name)
		}
		return m
	case []any:
		list := []any{}
		for i := range v {
			if g.IntN(6) > 0 {
				list = append(list, g.changed(v[i], path.item("*")))
			}
		}
		if g.IntN(3) == 0 {
			g.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		}
		return list
	}
	if g.IntN(5) == 0 && len(path) > 0 && !slices.Contains([]string{"name", "mountPath", "containerPort", "type", "protocol"}, path.last()) {
		return g.value(len(path), nil)
	}
	return v
}

// respelt writes the quantities of an object in another way.
func respelt(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{"nothing": nil}
		for k, child := range v {
			m[k] = respelt(child)
		}
		if limits, ok := m["limits"].(map[string]any); ok {
			for name, is := range map[any]string{"0.5": "500m", "1": "1000m", "2": "2", "1Gi": "1024Mi", "512Mi": "0.5Gi"} {
				for k, was := range limits {
					if was == name {
						limits[k] = is
					}
				}
			}
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = respelt(v[i])
		}
		return list
	}
	return v
}

// patched applies differences, as JSON, to an object: first what goes, is set
// or is new in a map, then what comes to a place in a list.
func patched(t *testing.T, o *unstructured.Unstructured, text []byte) *unstructured.Unstructured {
	t.Helper()
	var changes []FieldChange
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&changes); err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(changes, func(a, b FieldChange) int { return strings.Compare(order(a), order(b)) })
	lists := map[string]bool{}
	var root any = o.DeepCopy().Object
	for _, c := range changes {
		steps := parsePath(t, c.Path)
		if c.Index == nil {
			root = put(t, root, steps, c)
			continue
		}
		list := strings.TrimSuffix(c.Path, steps[len(steps)-1].text)
		if lists[list] {
			continue
		}
		lists[list] = true
		root = at(t, root, steps[:len(steps)-1], func(v any) any { return arranged(t, v, list, changes) })
	}
	return &unstructured.Unstructured{Object: root.(map[string]any)}
}

func order(c FieldChange) string {
	switch {
	case c.Index != nil:
		return "z"
	case c.Op == FieldRemove:
		return "a"
	}
	return "b"
}

// arranged puts the items that are new or moved to their places.
func arranged(t *testing.T, v any, list string, changes []FieldChange) any {
	items, _ := v.([]any)
	items = slices.Clone(items)
	come := map[int]any{}
	for _, c := range changes {
		rest, ok := strings.CutPrefix(c.Path, list)
		if c.Index == nil || !ok {
			continue
		}
		steps := parsePath(t, rest)
		if len(steps) != 1 {
			continue
		}
		come[*c.Index] = c.After
		if c.Op == FieldMove {
			i := steps[0].find(items)
			come[*c.Index] = items[i]
			items = slices.Delete(items, i, i+1)
		}
	}
	for i := range len(items) + len(come) {
		if item, ok := come[i]; ok {
			items = slices.Insert(items, i, item)
		}
	}
	return items
}

// put does one change; a map that nothing is left in goes too.
func put(t *testing.T, v any, steps []step, c FieldChange) any {
	return at(t, v, steps, func(any) any { return c.After })
}

// at replaces what is at a path; nil takes it out.
func at(t *testing.T, v any, steps []step, f func(any) any) any {
	t.Helper()
	if len(steps) == 0 {
		return f(v)
	}
	s := steps[0]
	if s.keys == nil {
		m, ok := v.(map[string]any)
		if !ok && v != nil {
			t.Fatalf("%s is no field of %v", s.text, v)
		}
		if m == nil {
			m = map[string]any{}
		}
		if child := at(t, m[s.field], steps[1:], f); child != nil {
			m[s.field] = child
		} else if delete(m, s.field); len(m) == 0 {
			return nil
		}
		return m
	}
	items, _ := v.([]any)
	i := s.find(items)
	if i < 0 {
		t.Fatalf("%s is no item of %s", s.text, canonical(v))
	}
	if child := at(t, items[i], steps[1:], f); child != nil {
		items[i] = child
		return items
	}
	return slices.Delete(items, i, i+1)
}

// step is one step of a path: a field, or an item of a list by its keys.
type step struct {
	text, field string
	keys        map[string]any
}

func (s step) find(items []any) int {
	return slices.IndexFunc(items, func(item any) bool {
		for k, want := range s.keys {
			have := item
			if m, ok := item.(map[string]any); ok {
				have = m[k]
			}
			if Text(have) != Text(want) {
				return false
			}
		}
		return true
	})
}

// parsePath reads a path without an object to look at.
func parsePath(t *testing.T, path string) (steps []step) {
	t.Helper()
	for rest := path; rest != ""; {
		began := rest
		s := step{}
		if quoted, ok := strings.CutPrefix(rest, `["`); ok {
			d := json.NewDecoder(strings.NewReader(`"` + quoted))
			if err := d.Decode(&s.field); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			rest = strings.TrimPrefix(rest[1+d.InputOffset():], "]")
		} else if keys, after, ok := cutItem(rest); ok {
			s.keys, rest = keys, after
		} else {
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			s.field, rest = rest[:end], rest[end:]
		}
		s.text = strings.TrimSuffix(began, rest)
		steps = append(steps, s)
	}
	return steps
}
