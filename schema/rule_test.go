package schema_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stackctl.dev/stackctl/schema"
)

// TestAllowed covers what looks like a broken rule and is none.
func TestAllowed(t *testing.T) {
	for _, test := range []struct{ reason, text string }{
		{"one host of two ingress controllers", `apps:
  a: {image: "a:1.0", port: 80, ingress: {host: shop.example.org, class: internal}}
  b: {image: "b:1.0", port: 80, ingress: {host: shop.example.org, class: external}}`},
		{"one path compared in two ways", `apps:
  a: {image: "a:1.0", port: 80, ingress: {host: shop.example.org, pathType: Exact}}
  b: {image: "b:1.0", port: 80, ingress: shop.example.org}`},
		{"a surge of a daemon takes the place of its unavailable pod", `apps: {a: {image: "a:1.0", kind: daemon, update: {maxSurge: 1}}}`},
		{"a stateful app without a port", `apps: {a: {image: "a:1.0", kind: stateful}}`},
		{"a worker with a service", `apps: {a: {image: "a:1.0", kind: worker, port: 80, service: 80, ingress: a.example.org}}`},
		{"a claim that many nodes can mount", `apps: {a: {image: "a:1.0", kind: worker, replicas: 2, volumes: {/data: {size: 1Gi, access: ReadWriteMany}}}}`},
		{"UDP and TCP on one number", `apps: {a: {image: "a:1.0", ports: {http: 53, dns: {port: 53, protocol: UDP}}, service: {port: 53}}}`},
		{"names of months and days", `apps: {a: {image: "a:1.0", schedule: "0 3 1-7 jan-MAR mon,wed"}}`},
		{"a schedule by name", `apps: {a: {image: "a:1.0", schedule: "@daily"}}`},
		{"root where the preset allows it", `apps: {a: {image: "a:1.0", security: {preset: baseline, user: 0}}}`},
		{"a sidecar's port in the service", `apps: {a: {image: "a:1.0", port: 80, sidecars: {p: {image: "p:1.0", ports: {admin: {port: 9000, service: true}}}}, service: {ports: {admin: 90}}}}`},
		{"defaults with and without replicas", `defaults: {autoscale: 2..4}
apps: {a: {image: "a:1.0", replicas: 1}, b: {image: "b:1.0"}}`},
		{"another host that many apps talk to", `apps: {db: {service: {external: db.example.org}}, web: {image: "a:1.0", env: {DB: db}}}`},
		{"an environment that only adds another host", `apps: {web: {image: "a:1.0"}}
environments: {dev: {apps: {db: {service: {external: db.example.org}}}}}`},
	} {
		t.Run(test.reason, func(t *testing.T) { load(t, "name: shop\n"+test.text, "") })
	}
}

// TestDefaultsThatSayNothing lays defaults of the stack under apps of kinds
// that have no such field: they are as if they were not there.
func TestDefaultsThatSayNothing(t *testing.T) {
	const defaults = `defaults:
  replicas: 2
  service: NodePort
  health: /healthz
  update: {maxSurge: 1, maxUnavailable: 0, deadline: 5m}
  disruption: 1
  spread: hard
`
	for _, app := range []string{
		"{image: 'a:1.0', kind: job}",
		"{image: 'a:1.0', schedule: '0 3 * * *'}",
		"{image: 'a:1.0', kind: daemon, update: {maxSurge: 1}}",
		"{image: 'a:1.0', kind: stateful, replicas: 2, disruption: 1, spread: hard}",
		"{image: 'a:1.0', replicas: 2, update: {maxSurge: 1, maxUnavailable: 0, deadline: 5m}, disruption: 1, spread: hard}",
		"{image: 'a:1.0', replicas: 2, update: {strategy: recreate, deadline: 5m}, disruption: 1, spread: hard}",
		"{service: {external: db.example.org}}",
	} {
		want := load(t, "name: shop\napps: {a: "+app+"}", "")
		got := load(t, "name: shop\n"+defaults+"apps: {a: "+app+"}", "")
		if want.Apps[0].IsExternal() {
			continue // nothing but its host counts
		}
		if diff := cmp.Diff(want.Apps, got.Apps, cmpopts.IgnoreTypes(schema.Pos{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-without +with defaults)\n%s", app, diff)
		}
	}
}

// TestNullUncoversDefaults: null in an environment takes away what the file
// wrote, also its defaults, and leaves the defaults of the environment.
func TestNullUncoversDefaults(t *testing.T) {
	const text = `name: shop
defaults: {env: {A: file, B: file}}
apps: {web: {image: "w:1", replicas: 3, env: {A: app}}}
environments:
  dev:
    defaults: {replicas: 2, env: {A: dev}}
    apps: {web: {replicas: null, env: {A: null, B: null}}}
`
	web := load(t, text, "dev").Apps[0]
	if *web.Replicas != 2 || len(web.Env) != 1 || *web.Env["A"].Value != "dev" {
		t.Errorf("got %d replicas and %v", *web.Replicas, web.Env)
	}
}

// TestNeedsInEnvironments: the map merges, the list replaces.
func TestNeedsInEnvironments(t *testing.T) {
	for over, want := range map[string]map[string]schema.Need{
		"{b: healthy}": {"a": schema.Healthy, "b": schema.Healthy},
		"{a: null}":    {},
		"[b]":          {"b": schema.Started},
		"[]":           {},
		"null":         {},
	} {
		s := load(t, "name: shop\napps: {a: {image: 'a:1'}, b: {image: 'b:1'}, web: {image: 'w:1', needs: {a: healthy}}}\nenvironments: {dev: {apps: {web: {needs: "+over+"}}}}", "dev")
		if diff := cmp.Diff(want, s.Apps[2].Needs, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", over, diff)
		}
	}
}

// TestManifestPatterns reads the files that a pattern names.
func TestManifestPatterns(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.yaml", "crds/b.yaml", "crds/c.json", "crds/notes.txt", "crds/deep/er/d.yaml", ".git/e.yaml"} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		id := strings.NewReplacer("/", "-", ".", "-").Replace(strings.TrimPrefix(name, "."))
		text := `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "` + id + `"}}`
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[string]string{
		"a.yaml":                 "a-yaml",
		"*.yaml":                 "a-yaml",
		"crds":                   "crds-b-yaml crds-c-json crds-deep-er-d-yaml",
		"crds/":                  "crds-b-yaml crds-c-json crds-deep-er-d-yaml",
		"crds/*.yaml":            "crds-b-yaml",
		"crds/**.yaml":           "crds-b-yaml crds-deep-er-d-yaml",
		"**/*.yaml":              "a-yaml crds-b-yaml crds-deep-er-d-yaml",
		"crds/*/er/?.yaml":       "crds-deep-er-d-yaml",
		"crds/[bc].*":            "crds-b-yaml crds-c-json",
		"[a-b].yaml, crds/b.ya*": "a-yaml crds-b-yaml",
	} {
		path := filepath.Join(dir, "stack.cue")
		text := "name: \"shop\"\napps: web: image: \"web:1.0\"\nmanifests: [\"" + strings.ReplaceAll(pattern, ", ", `", "`) + "\"]\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := schema.Load(context.Background(), schema.Options{Filename: path})
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		var got []string
		for _, manifest := range s.Manifests {
			got = append(got, manifest.Object["metadata"].(map[string]any)["name"].(string))
		}
		if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", pattern, diff)
		}
	}
}
