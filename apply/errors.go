package apply

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNoStack is returned where a stack was expected and no record of it exists.
var ErrNoStack = errors.New("no such stack")

// ConflictError stops a run before its first write.
type ConflictError struct{ Conflicts []Conflict }

func (e *ConflictError) Error() string {
	var b strings.Builder
	for i, c := range e.Conflicts {
		if i > 0 {
			b.WriteByte('\n')
		}
		if c.Foreign() {
			fmt.Fprintf(&b, "%s: exists and belongs to %s", c.Object, c.Manager)
			continue
		}
		fmt.Fprintf(&b, "%s: %s: set to %s by %q, the stack says %s", c.Object, c.Path, Text(c.Live), c.Manager, Text(c.Want))
	}
	return b.String()
}

// LockedError says that another run held the lock for the whole lock timeout.
type LockedError struct{ Holder Holder }

func (e *LockedError) Error() string { return "locked by " + e.Holder.String() }

// LockLostError says that the lock was lost during a run, which then stopped
// writing.
type LockLostError struct{ Reason string }

func (e *LockLostError) Error() string { return "lock lost, stopped writing: " + e.Reason }

// StalePlanError says that the cluster no longer is what the plan was made for.
type StalePlanError struct{ Reasons []string }

func (e *StalePlanError) Error() string {
	return "plan is stale: " + strings.Join(e.Reasons, "; ")
}

// NotReadyError says that objects did not become healthy in time, or never
// will (see [Health.State]).
type NotReadyError struct {
	Timeout time.Duration // zero when the run did not wait for the deadline
	Health  []Health      // the objects that are not ready
}

func (e *NotReadyError) Error() string {
	var b strings.Builder
	for i, h := range e.Health {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s: not ready: %s", h.Object, h.Message)
		if h.Cause != nil {
			fmt.Fprintf(&b, ": %s", h.Cause)
		}
	}
	if e.Timeout > 0 {
		fmt.Fprintf(&b, "\ngave up after %s", e.Timeout)
	}
	return b.String()
}

// NotRecordedError says that everything was applied but the end of the run
// could not be recorded; the next apply finishes the record.
type NotRecordedError struct {
	Revision int
	Err      error
}

func (e *NotRecordedError) Error() string {
	return fmt.Sprintf("applied, but revision %d could not be recorded as finished: %v", e.Revision, e.Err)
}

func (e *NotRecordedError) Unwrap() error { return e.Err }

// TerminatingError says that a namespace is being deleted, so that nothing can
// be made in it.
type TerminatingError struct{ Namespace string }

func (e *TerminatingError) Error() string {
	return fmt.Sprintf("namespace %q is being deleted; nothing can be made in it until it is gone and made anew", e.Namespace)
}

// Hint says how to go on.
func (e *TerminatingError) Hint() string {
	return fmt.Sprintf("wait for `kubectl wait --for=delete namespace/%[1]s`, then run it again; `kubectl get namespace %[1]s -o yaml` says what keeps it", e.Namespace)
}

// PruneError refuses a plan that would delete suspiciously much.
type PruneError struct {
	Deletes, Inventory int
}

func (e *PruneError) Error() string {
	return fmt.Sprintf("would delete %d of %d objects of the stack", e.Deletes, e.Inventory)
}

// ForbiddenError says that a read was forbidden, so that the answer is unknown.
type ForbiddenError struct{ Err error }

func (e *ForbiddenError) Error() string { return e.Err.Error() }
func (e *ForbiddenError) Unwrap() error { return e.Err }

// InterruptedError says that the context ended during a run, and what is on
// record about it.
type InterruptedError struct {
	Revision int  // 0 when nothing was recorded, and so nothing written
	Recorded bool // the revision is marked as interrupted; else it stays pending
	Err      error
}

func (e *InterruptedError) Error() string {
	if e.Revision == 0 {
		return "interrupted: nothing was written"
	}
	if !e.Recorded {
		return fmt.Sprintf("interrupted: revision %d stays pending until the next run: %v", e.Revision, e.Err)
	}
	return fmt.Sprintf("interrupted: revision %d is recorded as interrupted, run it again to finish", e.Revision)
}

func (e *InterruptedError) Unwrap() error { return e.Err }

// PanicError is a defect of the engine that was caught after the run was
// recorded as failed.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return "internal error: " + e.text() }

// text is what was panicked with, if that is a text or an error. Anything else
// may be an object with all its values, so that only its type is told.
func (e *PanicError) text() string {
	switch v := e.Value.(type) {
	case string:
		return v
	case error:
		return v.Error()
	}
	return fmt.Sprintf("a value of type %T", e.Value)
}
