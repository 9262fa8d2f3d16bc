package schema

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// policyOf loads rules from files by name; one without a name is rules.cue of
// the package policy.
func policyOf(t *testing.T, files map[string]string) (*Policy, error) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range files {
		if name == "" {
			name, text = "rules.cue", "package policy\n"+text
		}
		if err := os.MkdirAll(filepath.Join("p", filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("p", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return LoadPolicy(t.Context(), "p")
}

type values = map[string]any

// TestPolicy asks one rule about one subject.
func TestPolicy(t *testing.T) {
	service := values{"environment": "dev", "stack": "shop", "object": values{"kind": "Service", "spec": values{"type": "LoadBalancer"}}}
	pods := values{"environment": "prod", "pod": values{"hostNetwork": true}, "containers": []any{
		values{"name": "web", "image": "registry.example.com/web:1"}, values{"name": "proxy", "image": "elsewhere/proxy:1"},
	}}
	change := values{"change": values{"action": "delete", "kind": "StatefulSet", "name": "db"}}
	plan := values{"plan": values{"deleted": 7}}
	for _, test := range []struct {
		reason, rule string
		subject      values
		want         string // "" is kept
	}{
		{"has what is denied", `deny: object: spec: type: "LoadBalancer"`, service, "2:1 [object spec type] "},
		{"has something else", `deny: object: spec: type: "NodePort"`, service, ""},
		{"lacks the field that is denied", `deny: object: spec: externalName: string`, service, ""},
		{"does not match", `match: environment: "prod", deny: object: spec: type: "LoadBalancer"`, service, ""},
		{"matches", `match: environment: "dev", deny: object: spec: type: "LoadBalancer"`, service, "2:1 [object spec type] "},
		{"lacks the field to match by", `match: object: metadata: name: string, deny: object: kind: string`, service, ""},
		{"has what is required", `require: object: spec: type: string`, service, ""},
		{"has another value", `require: object: spec: type: "ClusterIP"`, service, `[object spec type] "ClusterIP" conflicts with "LoadBalancer"`},
		{"lacks what is required", `require: object: spec: ports: [...]`, service, "[object spec ports] is missing"},
		{"lacks what must be there", `require: object: spec: ports!: [...]`, service, "[object spec ports]"},
		{"may lack it", `require: object: spec: ports?: [...]`, service, ""},
		{"every item", `require: containers: [...{image: =~"^registry[.]example[.]com/"}]`, pods, "[containers 1 image]"},
		{"every item has a field", `require: containers: [...{resources: limits: memory: string}]`, pods, "[containers 0 resources limits memory] is missing"},
		{"may be missing or other", `require: pod: hostNetwork?: false`, pods, "[pod hostNetwork]"},
		{"is not asked without the name", `deny: object: kind: string`, pods, ""},
		{"a change", `deny: change: {action: "delete", kind: "StatefulSet"}`, change, "[change kind] "},
		{"a plan", `require: plan: deleted: <=5`, plan, "[plan deleted]"},
		{"a disjunction", `match: object: kind: "Service" | "Ingress", deny: object: spec: type: !="ClusterIP"`, service, "[object spec type] "},
	} {
		t.Run(test.reason, func(t *testing.T) {
			p, err := policyOf(t, map[string]string{"": `r: {message: "no", ` + test.rule + "}"})
			if err != nil {
				t.Fatal(err)
			}
			all, err := p.Check(t.Context(), []map[string]any{test.subject})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range all {
				got = append(got, fmt.Sprintf("%d:%d %v %s", v.Pos.Line, v.Pos.Col, v.Path, v.Msg))
				if v.Pos.File != filepath.Join("p", "rules.cue") || v.Rule != "r" || v.Message != "no" {
					t.Errorf("got %+v", v)
				}
			}
			if text := strings.Join(got, "\n"); (test.want == "") != (text == "") || !strings.Contains(text, test.want) {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}

// TestPolicyBroken: a policy that says nothing, or not what was meant, is no
// policy that everything keeps.
func TestPolicyBroken(t *testing.T) {
	one := func(text string) map[string]string { return map[string]string{"": text} }
	for _, test := range []struct {
		reason string
		files  map[string]string
		want   string
	}{
		{"no file", map[string]string{"README": "x"}, "p: there are no policies"},
		{"no rule", one("_x: 1"), "there is no rule"},
		{"no package", map[string]string{"a.cue": "x: 1"}, "a.cue:1:1: the file is of no package"},
		{"two packages", map[string]string{"a.cue": "package a", "b.cue": "package b"}, "b.cue:1:1: the package is b"},
		{"syntax", one("r: {"), "rules.cue:2:"},
		{"a conflict", one(`r: {message: "a", message: "b", deny: object: _}`), "rules.cue:2:"},
		{"an unknown reference", one(`r: {message: "a", deny: object: kind: x}`), "is not defined"},
		{"no message", one("r: deny: object: _"), "r.message: is missing"},
		{"an empty message", one(`r: {message: " ", deny: object: _}`), "r.message: want a text"},
		{"a message that is none", one(`r: {message: 1, deny: object: _}`), "r.message: want a text"},
		{"no constraint", one(`r: {message: "a", match: object: _}`), "r: neither denies nor requires anything"},
		{"about nothing", one(`r: {message: "a", deny: stack: "shop"}`), "r: is about nothing"},
		{"a typo in a rule", one(`r: {message: "a", denies: object: _}`), "r.denies: a rule has no such field"},
		{"a typo in a name", one(`r: {message: "a", deny: objct: kind: "Service"}`), `r.deny: nothing is called "objct"`},
		{"no struct", one(`r: "x"`), "r: a rule is a struct"},
		{"no pattern", one(`r: {message: "a", deny: "x"}`), "r.deny: want a struct"},
		{"the network", one(`import "example.com/x"` + "\n" + `r: {message: "a", deny: object: x.y}`), "needs a module"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			_, err := policyOf(t, test.files)
			var invalid Errors
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// TestPolicyBomb: a hostile policy ends with the ceiling, when it is loaded and
// when it is asked.
func TestPolicyBomb(t *testing.T) {
	low := ceiling{time: time.Minute, heap: 32 << 20}
	for reason, rule := range map[string]string{
		"loaded": `import "list"` + "\n" + `r: {message: "a", deny: object: kind: list.Range(0, 500000, 1)}`,
		"asked":  `import "list"` + "\n" + `r: {message: "a", deny: object: {n: int, l: list.Range(0, n, 1)}}`,
	} {
		t.Run(reason, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "p.cue"), []byte("package p\n"+rule), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := guarded(context.Background(), dir, low, func() ([]Violation, error) {
				p, err := loadPolicy(dir)
				if err != nil {
					return nil, err
				}
				return p.check([]map[string]any{{"object": values{"n": 500_000, "l": []any{}}}})
			})
			if err == nil || !strings.Contains(err.Error(), "takes more than 32 MiB of memory to evaluate") {
				t.Errorf("got %v", err)
			}
		})
	}
}
