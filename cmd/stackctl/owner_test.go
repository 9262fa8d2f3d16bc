package main

import (
	"path/filepath"
	"testing"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// TestOwnerLabels keeps two packages that must not know each other in step:
// whatever render makes carries the labels by which apply knows its own.
func TestOwnerLabels(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "stack.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		stack, err := schema.Load(t.Context(), schema.Options{Filename: file})
		if err != nil {
			t.Fatal(err)
		}
		objects, err := render.Render(stack, render.Options{Namespace: "shop"})
		if err != nil || len(objects) == 0 {
			t.Fatalf("%s: %d objects, %v", file, len(objects), err)
		}
		owner := apply.Stack{Namespace: "shop", Name: stack.Name}.OwnerLabels()
		for _, o := range objects {
			for label, want := range owner {
				if got := o.GetLabels()[label]; got != want {
					t.Errorf("%s: %s/%s has label %s=%q, apply looks for %q", file, o.GetKind(), o.GetName(), label, got, want)
				}
			}
		}
	}
}
