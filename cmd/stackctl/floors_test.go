package main

import (
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "stackctl.dev/stackctl/"

// floors says what each package must not reach, directly or through others,
// and why. Prefixes; a forbidden prefix of ours names a floor above.
var floors = []struct {
	pkg       string
	forbidden map[string]string
}{
	{"schema", map[string]string{
		module + "render":          "schema is floor 0: render builds on it",
		module + "apply":           "schema is floor 0, and a description knows no cluster",
		module + "cmd":             "schema is floor 0: commands build on it",
		"k8s.io/":                  "a description is checked without Kubernetes: loading stays quick, and others can use the loader alone",
		"sigs.k8s.io/":             "it loses the positions that errors are made of: read YAML with cuelang.org/go/encoding/yaml, and to write it again with its comments with go.yaml.in/yaml/v3, which that is made of",
		"github.com/spf13/":        "only cmd/stackctl parses flags",
		"github.com/google/go-cmp": "it is meant for tests only",
		"github.com/rogpeppe/":     "it is meant for tests only",
	}},
	{"apply", map[string]string{
		module + "schema":          "apply is floor 0: it applies objects, wherever they come from",
		module + "render":          "apply is floor 0: it applies objects, wherever they come from",
		module + "cmd":             "apply is floor 0: commands build on it",
		"cuelang.org/":             "apply is floor 0: it applies objects, wherever they come from",
		"github.com/spf13/cobra":   "only cmd/stackctl parses flags",
		"sigs.k8s.io/kustomize":    "objects come rendered",
		"github.com/google/go-cmp": "it is meant for tests only",
	}},
	{"render", map[string]string{
		module + "apply":           "rendering is pure: it knows no cluster, and an object is the same whoever applies it",
		module + "cmd":             "render is floor 1: commands build on it",
		"github.com/spf13/cobra":   "only cmd/stackctl parses flags",
		"github.com/google/go-cmp": "it is meant for tests only",
	}},
	{"cmd/internal/ui", map[string]string{
		module + "render":           "ui writes plans and errors, which apply and schema define",
		module + "cmd/stackctl":     "ui is floor 1: commands build on it",
		module + "cmd/internal/git": "ui asks nothing of its surroundings",
		"github.com/spf13/cobra":    "only cmd/stackctl parses flags",
		"github.com/google/go-cmp":  "it is meant for tests only",
	}},
	{"cmd/stackctl", map[string]string{
		"k8s.io/cli-runtime":                   "its flags are seven lines of clientcmd, and it links kustomize, kyaml and the cached discovery",
		"k8s.io/client-go/kubernetes/typed":    "the typed clients link and register every kind: apply/client.go has those that are used",
		"k8s.io/client-go/informers":           "they link the typed clients of all kinds",
		"k8s.io/client-go/applyconfigurations": "they link the registry of all kinds by way of the discovery: render/fields.go has their rule",
		"k8s.io/client-go/discovery":           "it links the registry of all kinds, and apply/kinds.go asks only for what it does not know",
		"github.com/google/go-cmp":             "it is meant for tests only",
		"github.com/rogpeppe/":                 "it is meant for tests only",
	}},
	{"apply/torture", map[string]string{
		module + "schema":        "torture knows the program by its command line alone, as a user does",
		module + "render":        "torture knows the program by its command line alone, as a user does",
		module + "cmd":           "torture runs the built program: what it links is not what is released",
		"cuelang.org/":           "torture writes descriptions as text, as a user does",
		"github.com/spf13/cobra": "only cmd/stackctl parses flags",
	}},
	{"cmd/internal/gitinfo", map[string]string{
		module:         "gitinfo reads a repository and knows nothing of stacks",
		"os/exec":      "no program is ever run: git may not be there, or be somebody else's",
		"k8s.io/":      "gitinfo reads a repository and knows nothing of stacks",
		"net/http":     "gitinfo contacts nobody",
		"github.com/":  "the standard library is enough to read a repository",
		"golang.org/x": "the standard library is enough to read a repository",
	}},
}

// TestFloors keeps each package on its floor.
func TestFloors(t *testing.T) {
	for _, floor := range floors {
		deps := dependencies(t, "-deps", module+floor.pkg)
		if len(deps) < 2 {
			t.Fatalf("%s has no dependencies: the test proves nothing", floor.pkg)
		}
		for prefix, reason := range floor.forbidden {
			for _, dep := range deps {
				if dep != module+floor.pkg && strings.HasPrefix(dep, prefix) {
					t.Errorf("%s reaches %s: %s", floor.pkg, dep, reason)
				}
			}
		}
	}
}

// mostPackages is how many packages the program may link; each is time at the
// start of every command, and memory. A new dependency that is worth its weight
// raises it.
const mostPackages = 575

// TestWeight counts the packages that are linked into the program.
func TestWeight(t *testing.T) {
	n := len(dependencies(t, "-deps", module+"cmd/stackctl"))
	t.Logf("%d packages", n)
	if n > mostPackages || n < mostPackages/2 {
		t.Errorf("stackctl links %d packages, want at most %d (and more than half of that, or the test counts something else)", n, mostPackages)
	}
}

// TestUIImports keeps ui from using the Kubernetes client that apply's types
// bring along.
func TestUIImports(t *testing.T) {
	for _, dep := range dependencies(t, "-f", `{{join .Imports "\n"}}`, module+"cmd/internal/ui") {
		first, _, _ := strings.Cut(dep, "/")
		if strings.Contains(first, ".") && dep != module+"apply" && dep != module+"schema" && dep != "sigs.k8s.io/yaml" {
			t.Errorf("cmd/internal/ui imports %s: it writes values of schema and apply, and needs no more than the standard library for it", dep)
		}
	}
}

// TestNoPrograms keeps our packages from running other programs: only plugins
// that the user's kubeconfig names may be run, by the client library, and the
// program that KUBECTL_EXTERNAL_DIFF names, by one file.
func TestNoPrograms(t *testing.T) {
	for _, pkg := range []string{"schema", "render", "apply", "cmd/internal/ui", "cmd/internal/gitinfo", "cmd/stackctl"} {
		for _, dep := range dependencies(t, "-f", `{{join .Imports "\n"}}`, module+pkg) {
			if pkg == "cmd/stackctl" && dep == "os/exec" {
				continue // by file, below
			}
			switch dep {
			case "os/exec", "plugin", "unsafe", "net/http/pprof":
				t.Errorf("%s imports %s: stackctl runs no programs and opens no back doors", pkg, dep)
			}
		}
	}
}

// TestExternalDiffIsAlone keeps the right to run a program in the one file that
// runs what the user names for it.
func TestExternalDiffIsAlone(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	found := false
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			if i.Path.Value != `"os/exec"` {
				continue
			}
			found = found || file == "external_diff.go"
			if file != "external_diff.go" {
				t.Errorf("%s imports os/exec: only external_diff.go runs a program, the one that KUBECTL_EXTERNAL_DIFF names", file)
			}
		}
	}
	if !found {
		t.Error("external_diff.go runs no program: the test proves nothing")
	}
}

// dependencies runs `go list` and returns its lines.
func dependencies(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.Fields(string(out))
}
