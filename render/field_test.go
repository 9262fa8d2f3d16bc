package render

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"stackctl.dev/stackctl/schema"
)

// silent are values that change no object: the version of the language, what
// is only a permission, and a preset whose every part is written beside it.
var silent = []string{"schema", "allowLatest", "apps.api.resources.preset", "apps.api.kind", "apps.queue.kind", "apps.api.patches[1].target", "environments.prod.expect.cluster"}

// alone are values that what stands beside them allows no alternative to.
var alone = []string{
	"apps.migrate.kind", "apps.api.update.strategy", "apps.api.patches[1].patch[0].op", "apps.web.update.type", "apps.db.update.type",
	"apps.api.ports.grpc.service", "apps.api.ports.http.protocol",
}

// TestEveryFieldIsRendered changes each value of examples/full and expects other
// bytes, so that no field is read and then forgotten.
func TestEveryFieldIsRendered(t *testing.T) {
	t.Chdir("../examples/full")
	text, err := os.ReadFile("stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	before := yamlText(t, renderText(t, string(text), "prod"))
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	if same, err := tryRender(tree, "prod"); err != nil || same != before {
		t.Fatalf("the tree does not render like its text: %v", err)
	}
	leaves := 0
	walkLeaves(tree, nil, func(parts []string, value any, set func(any)) {
		leaves++
		path := joined(parts)
		defer set(value)
		for _, other := range otherValues(parts, value) {
			if other == value {
				continue
			}
			set(other)
			after, err := tryRender(tree, "prod")
			if err != nil {
				continue // not a value of this field
			}
			if changed := after != before; changed == slices.Contains(silent, path) {
				t.Errorf("%s: %v → %v: the objects changed: %v", path, value, other, changed)
			}
			return
		}
		if !slices.Contains(silent, path) && !slices.Contains(alone, path) {
			t.Errorf("%s: found no other valid value for %v", path, value)
		}
	})
	if leaves < 200 {
		t.Errorf("changed %d values only", leaves)
	}
}

// otherValues are what a value might be instead: what the field can be chosen
// from, or texts that most fields refuse.
func otherValues(path []string, value any) []any {
	path = slices.DeleteFunc(slices.Clone(path), func(part string) bool { return strings.HasPrefix(part, "[") })
	if field, err := schema.Describe(path...); err == nil && len(field.Choices) > 0 {
		var choices []any
		for _, choice := range field.Choices {
			choices = append(choices, choice)
		}
		return choices
	}
	switch value := value.(type) {
	case bool:
		return []any{!value}
	case float64:
		return []any{value + 1, value - 1}
	case string:
		return []any{
			value + "x", strings.Replace(value, "0123", "3210", 1), "http", "grpc", "50s", "500m", "300Mi", "config/other", "other/key", "metadata.namespace",
			"@daily", "2h", "UTC", "10.2.0.0/16", "config/license", "config/routes.conf", "manifests/config.yaml", "/archive", "db", "0600", "Service/api",
		}
	}
	return nil
}

// walkLeaves visits every scalar of a tree with a way to replace it.
func walkLeaves(tree any, path []string, visit func(path []string, value any, set func(any))) {
	each := func(part string, child any, set func(any)) {
		at := append(path[:len(path):len(path)], part)
		if isLeaf(child) {
			visit(at, child, set)
		}
		walkLeaves(child, at, visit)
	}
	switch tree := tree.(type) {
	case map[string]any:
		for key, child := range tree {
			each(key, child, func(v any) { tree[key] = v })
		}
	case []any:
		for i, child := range tree {
			each(fmt.Sprintf("[%d]", i), child, func(v any) { tree[i] = v })
		}
	}
}

// joined writes a path as errors do.
func joined(path []string) string {
	return strings.ReplaceAll(strings.Join(path, "."), ".[", "[")
}

func isLeaf(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func tryRender(tree any, environment string) (string, error) {
	text, err := yaml.Marshal(tree)
	if err != nil {
		return "", err
	}
	s, err := schema.Load(context.Background(), schema.Options{Filename: "-", Stdin: bytes.NewReader(text), Environment: environment})
	if err != nil {
		return "", err
	}
	objects, err := Render(s, Options{Namespace: s.Namespace})
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = objects.WriteYAML(&out)
	return out.String(), err
}

// TestFullIsFull finds fields of the language that examples/full does not have.
func TestFullIsFull(t *testing.T) {
	text, err := os.ReadFile("../examples/full/stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	// What only an environment has is written, too.
	prod := tree["environments"].(map[string]any)["prod"]
	for _, name := range unwritten(reflect.TypeFor[schema.Stack](), tree, prod) {
		t.Errorf("examples/full has no %s", name)
	}
	if got := unwritten(reflect.TypeFor[schema.Header](), map[string]any{"name": "x"}); !slices.Equal(got, []string{"Header.value"}) {
		t.Errorf("the comparison cannot fail: %v", got)
	}
}

// unwritten returns the tagged fields of a type, and of the types in it, that
// a tree has nowhere.
func unwritten(typ reflect.Type, trees ...any) []string {
	written := make(map[string]bool)
	collect(typ, trees, written)
	var missing []string
	for name, found := range written {
		if !found {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// collect notes each field as Type.name, and whether a tree has it.
func collect(typ reflect.Type, trees []any, written map[string]bool) {
	for slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Map}, typ.Kind()) {
		if typ.Kind() != reflect.Pointer {
			trees = children(trees)
		}
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return
	}
	for field := range typ.Fields() {
		if field.Anonymous {
			collect(field.Type, trees, written)
			continue
		}
		name := field.Tag.Get("cue")
		if name == "" || name == "-" {
			continue
		}
		var values []any
		for _, tree := range trees {
			if fields, ok := tree.(map[string]any); ok && fields[name] != nil {
				values = append(values, fields[name])
			}
		}
		full := typ.Name() + "." + name
		written[full] = written[full] || len(values) > 0
		collect(field.Type, values, written)
	}
}

// children returns the values of all maps and lists.
func children(trees []any) []any {
	var out []any
	for _, tree := range trees {
		switch tree := tree.(type) {
		case map[string]any:
			for _, child := range tree {
				out = append(out, child)
			}
		case []any:
			out = append(out, tree...)
		}
	}
	return out
}
