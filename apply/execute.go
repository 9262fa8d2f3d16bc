package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Limits of a run, beside those in [Options] and [Run].
const (
	// interruptGrace is how long requests in flight may take after the context
	// of a run has ended, and closingGrace how long recording that may: who
	// interrupts waits no longer than 5 s.
	interruptGrace = 3 * time.Second
	closingGrace   = 2 * time.Second
	// writePatience is how long a write that fails for a reason that may pass
	// is tried again.
	writePatience = 30 * time.Second
)

// Apply carries a plan out: it takes the lock, makes sure that the plan still
// holds, records a revision as pending, writes stage by stage, waits for
// health, prunes, and records the end.
//
// The result tells what was done up to an error. A plan that changes nothing
// writes nothing: no Lease, no revision; only after a run that did not end well
// it still waits for health and records that. When ctx ends no further write is
// begun, those in flight get 3 s, and the revision is recorded as interrupted.
func (e *Engine) Apply(ctx context.Context, plan *Plan, run Run) (_ *Result, err error) {
	defer e.cluster.redact.leaving(&err)
	if run.Timeout == 0 {
		run.Timeout = 5 * time.Minute
	}
	run.Cause = e.cluster.redact.text(run.Cause)
	x := &execution{engine: e, plan: plan, run: run, started: time.Now(), result: &Result{Stack: e.stack, Outcomes: []Outcome{}}}
	err = e.cluster.redact.error(x.start(ctx)) // in the result, too
	x.result.Duration = Seconds(time.Since(x.started).Round(time.Millisecond))
	if err != nil {
		x.result.Error = err.Error()
	}
	e.cluster.redact.result(x.result)
	return x.result, err
}

// start begins the run, if there is something to do and consent to do it.
func (x *execution) start(ctx context.Context) error {
	if err := x.refuse(); err != nil {
		return err
	}
	// Settling is waiting for health: without that there is nothing to do.
	if x.plan.Empty() && !(x.plan.Settle && x.run.Wait) {
		x.result.Changes = x.plan.Counts()
		return nil
	}
	ctx, cancel := grace(ctx, interruptGrace)
	defer cancel()
	return x.locked(ctx)
}

// execution is a run in progress.
type execution struct {
	engine  *Engine
	plan    *Plan
	run     Run
	started time.Time
	lock    *lock
	records *records // as this run may write them
	summary Summary
	key     []byte

	changes   map[ObjectKey]*Change // of the plan
	view      *view                 // of what is waited for
	diagnosis *diagnosis
	patience  time.Duration        // what is left of the time to wait for health
	seen      map[ObjectKey]Health // last told of
	told      map[ObjectKey][]Need // that an object is held back for
	retired   []*Change            // autoscalers that were deleted ahead of the rest

	mu     sync.Mutex // guards what the workers of a stage report
	result *Result
	sent   map[ObjectKey]sentFact
	// generations are those the writes led to: no older state is judged.
	generations map[ObjectKey]int64
	wrote       map[ObjectKey]time.Time // when, by the API server's clock
}

// refuse stops a run that needs a consent it does not have.
func (x *execution) refuse() error {
	if err := x.plan.Refusal(); err != nil {
		return err
	}
	deletes := x.plan.losses()
	empty := len(x.plan.target.Objects) == 0
	mass := deletes >= 5 && 2*deletes > x.plan.inventory
	if x.plan.Verb != VerbDelete && (empty || mass) && deletes > x.run.AllowPrune {
		return &PruneError{Deletes: deletes, Inventory: x.plan.inventory}
	}
	return nil
}

// locked does all that needs the lock. What closes the run does not end with
// its context, but when that was interrupted, nobody waits for it for long.
func (x *execution) locked(ctx context.Context) (err error) {
	if x.plan.CreateNamespace {
		if err := x.createNamespace(ctx); err != nil {
			return err
		}
	}
	if err := failpoint("before-lock"); err != nil {
		return err
	}
	if x.lock, err = x.engine.acquire(ctx, x.plan.Verb, x.run); err != nil {
		return err
	}
	ctx = x.lock.fence.under(ctx)
	x.records = x.engine.records.under(x.lock)
	var history []Summary
	err = recovered(func() (err error) {
		history, err = x.begin(ctx)
		return err
	})
	if err == nil {
		err = x.engine.cluster.redact.error(x.guarded(ctx))
	}
	interrupted := graceEnded(ctx)
	closing := closed(ctx)
	if interrupted {
		var cancel context.CancelFunc
		closing, cancel = context.WithTimeout(closing, closingGrace)
		defer cancel()
	}
	switch {
	case x.result.Revision == 0: // nothing was recorded, so nothing was written
	case err == nil && x.plan.Verb == VerbDelete:
		err = x.forget(closing)
	default:
		err = x.finish(closing, err, history, interrupted)
	}
	releaseErr := failpoint("before-release")
	if releaseErr == nil {
		releaseErr = x.lock.release(closing)
	}
	if releaseErr != nil && err == nil {
		err = fmt.Errorf("release the lock: %w", releaseErr)
	}
	if interrupted && err != nil {
		return &InterruptedError{Revision: x.result.Revision, Recorded: x.result.Status == StatusInterrupted, Err: err}
	}
	return err
}

// begin does what comes before the first write to an object.
func (x *execution) begin(ctx context.Context) ([]Summary, error) {
	history, err := x.engine.records.list(ctx)
	if err != nil {
		return nil, err
	}
	if err := x.recheck(ctx, history); err != nil {
		return nil, err
	}
	if err := x.closeAbandoned(ctx, history); err != nil {
		return nil, err
	}
	if err := failpoint("before-record"); err != nil {
		return nil, err
	}
	if err := x.record(ctx); err != nil {
		return nil, err
	}
	return history, failpoint("after-record")
}

// createNamespace makes the namespace of the stack, which the lock and the
// records need. If the stack itself describes it, it is made as described.
func (x *execution) createNamespace(ctx context.Context) error {
	key := ObjectKey{Kind: "Namespace", Name: x.engine.stack.Namespace}
	for i := range x.plan.Changes {
		if c := &x.plan.Changes[i]; c.Object == key {
			var got *metav1.PartialObjectMetadata
			err := retry(ctx, writePatience, func(ctx context.Context) (err error) {
				got, err = x.engine.cluster.apply(ctx, absent(c.send), patchOptions{})
				return err
			})
			if apierrors.IsConflict(err) {
				return &StalePlanError{Reasons: []string{key.String() + " was made by somebody else meanwhile"}}
			}
			if err != nil {
				return describe("create", key, err)
			}
			c.pin, c.made = pin{uid: string(got.GetUID())}, true
			return nil
		}
	}
	ns := &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: key.Name}}
	err := retry(ctx, writePatience, func(ctx context.Context) error {
		ctx, cancel := x.engine.cluster.within(ctx)
		defer cancel()
		_, err := x.engine.cluster.core.Namespaces().Create(ctx, ns, metav1.CreateOptions{FieldManager: x.engine.cluster.manager})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
	return describe("create", key, err)
}

// absent returns an object as it is sent to be made: with a version that no
// object has. The server creates it, but answers with a conflict if somebody
// else was faster.
func absent(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	o.SetResourceVersion("1")
	return o
}

// recheck reads every object again that is about to be written. One that is no
// longer what the plan was made for is planned again; a change that differs
// from the approved one makes the plan stale.
//
// What the plan leaves as it is, is not read again. A run promises to write no
// more than was approved, not that nobody else writes, which they can as well a
// moment after any recheck. So an unchanged object, a Secret too, that is deleted
// while a person is asked stays deleted: that is drift. A workload that is gone is
// not ready, so that the run says it; the next diff, drift and status show any
// object that is, and the next apply makes it again.
func (x *execution) recheck(ctx context.Context, history []Summary) error {
	base := 0
	if last := newest(history); last != nil {
		base = last.Revision
	}
	if base != x.plan.Base {
		return &StalePlanError{Reasons: []string{fmt.Sprintf("revision %d was recorded meanwhile", base)}}
	}
	p := &planner{engine: x.engine, target: x.plan.target, plan: x.plan, base: x.plan.base}
	absent := x.absentees(ctx)
	stale := make([]string, len(x.plan.Changes))
	err := x.engine.cluster.each(ctx, len(x.plan.Changes), func(ctx context.Context, i int) (err error) {
		change := &x.plan.Changes[i]
		switch {
		case change.Deferred, change.made, absent[change.Object]:
		case change.Action == ActionCreate, change.Action == ActionUpdate:
			stale[i], err = x.recheckWrite(ctx, p, change)
		case change.Action == ActionDelete:
			// Deleting less than was approved needs no new approval.
			err = x.stillLeftover(ctx, p, change)
		}
		return err
	})
	if err != nil {
		return err
	}
	stale = slices.DeleteFunc(stale, func(s string) bool { return s == "" })
	if len(stale) > 0 {
		return &StalePlanError{Reasons: stale}
	}
	return nil
}

func (x *execution) recheckWrite(ctx context.Context, p *planner, change *Change) (stale string, err error) {
	live, err := x.engine.cluster.get(ctx, change.Object, change.send.GroupVersionKind().Version)
	if err != nil {
		return "", forbidden(describe("read", change.Object, err))
	}
	if pinOf(live) == change.pin {
		return "", nil
	}
	if x.plan.seen != nil && !x.plan.seen(change, live) {
		return change.Object.String() + " was changed since the plan was made", nil
	}
	again, err := p.compare(ctx, cmp.Or(change.whole, change.send), live != nil)
	if err != nil {
		return "", err
	}
	x.engine.cluster.redact.change(change) // more may be known to be secret by now
	x.engine.cluster.redact.change(&again)
	if !sameChange(change, &again) {
		return change.Object.String() + " was changed since the plan was made", nil
	}
	again.Recreated, again.Note = change.Recreated, change.Note
	again.needs, again.depth = change.needs, change.depth
	again.live, again.merged = nil, nil
	again.Fields, again.Label, again.Spec, again.Impacts = change.Fields, change.Label, change.Spec, change.Impacts
	*change = again
	return "", nil
}

// sameChange reports whether two changes do the same.
func sameChange(a, b *Change) bool { return sameShown(a, b) && a.handOver == b.handOver }

// sameShown reports whether two changes do the same as far as a reader sees.
func sameShown(a, b *Change) bool {
	return a.Action == b.Action && a.OwnershipOnly == b.OwnershipOnly && slices.Equal(a.Replace, b.Replace) &&
		string(canonical(fieldsOnly(a.Fields))) == string(canonical(fieldsOnly(b.Fields))) &&
		a.Adopted == b.Adopted && slices.EqualFunc(a.Conflicts, b.Conflicts, sameConflict)
}

func sameConflict(a, b Conflict) bool {
	return a.Path == b.Path && a.Manager == b.Manager && a.Resolution == b.Resolution
}

// fieldsOnly are the differences without what is known about them.
func fieldsOnly(fields []FieldChange) []FieldChange {
	out := slices.Clone(fields)
	for i := range out {
		out[i].Since, out[i].Label, out[i].Spec = time.Time{}, "", nil
	}
	return out
}

// prepare sets up what the waits of the run share.
func (x *execution) prepare(ctx context.Context) {
	x.changes, x.seen, x.told = map[ObjectKey]*Change{}, map[ObjectKey]Health{}, map[ObjectKey][]Need{}
	for i := range x.plan.Changes {
		x.changes[x.plan.Changes[i].Object] = &x.plan.Changes[i]
	}
	x.view, x.patience = x.engine.newView(ctx), x.run.Timeout
	x.diagnosis = newDiagnosis()
	x.diagnosis.fresh = func(key ObjectKey) bool { return x.changes[key].template }
	x.diagnosis.wrote = func(key ObjectKey) time.Time { return x.wrote[key] }
	x.diagnosis.troubles = x.engine.newTroubles(ctx, x.view.wake)
	x.diagnosis.logs = x.engine.newPodLogs(ctx, x.view.wake)
}

// guarded does the work of the run and turns a panic into an error, so that
// the end of the run is recorded in any case.
func (x *execution) guarded(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the watches of the view
	x.prepare(ctx)
	return recovered(func() error {
		if err := x.applyStages(ctx); err != nil {
			return err
		}
		if err := failpoint("before-health"); err != nil {
			return err
		}
		if x.run.Wait && x.plan.Verb != VerbDelete {
			if err := x.awaitHealth(ctx); err != nil {
				return err
			}
		}
		return x.prune(ctx)
	})
}

func (x *execution) applyObject(ctx context.Context, c *Change) error {
	if graceEnded(ctx) {
		return context.Canceled
	}
	if err := failpoint("before-object"); err != nil {
		return err
	}
	var got *metav1.PartialObjectMetadata
	tries := 0
	err := x.write(ctx, func(ctx context.Context) (err error) {
		tries++
		if c.pin.uid == "" {
			got, err = x.create(ctx, c, tries > 1)
			if err == nil && c.handOver {
				c.pin = pin{uid: string(got.GetUID())} // as one that is there
			}
		}
		if err == nil && c.pin.uid != "" {
			if err = x.clearWay(ctx, c); err == nil {
				got, err = x.send(ctx, c)
			}
		}
		if c.Deferred && (meta.IsNoMatchError(err) || apierrors.IsNotFound(err)) {
			// A kind is served a moment after it was called established.
			x.engine.cluster.kinds.forget()
			return &notServedError{err}
		}
		return err
	})
	var moved *movedError
	switch {
	case err == nil && got.GetDeletionTimestamp() != nil:
		err = fmt.Errorf("apply %s: it is being deleted%s; apply again when it is gone", c.Object, finalizersText(got))
	case errors.As(err, &moved):
		err = fmt.Errorf("apply %s: it changes faster than it can be written; apply again", c.Object)
	case isUIDMismatch(err):
		err = fmt.Errorf("apply %s: it was deleted or replaced during the run; apply again", c.Object)
	case isFieldConflict(err):
		err = fmt.Errorf("apply %s: somebody took a field of it during the run; apply again to see which", c.Object)
	case apierrors.IsConflict(err):
		err = fmt.Errorf("apply %s: somebody made an object of that name during the run; apply again", c.Object)
	default:
		err = describe("apply", c.Object, err)
	}
	x.report(c.Object, c.Action, err)
	if err != nil {
		return err
	}
	if err := failpoint("after-object"); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.generations[c.Object] = got.GetGeneration()
	x.wrote[c.Object] = writtenAt(got, x.engine.stack.Manager())
	x.sent[c.Object] = sentFact{
		UID: string(got.GetUID()), Entry: ownEntry(got.GetManagedFields(), x.engine.stack.Manager()),
		Digest: keyed(x.key, canonical(c.send.Object)), Cause: causeOf(c.send),
	}
	return nil
}

// createdBefore looks whether an object that exists was made by an earlier try
// of this run whose answer was lost: then only this stack's manager is on it.
func (x *execution) createdBefore(ctx context.Context, c *Change, conflict error) (*metav1.PartialObjectMetadata, error) {
	live, err := x.engine.cluster.getMetadata(ctx, c.Object)
	if err == nil && (live == nil || ownEntry(live.GetManagedFields(), x.engine.stack.Manager()) == "") {
		err = conflict
	}
	return live, err
}

// write makes one write under the lock: not begun once the run is interrupted
// or the lock lost, and tried again while its failure may pass.
func (x *execution) write(ctx context.Context, f func(context.Context) error) error {
	return retry(ctx, writePatience, func(ctx context.Context) error {
		if graceEnded(ctx) {
			return context.Canceled
		}
		if err := x.lock.check(ctx); err != nil {
			return err
		}
		return f(ctx)
	})
}

func (x *execution) report(key ObjectKey, action Action, err error) {
	x.reportNote(key, action, "", err)
}

func (x *execution) reportNote(key ObjectKey, action Action, note string, err error) {
	err = x.engine.cluster.redact.error(err)
	x.mu.Lock()
	defer x.mu.Unlock()
	o := Outcome{Object: key, Action: action, Note: note}
	if err != nil {
		o.Error = err.Error()
	}
	x.result.Outcomes = append(x.result.Outcomes, o)
	x.run.send(Applied{Object: key, Action: action, Note: note, Err: err})
}
