package render

import (
	"bytes"
	gocmp "cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/schema"
)

// everyStack returns each example.
func everyStack(t *testing.T) map[string]*schema.Stack {
	t.Helper()
	paths, err := filepath.Glob("../examples/*/stack.*")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d examples: %v", len(paths), err)
	}
	stacks := make(map[string]*schema.Stack)
	for _, path := range paths {
		if stacks[path], err = schema.Load(t.Context(), schema.Options{Filename: path}); err != nil {
			t.Fatal(err)
		}
	}
	return stacks
}

func mustRender(t testing.TB, s *schema.Stack) Objects {
	t.Helper()
	objects, err := Render(s, Options{Namespace: gocmp.Or(s.Namespace, "default")})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// TestObjectsHoldNothingExtra looks for what a server-side apply must not own.
func TestObjectsHoldNothingExtra(t *testing.T) {
	for path, stack := range everyStack(t) {
		for _, object := range mustRender(t, stack)[len(stack.Manifests):] {
			if got := extras("", object.Object); len(got) > 0 {
				t.Errorf("%s: %s/%s has %v", path, object.GetKind(), object.GetName(), got)
			}
		}
	}
	bad := map[string]any{"status": map[string]any{"a": "b"}, "a": []any{}, "b": map[string]any{"c": nil}, "emptyDir": map[string]any{}}
	if got := extras("", bad); len(got) != 3 {
		t.Errorf("the search cannot fail: %v", got)
	}
}

func extras(path string, value any) []string {
	var found []string
	switch value := value.(type) {
	case nil:
		return []string{path + " null"}
	case map[string]any:
		if len(value) == 0 && !slices.ContainsFunc([]string{".emptyDir", ".podSelector"}, func(name string) bool { return strings.HasSuffix(path, name) }) {
			found = append(found, path+" empty map")
		}
		for key, child := range value {
			if key == "status" || key == "creationTimestamp" {
				found = append(found, path+"."+key)
			}
			found = append(found, extras(path+"."+key, child)...)
		}
	case []any:
		if len(value) == 0 {
			found = append(found, path+" empty list")
		}
		for _, child := range value {
			found = append(found, extras(path+"[]", child)...)
		}
	}
	return found
}

// TestOwnerLabels are on every object and on the pods, which the engine finds
// by them.
func TestOwnerLabels(t *testing.T) {
	for path, stack := range everyStack(t) {
		for i, object := range mustRender(t, stack) {
			want := []string{LabelStack, LabelNamespace, labelPartOf, labelManagedBy}
			if i >= len(stack.Manifests) {
				want = append(want, labelName, labelInstance)
			}
			places := map[string]map[string]string{"object": object.GetLabels()}
			template := at(object.Object, "spec.template")
			if object.GetKind() == "CronJob" {
				template = at(object.Object, "spec.jobTemplate.spec.template")
			}
			if template != nil {
				pod, _, err := unstructured.NestedStringMap(template.(map[string]any), "metadata", "labels")
				if err != nil {
					t.Fatal(err)
				}
				places["pod"] = pod
				selector, _, _ := unstructured.NestedStringMap(object.Object, "spec", "selector", "matchLabels")
				for key, value := range selector {
					if pod[key] != value {
						t.Errorf("%s: %s/%s looks for pods with %s=%s, its own have %q", path, object.GetKind(), object.GetName(), key, value, pod[key])
					}
				}
			}
			for place, labels := range places {
				for _, key := range want {
					if labels[key] == "" {
						t.Errorf("%s: %s/%s: the %s has no label %s", path, object.GetKind(), object.GetName(), place, key)
					}
				}
			}
			cluster := clusterScoped(stack.Manifests)[object.GroupVersionKind().GroupKind().String()]
			if namespace := object.GetNamespace(); cluster != (namespace == "") {
				t.Errorf("%s: %s/%s is in the namespace %q", path, object.GetKind(), object.GetName(), namespace)
			}
		}
	}
}

// TestDeterministic renders the same stack many times, from texts whose maps
// are in another order, in another directory and with other variables.
func TestDeterministic(t *testing.T) {
	t.Chdir("../examples/full")
	text, err := os.ReadFile("stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := yamlText(t, renderText(t, string(text), ""))
	var tree map[string]any
	if err := unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if err := os.CopyFS(elsewhere, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(elsewhere)
	t.Setenv("LANG", "tr_TR.UTF-8")
	t.Setenv("TZ", "Asia/Tokyo")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for i := range 100 {
		runtime.GOMAXPROCS(1 + i%2)
		reversed, err := json.Marshal(backwards{tree})
		if err != nil {
			t.Fatal(err)
		}
		if got := yamlText(t, renderText(t, string(reversed), "")); got != want {
			t.Fatalf("round %d (-want +got)\n%s", i, cmp.Diff(want, got))
		}
	}
}

// backwards marshals maps with their keys in reverse order.
type backwards struct{ value any }

func (b backwards) MarshalJSON() ([]byte, error) {
	switch value := b.value.(type) {
	case map[string]any:
		keys := reflect.ValueOf(value).MapKeys()
		var names []string
		for _, key := range keys {
			names = append(names, key.String())
		}
		var out bytes.Buffer
		out.WriteByte('{')
		for i, name := range reverseSorted(names) {
			if i > 0 {
				out.WriteByte(',')
			}
			key, _ := json.Marshal(name)
			child, err := json.Marshal(backwards{value[name]})
			if err != nil {
				return nil, err
			}
			out.Write(key)
			out.WriteByte(':')
			out.Write(child)
		}
		out.WriteByte('}')
		return out.Bytes(), nil
	case []any:
		items := make([]any, len(value))
		for i := range value {
			items[i] = backwards{value[i]}
		}
		return json.Marshal(items)
	}
	return json.Marshal(b.value)
}

// TestRecipes compares the example with what its five hand-written objects
// say, field by field.
func TestRecipes(t *testing.T) {
	text, err := os.ReadFile("../examples/recipes/stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > 20 {
		t.Errorf("the example has %d lines, want 20 at most", lines)
	}
	objects := renderText(t, string(text), "")
	const container = "spec.template.spec.containers.0."
	for _, test := range []struct {
		object, path string
		want         any
	}{
		{"Deployment/web-api", "spec.replicas", int64(3)},
		{"Deployment/web-api", container + "ports.0.containerPort", int64(1337)},
		{"Deployment/web-api", container + "env", []any{map[string]any{"name": "TARGET", "value": "recipe-api"}}},
		{"Deployment/recipe-api", "spec.replicas", int64(5)},
		{"Deployment/recipe-api", container + "livenessProbe.httpGet.path", "/recipes/42"},
		{"Deployment/recipe-api", container + "livenessProbe.initialDelaySeconds", int64(3)},
		{"Deployment/recipe-api", container + "livenessProbe.periodSeconds", int64(10)},
		{"Service/recipe-api", "spec.type", "NodePort"},
		{"Service/recipe-api", "spec.ports", []any{map[string]any{"name": "http", "port": int64(80), "protocol": "TCP", "targetPort": "http"}}},
		{"Service/web-api", "spec.type", "NodePort"},
		{"Service/web-api", "spec.ports.0.port", int64(1337)},
		{"Ingress/web-api", "metadata.annotations", map[string]any{"nginx.ingress.kubernetes.io/rewrite-target": "/$1"}},
		{"Ingress/web-api", "spec.rules.0.host", "example.org"},
		{"Ingress/web-api", "spec.rules.0.http.paths.0.path", "/"},
		{"Ingress/web-api", "spec.rules.0.http.paths.0.pathType", "Prefix"},
		{"Ingress/web-api", "spec.rules.0.http.paths.0.backend.service", map[string]any{"name": "web-api", "port": map[string]any{"number": int64(1337)}}},
	} {
		if diff := cmp.Diff(test.want, at(find(objects, test.object), test.path)); diff != "" {
			t.Errorf("%s %s (-want +got)\n%s", test.object, test.path, diff)
		}
	}
}

// TestNamespaceIsRequired: an object without one would go wherever the
// context points.
func TestNamespaceIsRequired(t *testing.T) {
	if _, err := Render(&schema.Stack{}, Options{}); err == nil {
		t.Error("want an error")
	}
}

// TestClaimsKeepTheirNames: a claim is found by its name, so another volume
// never changes it, and two that would have one name are refused.
func TestClaimsKeepTheirNames(t *testing.T) {
	const app = "name: shop\napps:\n  web: {image: 'a:1.0', kind: worker, volumes: {/var/lib: 1Gi, %s}}\n"
	objects := renderText(t, strings.ReplaceAll(app, "%s", "/var-lib: tmp"), "")
	if find(objects, "PersistentVolumeClaim/web-var-lib") == nil {
		t.Errorf("the claim has another name:\n%s", yamlText(t, objects))
	}
	s, err := schema.Load(t.Context(), schema.Options{Filename: "-", Stdin: strings.NewReader(strings.ReplaceAll(app, "%s", "/var-lib: 2Gi"))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Render(s, Options{Namespace: "shop"}); err == nil || !strings.Contains(err.Error(), "has the same name in Kubernetes") {
		t.Errorf("two claims of one name: %v", err)
	}
}
