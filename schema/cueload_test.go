package schema

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuelang.org/go/cue/cuecontext"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// unpack writes the files of an archive to a new working directory.
func unpack(t *testing.T, archive string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, file := range txtar.Parse([]byte(archive)).Files {
		if err := os.MkdirAll(filepath.Dir(file.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file.Name, file.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// whole uses what CUE has: several files, packages, definitions, hidden
// fields, let, comprehensions, disjunctions with a default.
const whole = `
-- deploy/stack.cue --
package shop

import (
	"strings"
	"stackctl.dev/stack@v1"
	"example.com/shop/lib/image"
	same "example.com/shop/lib/image@v0:image"
	tags "example.org/labels"
)

stack.#Stack
let team = "web"
name: strings.ToLower("SHOP")
_teams: ["front", "back"]
apps: {
	for one in _teams {
		(one): #Web & {image: "\(same.base)/\(one):1.0"}
	}
	if image.mail != _|_ {
		mail: stack.#App & {image: same.mail}
	}
}
apps: [string]: labels: tags.all & {"team": team}
-- deploy/web.cue --
package shop

#Web: {
	image:    string
	port:     *8080 | int
	replicas: int & <10
	labels: {...}
}
apps: front: replicas: 2
apps: back: replicas:  3
-- deploy/other.cue --
package other

name: "other"
-- deploy/.hidden.cue --
package shop

name: "hidden"
-- deploy/_left.cue --
package shop

name: "left"
-- deploy/lib/lib.cue --
package image

mail: "mail:1.0"
-- deploy/lib/image/image.cue --
package image

import "encoding/base64"

base: "ghcr.io/\(base64.Decode(null, "YWNtZQ=="))"
-- deploy/cue.mod/module.cue --
module: "example.com/shop@v0"
language: version: "v0.17.0"
-- deploy/cue.mod/pkg/example.org/labels/labels.cue --
package labels

all: {team!: string, tier: *"front" | "back"}
-- deploy/cue.mod/usr/example.org/labels/more.cue --
package labels

all: owner: "acme"
-- deploy/stack.yaml --
name: shop
apps:
  front: {image: ghcr.io/acme/front:1.0, port: 8080, replicas: 2, labels: {team: web, tier: front, owner: acme}}
  back: {image: ghcr.io/acme/back:1.0, port: 8080, replicas: 3, labels: {team: web, tier: front, owner: acme}}
  mail: {image: mail:1.0, labels: {team: web, tier: front, owner: acme}}
`

// TestPackage loads a description of many files and compares it with the same
// one in YAML.
func TestPackage(t *testing.T) {
	withSchema(t, "package stack\n\nimport \"strings\"\n\n#Stack: {name!: strings.MinRunes(1), apps!: [string]: #App}\n#App: {image!: string}\n")
	unpack(t, whole)
	s, err := Load(context.Background(), Options{Filename: "deploy/stack.cue"})
	if err != nil {
		t.Fatal(err)
	}
	want, err := Load(context.Background(), Options{Filename: "deploy/stack.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type().String() == "schema.Pos" }, cmp.Ignore())
	if diff := cmp.Diff(want.Apps, s.Apps, ignore); diff != "" {
		t.Errorf("(-yaml +cue)\n%s", diff)
	}
	files := []string{
		"deploy/stack.cue", "deploy/cue.mod/module.cue", "deploy/cue.mod/pkg/example.org/labels/labels.cue",
		"deploy/cue.mod/usr/example.org/labels/more.cue", "deploy/lib/image/image.cue", "deploy/lib/lib.cue", "deploy/web.cue",
	}
	if diff := cmp.Diff(files, s.Files); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
	for path, place := range map[string]string{
		"apps.back.replicas": "deploy/web.cue:10:24",
		"apps.front.image":   "deploy/stack.cue:17:25",
	} {
		if got := s.PosOf(strings.Split(path, ".")...).String(); got != place {
			t.Errorf("PosOf(%s) = %s, want %s", path, got, place)
		}
	}
}

// withSchema gives stackctl.dev/stack a text for one test.
func withSchema(t *testing.T, text string) {
	before := schemaPackage
	schemaPackage = func() []byte { return []byte(text) }
	t.Cleanup(func() { schemaPackage = before })
}

// TestSchemaIsCheckedOnce keeps CUE from checking what is checked later: one
// mistake in a value with a short and a long form is one error.
func TestSchemaIsCheckedOnce(t *testing.T) {
	withSchema(t, "package stack\n\n#Stack: close({name!: string, apps!: [string]: {image!: string, port?: int & <65536 | {port: int}}})\n")
	unpack(t, "-- stack.cue --\npackage shop\n\nimport \"stackctl.dev/stack@v1\"\n\nstack.#Stack\nname: \"shop\"\napps: web: {image: \"web:1.0\", port: \"htp\"}\n")
	_, err := Load(context.Background(), Options{Filename: "stack.cue"})
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != 1 || errs[0].Pos.String() != "stack.cue:7:37" {
		t.Errorf("got %v", err)
	}
}

// TestSchemaIsVendored finds the text where other CUE tools need it, as long
// as stackctl brings none.
func TestSchemaIsVendored(t *testing.T) {
	withSchema(t, "")
	schemaPackage = func() []byte { return nil }
	const text = "-- stack.cue --\npackage shop\n\nimport \"stackctl.dev/stack@v1\"\n\nstack.#Stack\nname: \"shop\"\napps: web: image: \"web:1.0\"\n" +
		"-- cue.mod/module.cue --\nmodule: \"example.com/shop@v0\"\n"
	unpack(t, text)
	_, err := Load(context.Background(), Options{})
	if err == nil || !strings.Contains(err.Error(), `stack.cue:3:8: the import "stackctl.dev/stack@v1" is not available`) {
		t.Errorf("nowhere: %v", err)
	}
	unpack(t, text+"-- cue.mod/pkg/stackctl.dev/stack/stack.cue --\npackage stack\n\n#Stack: name!: string\n")
	if _, err := Load(context.Background(), Options{}); err != nil {
		t.Errorf("vendored: %v", err)
	}
}

// TestStandardLibrary compares our list with what CUE can import.
func TestStandardLibrary(t *testing.T) {
	for _, name := range standardLibrary {
		_, last, _ := strings.Cut(name, "/")
		if last == "" {
			last = name
		}
		v := cuecontext.New().CompileString("import p \"" + name + "\"\nx: p\n")
		if err := v.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
