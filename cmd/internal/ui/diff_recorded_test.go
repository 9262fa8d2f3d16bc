package ui

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"stackctl.dev/stackctl/apply"
)

// recordedPlan is a plan as TestRecordPlans of cmd/stackctl got it from a real
// control plane.
type recordedPlan struct {
	Story   string      `json:"story"`
	Context string      `json:"context"`
	File    string      `json:"file"`
	Drift   int         `json:"drift"`
	Plan    *apply.Plan `json:"plan"`
	// Sides are both sides of the updates, which are no part of a plan's JSON.
	Sides []struct{ Live, Merged map[string]any } `json:"sides"`
}

// recordedDiffs returns the recorded plans by the name of their story.
func recordedDiffs(t *testing.T) map[string]Diff {
	t.Helper()
	files, err := filepath.Glob(goldens + "plans/*.json")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d recorded plans: %v", len(files), err)
	}
	all := map[string]Diff{}
	for _, file := range files {
		r := recorded[recordedPlan](t, "plans/"+filepath.Base(file))
		for i, side := range r.Sides {
			r.Plan.Changes[i].Live, r.Plan.Changes[i].Merged = side.Live, side.Merged
		}
		all[r.Story] = Diff{Plan: r.Plan, Context: r.Context, File: r.File, Drift: r.Drift, Conflicts: ErrorContext{Command: "stackctl apply"}}
	}
	return all
}

var styleSum = regexp.MustCompile(`sha256-[A-Za-z0-9+/]+=*`)

// TestDiffsOfRecordedPlans: each format of the registry has a golden for each
// recorded plan, one file for each plan.
func TestDiffsOfRecordedPlans(t *testing.T) {
	for name, d := range recordedDiffs(t) {
		var archive txtar.Archive
		for _, format := range DiffFormats() {
			var got bytes.Buffer
			o := noon
			if format == "github" {
				o.Summary = io.Discard // it is the golden of markdown
			}
			if err := WriteDiff(&got, format, d, o); err != nil {
				t.Fatalf("%s of %s: %v", format, name, err)
			}
			text := strings.Replace(got.String(), pageStyle, "(as in diff.html)", 1)
			text = styleSum.ReplaceAllString(text, "sha256-(as in diff.html)")
			archive.Files = append(archive.Files, txtar.File{Name: format, Data: []byte(text)})
		}
		golden(t, "plans/"+name+".txtar", string(txtar.Format(&archive)))
		if again := txtar.Parse(txtar.Format(&archive)); len(again.Files) != len(DiffFormats()) {
			t.Errorf("%s: a format writes a line that looks like a file of the golden", name)
		}
	}
}

// TestPatchApplies: what is live with the patch applied is what would be.
func TestPatchApplies(t *testing.T) {
	changed := 0
	for name, d := range recordedDiffs(t) {
		dir, want := t.TempDir(), map[string]string{}
		for _, c := range d.Plan.Changes {
			before, after := c.Objects()
			path := filepath.Join(dir, objectPath(c.Object))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if before != nil {
				if err := os.WriteFile(path, []byte(text(objectLines(before))), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want[path] = text(objectLines(after))
		}
		var patch bytes.Buffer
		if err := WriteDiff(&patch, "patch", d, noon); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(patch.String(), "\n@@ ") {
			continue // it has no hunk
		}
		changed++
		cmd := exec.Command("git", "apply", "-")
		cmd.Dir, cmd.Stdin = dir, &patch
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		for path, text := range want {
			got, err := os.ReadFile(path)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(text, string(got)); diff != "" {
				t.Errorf("%s: %s (-want +got)\n%s", name, path, diff)
			}
		}
	}
	if changed < 20 {
		t.Errorf("only %d plans have a patch", changed)
	}
}

// TestObjectsSayWhatFieldsSay: an update whose fields are known has lines that
// differ, so that no format hides it.
func TestObjectsSayWhatFieldsSay(t *testing.T) {
	for name, d := range recordedDiffs(t) {
		objects, _ := d.subjects()
		for _, s := range objects {
			if s.Action == apply.ActionUpdate && len(s.Fields) > 0 && s.edits() == nil {
				t.Errorf("%s: %s has %d fields and no line", name, s.name, len(s.Fields))
			}
		}
	}
}
