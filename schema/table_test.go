package schema

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const tableHead = `# Fields

What may be written in a description, generated from the definitions in
` + "`schema/*.cue`" + `. ` + "`stackctl explain FIELD`" + ` says the same and more.
` + "`STACKCTL_UPDATE=1 go test ./schema -run TestFieldTable`" + ` writes this file.

In the last column *Workload* is the Deployment, StatefulSet, DaemonSet, Job or
CronJob of the app, *PodTemplate* its pod template, *Pod* the spec of that,
*Container* the container that the field is in, *JobSpec* what a Job does, and
` + "`*`" + ` every object. NAME stands for a name that you choose.
`

// TestFieldTable compares docs/fields.md with the definitions.
func TestFieldTable(t *testing.T) {
	got := fieldTable(t)
	path := filepath.Join("..", "docs", "fields.md")
	if os.Getenv("STACKCTL_UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-docs/fields.md +definitions)\n%s\nSTACKCTL_UPDATE=1 go test ./schema -run TestFieldTable writes it", diff)
	}
}

// TestFieldTableIsComplete looks for every field of ours in the table.
func TestFieldTableIsComplete(t *testing.T) {
	text := fieldTable(t)
	everyView(view{shape: language().stack}, func(v view) {
		if len(v.path) == 0 || v.path[len(v.path)-1] == "[]" || isRaw(v.path) || isRepeated(v.path) {
			return
		}
		if name := tableName(pathText(v.path)); !strings.Contains(text, "| `"+name+"` |") {
			t.Errorf("the table has no %s", name)
		}
	})
}

// fieldTable writes a table for the stack, one for the app, and one for each
// part that has fields of its own.
func fieldTable(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	out.WriteString(tableHead)
	var section func(title string, v view)
	section = func(title string, v view) {
		var rows strings.Builder
		var parts []view
		for _, name := range v.shape.whole().names {
			field, _ := v.child(name)
			if isRepeated(field.path) {
				continue
			}
			rows.WriteString(row(field))
			below := field
			if entry, ok := field.child("[]"); ok && len(field.shape.whole().names) == 0 {
				below = entry
			}
			if len(below.shape.whole().names) > 0 && below.shape.raw == "" && below.shape.name != "#App" {
				parts = append(parts, below)
			}
		}
		if rows.Len() == 0 {
			return
		}
		fmt.Fprintf(&out, "\n## %s\n\n| field | short form | default | decides |\n|---|---|---|---|\n%s", title, rows.String())
		for _, part := range parts {
			section("`"+tableName(pathText(part.path))+"`", part)
		}
	}
	root := view{shape: language().stack}
	section("A stack", root)
	app, _ := root.find([]string{"apps", "[]"})
	section("An app, `apps.NAME`", app)
	return out.String()
}

// isRepeated reports whether a field stands in the table elsewhere: what an
// environment has, the defaults, and the containers beside an app.
func isRepeated(path []string) bool {
	switch {
	case len(path) > 1 && (path[0] == "environments" || path[0] == "defaults"):
		return true
	case len(path) > 4 && (path[2] == "init" || path[2] == "sidecars"):
		return path[4] != "volumes" || path[2] == "sidecars"
	case len(path) > 3 && path[2] == "port":
		return true
	}
	return len(path) > 4 && path[2] == "health" && (path[3] == "readiness" || path[3] == "liveness") && !hasTableValue(path)
}

// hasTableValue reports whether #Defaults has a value for a field.
func hasTableValue(path []string) bool {
	v, ok := (view{shape: language().stack}).find(path)
	return ok && len(v.defaults()) > 0
}

func tableName(path string) string { return strings.TrimPrefix(path, "apps.NAME.") }

func row(v view) string {
	f := v.describeOne()
	var short, defaults []string
	for _, form := range f.Short {
		text := form.Want
		if form.Field != "" {
			text += " → `" + form.Field + "`"
		}
		short = append(short, text)
	}
	if f.SameAs != "" {
		short = append(short, "another spelling of `"+f.SameAs+"`")
	}
	for _, one := range f.Defaults {
		text := one.Value
		if one.When != "" {
			text = one.When + ": " + text
		}
		defaults = append(defaults, text)
	}
	if f.Off != "" {
		defaults = append(defaults, "without: `"+f.Off+"`")
	}
	cells := []string{"`" + tableName(f.Path) + "`", strings.Join(short, "<br>"), strings.Join(defaults, "<br>"), code(f.Emits)}
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func code(texts []string) string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = "`" + text + "`"
	}
	return strings.Join(out, "<br>")
}
