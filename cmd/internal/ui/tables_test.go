package ui

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/schema"
)

func TestHistory(t *testing.T) {
	at := func(d time.Duration) time.Time { return noon.Now.Add(-d) }
	var got bytes.Buffer
	err := WriteHistory(&got, []apply.Summary{
		{Revision: 1, Status: apply.StatusSuperseded, Cause: "stackctl apply --record", Author: "Ann Größer", Commit: "0123456789abcdef0123456789abcdef01234567",
			CreatedAt: at(50 * time.Hour), Images: []string{"registry.example:5000/team/web-api:v1"}, Changes: apply.Counts{Created: 7}},
		{Revision: 2, Status: apply.StatusInterrupted, Cause: "one line\nforged line", Author: "ci@host", Commit: "fedcba9876543210fedcba9876543210fedcba98", Dirty: true,
			CreatedAt: at(3 * time.Hour), Images: []string{"a:1", "b@sha256:0123456789abcdef", "c:3", "d:4", "e:5"}, Changes: apply.Counts{Updated: 2, Unchanged: 5}},
		{Revision: 3, Status: apply.StatusCorrupt, CreatedAt: time.Time{}, Error: "its summary was\x1b[2Kedited"},
		{Revision: 4, Status: apply.StatusDeployed, Cause: strings.Repeat("very ", 20) + "long", Author: "Bob", CreatedAt: at(90 * time.Second), Changes: apply.Counts{Deleted: 1}},
	}, noon)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "history.txt", got.String())
}

func TestStacks(t *testing.T) {
	stacks := []apply.StackSummary{
		{Stack: apply.Stack{Namespace: "default", Name: "hello"}, Latest: apply.Summary{Revision: 1, Status: apply.StatusPending, CreatedAt: noon.Now.Add(-time.Second)}},
		{Stack: apply.Stack{Namespace: "shop", Name: "recipes"}, Latest: apply.Summary{Revision: 4, Status: apply.StatusFailed, CreatedAt: noon.Now.Add(-time.Hour), Images: []string{"web-api:v1"}}, Deployed: 3},
	}
	var got bytes.Buffer
	for _, namespaces := range []bool{false, true} {
		if err := WriteStacks(&got, stacks, namespaces, noon); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "list.txt", got.String())
}

func TestStatus(t *testing.T) {
	key := func(kind, name string) apply.ObjectKey {
		return apply.ObjectKey{Kind: kind, Namespace: "shop", Name: name}
	}
	status := &apply.Status{
		Stack:    apply.Stack{Namespace: "shop", Name: "recipes"},
		Revision: &apply.Summary{Revision: 4, Status: apply.StatusInterrupted, Author: "Ann", Cause: "v2", CreatedAt: noon.Now.Add(-time.Minute)},
		Deployed: 3,
		Lock:     &apply.Holder{Author: "ci@host", Verb: apply.VerbApply, Since: noon.Now},
		Objects: []apply.Health{
			{Object: key("Service", "web-api"), State: apply.StateReady, Message: "ready"},
			{Object: key("Service", "gone"), State: apply.StateMissing, Message: "not in the cluster"},
			{Object: key("Deployment", "web-api"), State: apply.StateProgressing, Message: "1 of 3 updated, 0 ready",
				Replicas: &apply.Replicas{Desired: 3, Updated: 1, Total: 4},
				Pods:     []apply.PodGroup{{Reason: "ImagePullBackOff", Count: 1}, {Reason: "Running", Count: 3, Old: true}},
				Cause:    &apply.Cause{Pod: "web-api-1", Container: "web-api", Reason: "ImagePullBackOff", Message: "not found", Field: "image"}},
		},
		Routes: []apply.Route{
			{Ingress: "web-api", URL: "http://example.org/", Service: "web-api", Port: "1337", Ready: 0, Pods: 1},
			{Ingress: "web-api", URL: "http://example.org/api", Service: "recipe-api", Port: "80", Ready: 5, Pods: 5},
		},
	}
	c := ErrorContext{Options: noon, Locate: func(o apply.ObjectKey, field string) (schema.Pos, string) {
		return schema.Pos{File: "stack.yaml", Line: 4, Col: 12}, "apps." + o.Name + "." + field
	}}
	var got bytes.Buffer
	if err := WriteStatus(&got, status, "kind-dev", c); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.txt", got.String())
}

func TestResults(t *testing.T) {
	stack := apply.Stack{Namespace: "shop", Name: "recipes"}
	var got bytes.Buffer
	for _, c := range []struct {
		verb   apply.Verb
		result apply.Result
	}{
		{apply.VerbApply, apply.Result{Revision: 2, Changes: apply.Counts{Created: 1, Updated: 2, Unchanged: 4}, Duration: apply.Seconds(12300 * time.Millisecond)}},
		{apply.VerbApply, apply.Result{Changes: apply.Counts{Unchanged: 7}}},
		{apply.VerbApply, apply.Result{Revision: 3, Changes: apply.Counts{Updated: 1}, Interrupted: []int{2}, Left: 1, Duration: apply.Seconds(440 * time.Millisecond)}},
		{apply.VerbRollback, apply.Result{Revision: 4, Changes: apply.Counts{Deleted: 1}, Duration: apply.Seconds(2 * time.Minute)}},
		{apply.VerbDelete, apply.Result{Changes: apply.Counts{Deleted: 7}, Duration: apply.Seconds(time.Second)}},
	} {
		c.result.Stack = stack
		if err := WriteResult(&got, &apply.Plan{Stack: stack, Verb: c.verb, Base: 1}, &c.result, noon); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "results.txt", got.String())
}

func TestFailures(t *testing.T) {
	stack := apply.Stack{Namespace: "prod", Name: "shop"}
	key := func(name string) apply.ObjectKey {
		return apply.ObjectKey{Kind: "ConfigMap", Namespace: "prod", Name: name}
	}
	plan := &apply.Plan{Stack: stack}
	for _, name := range []string{"a", "b", "c", "d"} {
		plan.Changes = append(plan.Changes, apply.Change{Object: key(name), Action: apply.ActionCreate})
	}
	result := &apply.Result{Stack: stack, Changes: apply.Counts{Created: 2}, Outcomes: []apply.Outcome{
		{Object: key("a"), Action: apply.ActionCreate},
		{Object: key("b"), Action: apply.ActionCreate, Error: "denied by webhook \"w\": no \x1b[31m"},
		{Object: key("c"), Action: apply.ActionCreate},
	}}
	var got bytes.Buffer
	if err := WriteFailures(&got, plan, result, noon); err != nil {
		t.Fatal(err)
	}
	want := "! ConfigMap/b  create failed: denied by webhook \"w\": no \\x1b[31m\nshop: 2 created, 1 failed, 1 not begun\n"
	if got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 119 * time.Second: "119s", 2 * time.Minute: "2m", 179 * time.Minute: "179m", 3 * time.Hour: "3h",
		47 * time.Hour: "47h", 48 * time.Hour: "2d", 729 * 24 * time.Hour: "729d", 730 * 24 * time.Hour: "2y",
	} {
		if got := Age(noon.Now, noon.Now.Add(-d)); got != want {
			t.Errorf("%s ago is %s, want %s", d, got, want)
		}
	}
	if got := Age(noon.Now, time.Time{}); got != "unknown" {
		t.Errorf("the zero time is %s ago", got)
	}
}
