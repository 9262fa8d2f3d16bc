package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/apply/applytest"
	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/schema"
)

// planStory is how a plan comes about that the formats of a diff are tried on:
// what is applied first, what others do, and what is planned then.
type planStory struct {
	name   string
	first  string              // the description that is applied; "" for none
	others []string            // kubectl commands, "-f" reads the manifest behind "|"
	then   string              // the description that is planned; "" for the first
	again  string              // one that is applied after the first
	fails  bool                // the last of these applies does not end well
	absent bool                // the namespace does not exist
	drift  bool                // what is planned is the drift
	target func(*apply.Target) // anything else about it
}

// recipes is the stack of most stories: fields of it are replaced.
const recipes = `name: recipes
labels: {team: kitchen}
apps:
  web:
    image: example.org/web:1.4.0
    replicas: 2
    port: 8080
    env: {LOG_LEVEL: info, API_URL: "http://api", DB_PASSWORD: first-one}
    files: {/etc/web/web.conf: {content: "debug = false\nworkers = 4\ncache = on\n"}}
  api:
    image: example.org/api:2.0.1
    port: 8080
`

// manifest adds objects to the stack.
func manifest(objects ...string) string {
	return recipes + "manifests: [more.json]\n-- more.json --\n" + `{"apiVersion":"v1","kind":"List","items":[` + strings.Join(objects, ",") + "]}\n"
}

func changed(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(recipes) }

func without(app string) string { return recipes[:strings.Index(recipes, "  "+app+":")] }

func binding(role string) string {
	return `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"read"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"` + role + `"}}`
}

const claim = `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"photos"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`

func settings(text string) string {
	quoted, _ := json.Marshal(text)
	return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"settings.ini":` + string(quoted) + `}}`
}

const hostile = "\x1b[31mred\u202e\u200b::error::pwned\n::error::pwned\n```\n<script>alert(1)</script> @octocat | [x](http://evil.example) %0A"

func consent(f func(*apply.Consent)) func(*apply.Target) {
	return func(t *apply.Target) { f(&t.Consent) }
}

func fieldPattern(text string) []apply.FieldPattern {
	p, err := apply.ParseFieldPattern(text)
	if err != nil {
		panic(err)
	}
	return []apply.FieldPattern{p}
}

var planStories = []planStory{
	{name: "first", then: recipes},
	{name: "first-namespace", then: recipes, absent: true},
	{name: "nothing", first: recipes},
	{name: "image", first: recipes, then: changed("web:1.4.0", "web:1.5.0")},
	{name: "replicas", first: recipes, then: changed("replicas: 2", "replicas: 5")},
	{name: "environment", first: recipes, then: changed("LOG_LEVEL: info", "LOG_LEVEL: debug, CACHE: redis", `API_URL: "http://api", `, "")},
	{name: "password", first: recipes, then: changed("first-one", "second-one")},
	{name: "configuration", first: recipes, then: changed("workers = 4", "workers = 8")},
	{name: "new-app", first: without("api"), then: recipes},
	{name: "gone-app", first: recipes, then: without("api")},
	{name: "ingress", first: recipes, then: changed("    replicas: 2\n", "    replicas: 2\n    ingress: recipes.example.org\n")},
	{name: "autoscale", first: recipes, then: changed("replicas: 2", "autoscale: 2..6")},
	{name: "resources", first: recipes, then: changed("    replicas: 2\n", "    replicas: 2\n    resources: {cpu: 200m, memory: 256Mi}\n")},
	{name: "labels", first: recipes, then: changed("team: kitchen", "team: bakery")},
	{name: "scaled-by-hand", first: recipes, others: []string{"scale deployment/web --replicas=4"}},
	{name: "taken", first: recipes, others: []string{"scale deployment/web --replicas=4"}, target: consent(func(c *apply.Consent) { c.Take = fieldPattern("spec.replicas") })},
	{name: "yielded", first: recipes, others: []string{"scale deployment/web --replicas=4"}, then: changed("web:1.4.0", "web:1.5.0"), target: consent(func(c *apply.Consent) {
		c.Yield = append(fieldPattern("spec.replicas"), fieldPattern("spec.replica")...)
	})},
	{name: "edited", first: recipes, others: []string{"set image deployment/web web=example.org/web:hotfix", "label service/web tier=front", "set env deployment/api DEBUG=yes"}},
	{name: "deleted-by-hand", first: recipes, others: []string{"delete service/web"}},
	{name: "terminating", first: manifest(settings("a = 1")), others: []string{
		`patch configmap/settings --type=merge -p {"metadata":{"finalizers":["example.org/hold"]}}`, "delete configmap/settings --wait=false"}, then: recipes},
	{name: "anew-when-gone", first: manifest(settings("a = 1")), others: []string{
		`patch configmap/settings --type=merge -p {"metadata":{"finalizers":["example.org/hold"]}}`, "delete configmap/settings --wait=false"}},
	{name: "foreign", others: []string{"create service clusterip web --tcp=80:8080"}, then: recipes},
	{name: "adopted", others: []string{"create service clusterip web --tcp=80:8080"}, then: recipes, target: consent(func(c *apply.Consent) { c.Adopt = []apply.ObjectPattern{{}} })},
	{name: "recreate", first: manifest(binding("view")), then: manifest(binding("edit")), target: consent(func(c *apply.Consent) {
		c.Recreate = []apply.ObjectPattern{{Kind: "RoleBinding", Name: "read"}, {Kind: "Deployment", Name: "none"}}
	})},
	{name: "claim-kept", first: manifest(claim), then: recipes},
	{name: "secret", first: manifest(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"stringData":{"password":"first-one","user":"cook"}}`),
		then: manifest(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"stringData":{"password":"second-one","user":"cook","host":"db.example.org"}}`)},
	{name: "kind-and-object", then: manifest(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"ovens.kitchen.example.org"},
		"spec":{"group":"kitchen.example.org","scope":"Namespaced","names":{"kind":"Oven","plural":"ovens"},"versions":[{"name":"v1","served":true,"storage":true,
		"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`, `{"apiVersion":"kitchen.example.org/v1","kind":"Oven","metadata":{"name":"big"},"spec":{"degrees":220}}`)},
	{name: "rollback", first: recipes, again: changed("web:1.4.0", "web:1.5.0"), target: func(t *apply.Target) { t.Verb, t.RollbackTo = apply.VerbRollback, 1 }},
	{name: "delete", first: manifest(claim), target: func(t *apply.Target) { *t = apply.Target{Verb: apply.VerbDelete} }},
	{name: "scale", first: recipes, then: changed("replicas: 2", "replicas: 3"), target: func(t *apply.Target) { t.Verb, t.ScaledFrom = apply.VerbScale, 1 }},
	{name: "settle", first: recipes, again: changed("web:1.4.0", "web:missing"), fails: true, then: changed("web:1.4.0", "web:missing")},
	{name: "no-drift", first: recipes, drift: true},
	{name: "drift", first: recipes, others: []string{"scale deployment/web --replicas=4", "delete service/api", "annotate service/web example.org/note=mine", "set env deployment/api DEBUG=yes"}, drift: true},
	{name: "long", first: manifest(settings("one = 1\ntwo = 2\n")), then: manifest(settings(lines(120)))},
	{name: "hostile", first: manifest(settings("a = 1")), others: []string{"annotate configmap/settings example.org/note=" + hostile}, then: manifest(settings(hostile))},
}

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("key-" + strings.Repeat("x", i%7) + " = `value` | " + strings.Repeat("y", i%13) + "\n")
	}
	return b.String()
}

// TestRecordPlans records the plans of the stories from a real control plane, for
// the tests of the formats in cmd/internal/ui. It runs when somebody asks.
func TestRecordPlans(t *testing.T) {
	if os.Getenv("STACKCTL_RECORD_PLANS") == "" {
		t.Skip("records testdata/ui/plans: STACKCTL_RECORD_PLANS=1 asks for it")
	}
	plane := applytest.Start(t)
	for _, story := range planStories {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			story.record(t, plane)
		})
	}
}

func (story planStory) record(t *testing.T, plane *applytest.Plane) {
	namespace := plane.Namespace(t)
	if story.absent {
		namespace += "-absent"
	}
	engine, err := apply.New(plane.Config(), apply.Stack{Namespace: namespace, Name: "recipes"}, apply.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	target := func(text string) apply.Target {
		stack, more, _ := strings.Cut(text, "-- more.json --\n")
		for name, text := range map[string]string{"stack.yaml": stack, "more.json": more} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		spec, err := schema.Load(t.Context(), schema.Options{Filename: filepath.Join(dir, "stack.yaml")})
		if err != nil {
			t.Fatal(err)
		}
		s := &session{stack: engine.Stack(), spec: spec, engine: engine}
		to, err := s.desired(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	run := func(text string, fails bool) {
		to := target(text)
		plan, err := engine.Plan(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		_, err = engine.Apply(t.Context(), plan, apply.Run{Author: "ada", Holder: "ada@example.org", Wait: true, Timeout: time.Minute, LockTimeout: time.Minute})
		if (err != nil) != fails {
			t.Fatalf("apply: %v", err)
		}
	}
	if story.first != "" {
		run(story.first, story.fails && story.again == "")
	}
	if story.again != "" {
		run(story.again, story.fails)
	}
	for _, command := range story.others {
		args := append([]string{"kubectl", "--kubeconfig", plane.Kubeconfig, "-n", namespace}, strings.SplitN(command, " ", 3)...)
		if !strings.HasPrefix(command, "annotate") {
			args = append(args[:5], strings.Fields(command)...)
		}
		if out, err := exec.Command(plane.Binary, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	then := story.then
	if then == "" {
		then = story.first
	}
	to := target(then)
	if story.target != nil {
		story.target(&to)
	}
	var plan *apply.Plan
	drift := 0
	if story.drift {
		plan, drift, err = engine.Drift(t.Context())
	} else {
		plan, err = engine.Plan(t.Context(), to)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // nothing is held back
		exec.CommandContext(context.Background(), plane.Binary, "kubectl", "--kubeconfig", plane.Kubeconfig, "-n", namespace,
			"patch", "configmap/settings", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`).Run()
	})
	recorded := recordedPlan{Story: story.name, Context: "kind-dev", File: "stack.yaml", Drift: drift, Plan: plan}
	for _, c := range plan.Changes {
		recorded.Sides = append(recorded.Sides, recordedSides{c.Live, c.Merged})
	}
	var b bytes.Buffer
	if err := ui.WriteJSON(&b, recorded); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(b.String(), namespace, "shop")
	text = strings.ReplaceAll(text, dir+"/", "")
	text = regexp.MustCompile(`https://127\.0\.0\.1:\d+`).ReplaceAllString(text, "https://127.0.0.1:6443")
	text = regexp.MustCompile(`"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`).ReplaceAllString(text, `"2026-03-01T11:57:00Z"`)
	text = regexp.MustCompile(`10\.\d+\.\d+\.\d+`).ReplaceAllString(text, "10.0.0.7")
	text = regexp.MustCompile(`"uid": "[0-9a-f-]{36}"`).ReplaceAllString(text, `"uid": "00000000-0000-0000-0000-000000000000"`)
	if err := os.WriteFile(filepath.Join("..", "..", "testdata", "ui", "plans", story.name+".json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// recordedPlan is what cmd/internal/ui reads: a plan, and both sides of its
// updates, which are no part of its JSON.
type recordedPlan struct {
	Story   string          `json:"story"`
	Context string          `json:"context"`
	File    string          `json:"file"`
	Drift   int             `json:"drift,omitempty"`
	Plan    *apply.Plan     `json:"plan"`
	Sides   []recordedSides `json:"sides"`
}

type recordedSides struct {
	Live   map[string]any `json:"live,omitempty"`
	Merged map[string]any `json:"merged,omitempty"`
}
