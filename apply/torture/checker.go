package torture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stackctl.dev/stackctl/apply"
)

// History is all that is known about one trial, once everything has ended.
type History struct {
	Stack apply.Stack
	Runs  []*Run // in the order in which they began
	// Before are objects that are nobody's business here, as they were; After
	// as they are now.
	Before, After []Object
	State         *State
	// Unsettled says that no run was made after the disturbance: what died may
	// still hold the lock.
	Unsettled bool
	// Deleted says that the stack was deleted last; Restarted, that it may have
	// been deleted in between, so that numbers began anew.
	Deleted, Restarted bool
	// Kept is how many revisions are retained at least (0: 10).
	Kept int
}

// Violation is one way in which a history breaks a promise.
type Violation struct {
	Invariant string // I1 to I8
	Text      string
}

func (v Violation) String() string { return v.Invariant + ": " + v.Text }

// Check judges a history by the invariants:
//
//	I1 numbers are gapless, at most one revision is deployed, a pending one has
//	   a lock, and every record is what was written; a run that ended well has
//	   marked what was deployed before it as superseded
//	I2 the next apply succeeds, and the one after that asks for no change
//	I3 what carries the stack's labels is in its inventory, and the other way
//	   around after a success
//	I4 what belongs to others is as it was
//	I5 the writes of two runs do not interleave, and none follows the record of
//	   a run's end
//	I6 exit code and output tell the truth
//	I7 no value of a Secret is in an output
//	I8 a run ends in the time that it was given
func (h *History) Check() []Violation {
	var all []Violation
	for _, check := range []struct {
		name string
		f    func(report func(string, ...any))
	}{
		{"I1", h.gapless}, {"I1", h.labels}, {"I2", h.converged}, {"I3", h.orphans}, {"I4", h.decoys},
		{"I5", h.interleaved}, {"I5", h.afterTheEnd}, {"I6", h.truth}, {"I7", h.secrets}, {"I8", h.inTime},
	} {
		check.f(func(format string, args ...any) {
			all = append(all, Violation{check.name, fmt.Sprintf(format, args...)})
		})
	}
	return all
}

func (h *History) gapless(report func(string, ...any)) {
	deployed := 0
	for i, r := range h.State.Records {
		if r.Error != "" {
			report("revision %d cannot be read: %s", r.Number, r.Error)
		}
		if i > 0 && r.Number != h.State.Records[i-1].Number+1 {
			report("a gap between revisions %d and %d", h.State.Records[i-1].Number, r.Number)
		}
		switch r.Status {
		case "deployed":
			deployed++
		case "pending":
			if h.State.Holder == "" {
				report("revision %d is pending, and nobody holds the lock", r.Number)
			} else if !h.Unsettled {
				report("revision %d is pending after everything has ended", r.Number)
			}
			if i != len(h.State.Records)-1 {
				report("revision %d is pending, and not the newest", r.Number)
			}
		case "superseded", "failed", "interrupted":
		default:
			report("revision %d has the status %q", r.Number, r.Status)
		}
	}
	if deployed > 1 && !h.Unsettled {
		report("%d revisions are deployed", deployed)
	}
	if len(h.State.Records) == 0 {
		if !h.Deleted && !h.Unsettled {
			report("there is no record")
		}
		return
	}
	kept := h.Kept
	if kept == 0 {
		kept = 10
	}
	if oldest := h.State.Records[0].Number; oldest != 1 && len(h.State.Records) < kept {
		report("revisions 1 to %d are gone, though only %d are kept", oldest-1, len(h.State.Records))
	}
	for _, r := range h.Runs { // a number is won by one run only
		if h.Restarted {
			break
		}
		for _, other := range h.Runs {
			if r != other && r.recorded() != 0 && r.recorded() == other.recorded() {
				report("two runs claim revision %d: %s; %s", r.recorded(), r, other)
			}
		}
	}
}

// labels looks at what the records themselves say. A history shows the lower one
// of two that are marked as deployed as superseded, as a run that died at its
// very end leaves them; the next one that ends well has to put that right.
func (h *History) labels(report func(string, ...any)) {
	live := 0
	for _, r := range h.State.Records {
		if r.Label != r.Status && !(r.Label == "deployed" && r.Status == "superseded") {
			report("revision %d is shown as %s, and marked %q", r.Number, r.Status, r.Label)
		}
		if r.Label == "deployed" {
			live = r.Number
		}
	}
	if h.Restarted || !slices.ContainsFunc(h.Runs, func(r *Run) bool { return r.Exit == 0 && live > 0 && r.recorded() == live }) {
		return // who recorded it did not end
	}
	for _, r := range h.State.Records {
		if r.Label == "deployed" && r.Number != live {
			report("revision %d is still marked as deployed, though the run that recorded %d ended well", r.Number, live)
		}
	}
}

// recorded is the number that a run says it has recorded.
func (r *Run) recorded() int {
	if r.Result == nil {
		return 0
	}
	return r.Result.Revision
}

func (h *History) converged(report func(string, ...any)) {
	for _, r := range h.Runs {
		if (r.Role == "mend" || r.Role == "idle") && r.Exit != 0 {
			report("%s\n%s", r, indent(r.Stderr))
		}
		if r.Role != "idle" {
			continue
		}
		for _, e := range r.Events {
			if e.Mutates() {
				report("%s: still asks for a change: %s %s", r, e.Verb, e.Key())
			}
		}
	}
}

func (h *History) orphans(report func(string, ...any)) {
	if len(h.State.Records) == 0 {
		for _, o := range h.State.Objects {
			if h.Deleted && !h.isDecoy(o) {
				report("%s is left of a stack that was deleted", o.Key)
			}
		}
		return
	}
	newest := h.State.Records[len(h.State.Records)-1]
	listed := map[string]string{}
	for _, i := range newest.Inventory {
		listed[i.Key] = i.UID
	}
	live := map[string]bool{}
	for _, o := range h.State.Objects {
		live[o.Key] = true
		uid, ok := listed[o.Key]
		switch {
		case h.isDecoy(o) || o.Deleting:
		case !ok:
			report("%s is an orphan: no inventory lists it", o.Key)
		case uid != "" && uid != o.UID && newest.Status == "deployed":
			report("%s has the uid %s, the inventory says %s", o.Key, o.UID, uid)
		}
	}
	if newest.Status != "deployed" {
		return
	}
	for _, key := range newest.Objects {
		if !live[key] {
			report("%s is lost: revision %d wants it, and it is not in the cluster", key, newest.Number)
		}
	}
	deleted := h.deleted()
	for _, i := range newest.Inventory {
		// What a revision deletes is in its inventory, until the next one.
		if !live[i.Key] && !deleted[i.Key] {
			report("%s is in the inventory and not in the cluster", i.Key)
		}
	}
}

func (h *History) isDecoy(o Object) bool {
	return slices.ContainsFunc(h.Before, func(d Object) bool { return d.UID == o.UID })
}

// deleted are the objects that the API server deleted for a run.
func (h *History) deleted() map[string]bool {
	keys := map[string]bool{}
	for _, r := range h.Runs {
		for _, e := range r.Events {
			if e.Writes() && e.Verb == "delete" {
				keys[keyOf(kindOf(e.Group, e.Resource), e.Namespace, e.Name)] = true
			}
		}
	}
	return keys
}

func (h *History) decoys(report func(string, ...any)) {
	after := map[string]Object{}
	for _, o := range h.After {
		after[o.Key] = o
	}
	for _, was := range h.Before {
		switch is, ok := after[was.Key]; {
		case !ok:
			report("%s of somebody else was deleted", was.Key)
		case is.UID != was.UID:
			report("%s of somebody else was replaced", was.Key)
		case is.ResourceVersion != was.ResourceVersion:
			report("%s of somebody else was changed", was.Key)
		}
	}
}

// afterTheEnd: a run that has recorded how it ended writes to no object.
func (h *History) afterTheEnd(report func(string, ...any)) {
	for _, r := range h.Runs {
		var end *Event
		for i := range r.Events {
			e := &r.Events[i]
			if e.Writes() && e.Verb == "patch" && e.Name == fmt.Sprintf("stackctl.%s.v%d", h.Stack.Name, r.recorded()) {
				end = e
			}
		}
		for _, e := range r.Events {
			if end != nil && e.Writes() && !e.Lock() && !e.Record() && e.Received.After(end.Completed) {
				report("%s: %s %s, after its end was recorded", r, e.Verb, e.Key())
			}
		}
	}
}

// span is the time in which a run wrote.
type span struct {
	run         *Run
	first, last *Event
}

// interleaved: once two runs have written, one of them had finished before the
// other began. That covers a lock that is taken over: who lost it writes no more.
func (h *History) interleaved(report func(string, ...any)) {
	var spans []span
	for _, r := range h.Runs {
		s := span{run: r}
		for i := range r.Events {
			e := &r.Events[i]
			if !e.Writes() || e.Lock() || e.Resource == "namespaces" || e.Namespace != h.Stack.Namespace {
				continue
			}
			if s.first == nil || e.Received.Before(s.first.Received) {
				s.first = e
			}
			if s.last == nil || e.Completed.After(s.last.Completed) {
				s.last = e
			}
		}
		if s.first != nil {
			spans = append(spans, s)
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.first.Received.Compare(b.first.Received) })
	for i := 1; i < len(spans); i++ {
		a, b := spans[i-1], spans[i]
		if a.last.Completed.After(b.first.Received) {
			report("%s wrote until %s (%s %s), when %s had begun at %s (%s %s)",
				a.run, clock(a.last.Completed), a.last.Verb, a.last.Key(), b.run, clock(b.first.Received), b.first.Verb, b.first.Key())
		}
	}
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000000") }

// documented are the exit codes of the manual.
var documented = []int{0, 2, 3, 4, 5, 6, 7, 8, 130, 143}

func (h *History) truth(report func(string, ...any)) {
	statuses := map[int]string{}
	for _, r := range h.State.Records {
		statuses[r.Number] = r.Status
	}
	for _, r := range h.Runs {
		if r.Killed {
			continue // it says nothing
		}
		if !slices.Contains(documented, r.Exit) {
			report("%s: no documented exit code\n%s", r, indent(r.Stderr))
		}
		h.truthOf(r, statuses, func(format string, args ...any) {
			report("%s: %s", r, fmt.Sprintf(format, args...))
		})
	}
}

func (h *History) truthOf(r *Run, statuses map[int]string, report func(string, ...any)) {
	written := map[string]bool{} // objects, by whether they were written
	wrote := 0
	for _, e := range r.Events {
		// Who wants an object gone is right to count it as deleted when it is.
		gone := e.Verb == "delete" && (e.Code == 404 || e.Code == 409)
		if (e.Writes() || gone) && !e.Lock() && !e.Record() {
			key := keyOf(kindOf(e.Group, e.Resource), e.Namespace, e.Name)
			if !written[key] {
				wrote++
			}
			written[key] = true
		}
	}
	if slices.Contains([]int{2, 4, 5}, r.Exit) && wrote > 0 {
		report("wrote %d objects, and says that nothing was written", wrote)
	}
	if r.Exit != 0 && strings.TrimSpace(r.Stderr) == "" {
		report("does not say why")
	}
	result := r.Result
	if result == nil {
		if r.Exit == 0 {
			report("printed no result: %q", r.Stdout)
		}
		return
	}
	if (r.Exit == 0) != (result.Error == "") {
		report("its result has the error %q", result.Error)
	}
	if r.Exit == 0 && result.Status != apply.StatusDeployed && result.Status != "" {
		report("the revision is %s", result.Status)
	}
	// A later run closes what is pending, and supersedes what is deployed.
	switch is := statuses[result.Revision]; {
	case result.Revision == 0 || is == "" || h.Restarted: // nothing was recorded, or it is kept no more
	case string(result.Status) == is:
	case result.Status == apply.StatusDeployed && is == string(apply.StatusSuperseded):
	case result.Status == apply.StatusPending && is == string(apply.StatusInterrupted):
	case result.Status == apply.StatusPending && r.Exit != 0: // it could not know whether its last word arrived
	default:
		report("says that revision %d is %s, on record it is %s", result.Revision, result.Status, is)
	}
	if c := result.Changes; r.Exit == 0 && c.Created+c.Updated+c.Deleted != wrote {
		report("counts %d created, %d updated, %d deleted; the API server wrote %d objects", c.Created, c.Updated, c.Deleted, wrote)
	}
	for _, o := range result.Outcomes {
		if key := keyOf(o.Object.Kind, o.Object.Namespace, o.Object.Name); o.Error == "" && !written[key] && o.Action != apply.ActionDelete {
			report("claims %s %s, which the API server did not do", o.Action, key)
		}
	}
}

func (h *History) secrets(report func(string, ...any)) {
	for _, r := range h.Runs {
		if strings.Contains(r.Stdout, canary) || strings.Contains(r.Stderr, canary) {
			report("%s: prints the value of a Secret", r)
		}
	}
}

func (h *History) inTime(report func(string, ...any)) {
	for _, r := range h.Runs {
		if took := r.Ended.Sub(r.Began); r.Timeout > 0 && took > r.Timeout+10*time.Second {
			report("%s took %s, with a timeout of %s", r, took.Round(time.Millisecond), r.Timeout)
		}
	}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
