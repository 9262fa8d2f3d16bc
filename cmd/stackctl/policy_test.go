package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/schema"
)

// TestExamplePolicies breaks every rule of examples/policies by what it is
// about, and none by a stack that keeps them all.
func TestExamplePolicies(t *testing.T) {
	flags := &policyFlags{directory: filepath.Join("..", "..", "examples", "policies")}
	if err := flags.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	statefulSet := apply.ObjectKey{Group: "apps", Kind: "StatefulSet", Namespace: "shop", Name: "db"}
	deletions := make([]apply.Change, 6)
	for i := range deletions {
		deletions[i] = apply.Change{Object: apply.ObjectKey{Kind: "ConfigMap", Namespace: "shop", Name: string(rune('a' + i))}, Action: apply.ActionDelete}
	}
	const good = "image: registry.example.com/web:1, port: 8080, resources: small"
	broken := map[string]bool{}
	for _, test := range []struct {
		rule        string // "" keeps all
		app         string
		environment string
		changes     []apply.Change
	}{
		{"", good, "prod", []apply.Change{{Object: statefulSet, Action: apply.ActionUpdate}}},
		{"images-from-our-registry", "image: docker.io/web:1", "", nil},
		{"no-latest", "image: registry.example.com/web:latest", "", nil},
		{"no-load-balancer-in-dev", good + ", service: {type: LoadBalancer}", "dev", nil},
		{"", good + ", service: {type: LoadBalancer}", "prod", nil},
		{"no-wildcard-host", good + ", ingress: '*.example.org'", "", nil},
		{"memory-is-bounded", "image: registry.example.com/web:1", "prod", nil},
		{"", "image: registry.example.com/web:1", "dev", nil},
		{"no-host-access", good + ", patches: [{target: Deployment, patch: {spec: {template: {spec: {hostNetwork: true}}}}}]", "", nil},
		{"databases-are-deleted-by-hand", good, "", []apply.Change{{Object: statefulSet, Action: apply.ActionDelete}}},
		{"databases-are-not-made-anew", good, "", []apply.Change{{Object: statefulSet, Action: apply.ActionUpdate, Replace: []string{"spec.serviceName"}}}},
		{"few-deletions", good, "", deletions},
	} {
		file := filepath.Join(t.TempDir(), "stack.yaml")
		text := "name: shop\nallowLatest: true\napps: {web: {" + test.app + "}}\nenvironments: {dev: {}, prod: {}}\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		spec, err := schema.Load(t.Context(), schema.Options{Filename: file, Environment: test.environment})
		if err != nil {
			t.Fatal(err)
		}
		objects, err := rendered(spec, "shop")
		if err != nil {
			t.Fatal(err)
		}
		var plan *apply.Plan
		if test.changes != nil {
			plan = &apply.Plan{Changes: test.changes}
		}
		hits, err := flags.hits(t.Context(), spec, "shop", objects, plan)
		if err != nil {
			t.Fatal(err)
		}
		var rules []string
		for _, hit := range hits {
			rules = append(rules, hit.Rule)
			broken[hit.Rule] = true
		}
		if want := []string{test.rule}; test.rule == "" && len(rules) > 0 || test.rule != "" && !slices.Equal(rules, want) {
			t.Errorf("%s in %q breaks %q, want %q", test.app, test.environment, rules, test.rule)
		}
	}
	files, err := filepath.Glob(filepath.Join(flags.directory, "*.cue"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range regexp.MustCompile(`(?m)^"([^"]+)":`).FindAllStringSubmatch(string(text), -1) {
			if !broken[rule[1]] {
				t.Errorf("%s: nothing breaks %s", file, rule[1])
			}
		}
	}
}

// TestPolicySeesNoSecret: what a rule could repeat in its error is masked.
func TestPolicySeesNoSecret(t *testing.T) {
	secret := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s", "namespace": "shop"},
		"stringData": map[string]any{"password": "hunter2hunter2"},
	}}
	pod := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p", "namespace": "shop"},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "p", "args": []any{"hunter2hunter2"}, "env": []any{
			map[string]any{"name": "API_TOKEN", "value": "another-secret"},
		}}}},
	}}
	dir := t.TempDir()
	rule := "package p\nr: {message: \"m\", require: object: {stringData?: password: \"a\", data?: password: \"a\", spec?: containers: [...{args?: [\"a\"], env?: [...{value: \"a\"}]}]}}\n"
	if err := os.WriteFile(filepath.Join(dir, "p.cue"), []byte(rule), 0o644); err != nil {
		t.Fatal(err)
	}
	flags := &policyFlags{directory: dir}
	if err := flags.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := flags.check(t.Context(), &schema.Stack{Name: "shop"}, "shop", []*unstructured.Unstructured{secret, pod}, nil)
	if err == nil || regexp.MustCompile(`hunter2|another-secret`).MatchString(err.Error()) {
		t.Errorf("got %v, want an error without a secret", err)
	}
}
