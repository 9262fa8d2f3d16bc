package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"stackctl.dev/stackctl/apply/applytest"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// example is one directory below examples/.
type example struct {
	name  string
	file  string // the description in it
	stack *schema.Stack
}

func (x example) path() string { return filepath.Join("..", "..", "examples", x.name, x.file) }

func examples(t *testing.T) []example {
	t.Helper()
	paths, err := filepath.Glob("../../examples/*/stack.*")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d examples: %v", len(paths), err)
	}
	var all []example
	for _, path := range paths {
		stack, err := schema.Load(t.Context(), schema.Options{Filename: path})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, example{name: filepath.Base(filepath.Dir(path)), file: filepath.Base(path), stack: stack})
	}
	return all
}

// TestExamplesAreExplained: each has a README, and none says something that
// stackctl warns of.
func TestExamplesAreExplained(t *testing.T) {
	for _, x := range examples(t) {
		if _, err := os.Stat(filepath.Join(filepath.Dir(x.path()), "README.md")); err != nil {
			t.Error(err)
		}
		for _, warning := range x.stack.Warnings {
			t.Errorf("%s: %v", x.name, warning)
		}
	}
}

// TestExamplesRender compares what each example renders to with
// testdata/examples.
func TestExamplesRender(t *testing.T) {
	for _, x := range examples(t) {
		got := renderExample(t, x)
		golden := filepath.Join("..", "..", "testdata", "examples", x.name+".yaml")
		if update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got)\n%s\nSTACKCTL_UPDATE=1 go test ./cmd/stackctl rewrites it", x.name, diff)
		}
	}
}

func renderExample(t *testing.T, x example) []byte {
	t.Helper()
	objects, err := rendered(x.stack, "example")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := objects.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestExamplesOnACluster tells the story of testdata/example.txtar for each
// example, in namespaces that enforce Pod Security "restricted".
func TestExamplesOnACluster(t *testing.T) {
	template, err := os.ReadFile("../../testdata/example.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, x := range examples(t) {
		text := strings.NewReplacer("NAME", x.name, "FILE", x.file, "STACK", x.stack.Name).Replace(string(template))
		if err := os.WriteFile(filepath.Join(dir, x.name+".txtar"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	plane := applytest.Start(t)
	installGateway(t, plane)
	params := clusterParams(plane)
	params.Dir = dir
	params.Cmds["change"] = changeExample
	setup := params.Setup
	params.Setup = func(env *testscript.Env) error {
		env.Setenv("POSTGRES_PASSWORD", "only-for-this-test")
		env.Setenv("FULL_TOKEN", "only-for-this-test")
		return setup(env)
	}
	testscript.Run(t, params)
}

// changeExample is the command "change EXAMPLE DIR": it copies an example and gives
// every object of it another label.
func changeExample(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[1])
	ts.Check(os.CopyFS(dir, os.DirFS(args[0])))
	files, err := filepath.Glob(filepath.Join(dir, "stack.*"))
	ts.Check(err)
	text, err := os.ReadFile(files[0])
	ts.Check(err)
	switch {
	case strings.HasSuffix(files[0], ".cue"):
		text = append(text, "\nlabels: step: \"two\"\n"...)
	case regexp.MustCompile(`(?m)^labels: \{`).Match(text):
		text = regexp.MustCompile(`(?m)^labels: \{`).ReplaceAll(text, []byte("labels: {step: two, "))
	default:
		text = append(text, "\nlabels: {step: two}\n"...)
	}
	ts.Check(os.WriteFile(files[0], text, 0o644))
}

// installGateway teaches the cluster the one kind of the Gateway API that
// stackctl emits.
func installGateway(t *testing.T, plane *applytest.Plane) {
	t.Helper()
	plane.Kubectl(t, "apply", "-f", filepath.Join("..", "..", "testdata", "cluster", "httproute.yaml"))
	plane.Kubectl(t, "wait", "--for=condition=Established", "crd/httproutes.gateway.networking.k8s.io")
}

// TestExamplesAreStrictlyValid sends every object of every example as a
// server-side dry run with strict validation, as `kubectl apply --server-side
// --dry-run=server --validate=strict` does.
func TestExamplesAreStrictlyValid(t *testing.T) {
	plane := applytest.Start(t)
	installGateway(t, plane)
	config := plane.Config()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovery.NewDiscoveryClientForConfigOrDie(config)))
	namespace := plane.Namespace(t)
	plane.Kubectl(t, "apply", "-f", filepath.Join("..", "..", "examples", "tickets", "crds"))
	plane.Kubectl(t, "wait", "--for=condition=Established", "crd/queues.tickets.example.org")
	sent := 0
	for _, x := range examples(t) {
		objects, err := render.Render(x.stack, render.Options{Namespace: namespace})
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			gvk := object.GroupVersionKind()
			mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
			if err != nil {
				t.Fatal(err)
			}
			body, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			resource := dynamic.ResourceInterface(client.Resource(mapping.Resource))
			if object.GetNamespace() != "" {
				resource = client.Resource(mapping.Resource).Namespace(object.GetNamespace())
			}
			force := slices.Contains([]string{"CustomResourceDefinition"}, gvk.Kind)
			_, err = resource.Patch(t.Context(), object.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{
				FieldManager: "strict", FieldValidation: metav1.FieldValidationStrict, DryRun: []string{metav1.DryRunAll}, Force: &force,
			})
			if err != nil {
				t.Errorf("%s: %s/%s: %v", x.name, gvk.Kind, object.GetName(), err)
			}
			sent++
		}
	}
	if sent < 200 {
		t.Errorf("sent %d objects only", sent)
	}
}
