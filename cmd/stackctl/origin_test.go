package main

import (
	"os"
	"strings"
	"testing"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/schema"
)

// TestWhatDecidesAField: the line of the app that an object is of, also when a
// patch gave the object the name of another one, and of a manifest.
func TestWhatDecidesAField(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("settings.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata:\n  color: red\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec, err := schema.Load(t.Context(), schema.Options{Filename: "-", Stdin: strings.NewReader(`name: shop
manifests: [settings.yaml]
apps:
  web:
    image: example.org/web:v1
    replicas: 3
  web-api:
    image: example.org/api:v1
    replicas: 4
    patches:
      - target: Deployment
        patch: {metadata: {labels: {app.kubernetes.io/name: nobody}}}
  db:
    image: example.org/db:v1
`)})
	if err != nil {
		t.Fatal(err)
	}
	decides := deciding(spec, "shop")
	for _, c := range []struct {
		kind, name, path string
		file             string
		line             int
		field            string
		written          bool
	}{
		{"Deployment", "web", "spec.replicas", "-", 6, "apps.web.replicas", true},
		{"Deployment", "web-api", "spec.replicas", "-", 9, "apps.web-api.replicas", true},
		{"Deployment", "db", "spec.replicas", "-", 13, "apps.db", false},
		{"ConfigMap", "settings", "data.color", "settings.yaml", 5, "", true},
		{"ConfigMap", "nobodys", "data.color", "", 0, "", false},
	} {
		pos, field, written := decides(apply.ObjectKey{Kind: c.kind, Name: c.name}, c.path)
		if pos.File != c.file || pos.Line != c.line || field != c.field || written != c.written {
			t.Errorf("%s/%s %s: %s:%d %q %v, want %s:%d %q %v", c.kind, c.name, c.path, pos.File, pos.Line, field, written, c.file, c.line, c.field, c.written)
		}
	}
}
