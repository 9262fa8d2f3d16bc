package apply

import "time"

// Run is how a plan is carried out, and by whom.
type Run struct {
	// ID tells this run from all others: it names the holder of the lock, and
	// the client whose requests the audit log of the API server shows. Empty: a
	// random one.
	ID string
	// Cause, Author, Commit, Dirty, CI and Tool are recorded as given.
	Cause  string
	Author string
	// Holder says who runs this, for the lock: user@host.
	Holder string
	Commit string
	Dirty  bool
	CI     string
	Tool   string
	// Plan is the digest of the file that the plan is from, if it was saved.
	Plan string

	// Wait waits for health; objects are pruned only after a wait that ended well.
	// What an object needs (see [AnnotationNeeds]) is waited for in any case.
	Wait bool
	// Timeout bounds all waiting for health together, and that for deletion
	// (0: 5 minutes).
	Timeout time.Duration
	// LockTimeout is how long to queue for the lock (0: not at all).
	LockTimeout time.Duration
	// KeepGoing goes on with the other objects of a stage after one failed. What
	// comes after that stage is not begun, and nothing is pruned.
	KeepGoing bool
	// AllowPrune is the number of deletes that are consented to, where the
	// guard against mass deletion would refuse.
	AllowPrune int
	// Events receives the events of the run in order, from one goroutine at a
	// time. It may be nil.
	Events func(Event)
}

// Outcome is what happened to one object.
type Outcome struct {
	Object ObjectKey `json:"object"`
	Action Action    `json:"action"`
	// Note is what a reader should know beyond that.
	Note string `json:"note,omitempty"`
	// Error says why the action failed; empty when it succeeded.
	Error string `json:"error,omitempty"`
}

// Result is every fact of a run. It is complete up to the point where an
// accompanying error stopped the run.
type Result struct {
	Stack Stack `json:"stack"`
	// Revision is the number recorded; 0 when nothing was written.
	Revision int            `json:"revision"`
	Status   RevisionStatus `json:"status,omitempty"`
	// Changes counts what was done; after an error that is less than was planned.
	Changes  Counts    `json:"changes"`
	Outcomes []Outcome `json:"outcomes"`
	// Health is the last state of each object that was waited for.
	Health      []Health `json:"health,omitempty"`
	Interrupted []int    `json:"interrupted,omitempty"` // revisions of dead runs that this one closed
	Duration    Seconds  `json:"durationSeconds"`
	// Left counts objects that are no longer part of the stack and were not
	// pruned, because the run did not wait for health.
	Left int `json:"left,omitempty"`
	// Error says what stopped the run; empty when it ended well.
	Error string `json:"error,omitempty"`
}

func (r Run) send(e Event) {
	if r.Events != nil {
		r.Events(e)
	}
}
