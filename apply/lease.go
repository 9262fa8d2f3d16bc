package apply

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	v1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Holder says who holds the lock of a stack, and for what.
type Holder struct {
	Author string    `json:"author"`       // user@host
	Verb   Verb      `json:"verb"`         // what the run does
	CI     string    `json:"ci,omitempty"` // URL of the CI run
	Since  time.Time `json:"since"`

	run     string // unique to the run
	process process
}

func (h Holder) String() string {
	s := h.Author + " (" + string(h.Verb)
	if h.CI != "" {
		s += ", " + h.CI
	}
	return s + ") since " + h.Since.UTC().Format(time.RFC3339)
}

const (
	annotationHolder = "stackctl.dev/holder"
	// annotationDuration holds the duration where whole seconds are too coarse.
	annotationDuration = "stackctl.dev/lease-duration"
)

// holderRecord is the form of a Holder in the Lease's annotation.
type holderRecord struct {
	Holder
	Boot  string `json:"boot,omitempty"`
	PID   int    `json:"pid"`
	Start string `json:"start,omitempty"`
}

func newHolder(verb Verb, run Run) Holder {
	h := Holder{Author: run.Holder, Verb: verb, CI: run.CI, Since: time.Now().UTC().Truncate(time.Second), run: rand.Text(), process: thisProcess()}
	if run.ID != "" {
		h.run = run.ID
	}
	if h.Author == "" {
		h.Author = "unknown"
	}
	return h
}

func holderOf(l *v1.Lease) Holder {
	var r holderRecord
	if json.Unmarshal([]byte(l.Annotations[annotationHolder]), &r) != nil || r.Author == "" {
		r.Author = "an unknown process"
		if l.Spec.AcquireTime != nil {
			r.Since = l.Spec.AcquireTime.Time
		}
	}
	r.run = *l.Spec.HolderIdentity
	r.process = process{boot: r.Boot, pid: r.PID, start: r.Start}
	return r.Holder
}

// lock is a Lease that this process holds. It protects nothing by itself:
// every write asks check first.
//
// Expiry is judged on the local clock only, so a wrong clock elsewhere does
// not matter: another run takes a Lease over after it saw the same Lease
// unchanged for the whole duration, and the holder stops writing when it could
// not renew for that long.
type lock struct {
	cluster  *cluster
	duration time.Duration
	holder   Holder
	stop     context.CancelFunc
	done     chan struct{}
	fence    *fence // what is written under the lock

	// turn is held by who looks at or changes what follows. A renewal takes as
	// long as a request, and who waits for it may be interrupted.
	turn    chan struct{}
	lease   *v1.Lease
	renewed time.Time // when the last successful renewal was begun
	lost    error
}

func leaseName(stack Stack) string { return "stackctl." + stack.Name }

// newLock returns a lock that is not held yet.
func (e *Engine) newLock(verb Verb, run Run) *lock {
	duration := e.options.LeaseDuration
	return &lock{cluster: e.cluster, duration: duration, holder: newHolder(verb, run), done: make(chan struct{}), turn: make(chan struct{}, 1), fence: &fence{duration: duration}}
}

// acquire takes the lock of the stack, waiting up to the run's lock timeout.
func (e *Engine) acquire(ctx context.Context, verb Verb, run Run) (*lock, error) {
	l := e.newLock(verb, run)
	deadline := time.Now().Add(run.LockTimeout)
	var seen *v1.Lease      // the Lease as it was first seen,
	var seenSince time.Time // and since when it has been the same
	for {
		lease, err := e.readLease(ctx)
		if err != nil {
			return nil, err
		}
		if lease == nil || free(lease) || holderOf(lease).process.dead() {
			taken, err := l.takeOver(ctx, e.stack, lease, run)
			if taken || err != nil {
				return l, err
			}
			continue // somebody else was faster: look who
		}
		holder, now := holderOf(lease), time.Now()
		if seen == nil || seen.ResourceVersion != lease.ResourceVersion {
			seen, seenSince = lease, now
		}
		silent := leaseDuration(lease) - now.Sub(seenSince)
		if silent <= 0 {
			taken, err := l.takeOver(ctx, e.stack, lease, run)
			if taken || err != nil {
				return l, err
			}
			continue
		}
		if !now.Before(deadline) {
			return nil, &LockedError{Holder: holder}
		}
		run.send(LockWait{Holder: holder, TakeoverIn: silent})
		select {
		case <-interruption(ctx):
			return nil, &InterruptedError{Err: context.Canceled}
		case <-time.After(min(time.Second, silent, time.Until(deadline), l.duration/4)):
		}
	}
}

// takeOver takes a lock that nobody holds any more. It reports false when
// somebody else was faster.
func (l *lock) takeOver(ctx context.Context, stack Stack, old *v1.Lease, run Run) (bool, error) {
	err := l.take(ctx, stack, old)
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("take the lock of %s: %w", stack, err)
	}
	if old != nil && !free(old) {
		run.send(TookOver{Holder: holderOf(old)})
	}
	l.keep(ctx)
	return true, nil
}

func (e *Engine) readLease(ctx context.Context) (*v1.Lease, error) {
	ctx, cancel := e.cluster.within(ctx)
	defer cancel()
	lease, err := e.cluster.leases.Leases(e.stack.Namespace).Get(ctx, leaseName(e.stack), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, forbidden(fmt.Errorf("read the lock of %s: %w", e.stack, err))
	}
	return lease, nil
}

func free(l *v1.Lease) bool { return l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "" }

func leaseDuration(l *v1.Lease) time.Duration {
	if l.Annotations[annotationDuration] != "" {
		if d, err := time.ParseDuration(l.Annotations[annotationDuration]); err == nil {
			return d
		}
	}
	if l.Spec.LeaseDurationSeconds == nil {
		return 30 * time.Second
	}
	return time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second
}

// take writes this holder into the Lease as it was read; a Conflict or
// AlreadyExists error says that somebody else was faster.
func (l *lock) take(ctx context.Context, stack Stack, old *v1.Lease) error {
	now := metav1.NowMicro()
	seconds := int32(max(1, l.duration/time.Second))
	begun := time.Now()
	lease := &v1.Lease{ObjectMeta: metav1.ObjectMeta{Name: leaseName(stack), Namespace: stack.Namespace, Labels: map[string]string{
		labelManagedBy: managedBy, labelRecord: "lock", labelRecordOf: stack.Name, labelRecordNS: stack.Namespace,
	}}}
	if old != nil {
		lease = old.DeepCopy()
	}
	p := l.holder.process
	lease.Annotations = map[string]string{
		annotationHolder:   string(canonical(holderRecord{Holder: l.holder, Boot: p.boot, PID: p.pid, Start: p.start})),
		annotationDuration: l.duration.String(),
	}
	var transitions int32
	if old != nil && old.Spec.LeaseTransitions != nil {
		transitions = *old.Spec.LeaseTransitions + 1
	}
	lease.Spec = v1.LeaseSpec{HolderIdentity: &l.holder.run, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now, LeaseTransitions: &transitions}
	err := retry(ctx, writePatience, func(ctx context.Context) error {
		ctx, cancel := l.cluster.within(ctx)
		defer cancel()
		got, err := l.send(ctx, lease, old == nil)
		if err == nil {
			l.lease = got
		}
		return err
	})
	if err != nil {
		return err
	}
	l.renewed = begun
	l.fence.set(begun, nil)
	return nil
}

// send writes a Lease. One that is there already in the name of this very run
// was written by a try whose answer was lost.
func (l *lock) send(ctx context.Context, lease *v1.Lease, create bool) (got *v1.Lease, err error) {
	leases := l.cluster.leases.Leases(lease.Namespace)
	if create {
		got, err = leases.Create(ctx, lease, metav1.CreateOptions{})
	} else {
		got, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
	if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
		return got, err
	}
	live, getErr := leases.Get(ctx, lease.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(getErr): // deleted since
		return nil, err
	case getErr != nil:
		return nil, getErr
	case l.holds(live):
		return live, nil
	}
	return nil, err
}

// holds reports whether a Lease is in the name of this very run.
func (l *lock) holds(live *v1.Lease) bool {
	return !free(live) && *live.Spec.HolderIdentity == l.holder.run
}

// keep renews the lock every third of its duration until it is released.
func (l *lock) keep(ctx context.Context) {
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(l.done)
		ticker := time.NewTicker(l.duration / 3)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if l.enter(ctx) == nil {
					_ = l.renew(ctx) // check finds out when it matters
					l.leave()
				}
			}
		}
	}()
}

// enter waits for the caller's turn, or for the end of the context.
func (l *lock) enter(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *lock) leave() { <-l.turn }

// renew extends the lock; it is the caller's turn. Once somebody else holds it,
// it is lost for good.
func (l *lock) renew(ctx context.Context) error {
	if l.lost != nil {
		return l.lost
	}
	ctx = unfenced(ctx)
	defer func() { l.fence.set(l.renewed, l.lost) }()
	begun, now := time.Now(), metav1.NowMicro()
	lease := l.lease.DeepCopy()
	lease.Spec.RenewTime = &now
	ctx, cancel := context.WithTimeout(ctx, min(l.cluster.timeout, max(l.duration/2, time.Second)))
	defer cancel()
	leases := l.cluster.leases.Leases(lease.Namespace)
	updated, err := leases.Update(ctx, lease, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		// A renewal whose answer got lost, or another holder: look.
		live, getErr := leases.Get(ctx, lease.Name, metav1.GetOptions{})
		if getErr != nil {
			return getErr
		}
		if !l.holds(live) {
			l.lost = &LockLostError{Reason: "taken over by " + who(live)}
			return l.lost
		}
		l.lease = live
		return l.renew(ctx)
	}
	if apierrors.IsNotFound(err) {
		l.lost = &LockLostError{Reason: "the Lease was deleted"}
		return l.lost
	}
	if err != nil {
		return err
	}
	l.lease, l.renewed = updated, begun
	return nil
}

func who(l *v1.Lease) string {
	if free(l) {
		return "somebody who released it"
	}
	return holderOf(l).String()
}

// check returns nil while the lock is held for long enough to make one more
// request. When the last renewal is too old (the process was stopped, the
// laptop slept, the server did not answer) it renews first, which succeeds
// only if nobody took the lock meanwhile.
func (l *lock) check(ctx context.Context) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	if l.lost != nil {
		return l.lost
	}
	age := since(l.renewed)
	if age < l.duration/2 {
		return nil
	}
	if err := l.renew(ctx); err != nil {
		if lost := (*LockLostError)(nil); errors.As(err, &lost) || age < l.duration {
			return err
		}
		l.lost = &LockLostError{Reason: fmt.Sprintf("could not be renewed for %s: %v", age.Round(time.Second), err)}
		l.fence.set(l.renewed, l.lost)
		return l.lost
	}
	return nil
}

// failure returns why the lock was lost, nil while it is held.
func (l *lock) failure() error { return l.fence.failure() }

// release gives the lock back; the Lease stays, without a holder.
func (l *lock) release(ctx context.Context) error {
	l.stop()
	<-l.done
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	if l.lost != nil {
		return nil // it is not ours to give back
	}
	return retry(unfenced(ctx), 5*time.Second, func(ctx context.Context) error {
		ctx, cancel := l.cluster.within(ctx)
		defer cancel()
		leases := l.cluster.leases.Leases(l.lease.Namespace)
		for {
			lease := l.lease.DeepCopy()
			empty, now := "", metav1.NowMicro()
			lease.Spec.HolderIdentity, lease.Spec.RenewTime = &empty, &now
			delete(lease.Annotations, annotationHolder)
			_, err := leases.Update(ctx, lease, metav1.UpdateOptions{})
			if apierrors.IsConflict(err) {
				// A renewal that was broken off and got through, or another holder: look.
				var live *v1.Lease
				if live, err = leases.Get(ctx, lease.Name, metav1.GetOptions{}); err == nil && l.holds(live) {
					l.lease = live
					continue
				}
			}
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		}
	})
}

// remove deletes the Lease, as the last step of a delete.
func (l *lock) remove(ctx context.Context) error {
	if err := l.check(ctx); err != nil {
		return err
	}
	l.stop()
	<-l.done
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	l.lost = &LockLostError{Reason: "the stack was deleted"} // there is nothing to release
	uid := l.lease.UID
	return retry(unfenced(ctx), 5*time.Second, func(ctx context.Context) error {
		ctx, cancel := l.cluster.within(ctx)
		defer cancel()
		err := l.cluster.leases.Leases(l.lease.Namespace).Delete(ctx, l.lease.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
		if apierrors.IsNotFound(err) || isUIDMismatch(err) {
			return nil // gone, or made anew by somebody else
		}
		return err
	})
}
