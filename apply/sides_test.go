package apply

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// decided is the change that comes of a live object and what a dry-run made of
// it, as a plan shows it.
func decided(t *testing.T, live, merged map[string]any) *Change {
	t.Helper()
	l, m := &unstructured.Unstructured{Object: live}, &unstructured.Unstructured{Object: merged}
	p := &planner{engine: &Engine{stack: Stack{Namespace: "shop", Name: "recipes"}}, base: &Revision{}}
	c := &Change{Object: keyOf(m), send: m}
	p.decide(c, l, m)
	r := &redactor{}
	r.learn(l, m)
	r.change(c)
	return c
}

func secretOf(password string, annotations map[string]any) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{"name": "db", "namespace": "shop", "annotations": annotations, "resourceVersion": "7"},
		"data":     map[string]any{"password": password, "user": "Y29vay1vZi1zaG9w"}}
}

// TestObjectsShowASecretChange: both sides of a Secret tell that a value
// changes, which one does, and none of them.
func TestObjectsShowASecretChange(t *testing.T) {
	c := decided(t, secretOf("Zmlyc3Qtb25l", nil), secretOf("c2Vjb25kLW9uZQ==", nil))
	before, after := c.Objects()
	want := func(password string) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "db", "namespace": "shop"},
			"data": map[string]any{"password": password, "user": "***"}}
	}
	for _, side := range []map[string]any{before, after} { // nil and no annotations are alike
		delete(side["metadata"].(map[string]any), "annotations")
	}
	if diff := cmp.Diff([]any{want("*** (before)"), want("*** (after)")}, []any{before, after}); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestObjectsAreRedacted: a value that was copied to where nothing is secret is
// in neither side, and its change still shows.
func TestObjectsAreRedacted(t *testing.T) {
	c := decided(t,
		secretOf("Zmlyc3Qtb25l", map[string]any{"example.org/copy": "first-one", "example.org/same": "cook-of-shop"}),
		secretOf("c2Vjb25kLW9uZQ==", map[string]any{"example.org/copy": "second-one", "example.org/same": "cook-of-shop"}))
	before, after := c.Objects()
	for _, text := range []string{Text(before), Text(after), Text(c.Live), Text(c.Merged)} {
		for _, value := range []string{"first-one", "second-one", "cook-of-shop", "Zmlyc3Qtb25l", "c2Vjb25kLW9uZQ"} {
			if strings.Contains(text, value) {
				t.Errorf("%s is in %s", value, text)
			}
		}
	}
	annotations := func(o map[string]any) map[string]any {
		return o["metadata"].(map[string]any)["annotations"].(map[string]any)
	}
	if annotations(before)["example.org/copy"] == annotations(after)["example.org/copy"] {
		t.Errorf("the change of the copy does not show: %v", annotations(after))
	}
	if annotations(before)["example.org/same"] != annotations(after)["example.org/same"] {
		t.Errorf("what is the same shows as a change: %v", annotations(after))
	}
}

// TestObjectsOfLists: an item is found by its key, wherever it stands.
func TestObjectsOfLists(t *testing.T) {
	deployment := func(env ...any) map[string]any {
		return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "shop"},
			"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "web", "env": env}}}}}}
	}
	variable := func(name, value string) any { return map[string]any{"name": name, "value": value} }
	c := decided(t, deployment(variable("A", "1"), variable("DB_PASSWORD", "first-one")), deployment(variable("DB_PASSWORD", "second-one"), variable("B", "2")))
	before, after := c.Objects()
	if diff := cmp.Diff(deployment(variable("A", "1"), variable("DB_PASSWORD", "*** (before)")), before); diff != "" {
		t.Errorf("before (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(deployment(variable("DB_PASSWORD", "*** (after)"), variable("B", "2")), after); diff != "" {
		t.Errorf("after (-want +got)\n%s", diff)
	}
	if Text(c.Live) == Text(before) {
		t.Error("the change was written into what the plan keeps")
	}
}

// TestUnchangedObjectsAreNotKept: a plan of thousands of objects that are in
// order holds none of them.
func TestUnchangedObjectsAreNotKept(t *testing.T) {
	c := decided(t, secretOf("Zmlyc3Qtb25l", nil), secretOf("Zmlyc3Qtb25l", nil))
	if c.Action != ActionUnchanged || c.Live != nil || c.Merged != nil || c.New != nil {
		t.Errorf("%s keeps %v, %v, %v", c.Action, c.Live, c.Merged, c.New)
	}
	if before, after := c.Objects(); before != nil || after != nil {
		t.Errorf("it has the sides %v, %v", before, after)
	}
}
