package apply

import (
	"context"
	"fmt"
	"time"
)

// verbUnlock is what breaks the lock of a run, for the one that lost it.
const verbUnlock Verb = "unlock"

// Lock is the lock of a stack as it was found, and who holds it.
type Lock struct {
	Holder Holder `json:"holder"`
	// PID is the holder's process; 0 when unknown.
	PID int `json:"pid,omitempty"`
	// Process says whether the holder still runs: "dead" or "alive" where it
	// runs on this machine, "unknown" elsewhere.
	Process ProcessState `json:"process"`
	// Renewed is the holder's last sign of life, by its own clock.
	Renewed time.Time `json:"renewed,omitzero"`
	// Duration is how long the holder must be silent before another run takes
	// the lock over by itself.
	Duration Seconds `json:"durationSeconds"`

	run string
}

// ProcessState says what is known of the process of a run.
type ProcessState string

// The states of a process.
const (
	ProcessDead    ProcessState = "dead"
	ProcessAlive   ProcessState = "alive"
	ProcessUnknown ProcessState = "unknown"
)

// Lock returns who holds the lock of the stack; nil when nobody does.
func (e *Engine) Lock(ctx context.Context) (_ *Lock, err error) {
	defer e.cluster.redact.leaving(&err)
	lease, err := e.readLease(ctx)
	if err != nil || lease == nil || free(lease) {
		return nil, err
	}
	h := holderOf(lease)
	l := &Lock{Holder: h, PID: h.process.pid, Process: h.process.state(), Duration: Seconds(leaseDuration(lease)), run: h.run}
	if lease.Spec.RenewTime != nil {
		l.Renewed = lease.Spec.RenewTime.Time
	}
	return l, nil
}

// Notice is how long a run may go on that did not hear that it lost the lock:
// for so long after its last renewal its requests pass the fence.
func (l *Lock) Notice() time.Duration { return lastWrite(time.Duration(l.Duration)) }

func (p process) state() ProcessState {
	switch {
	case p.dead():
		return ProcessDead
	case p.boot != "" && p.boot == bootID():
		return ProcessAlive
	}
	return ProcessUnknown
}

// Unlock takes the lock away from the run that held it when it was looked at,
// and frees it. It is an error if another run holds it by now.
//
// A run that still works must have noticed before the next one writes. So the
// lock is not freed at once but held for its [Lock.Notice], unless its process
// is known to be dead.
func (e *Engine) Unlock(ctx context.Context, found *Lock, run Run) (err error) {
	defer e.cluster.redact.leaving(&err)
	l := e.newLock(verbUnlock, run)
	for {
		lease, err := e.readLease(ctx)
		if err != nil {
			return err
		}
		if lease == nil || free(lease) {
			return nil // its run ended meanwhile
		}
		if now := holderOf(lease); now.run != found.run {
			return fmt.Errorf("the lock changed hands meanwhile: it is held by %s", now)
		}
		// Guarded by the version of the Lease, which a renewal moves: look again.
		taken, err := l.takeOver(ctx, e.stack, lease, run)
		if err != nil {
			return err
		}
		if taken {
			break
		}
	}
	if found.Process != ProcessDead {
		select {
		case <-time.After(found.Notice()):
		case <-ctx.Done(): // freed all the same: that is what was asked for
		}
	}
	return l.release(context.WithoutCancel(ctx))
}
