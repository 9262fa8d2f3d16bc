package ui

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"stackctl.dev/stackctl/apply"
)

// large returns a plan that changes each of some objects in a number of lines.
func large(objects, lines int, name string) Diff {
	plan := &apply.Plan{Stack: apply.Stack{Namespace: "shop", Name: "recipes"}, Verb: apply.VerbApply, Server: "https://127.0.0.1:6443", Base: 3}
	for i := range objects {
		side := func(word string) map[string]any {
			var text strings.Builder
			for j := range lines {
				fmt.Fprintf(&text, "setting-%d = %s of %d\n", j, word, i)
			}
			return map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": fmt.Sprintf(name, i)}, "data": map[string]any{"settings": text.String()}}
		}
		before, after := side("before"), side("after")
		plan.Changes = append(plan.Changes, apply.Change{
			Object: apply.ObjectKey{Kind: "ConfigMap", Namespace: "shop", Name: fmt.Sprintf(name, i)}, Action: apply.ActionUpdate, Live: before, Merged: after,
			Fields: []apply.FieldChange{{Path: "data.settings", Op: apply.FieldSet, Before: before["data"].(map[string]any)["settings"], After: after["data"].(map[string]any)["settings"],
				Label: apply.LabelYou, Spec: &apply.SpecPlace{File: "stack.yaml", Line: 7, Path: "apps.web.files"}}},
			Impacts: []apply.Impact{{Kind: apply.ImpactRestart, Message: "replaces 3 pods", Pods: 3}},
		})
	}
	return Diff{Plan: plan, Context: "kind-dev", File: "stack.yaml"}
}

// TestMarkdownFitsIntoAComment: whatever the size, all of it fits, every object
// is listed, and what is cut is said to be.
func TestMarkdownFitsIntoAComment(t *testing.T) {
	for _, c := range []struct {
		name          string
		diffs         []Diff
		says, saysNot string
	}{
		{"one object of 10,000 lines", []Diff{large(1, 5000, "settings-%d")}, "lines more, too many for a comment", ""},
		{"100 objects, 10,000 lines", []Diff{large(100, 50, "settings-%d")}, "There is no room here for the lines of", ""},
		{"1,000 objects", []Diff{large(1000, 5, "settings-%d")}, "", "whose names alone"},
		{"3,000 objects", []Diff{large(3000, 1, "s-%d")}, "", "whose names alone"},
		{"many names that are long", []Diff{large(1000, 1, strings.Repeat("long-", 40)+"%d")}, "whose names alone are too much for a comment", ""},
		{"three stacks", []Diff{large(1, 5000, "a-%d"), large(100, 50, "b-%d"), large(1, 1, "c-%d")}, "c-0", ""},
		{"a small one", []Diff{large(1, 3, "settings-%d")}, "+    setting-2", "no room"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := WriteDiffs(&out, "markdown", c.diffs, noon); err != nil {
				t.Fatal(err)
			}
			text := out.String()
			if len(text) > 65536 {
				t.Errorf("%d bytes", len(text))
			}
			t.Logf("%d bytes", len(text))
			if !strings.Contains(text, c.says) {
				t.Errorf("does not say %q", c.says)
			}
			if c.saysNot != "" && strings.Contains(text, c.saysNot) {
				t.Errorf("says %q", c.saysNot)
			}
			judgeMarkdown(t, text)
			if strings.Contains(text, "whose names alone") {
				return
			}
			for _, d := range c.diffs {
				for _, change := range d.Plan.Changes {
					if name := change.Object.Kind + "/" + change.Object.Name; !strings.Contains(text, name+"<") && !strings.Contains(text, name+",") {
						t.Fatalf("%s is not listed", name)
					}
				}
			}
		})
	}
}

// TestManyRemarksLeaveRoomForTheObjects: warnings are cut before objects are.
func TestManyRemarksLeaveRoomForTheObjects(t *testing.T) {
	d := large(50, 2, "settings-%d")
	for i := range 2000 {
		d.Plan.Warnings = append(d.Plan.Warnings, fmt.Sprintf("warning %d: %s", i, strings.Repeat("is a long one ", 30)))
	}
	var out bytes.Buffer
	if err := WriteDiff(&out, "markdown", d, noon); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); len(text) > 65536 || !strings.Contains(text, "settings-49") || !strings.Contains(text, "warnings more") {
		t.Errorf("%d bytes:\n%s", len(text), shorten(text, 3000))
	}
}
