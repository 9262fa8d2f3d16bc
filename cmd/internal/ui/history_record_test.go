package ui

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// record is a revision with everything in it that a reader may see.
func record(n int) *apply.Record {
	return &apply.Record{
		Summary: apply.Summary{
			Revision: n, Status: apply.StatusFailed, Verb: apply.VerbApply, Cause: "new oven\nforged: line", Author: "Ann Größer",
			Commit: "0123456789abcdef0123456789abcdef01234567", Dirty: true, CI: "https://ci.example.org/7", Tool: "v1.2.3",
			CreatedAt: noon.Now.Add(-3 * time.Hour), Duration: apply.Seconds(12300 * time.Millisecond), Environment: "dev",
			Images: []string{"web-api:v1", "recipe-api:v2"}, Changes: apply.Counts{Created: 1, Updated: 1, Unchanged: 5}, Error: "Deployment/web: not ready",
		},
		Source: "name: recipes\napps:\n  web: {image: web-api:v1}\n",
		Outcomes: []apply.Outcome{
			{Object: apply.ObjectKey{Kind: "Service", Namespace: "shop", Name: "web"}, Action: apply.ActionCreate},
			{Object: apply.ObjectKey{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}, Action: apply.ActionUpdate, Error: "not ready: \x1b[2Kcrash"},
			{Object: apply.ObjectKey{Kind: "ConfigMap", Namespace: "shop", Name: "old"}, Action: apply.ActionDelete},
		},
		Objects: []map[string]any{
			{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "login"}, "data": "***"},
			{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "c"}, "data": map[string]any{"a": "\x1b[2K"}},
		},
	}
}

func TestRecord(t *testing.T) {
	var got bytes.Buffer
	stack := apply.Stack{Namespace: "shop", Name: "recipes"}
	changed := record(4)
	changed.Flaw, changed.Status, changed.Verb, changed.RollbackTo = "it is marked failed, but ended as deployed", apply.StatusDeployed, apply.VerbRollback, 2
	changed.Source, changed.Outcomes, changed.Dirty, changed.CI, changed.Error = "", nil, false, "", ""
	for _, r := range []*apply.Record{record(3), changed} {
		if err := WriteRecord(&got, stack, r, noon); err != nil {
			t.Fatal(err)
		}
		got.WriteString("\n")
	}
	if err := WriteObjects(&got, record(3)); err != nil {
		t.Fatal(err)
	}
	golden(t, "history_show.txt", got.String())
}

func TestRevisionDiff(t *testing.T) {
	to := record(5)
	to.Source, to.Environment = "name: recipes\napps:\n  web: {image: web-api:v2}\n", "prod"
	web := apply.ObjectKey{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	changes := []apply.Change{
		{Object: web, Action: apply.ActionUpdate, Fields: []apply.FieldChange{
			{Path: "spec.replicas", Op: apply.FieldSet, Before: 1, After: 2},
		}},
		{Object: apply.ObjectKey{Kind: "Secret", Namespace: "shop", Name: "login"}, Action: apply.ActionUpdate, Fields: []apply.FieldChange{
			{Path: "data", Op: apply.FieldSet, Before: "*** (before)", After: "*** (after)"},
		}},
		{Object: apply.ObjectKey{Kind: "Service", Namespace: "shop", Name: "web"}, Action: apply.ActionUnchanged},
	}
	stack := apply.Stack{Namespace: "shop", Name: "recipes"}
	var got bytes.Buffer
	for _, d := range []RevisionDiff{
		{Stack: stack, From: record(3), To: to, Changes: changes, Spec: true, Objects: true},
		{Stack: stack, From: record(3), To: to, Changes: changes, Spec: true},
		{Stack: stack, From: record(3), To: to, Changes: changes, Objects: true},
		{Stack: stack, From: record(3), To: record(4), Changes: changes[2:], Spec: true, Objects: true},
	} {
		for _, format := range []string{"text", "json"} {
			if err := WriteRevisionDiff(&got, format, d, noon); err != nil {
				t.Fatal(err)
			}
			got.WriteString("\n")
		}
		if same := d.From.Source == d.To.Source; d.Empty() != same {
			t.Errorf("empty is %v", d.Empty())
		}
	}
	golden(t, "history_diff.txt", got.String())
}

func TestVerification(t *testing.T) {
	v := &apply.Verification{Stack: apply.Stack{Namespace: "shop", Name: "recipes"}, Problems: []string{}, Revisions: []apply.VerifiedRevision{
		{Revision: 1, Status: apply.StatusSuperseded, Problems: []string{}}, {Revision: 2, Status: apply.StatusDeployed, Problems: []string{}},
	}}
	var got bytes.Buffer
	write := func() {
		if err := WriteVerification(&got, "text", v, noon); err != nil {
			t.Fatal(err)
		}
		got.WriteString("\n")
	}
	write()
	v.Garbage = 3
	write()
	v.Revisions[0] = apply.VerifiedRevision{Revision: 1, Status: apply.StatusCorrupt, Problems: []string{"chunk c-1 is missing", "one line\nforged line"}}
	v.Problems = []string{"the index of revision 7 is gone, its outcome is there"}
	write()
	golden(t, "history_verify.txt", got.String())
	got.Reset()
	var back struct{ OK bool }
	if err := WriteVerification(&got, "json", v, noon); err != nil || json.Unmarshal(got.Bytes(), &back) != nil || back.OK {
		t.Errorf("%v: %s", err, &got)
	}
}
