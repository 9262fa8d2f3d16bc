package torture

import (
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// sound is a history without a fault: an apply, one that was killed, the next
// one that mends, and one that finds nothing to do.
func sound() *History {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(second float64) time.Time { return start.Add(time.Duration(second * float64(time.Second))) }
	event := func(run, verb, resource, name string, second float64) Event {
		return Event{Run: run, Verb: verb, Resource: resource, Namespace: "shop", Name: name, Code: 200, Received: at(second), Completed: at(second + 0.1)}
	}
	config := apply.ObjectKey{Kind: "ConfigMap", Namespace: "shop", Name: "a"}
	old := apply.ObjectKey{Kind: "ConfigMap", Namespace: "shop", Name: "old"}
	run := func(role, id string, second float64, result *apply.Result, events ...Event) *Run {
		return &Run{Role: role, ID: id, Args: []string{"apply"}, Began: at(second), Ended: at(second + 2), Timeout: 10 * time.Second, Stdout: "{}", Result: result, Events: events}
	}
	killed := run("victim", "B", 10, nil, event("B", "update", "leases", "stackctl.web", 10.2), event("B", "create", "secrets", "stackctl.web.v2", 10.4), event("B", "patch", "configmaps", "a", 10.6))
	killed.Killed, killed.Exit = true, -1
	return &History{
		Stack: apply.Stack{Namespace: "shop", Name: "web"},
		Runs: []*Run{
			run("base", "A", 0, &apply.Result{Revision: 1, Status: "deployed", Changes: apply.Counts{Created: 2},
				Outcomes: []apply.Outcome{{Object: config, Action: apply.ActionCreate}, {Object: old, Action: apply.ActionCreate}}},
				event("A", "create", "secrets", "stackctl.web.v1", 0.5), event("A", "patch", "configmaps", "a", 0.7), event("A", "patch", "configmaps", "old", 0.8)),
			killed,
			run("mend", "C", 20, &apply.Result{Revision: 3, Status: "deployed", Changes: apply.Counts{Updated: 1, Deleted: 1},
				Outcomes: []apply.Outcome{{Object: config, Action: apply.ActionUpdate}, {Object: old, Action: apply.ActionDelete}}},
				event("C", "patch", "configmaps", "a", 20.5), event("C", "delete", "configmaps", "old", 20.7)),
			run("idle", "D", 30, &apply.Result{}, event("D", "get", "configmaps", "a", 30.1)),
		},
		Before: []Object{{Key: "ConfigMap shop/decoy", UID: "u9", ResourceVersion: "7"}},
		After:  []Object{{Key: "ConfigMap shop/decoy", UID: "u9", ResourceVersion: "7"}},
		State: &State{
			Objects: []Object{{Key: "ConfigMap shop/a", UID: "u1", ResourceVersion: "12"}},
			Records: []Record{
				{Number: 1, Status: "superseded", Label: "superseded"}, {Number: 2, Status: "interrupted", Label: "interrupted"},
				{Number: 3, Status: "deployed", Label: "deployed", Objects: []string{"ConfigMap shop/a"}, Inventory: []Item{{"ConfigMap shop/a", "u1"}, {"ConfigMap shop/old", "u2"}}},
			},
		},
	}
}

func TestASoundHistoryBreaksNothing(t *testing.T) {
	for _, v := range sound().Check() {
		t.Error(v)
	}
	// The last word of the third run did not arrive; the fourth had nothing to do.
	h := sound()
	h.State.Records[0].Label = "deployed"
	h.Runs[2].Killed, h.Runs[2].Exit, h.Runs[2].Result, h.Runs[2].Role = true, -1, nil, "victim"
	for _, v := range h.Check() {
		t.Error(v)
	}
}

// TestTheCheckerSeesEveryBreach breaks a sound history in one way at a time.
func TestTheCheckerSeesEveryBreach(t *testing.T) {
	for name, breach := range map[string]struct {
		invariant string
		do        func(*History)
	}{
		"a number is missing":               {"I1", func(h *History) { h.State.Records = append(h.State.Records[:1], h.State.Records[2]) }},
		"the first revisions are gone":      {"I1", func(h *History) { h.State.Records = h.State.Records[1:] }},
		"two revisions are deployed":        {"I1", func(h *History) { h.mark(0, "deployed") }},
		"the old one stays marked":          {"I1", func(h *History) { h.State.Records[0].Label = "deployed" }},
		"marked otherwise than shown":       {"I1", func(h *History) { h.State.Records[1].Label = "failed" }},
		"pending for ever":                  {"I1", func(h *History) { h.mark(2, "pending") }},
		"pending under a lock, but settled": {"I1", func(h *History) { h.mark(2, "pending"); h.State.Holder = "C" }},
		"an old one is pending":             {"I1", func(h *History) { h.mark(1, "pending"); h.State.Holder, h.Unsettled = "B", true }},
		"a status nobody knows":             {"I1", func(h *History) { h.mark(1, "") }},
		"a record cannot be read":           {"I1", func(h *History) { h.State.Records[1].Error = "record is corrupt" }},
		"all records are gone":              {"I1", func(h *History) { h.State.Records = nil }},
		"two runs won a number":             {"I1", func(h *History) { h.Runs[0].Result.Revision = 3 }},
		"the next apply fails":              {"I2", func(h *History) { h.Runs[2].Exit, h.Runs[2].Stderr = 3, "error: no" }},
		"the one after that fails":          {"I2", func(h *History) { h.Runs[3].Exit, h.Runs[3].Stderr = 4, "error: no" }},
		"the one after that writes":         {"I2", func(h *History) { h.Runs[3].Events[0].Verb = "patch" }},
		"the one after that takes the lock": {"I2", func(h *History) { h.Runs[3].Events[0] = Event{Verb: "update", Resource: "leases", Code: 200} }},
		"the one after that tries to write": {"I2", func(h *History) { h.Runs[3].Events[0].Verb, h.Runs[3].Events[0].Code = "patch", 500 }},
		"an object that no record lists":    {"I3", func(h *History) { h.State.Objects = append(h.State.Objects, Object{Key: "Secret shop/x", UID: "u5"}) }},
		"an object is lost":                 {"I3", func(h *History) { h.State.Objects = nil }},
		"nobody deleted what is not there":  {"I3", func(h *History) { h.Runs[2].Events = h.Runs[2].Events[:1] }},
		"an object is another":              {"I3", func(h *History) { h.State.Objects[0].UID = "u7" }},
		"something is left after a delete":  {"I3", func(h *History) { h.State.Records, h.Deleted = nil, true }},
		"a decoy is deleted":                {"I4", func(h *History) { h.After = nil }},
		"a decoy is replaced":               {"I4", func(h *History) { h.After[0].UID = "u8" }},
		"a decoy is changed":                {"I4", func(h *History) { h.After[0].ResourceVersion = "8" }},
		"a zombie writes":                   {"I5", func(h *History) { h.Runs[1].Events[2] = late(h.Runs[1].Events[2], 20.6) }},
		"a zombie records":                  {"I5", func(h *History) { h.Runs[1].Events[1] = late(h.Runs[1].Events[1], 20.6) }},
		"a run writes inside another":       {"I5", func(h *History) { h.Runs[0].Events[2] = late(h.Runs[0].Events[2], 25) }},
		"writes after its end was recorded": {"I5", func(h *History) {
			end := h.Runs[2].Events[0]
			end.Resource, end.Name = "secrets", "stackctl.web.v3"
			h.Runs[2].Events = append(h.Runs[2].Events, end)
		}},
		"an exit code nobody knows":          {"I6", func(h *History) { h.Runs[2].Exit, h.Runs[2].Stderr = 1, "error: no" }},
		"died, and nobody killed it":         {"I6", func(h *History) { h.Runs[1].Killed = false }},
		"fails without a word":               {"I6", func(h *History) { h.Runs[2].Exit, h.Runs[2].Result.Error = 3, "no" }},
		"success, and the result says no":    {"I6", func(h *History) { h.Runs[2].Result.Error = "no" }},
		"failure, and the result says yes":   {"I6", func(h *History) { h.Runs[2].Exit, h.Runs[2].Stderr = 3, "error: no" }},
		"success without a result":           {"I6", func(h *History) { h.Runs[2].Result = nil }},
		"success, recorded as failed":        {"I6", func(h *History) { h.mark(2, "failed") }},
		"success, of a failed revision":      {"I6", func(h *History) { h.Runs[2].Result.Status = "failed" }},
		"claims what was not done":           {"I6", func(h *History) { h.Runs[2].Events = h.Runs[2].Events[1:] }},
		"does what it does not tell":         {"I6", func(h *History) { h.Runs[2].Result.Changes.Deleted = 0 }},
		"nothing was written, but was":       {"I6", func(h *History) { h.Runs[2].Exit, h.Runs[2].Stderr, h.Runs[2].Result = 5, "error: no", nil }},
		"a secret is printed":                {"I7", func(h *History) { h.Runs[2].Stdout = "password: " + canary }},
		"a secret is in an error":            {"I7", func(h *History) { h.Runs[2].Stderr = canary + "two" }},
		"a run takes longer than it may":     {"I8", func(h *History) { h.Runs[2].Ended = h.Runs[2].Began.Add(21 * time.Second) }},
		"the clock alone is not its excuse":  {"I8", func(h *History) { h.Runs[1].Ended = h.Runs[1].Began.Add(time.Hour) }},
		"a failed request is no write of it": {"I6", func(h *History) { h.Runs[2].Events[0].Code = 409 }},
	} {
		t.Run(name, func(t *testing.T) {
			h := sound()
			breach.do(h)
			var seen []string
			for _, v := range h.Check() {
				if v.Invariant == breach.invariant {
					return
				}
				seen = append(seen, v.String())
			}
			t.Errorf("%s was not reported; what was: %s", breach.invariant, strings.Join(seen, "\n"))
		})
	}
}

// mark gives a record a status, which is shown as it is.
func (h *History) mark(i int, status string) {
	h.State.Records[i].Status, h.State.Records[i].Label = status, status
}

// late moves an event to another second of the history.
func late(e Event, second float64) Event {
	e.Received = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(second * float64(time.Second)))
	e.Completed = e.Received.Add(100 * time.Millisecond)
	return e
}
