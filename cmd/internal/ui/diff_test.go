package ui

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackctl.dev/stackctl/apply"
)

var noon = Options{Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}

const goldens = "../../../testdata/ui/"

// golden compares with a file of testdata/ui; STACKCTL_UPDATE=1 rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(goldens, name)
	if os.Getenv("STACKCTL_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; STACKCTL_UPDATE=1 go test writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("testdata/ui/%s differs (-want +got); STACKCTL_UPDATE=1 go test rewrites it:\n%s", name, diff)
	}
}

// recorded reads a value that was recorded as JSON.
func recorded[T any](t *testing.T, name string) *T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(goldens, name))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var v T
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &v
}

// TestDiffFormats walks the registry: each format has a golden.
func TestDiffFormats(t *testing.T) {
	d := Diff{Plan: recorded[apply.Plan](t, "plan.json"), Context: "kind-dev", Conflicts: ErrorContext{Command: "stackctl apply -e dev"}}
	for _, format := range DiffFormats() {
		var got bytes.Buffer
		if err := WriteDiff(&got, format, d, noon); err != nil {
			t.Fatal(err)
		}
		golden(t, "diff."+format, got.String())
	}
	if err := WriteDiff(&bytes.Buffer{}, "xml", d, noon); err == nil {
		t.Error("a format that does not exist is no error")
	}
}

// TestPlans writes the same and simpler plans for somebody to approve.
func TestPlans(t *testing.T) {
	var got bytes.Buffer
	write := func(title string, plan *apply.Plan, o Options) {
		got.WriteString("# " + title + "\n")
		if err := WritePlan(&got, Diff{Plan: plan, Context: "kind-dev"}, o); err != nil {
			t.Fatal(err)
		}
		got.WriteString("\n")
	}
	write("everything that can happen", recorded[apply.Plan](t, "plan.json"), noon)
	stack := apply.Stack{Namespace: "shop", Name: "recipes"}
	unchanged := []apply.Change{{Object: apply.ObjectKey{Kind: "Service", Namespace: "shop", Name: "web"}, Action: apply.ActionUnchanged}}
	write("nothing to do", &apply.Plan{Stack: stack, Verb: apply.VerbApply, Server: "https://s", Base: 3, Changes: unchanged}, noon)
	write("nothing to write, but the last run failed", &apply.Plan{Stack: stack, Verb: apply.VerbApply, Server: "https://s", Base: 3, Settle: true, Changes: unchanged}, noon)
	write("a rollback", &apply.Plan{Stack: stack, Verb: apply.VerbRollback, Server: "https://s", Base: 3, RollbackTo: 1, Changes: []apply.Change{
		{Object: apply.ObjectKey{Kind: "Service", Namespace: "shop", Name: "web"}, Action: apply.ActionCreate},
	}}, noon)
	write("a delete that keeps data", &apply.Plan{Stack: stack, Verb: apply.VerbDelete, Server: "https://s", Base: 3, Changes: []apply.Change{
		{Object: apply.ObjectKey{Kind: "PersistentVolumeClaim", Namespace: "shop", Name: "data"}, Action: apply.ActionKeep},
		{Object: apply.ObjectKey{Kind: "Service", Namespace: "shop", Name: "web"}, Action: apply.ActionDelete},
	}}, noon)
	write("an object that is made anew, and one that others hold back", &apply.Plan{Stack: stack, Verb: apply.VerbApply, Server: "https://s", Base: 3,
		Notices: []string{"--recreate Deployment/none: there is no such object in the stack"},
		Changes: []apply.Change{
			{
				Object: apply.ObjectKey{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}, Action: apply.ActionUpdate,
				Replace: []string{"spec.selector.matchLabels.tier"}, Note: "its pods stop before new ones start",
				Fields: []apply.FieldChange{{Path: "spec.selector.matchLabels.tier", Op: apply.FieldSet, Before: "a", After: "b"}},
			},
			{Object: apply.ObjectKey{Kind: "Service", Namespace: "shop", Name: "old"}, Action: apply.ActionKeep, Terminating: true, Note: "is being deleted (waiting for example.org/hold)"},
		}}, noon)
	write("nothing to do but to wait for others", &apply.Plan{Stack: stack, Verb: apply.VerbApply, Server: "https://s", Base: 3, Changes: []apply.Change{
		{Object: apply.ObjectKey{Kind: "Service", Namespace: "shop", Name: "old"}, Action: apply.ActionKeep, Terminating: true, Note: "is being deleted (waiting for example.org/hold)"},
	}}, noon)
	forced := recorded[apply.Plan](t, "plan.json")
	forced.Changes = forced.Changes[2:3]
	for i := range forced.Changes[0].Conflicts {
		forced.Changes[0].Conflicts[i].Resolution = apply.ResolutionTaken
	}
	write("conflicts that are taken over", forced, noon)
	forced.Changes[0].Fields = nil
	for i := range forced.Changes[0].Conflicts {
		forced.Changes[0].Conflicts[i].Resolution = apply.ResolutionYielded
	}
	forced.Notices = []string{"no conflict is about spec.replica, so that nothing is taken over there"}
	write("conflicts that are left to others", forced, noon)
	write("an object that is adopted", &apply.Plan{Stack: stack, Verb: apply.VerbScale, Server: "https://s", Base: 3, Changes: []apply.Change{
		{Object: apply.ObjectKey{Kind: "Service", Namespace: "shop", Name: "web"}, Action: apply.ActionUpdate, Adopted: "no stack (made by \"helm\")", Note: "of the Helm release web"},
	}}, noon)
	write("in colour", &apply.Plan{Stack: stack, Verb: apply.VerbApply, Server: "https://s", Base: 3, Changes: []apply.Change{
		{Object: apply.ObjectKey{Kind: "Service", Namespace: "shop", Name: "web"}, Action: apply.ActionDelete},
	}}, Options{Now: noon.Now, Color: true})
	golden(t, "plans.txt", strings.ReplaceAll(got.String(), "\x1b", "<ESC>"))
}

// TestDiffEmpty keeps the promise that an empty diff shows no change.
func TestDiffEmpty(t *testing.T) {
	plan := &apply.Plan{Stack: apply.Stack{Namespace: "shop", Name: "web"}, Verb: apply.VerbApply, Base: 2}
	var text, data bytes.Buffer
	if err := WriteDiff(&text, "text", Diff{Plan: plan}, noon); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "No changes: web matches revision 2.") {
		t.Errorf("got %s", text.String())
	}
	if err := WriteDiff(&data, "json", Diff{Plan: plan}, noon); err != nil {
		t.Fatal(err)
	}
	var got struct{ Empty bool }
	if err := json.Unmarshal(data.Bytes(), &got); err != nil || !got.Empty {
		t.Errorf("empty is %v, %v", got.Empty, err)
	}
}
