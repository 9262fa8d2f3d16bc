package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestCompare(t *testing.T) {
	object := func(kind, name string, rest map[string]any) *unstructured.Unstructured {
		o := map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": name}}
		for k, v := range rest {
			o[k] = v
		}
		return &unstructured.Unstructured{Object: o}
	}
	hashed := func(name, hash string, data map[string]any) *unstructured.Unstructured {
		o := object("ConfigMap", name+"-"+hash, map[string]any{"data": data})
		o.SetLabels(map[string]string{LabelContent: hash})
		return o
	}
	before := []*unstructured.Unstructured{
		object("Secret", "db", map[string]any{"data": map[string]any{"password": "b2xk"}}),
		object("Service", "old", nil),
		object("Service", "web", map[string]any{"spec": map[string]any{"type": "ClusterIP"}}),
		hashed("web-files", "aaaaaaaaaa", map[string]any{"app.conf": "debug"}),
	}
	after := []*unstructured.Unstructured{
		object("Service", "web", map[string]any{"spec": map[string]any{"type": "ClusterIP"}}),
		object("Secret", "db", map[string]any{"data": map[string]any{"password": "bmV3"}}),
		object("Secret", "new", map[string]any{"data": map[string]any{"password": "bmV3"}}),
		hashed("web-files", "bbbbbbbbbb", map[string]any{"app.conf": "quiet"}),
	}
	want := []Change{
		{Object: ObjectKey{Kind: "Service", Name: "web"}, Action: ActionUnchanged},
		{Object: ObjectKey{Kind: "Secret", Name: "db"}, Action: ActionUpdate, Fields: []FieldChange{
			{Path: "data.password", Op: FieldSet, Before: maskedBefore, After: maskedAfter},
		}},
		{Object: ObjectKey{Kind: "Secret", Name: "new"}, Action: ActionCreate, New: map[string]any{
			"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "new"}, "data": map[string]any{"password": masked},
		}},
		{Object: ObjectKey{Kind: "ConfigMap", Name: "web-files-bbbbbbbbbb"}, Action: ActionUpdate, Fields: []FieldChange{
			{Path: `data["app.conf"]`, Op: FieldSet, Before: "debug", After: "quiet"},
			{Path: "metadata.name", Op: FieldSet, Before: "web-files-aaaaaaaaaa", After: "web-files-bbbbbbbbbb"},
		}},
		{Object: ObjectKey{Kind: "Service", Name: "old"}, Action: ActionDelete},
	}
	got := Compare(before, after)
	for i := range got {
		if i >= len(want) {
			t.Fatalf("%d changes, want %d", len(got), len(want))
		}
		if diff := cmp.Diff(visible(want[i]), visible(got[i])); diff != "" {
			t.Errorf("change %d (-want +got)\n%s", i, diff)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d changes, want %d", len(got), len(want))
	}
}

// visible is the part of a change that is printed.
func visible(c Change) any {
	return struct {
		Object ObjectKey
		Action Action
		Fields []FieldChange
		New    map[string]any
	}{c.Object, c.Action, c.Fields, c.New}
}
