package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// closeAbandoned marks the revisions of runs that died as interrupted. This
// run holds the lock, so a pending revision has nobody to finish it.
func (x *execution) closeAbandoned(ctx context.Context, history []Summary) error {
	for i := range history {
		if history[i].Status != StatusPending {
			continue
		}
		history[i].Status = StatusInterrupted
		if err := x.records.setStatus(ctx, history[i], StatusPending); err != nil {
			return fmt.Errorf("close the interrupted revision %d: %w", history[i].Revision, err)
		}
		x.result.Interrupted = append(x.result.Interrupted, history[i].Revision)
	}
	return nil
}

// record writes down what is about to be done, before anything is done.
func (x *execution) record(ctx context.Context) error {
	n := x.plan.Base + 1
	x.key, x.records.known = x.plan.key, x.plan.base.chunks
	cause := x.run.Cause
	if cause == "" {
		cause = fmt.Sprintf("stackctl %s #%d", x.plan.Verb, n)
	}
	x.sent, x.generations, x.wrote = map[ObjectKey]sentFact{}, map[ObjectKey]int64{}, map[ObjectKey]time.Time{}
	var objects []*unstructured.Unstructured
	for i := range x.plan.Changes {
		c := &x.plan.Changes[i]
		if c.send == nil {
			continue
		}
		if c.template {
			c.send = withCause(c.send, cause)
		}
		objects = append(objects, c.send)
		if c.Action == ActionUnchanged {
			fact := c.sent
			fact.Digest = keyed(x.key, canonical(c.send.Object))
			x.sent[c.Object] = fact
		}
	}
	x.summary = Summary{
		Revision: n, Status: StatusPending, Verb: x.plan.Verb, RollbackTo: x.plan.RollbackTo,
		Cause: x.run.Cause, Author: x.run.Author, Commit: x.run.Commit, Dirty: x.run.Dirty, CI: x.run.CI, Tool: x.run.Tool, Plan: x.run.Plan,
		CreatedAt: time.Now().UTC().Truncate(time.Second), Environment: x.plan.target.Environment,
		Images: imagesOf(objects), Changes: x.plan.Counts(),
	}
	if x.summary.Cause == "" {
		x.summary.Cause = cause
	}
	d := &draft{summary: x.summary, objects: objects, source: x.plan.target.Source, inventory: x.inventory(), key: x.key, run: x.lock.holder.run}
	d.later = map[string]bool{}
	for i := range x.plan.Changes {
		if x.isLate(&x.plan.Changes[i]) {
			d.later[x.plan.Changes[i].Object.Namespace] = true
		}
	}
	err := x.records.create(ctx, d)
	if apierrors.IsAlreadyExists(err) {
		return &StalePlanError{Reasons: []string{fmt.Sprintf("revision %d was recorded meanwhile", n)}}
	}
	if err != nil {
		return fmt.Errorf("record revision %d, nothing was applied: %w", n, err)
	}
	x.summary = d.summary
	x.result.Revision, x.result.Status = n, StatusPending
	x.run.send(Recorded{Revision: n, Interrupted: x.result.Interrupted})
	return nil
}

// isLate reports a Secret whose namespace comes with the run. The stack's own
// namespace is there by the time anything is recorded.
func (x *execution) isLate(c *Change) bool {
	return c.Object.isSecret() && c.Deferred && c.Object.Namespace != x.engine.stack.Namespace
}

// inventory is what the stack may have in the cluster from now on: all of the
// target, and what the last inventory lists and was found alive.
func (x *execution) inventory() []item {
	items := []item{}
	for i := range x.plan.Changes {
		c := &x.plan.Changes[i]
		if c.forget {
			continue
		}
		uid := c.pin.uid
		if uid == "" {
			uid = c.sent.UID
		}
		if len(c.Replace) > 0 {
			uid = "" // of the object that is made in its place
		}
		items = append(items, item{ObjectKey: c.Object, UID: uid, Keep: c.keep})
	}
	slices.SortFunc(items, func(a, b item) int { return compareKeys(a.ObjectKey, b.ObjectKey) })
	return items
}

// imagesOf lists the container images of all workloads, sorted, each once.
func imagesOf(objects []*unstructured.Unstructured) []string {
	images := []string{}
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, field := range []string{"containers", "initContainers"} {
				list, _ := v[field].([]any)
				for _, c := range list {
					if m, ok := c.(map[string]any); ok {
						if image, ok := m["image"].(string); ok {
							images = append(images, image)
						}
					}
				}
			}
			for _, field := range []string{"spec", "template", "jobTemplate"} {
				visit(v[field])
			}
		}
	}
	for _, o := range objects {
		visit(o.Object)
	}
	slices.Sort(images)
	return slices.Compact(images)
}

// finish records how the run ended. The context is not that of the run, which
// may have ended; interrupted tells.
func (x *execution) finish(ctx context.Context, runErr error, history []Summary, interrupted bool) error {
	n := x.summary.Revision
	if err := failpoint("before-finalize"); err != nil && runErr == nil {
		runErr = err
	}
	x.summary.Unverified = !x.run.Wait
	x.summary.Changes = x.done()
	x.result.Changes = x.summary.Changes
	x.summary.Status, x.summary.Duration = StatusDeployed, Seconds(time.Since(x.started).Round(time.Millisecond))
	if runErr != nil {
		x.summary.Status, x.summary.Error = StatusFailed, strings.SplitN(runErr.Error(), "\n", 2)[0]
		if interrupted {
			x.summary.Status, x.summary.Error = StatusInterrupted, "interrupted"
		}
	}
	// Without the lock this fails: somebody else decides by now what becomes of
	// the revision.
	if err := x.records.finish(ctx, x.summary, x.lock.holder.run, x.outcome()); err != nil {
		var lost *LockLostError
		switch {
		case runErr == nil && !errors.As(err, &lost):
			return &NotRecordedError{Revision: n, Err: err}
		case runErr == nil || errors.As(runErr, &lost):
			return err
		}
		return fmt.Errorf("%w\nrevision %d could not be recorded as %s: %v", runErr, n, x.summary.Status, err)
	}
	x.result.Status = x.summary.Status
	if runErr != nil {
		return runErr
	}
	for _, s := range history {
		if s.Status != StatusDeployed {
			continue
		}
		s.Status = StatusSuperseded
		if err := failpoint("before-supersede"); err != nil {
			return &NotRecordedError{Revision: n, Err: err}
		}
		if err := x.records.setStatus(ctx, s, StatusDeployed); err != nil {
			return &NotRecordedError{Revision: n, Err: err}
		}
	}
	if err := failpoint("before-retire"); err != nil {
		return err
	}
	if err := x.records.retire(ctx, x.engine.options, x.plan.RollbackTo); err != nil {
		return fmt.Errorf("applied and recorded as revision %d, but old revisions could not be removed: %w", n, err)
	}
	return nil
}

// done counts what was done, which after an error is less than was planned.
func (x *execution) done() Counts {
	counts := Counts{Unchanged: x.plan.Counts().Unchanged}
	for _, o := range x.result.Outcomes {
		if o.Error == "" {
			counts.add(o.Action)
		}
	}
	return counts
}

func (x *execution) outcome() outcome {
	slices.SortFunc(x.result.Outcomes, func(a, b Outcome) int { return compareKeys(a.Object, b.Object) })
	o := outcome{Outcomes: x.result.Outcomes}
	for _, k := range sortedKeys(x.sent) {
		o.Sent = append(o.Sent, sentObject{k, x.sent[k]})
	}
	return o
}
