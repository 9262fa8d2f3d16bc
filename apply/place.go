package apply

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// place leads to a value in an object: fields by name, list items by index.
type place []any

// Place resolves a path in an object: in the form of [FieldChange], or in that
// of the API server, which quotes no field and names items by their merge keys.
// It answers with the fields (string) and indexes (int) that lead there, false
// when the object has nothing at the path.
func Place(o *unstructured.Unstructured, path string) ([]any, bool) {
	p, ok := placeOf(o.Object, path)
	return p, ok
}

func placeOf(v any, path string) (place, bool) {
	if path = strings.TrimPrefix(path, "."); path == "" {
		return nil, true
	}
	switch v := v.(type) {
	case map[string]any:
		// A field may have dots in its name: whichever leads on is meant.
		for _, name := range fieldsAt(v, path) {
			for _, form := range []string{name, quotedField(name)} {
				rest, ok := strings.CutPrefix(path, form)
				if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
					continue
				}
				if below, ok := placeOf(v[name], rest); ok {
					return append(place{name}, below...), true
				}
			}
		}
	case []any:
		keys, rest, ok := cutItem(path)
		if !ok {
			return nil, false
		}
		for i, item := range v {
			if isItem(item, i, keys) {
				below, ok := placeOf(item, rest)
				return append(place{i}, below...), ok
			}
		}
	}
	return nil, false
}

// fieldsAt returns the fields of a map that a path may begin with, the longest
// first.
func fieldsAt(m map[string]any, path string) []string {
	var names []string
	for name := range m {
		if strings.HasPrefix(path, name) || strings.HasPrefix(path, quotedField(name)) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	return names
}

// cutItem reads the name of a list item that a path begins with: [name="web"],
// [port=80,protocol="TCP"], [="value"] (the value itself, under the key "") or
// [0] (its index, under the key "#").
func cutItem(path string) (keys map[string]any, rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, "[")
	keys = map[string]any{}
	for ok && rest != "" {
		var key string
		if rest[0] >= '0' && rest[0] <= '9' {
			key = "#"
		} else if key, rest, ok = strings.Cut(rest, "="); !ok {
			break
		}
		d := json.NewDecoder(strings.NewReader(rest))
		d.UseNumber()
		var value any
		if d.Decode(&value) != nil {
			break
		}
		keys[key], rest = value, rest[d.InputOffset():]
		switch {
		case strings.HasPrefix(rest, "]"):
			return keys, rest[1:], true
		case strings.HasPrefix(rest, ","):
			rest = rest[1:]
		default:
			return nil, "", false
		}
	}
	return nil, "", false
}

// isItem reports whether a list item is the one that keys name. A key that the
// item does not have is one that the server fills in.
func isItem(item any, index int, keys map[string]any) bool {
	if i, ok := keys["#"]; ok {
		return fmt.Sprint(i) == fmt.Sprint(index)
	}
	if value, ok := keys[""]; ok {
		return Text(item) == Text(value)
	}
	fields, ok := item.(map[string]any)
	some := false
	for k, want := range keys {
		if have, there := fields[k]; there {
			if Text(have) != Text(want) {
				return false
			}
			some = true
		}
	}
	return ok && some
}

// at returns the value at the place, nil when there is none.
func (p place) at(v any) any {
	for _, step := range p {
		switch step := step.(type) {
		case string:
			fields, _ := v.(map[string]any)
			v = fields[step]
		case int:
			items, _ := v.([]any)
			if step >= len(items) {
				return nil
			}
			v = items[step]
		}
	}
	return v
}

// in names the place as the diff of an object does.
func (p place) in(v any) fieldPath {
	var path fieldPath
	for _, step := range p {
		switch step := step.(type) {
		case string:
			path = path.field(step)
		case int:
			list, _ := v.([]any)
			if step < len(list) {
				path = path.item(itemKey(path.last(), list, step))
			}
		}
		v = place{step}.at(v)
	}
	return path
}

// without returns an object without what is at some places, and without the
// maps that only held that. A list item goes as a whole only if it is named.
func without(o *unstructured.Unstructured, places []place) *unstructured.Unstructured {
	o = o.DeepCopy()
	// Later items first, so that the indexes of earlier ones hold.
	places = slices.Clone(places)
	slices.SortFunc(places, func(a, b place) int { return -slices.CompareFunc(a, b, compareSteps) })
	for _, p := range places {
		if below, ok := removeAt(o.Object, p).(map[string]any); ok {
			o.Object = below
		}
	}
	return o
}

func compareSteps(a, b any) int {
	i, isIndex := a.(int)
	j, otherIndex := b.(int)
	if isIndex && otherIndex {
		return i - j
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// removeAt takes what is at a place out of a value, and returns what is left of
// it; nil for a map that is empty now.
func removeAt(v any, p place) any {
	switch step := p[0].(type) {
	case string:
		fields, ok := v.(map[string]any)
		if !ok {
			return v
		}
		if len(p) > 1 {
			if _, there := fields[step]; !there {
				return v
			}
			if left := removeAt(fields[step], p[1:]); left != nil {
				fields[step] = left
				return fields
			}
		}
		delete(fields, step)
		if len(fields) == 0 {
			return nil
		}
		return fields
	case int:
		items, ok := v.([]any)
		if !ok || step >= len(items) {
			return v
		}
		if len(p) > 1 {
			items[step] = removeAt(items[step], p[1:])
			return items
		}
		if items = slices.Delete(items, step, step+1); len(items) == 0 {
			return nil
		}
		return items
	}
	return v
}
