package apply

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const namedStack = `
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: shop, labels: {stackctl.dev/content: keyed}}
stringData: {password: hunter2}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: shop, labels: {stackctl.dev/content: template}}
spec: {template: {spec: {containers: [{name: main, image: "app:v1"}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: seed, namespace: shop, labels: {stackctl.dev/content: template}}
spec: {template: {spec: {initContainers: [{name: a, envFrom: [{secretRef: {name: login}}]}], containers: [{name: main, image: "app:v1"}]}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: tidy, namespace: shop}
spec: {jobTemplate: {spec: {template: {spec: {imagePullSecrets: [{name: login}], containers: [{name: main, envFrom: [{secretRef: {name: other}}]}]}}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: elsewhere, namespace: kitchen}
spec: {containers: [{name: main}], volumes: [{name: a, secret: {secretName: login}}]}
`

func stackOf(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for one := range strings.SplitSeq(text, "---\n") {
		all = append(all, fromYAML(t, one))
	}
	return all
}

// names tells the names of the objects, and the Secrets their pods use.
func names(objects []*unstructured.Unstructured) string {
	var all []string
	for _, o := range objects {
		name := o.GetName()
		used := references(o)
		slices.SortFunc(used, compareKeys)
		for _, r := range used {
			name += "(" + r.Name + ")"
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

func TestNamed(t *testing.T) {
	name := func(text string, key []byte) string {
		t.Helper()
		objects := stackOf(t, text)
		before := names(objects)
		named, err := Named(objects, key)
		if err != nil {
			t.Fatal(err)
		}
		if names(objects) != before {
			t.Error("the objects themselves were renamed")
		}
		again, err := Named(named, key)
		if err != nil || names(again) != names(named) {
			t.Errorf("named again: %s %v", names(again), err)
		}
		return names(named)
	}
	key := []byte("0123456789")
	const migrate = "migrate-f8c52e5bf9"
	for _, c := range []struct {
		reason, got, want string
	}{
		{"without a key only what does not depend on it is named", name(namedStack, nil), "login " + migrate + " seed(login) tidy(login)(other) elsewhere(login)"},
		{"with a key all is, and only the Secret of the same namespace is meant", name(namedStack, key),
			"login-777b983abf " + migrate + " seed-ad56922b7f(login-777b983abf) tidy(login-777b983abf)(other) elsewhere(login)"},
		{"the base64 of data is the same content", name(strings.Replace(namedStack, "stringData: {password: hunter2}", "data: {password: aHVudGVyMg==}", 1), key), name(namedStack, key)},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.reason, c.got, c.want)
		}
	}
	for _, c := range []struct{ reason, from, to string }{
		{"another key", "", ""},
		{"another value", "hunter2", "hunter3"},
	} {
		other := key
		if c.from == "" {
			other = []byte("other")
		}
		got := strings.Fields(name(strings.Replace(namedStack, c.from, c.to, 1), other))
		if want := strings.Fields(name(namedStack, key)); got[0] == want[0] || got[1] != want[1] || got[2] == want[2] {
			t.Errorf("%s: %v, was %v", c.reason, got, want)
		}
	}
	for _, c := range []struct{ from, to, want string }{
		{"stackctl.dev/content: template", "stackctl.dev/content: keyed", "Job/shop/migrate: only a Secret is named by a keyed hash (label stackctl.dev/content)"},
		{"kind: Secret\nmetadata: {name: login, namespace: shop, labels: {stackctl.dev/content: keyed", "kind: Secret\nmetadata: {name: login, namespace: shop, labels: {stackctl.dev/content: template", "Secret/shop/login: has no spec to be named by (label stackctl.dev/content)"},
		{"name: seed", "name: migrate", "Job/shop/migrate: is in the stack twice"},
	} {
		if _, err := Named(stackOf(t, strings.Replace(namedStack, c.from, c.to, 1)), key); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}
