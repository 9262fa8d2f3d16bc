package ui

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/schema"
)

// hintedError is an error of a command, which knows the way out.
type hintedError struct{}

func (hintedError) Error() string { return "no cluster is configured" }
func (hintedError) Hint() string  { return "name one with --kubeconfig" }

func TestErrors(t *testing.T) {
	const source = "name: recipes\napps:\n  web-api:\n\timage: größe \u202e web:v9 # x\n"
	context := ErrorContext{
		Command: "stackctl rollback --to 3",
		Options: noon,
		Source: func(file string) []byte {
			if file != "stack.yaml" {
				return nil
			}
			return []byte(source)
		},
		Locate: func(o apply.ObjectKey, field string) (schema.Pos, string) {
			return schema.Pos{File: "stack.yaml", Line: 4, Col: 9}, "apps." + o.Name + "." + field
		},
		Origin: func(o apply.ObjectKey, path string) (schema.Pos, string) {
			if path == "spec.replicas" || path == "immutable" {
				return schema.Pos{File: "stack.yaml", Line: 4, Col: 9}, "apps." + o.Name + ".replicas"
			}
			return schema.Pos{}, ""
		},
	}
	web := apply.ObjectKey{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web-api"}
	holder := apply.Holder{Author: "ann@host\x1b[2J", Verb: apply.VerbApply, CI: "https://ci.example/1", Since: noon.Now.Add(-3 * time.Minute)}
	var got bytes.Buffer
	for _, c := range []struct {
		title string
		err   error
	}{
		{"mistakes in a description", schema.Errors{
			{Pos: schema.Pos{File: "stack.yaml", Line: 4, Col: 9}, Path: "apps.web-api.image", Msg: "no such image", Hint: "did you mean \"web:v8\"?"},
			{Pos: schema.Pos{File: "stack.yaml", Line: 4, Col: 22}, Path: "apps.web-api.image", Msg: "after a character of two bytes and a hidden one"},
			{Pos: schema.Pos{File: "stack.yaml", Line: 9, Col: 1}, Msg: "a line that is not there"},
			{Pos: schema.Pos{File: "stack.yaml", Line: 1, Col: 99}, Msg: "a column that is not there"},
			{Pos: schema.Pos{File: "other.yaml", Line: 1, Col: 1}, Msg: "a file that cannot be read"},
			{Pos: schema.Pos{File: "-", Line: 1, Col: 1}, Msg: "standard input"},
			{Path: "apps", Msg: "no place at all"},
		}},
		{"conflicts", fmt.Errorf("apply: %w", &apply.ConflictError{Conflicts: []apply.Conflict{
			{Object: web, Path: "spec.replicas", Manager: "kubectl", Since: noon.Now.Add(-2 * time.Hour), Live: 10, Want: 5},
			{Object: web, Manager: "stack shop/kitchen"},
			{Object: web, Manager: "no stack (made by \"helm\")"},
		}})},
		{"several conflicts", &apply.ConflictError{Conflicts: []apply.Conflict{
			{Object: web, Path: "spec.replicas", Manager: "kube-controller-manager (scale)", Live: 10, Want: 5},
			{Object: web, Path: `spec.template.spec.containers[name="web"].image`, Manager: "kubectl-edit", Live: "a", Want: "b"},
		}}},
		{"a conflict about a Secret, whose line is not shown", &apply.ConflictError{Conflicts: []apply.Conflict{
			{Object: apply.ObjectKey{Kind: "Secret", Namespace: "shop", Name: "db"}, Path: "immutable", Manager: "kubectl", Live: false, Want: true},
		}}},
		{"locked", &apply.LockedError{Holder: holder}},
		{"stale", &apply.StalePlanError{Reasons: []string{"Deployment/shop/web-api changed"}}},
		{"not ready in time", &apply.NotReadyError{Timeout: 5 * time.Minute, Health: []apply.Health{{
			Object: web, State: apply.StateProgressing, Message: "1 of 3 updated, 0 ready",
			Cause: &apply.Cause{Pod: "web-api-1", Container: "web-api", Reason: "CrashLoopBackOff", Message: "exit 1\nlast line\rof the log", Field: "image", Log: []string{"starting", "panic: \x1b[2Jerror: none"}},
		}}}},
		{"never ready", &apply.NotReadyError{Health: []apply.Health{{Object: web, State: apply.StateFailed, Message: "paused"}}}},
		{"too many deletes", &apply.PruneError{Deletes: 9, Inventory: 10}},
		{"not recorded", &apply.NotRecordedError{Revision: 4, Err: errors.New("etcd is gone")}},
		{"forbidden", &apply.ForbiddenError{Err: errors.New("list secrets: forbidden")}},
		{"lock lost", &apply.LockLostError{Reason: "not renewed for 30s"}},
		{"interrupted before", &apply.InterruptedError{}},
		{"interrupted", &apply.InterruptedError{Revision: 4, Recorded: true}},
		{"no stack", fmt.Errorf("shop/web: %w", apply.ErrNoStack)},
		{"a defect", &apply.PanicError{Value: "index out of range", Stack: []byte("goroutine 1\n\tmain.go:1\n")}},
		{"a way out of its own", fmt.Errorf("diff: %w", hintedError{})},
		{"text of a server", errors.New("admission webhook denied it:\n\x1b[1Aerror: none\u202e")},
	} {
		fmt.Fprintf(&got, "# %s\n", c.title)
		WriteError(&got, c.err, context)
		got.WriteByte('\n')
	}
	got.WriteString("# a warning\n")
	WriteWarnings(&got, []schema.Error{{Pos: schema.Pos{File: "stack.yaml", Line: 3, Col: 3}, Path: "apps.web-api", Msg: "one replica"}}, context)
	if strings.Contains(got.String(), "\x1b") {
		t.Error("an escape character came through")
	}
	golden(t, "errors.txt", got.String())
}
