package schema_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stackctl.dev/stackctl/schema"
)

// load reads a description from a text.
func load(t testing.TB, text, environment string) *schema.Stack {
	t.Helper()
	s, err := schema.Load(context.Background(), schema.Options{Filename: "-", Stdin: strings.NewReader(text), Environment: environment})
	if err != nil {
		t.Fatalf("load: %v\n%s", err, text)
	}
	return s
}

// TestShortForms compares a short form with the long form it stands for.
func TestShortForms(t *testing.T) {
	for _, test := range []struct{ short, long string }{
		{"image: web:1.0", "image: {repository: web, tag: '1.0'}"},
		{"image: localhost:5000/a/b", "image: {repository: 'localhost:5000/a/b'}"},
		{"port: 8080", "ports: {http: {port: 8080, protocol: TCP}}"},
		{"port: {port: 53, protocol: UDP}", "ports: {http: {port: 53, protocol: UDP}}"},
		{"ports: {grpc: 9000}", "ports: {grpc: {port: 9000}}"},
		{"{port: 1, service: NodePort}", "{port: 1, service: {type: NodePort}}"},
		{"{port: 1, service: 81}", "{port: 1, service: {port: 81}}"},
		{"{port: 1, service: false}", "{port: 1, service: {enabled: false}}"},
		{"{port: 1, ingress: example.org}", "{port: 1, ingress: {hosts: [example.org], paths: [/], pathType: Prefix}}"},
		{"{port: 1, ingress: example.org/api}", "{port: 1, ingress: {host: example.org, path: /api}}"},
		{"{port: 1, ingress: {host: example.org, tls: true}}", "{port: 1, ingress: {host: example.org, tls: {enabled: true}}}"},
		{"{port: 1, ingress: {host: example.org, tls: cert}}", "{port: 1, ingress: {host: example.org, tls: {secret: cert}}}"},
		{"{port: 1, health: /up}", "{port: 1, health: {path: /up, startup: true, readiness: {}}}"},
		{"{port: 1, health: tcp}", "{port: 1, health: {tcp: true}}"},
		{"{port: 1, health: grpc}", "{port: 1, health: {grpc: true}}"},
		{"health: [cat, 1]", "health: {command: [cat, '1']}"},
		{"health: false", "health: {enabled: false}"},
		{"env: {A: 1.10}", "env: {A: {value: '1.10'}}"},
		{"env: {A: true}", "env: {A: {value: 'true'}}"},
		{"envFrom: [secret/db]", "envFrom: [{from: secret/db}]"},
		{"resources: small", "resources: {preset: small, cpu: 50m, memory: 128Mi, limits: {memory: 128Mi}}"},
		{"resources: {memory: 1Gi}", "resources: {cpu: 50m, memory: 1Gi, limits: {memory: 1Gi}}"},
		{"security: baseline", "security: {preset: baseline}"},
		{"shutdown: 1m", "shutdown: {grace: 60, drain: 0s}"},
		{"shutdown: 60", "shutdown: {grace: 1m}"},
		{"update: recreate", "update: {strategy: recreate}"},
		{"spread: hard", "spread: {host: hard, zone: none}"},
		{"disruption: 50%", "disruption: {maxUnavailable: 50%}"},
		{"disruption: 2", "disruption: {maxUnavailable: 2}"},
		{"disruption: false", "disruption: {enabled: false}"},
	} {
		t.Run(test.short, func(t *testing.T) {
			ignore := cmpopts.IgnoreTypes(schema.Pos{})
			// An empty list and a probe that is said to be on are no difference.
			sameSwitch := cmp.FilterPath(func(p cmp.Path) bool {
				return p.Last().String() == ".Enabled" && slices.ContainsFunc(p, func(s cmp.PathStep) bool { return s.Type().String() == "*schema.Probe" })
			}, cmp.Comparer(func(a, b *bool) bool { return (a == nil || *a) == (b == nil || *b) }))
			if diff := cmp.Diff(app(t, test.long), app(t, test.short), ignore, sameSwitch); diff != "" {
				t.Errorf("short form differs from %s (-long +short)\n%s", test.long, diff)
			}
		})
	}
}

// app loads one app from a fragment in flow or block style.
func app(t *testing.T, fragment string) *schema.App {
	t.Helper()
	fragment = strings.TrimSuffix(strings.TrimPrefix(fragment, "{"), "}")
	if strings.Count(fragment, "{") > strings.Count(fragment, "}") {
		fragment += "}"
	}
	if !strings.HasPrefix(fragment, "image:") {
		fragment = "image: web:1.0, " + fragment
	}
	return load(t, "name: shop\nallowLatest: true\napps: {web: {"+fragment+"}}\n", "").Apps[0]
}

// TestEnvironments shows how an environment lies over an app.
func TestEnvironments(t *testing.T) {
	for _, test := range []struct{ reason, defaults, base, over, want string }{
		{"scalars replace", "", "replicas: 3", "replicas: 1", "replicas: 1"},
		{"maps merge", "", "env: {A: a, B: b}", "env: {B: c, C: d}", "env: {A: a, B: c, C: d}"},
		{"lists replace", "", "args: [a, b]", "args: [c]", "args: [c]"},
		{"null removes", "", "env: {A: a, B: b}", "env: {A: null}", "env: {B: b}"},
		{"null brings the default back", "", "replicas: 3", "replicas: null", ""},
		{"a short form replaces", "", "resources: {cpu: 1, memory: 1Gi}", "resources: small", "resources: small"},
		{"a long form merges into a short one", "", "port: 80, service: 81", "service: {type: NodePort}", "port: 80, service: {port: 81, type: NodePort}"},
		{"anything replaces false", "", "port: 80, service: false", "service: {type: NodePort}", "port: 80, service: NodePort"},
		{"false replaces anything", "", "port: 80, service: NodePort", "service: false", "port: 80, service: false"},
		{"port is the port http", "", "ports: {http: 80}", "port: 81", "port: 81"},
		{"fields that exclude each other replace each other", "", "env: {A: {secret: a/b}}", "env: {A: {config: c/d}}", "env: {A: {config: c/d}}"},
		{"another handler keeps the probes", "", "port: 80, health: {path: /up, liveness: true}", "health: {tcp: true}", "port: 80, health: {tcp: true, liveness: true}"},
		{"defaults lie under apps", "env: {A: a}, replicas: 2", "env: {B: b}", "", "env: {A: a, B: b}, replicas: 2"},
		{"apps lie over defaults", "env: {A: a}, replicas: 2", "env: {A: b}", "", "env: {A: b}, replicas: 2"},
		{"null in an app undoes a default of the stack", "env: {A: a}", "env: {A: null}", "", ""},
		{"a range of pods takes the place of a number", "", "replicas: 3", "autoscale: 2..4", "autoscale: 2..4"},
		{"and the other way round", "autoscale: 2..4", "", "replicas: 3", "replicas: 3"},
		{"a default of the stack gives way as well", "replicas: 3", "autoscale: 2..4", "", "autoscale: 2..4"},
		{"null takes away a schedule", "", "schedule: '0 3 * * *'", "schedule: null", ""},
		{"null takes away one volume", "", "volumes: {/a: tmp, /b: tmp}", "volumes: {/a: null}", "volumes: {/b: tmp}"},
		{"one volume becomes another", "", "volumes: {/a: tmp}", "volumes: {/a: {existing: a}}", "volumes: {/a: {existing: a}}"},
		{"a part of a raw object", "", "security: {container: {privileged: true, procMount: Default}}", "security: {container: {privileged: false}}", "security: {container: {privileged: false, procMount: Default}}"},
		{"null in a raw object", "", "security: {container: {privileged: true, procMount: Default}}", "security: {container: {privileged: null}}", "security: {container: {procMount: Default}}"},
		{"null in the defaults of an environment", "env: {A: a}", "", "env: {A: null}", ""},
		{"null in a long form", "", "volumes: {/a: {medium: disk, size: 1Gi}}", "volumes: {/a: {size: null}}", "volumes: {/a: tmp}"},
		{"environments lie over apps over defaults", "replicas: 2", "replicas: 3", "replicas: 4", "replicas: 4"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			text := "name: shop\n"
			if test.defaults != "" {
				text += "defaults: {" + test.defaults + "}\n"
			}
			got := load(t, text+"apps: {web: {image: web:1.0, "+test.base+"}}\nenvironments: {dev: {apps: {web: {"+test.over+"}}}}\n", "dev")
			want := load(t, "name: shop\napps: {web: {image: web:1.0, "+test.want+"}}\n", "")
			if diff := cmp.Diff(want.Apps, got.Apps, cmpopts.IgnoreTypes(schema.Pos{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestEnvironmentOfStack covers the fields beside apps, and an app that only
// an environment has.
func TestEnvironmentOfStack(t *testing.T) {
	const text = `
name: shop
namespace: shop
labels: {team: web, tier: front}
imagePullSecrets: [a, b]
apps: {web: {image: "web:1.0"}}
environments:
  prod: {}
  dev:
    namespace: shop-dev
    labels: {tier: null}
    imagePullSecrets: [c]
    defaults: {replicas: 2}
    apps: {mail: {image: "mail:1.0"}}
`
	s := load(t, text, "dev")
	type view struct {
		Namespace    string
		Labels       map[string]string
		Pull         []string
		Apps         []string
		Replicas     int32
		Environments []string
	}
	got := view{s.Namespace, s.Labels, s.ImagePullSecrets, nil, *s.Apps[1].Replicas, s.Environments}
	for _, app := range s.Apps {
		got.Apps = append(got.Apps, app.Name)
	}
	want := view{"shop-dev", map[string]string{"team": "web"}, []string{"c"}, []string{"mail", "web"}, 2, []string{"dev", "prod"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestPosOf finds the line of a field, or the nearest one there is.
func TestPosOf(t *testing.T) {
	s := load(t, `name: shop
apps:
  web:
    image: web:1.0
    port: 8080
    env:
      A: text
environments:
  dev:
    apps:
      web: {replicas: 3}
`, "dev")
	for path, want := range map[string]string{
		"apps.web":                 "-:3:3",
		"apps.web.image":           "-:4:12",
		"apps.web.port":            "-:5:11",
		"apps.web.env":             "-:6:5",
		"apps.web.env.A":           "-:7:10",
		"apps.web.replicas":        "-:11:23",
		"apps.web.update.deadline": "-:3:3",
		"apps.gone.image":          "-:2:1",
	} {
		if got := s.PosOf(strings.Split(path, ".")...).String(); got != want {
			t.Errorf("PosOf(%s) = %s, want %s", path, got, want)
		}
	}
}

// TestSameStackInEveryFormat loads one stack as YAML, JSON and CUE.
func TestSameStackInEveryFormat(t *testing.T) {
	dir := t.TempDir()
	var stacks []*schema.Stack
	for name, text := range map[string]string{
		"stack.yaml": "name: shop\r\napps:\r\n  web: {image: 'web:1.0', port: 8080, env: {A: 1.5, B: \"x\\ty\"}}\r\n",
		"bom.yaml":   "\ufeffname: shop\napps:\n  web: {image: 'web:1.0', port: 8080, env: {A: 1.5, B: \"x\\ty\"}}\n",
		"stack.json": `{"name": "shop", "apps": {"web": {"image": "web:1.0", "port": 8080, "env": {"A": 1.5, "B": "x\ty"}}}}`,
		"stack.cue":  "package p\n\nname: \"shop\"\n#n: 8080\napps: web: {image: \"web:1.0\", port: #n, env: {A: 3 / 2, B: \"x\\ty\"}}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := schema.Load(context.Background(), schema.Options{Filename: path})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]string{path}, s.Files); diff != "" {
			t.Errorf("files (-want +got)\n%s", diff)
		}
		stacks = append(stacks, s)
	}
	for _, s := range stacks[1:] {
		if diff := cmp.Diff(stacks[0].Apps, s.Apps, cmpopts.IgnoreTypes(schema.Pos{})); diff != "" {
			t.Errorf("(-one +other)\n%s", diff)
		}
	}
}

// TestFind looks for the file nobody named.
func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := schema.Find("."); err == nil || !strings.Contains(err.Error(), "no stack.yaml") {
		t.Errorf("nothing there: %v", err)
	}
	os.WriteFile("stack.yaml", []byte("name: shop\napps: {web: {image: 'web:1.0'}}"), 0o600)
	if got, err := schema.Find("."); got != "stack.yaml" || err != nil {
		t.Errorf("one there: %q, %v", got, err)
	}
	if s, err := schema.Load(context.Background(), schema.Options{}); err != nil || s.Files[0] != "stack.yaml" {
		t.Errorf("load without a name: %v", err)
	}
	os.WriteFile("stack.json", nil, 0o600)
	if _, err := schema.Find("."); err == nil || !strings.Contains(err.Error(), "found stack.yaml and stack.json") {
		t.Errorf("two there: %v", err)
	}
}

// TestSourceIsKept compares what a revision will store.
func TestSourceIsKept(t *testing.T) {
	text := "# why\nname: shop\napps: {web: {image: 'web:1.0'}}\n"
	if s := load(t, text, ""); !bytes.Equal(s.Source, []byte(text)) {
		t.Errorf("got %q", s.Source)
	}
}

// TestConcurrentLoads shares the compiled language between goroutines; the
// race detector looks on.
func TestConcurrentLoads(t *testing.T) {
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			_, err := schema.Load(context.Background(), schema.Options{Filename: "../examples/full/stack.yaml"})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}
