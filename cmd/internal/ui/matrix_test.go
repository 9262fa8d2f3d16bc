package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// TestMatrixFits: a comment has room for 65,536 characters, whatever changes.
func TestMatrixFits(t *testing.T) {
	for _, objects := range []int{1, 300, 5000} {
		var m Matrix
		for _, name := range []string{"dev", "prod"} {
			plan := &apply.Plan{Stack: apply.Stack{Namespace: name, Name: "shop"}}
			for i := range objects {
				key := apply.ObjectKey{Kind: "ConfigMap", Namespace: name, Name: fmt.Sprintf("config-%d", i)}
				plan.Changes = append(plan.Changes, apply.Change{Object: key, Action: apply.ActionUpdate, Fields: []apply.FieldChange{
					{Path: "data.text", Op: apply.FieldSet, Before: strings.Repeat("`", 50), After: strings.Repeat("|<b>", 100)},
				}})
			}
			m.Columns = append(m.Columns, Diff{Plan: plan, Sides: &Sides{From: Side{Source: "git:main"}, To: Side{Source: "stack.yaml", Environment: name}}})
		}
		var out bytes.Buffer
		if err := WriteMatrix(&out, "markdown", m, Options{}); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if len(text) > maxComment {
			t.Errorf("%d objects: %d bytes", objects, len(text))
		}
		if strings.Count(text, "<details>") != strings.Count(text, "</details>") || !strings.Contains(text, "| `ConfigMap/config-0` | ~ | ~ |") {
			t.Errorf("%d objects: cut in the middle, or without a table", objects)
		}
		if objects > 1 && !strings.Contains(text, "did not fit") {
			t.Errorf("%d objects: not said that something is left out", objects)
		}
	}
}

// TestMatrixGroups says once what happens alike in several environments.
func TestMatrixGroups(t *testing.T) {
	column := func(environment, image string) Diff {
		key := apply.ObjectKey{Kind: "Deployment", Group: "apps", Namespace: "shop-" + environment, Name: "web"}
		service := apply.ObjectKey{Kind: "Service", Namespace: key.Namespace, Name: "web"}
		return Diff{
			Plan: &apply.Plan{Stack: apply.Stack{Namespace: key.Namespace, Name: "shop"}, Changes: []apply.Change{
				{Object: key, Action: apply.ActionUpdate, Fields: []apply.FieldChange{{Path: "image", Op: apply.FieldSet, Before: "a", After: image, Spec: &apply.SpecPlace{Line: len(environment)}}}},
				{Object: service, Action: apply.ActionCreate, New: map[string]any{"metadata": map[string]any{"namespace": key.Namespace}}},
			}},
			Sides: &Sides{From: Side{Source: "git:main"}, To: Side{Source: "stack.yaml", Environment: environment}},
		}
	}
	m := Matrix{Columns: []Diff{column("dev", "b"), column("test", "b"), column("prod", "c")}}
	var out bytes.Buffer
	if err := WriteMatrix(&out, "text", m, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"~ Deployment/web  in dev, test\n", "~ Deployment/web  in prod\n", "+ Service/web  in dev, test, prod\n"} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("want %q once in\n%s", want, &out)
		}
	}
}

// TestLog: every line is one object, whatever others say, and none obeys them.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	l := NewLog(&out, func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) })
	hostile := "::add-mask::x\n##[error]\x1b[2J\u202e\u0085\u2028\U000e0001\xff"
	key := apply.ObjectKey{Kind: "Deployment", Namespace: "shop", Name: "web"}
	l.Event(apply.LockWait{Holder: apply.Holder{Author: hostile}})
	l.Event(apply.TookOver{Holder: apply.Holder{Author: hostile}})
	l.Event(apply.Recorded{Revision: 3, Interrupted: []int{2}})
	l.Event(apply.Applied{Object: key, Action: apply.ActionUpdate, Note: hostile, Err: fmt.Errorf("%s", hostile)})
	l.Event(apply.NeedWait{Object: key, Needs: []apply.Need{{App: hostile}}})
	l.Event(apply.Progress{Health: apply.Health{Object: key, Message: hostile}})
	l.Event(apply.Pruning{Count: 2})
	l.Plan(&apply.Plan{Changes: []apply.Change{{Object: key, Action: apply.ActionUpdate}, {Object: key, Action: apply.ActionUnchanged}}})
	l.Result(apply.Stack{Name: "shop"}, &apply.Result{Error: hostile})
	fmt.Fprintf(l, "half a line, ")
	fmt.Fprintf(l, "%s\nnext\n", hostile)
	l.Error(hostile, 3)
	events := map[string]int{}
	for line := range strings.Lines(out.String()) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Version != LogVersion || e.Time.IsZero() {
			t.Errorf("%v: %s", err, line)
		}
		if clean := Clean(strings.TrimSuffix(line, "\n")); clean != strings.TrimSuffix(line, "\n") || strings.Contains(line, "##[") || !strings.HasPrefix(line, "{") {
			t.Errorf("not inert: %q", line)
		}
		events[e.Event]++
	}
	want := map[string]int{"lock-wait": 1, "took-over": 1, "recorded": 1, "applied": 1, "need-wait": 1, "health": 1, "pruning": 1, "plan": 1, "result": 1, "message": 3, "error": 1}
	if fmt.Sprint(events) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", events, want)
	}
}
