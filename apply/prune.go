package apply

import (
	"context"
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// LeftoverError says that a run applied everything, but could not delete all
// that left the stack. What is left stays in the inventory, and the next apply
// tries again.
type LeftoverError struct{ Err error }

func (e *LeftoverError) Error() string {
	return "everything was applied, but not all that left the stack is gone:\n" + e.Err.Error()
}

func (e *LeftoverError) Unwrap() error { return e.Err }

// prune deletes what is no longer part of the stack, last applied first, and
// waits until it is gone. It comes after health, and not at all when nobody
// looked.
func (x *execution) prune(ctx context.Context) error {
	var victims []*Change
	for i := range x.plan.Changes {
		if c := &x.plan.Changes[i]; c.Action == ActionDelete && !slices.Contains(x.retired, c) {
			victims = append(victims, c)
		}
	}
	deleted := slices.Clone(x.retired)
	if len(victims)+len(deleted) == 0 {
		return nil
	}
	if x.plan.Verb != VerbDelete && !x.run.Wait {
		x.result.Left = len(victims)
		return nil
	}
	if err := failpoint("before-prune"); err != nil {
		return err
	}
	if len(victims) > 0 {
		x.run.send(Pruning{Count: len(victims)})
	}
	var failures []error
	for len(victims) > 0 { // they come sorted, one stage after the other
		n := 1
		for n < len(victims) && stage(victims[n].Object) == stage(victims[0].Object) {
			n++
		}
		for i, err := range x.deleteAll(ctx, victims[:n]) {
			if failures = append(failures, err); err == nil && victims[i].Action == ActionDelete {
				deleted = append(deleted, victims[i])
			}
		}
		victims = victims[n:]
	}
	err := errors.Join(failures...)
	switch {
	case x.plan.Verb == VerbDelete && (err != nil || !x.run.Wait):
		return err
	case graceEnded(ctx) && x.plan.Verb != VerbDelete:
		return err
	}
	uids := map[ObjectKey]string{}
	for _, c := range deleted {
		uids[c.Object] = c.pin.uid
	}
	// One that is stuck is named, also when others could not be deleted.
	stuck, waitErr := x.awaitGone(ctx, uids)
	if err = errors.Join(err, waitErr, x.outOfTime(stuck)); err != nil && x.plan.Verb != VerbDelete {
		return &LeftoverError{Err: err}
	}
	return err
}

// deleteAll deletes objects and returns an error, or nil, for each; one that
// cannot be deleted does not keep the others from it, and stays in the
// inventory.
func (x *execution) deleteAll(ctx context.Context, victims []*Change) []error {
	errs := make([]error, len(victims))
	p := &planner{engine: x.engine, target: x.plan.target, plan: x.plan, base: x.plan.base, taken: takenBy(x.plan.Changes)}
	for _, sent := range x.sent {
		p.taken[sent.UID] = true
	}
	wait := x.plan.Verb == VerbDelete && x.run.Wait
	x.each(ctx, victims, errs, func(ctx context.Context, c *Change) error {
		if graceEnded(ctx) {
			return context.Canceled
		}
		if err := failpoint("before-delete"); err != nil {
			return err
		}
		err := x.stillLeftover(ctx, p, c)
		if err == nil && c.Action == ActionDelete {
			// A workload that goes last tells when its pods are gone. For other
			// kinds that would only wait for the garbage collector's next look.
			policy := metav1.DeletePropagationBackground
			if wait && stage(c.Object) == stageWorkloads {
				policy = metav1.DeletePropagationForeground
			}
			var replaced bool
			if replaced, err = x.deleteOne(ctx, c, policy); replaced {
				c.Action, c.Note, c.forget = ActionKeep, noteReplaced, true
			}
		}
		x.reportNote(c.Object, c.Action, c.Note, err)
		return err
	})
	return errs
}

// each calls f for each change and keeps its errors apart. One that fails, even
// by a defect, does not keep the others from being tried.
func (x *execution) each(ctx context.Context, changes []*Change, errs []error, f func(context.Context, *Change) error) {
	for i := range errs {
		errs[i] = context.Canceled // of one that is not reached
	}
	// f returns no error to the group, whose context would end with it.
	_ = x.engine.cluster.each(ctx, len(changes), func(_ context.Context, i int) error {
		errs[i] = recovered(func() error { return f(ctx, changes[i]) })
		return nil
	})
}

// deleteOne deletes the object a change was planned for. replaced says that
// another one has its name by now.
func (x *execution) deleteOne(ctx context.Context, c *Change, policy metav1.DeletionPropagation) (replaced bool, err error) {
	err = x.write(ctx, func(ctx context.Context) (err error) {
		replaced, err = x.engine.cluster.delete(ctx, c.Object, c.pin.uid, policy)
		return err
	})
	return replaced, describe("delete", c.Object, err)
}

// stillLeftover decides once more about an object that is to be deleted: since
// the plan was made, somebody may have replaced, protected or taken it. Then
// the change becomes one that leaves it alone.
func (x *execution) stillLeftover(ctx context.Context, p *planner, c *Change) error {
	live, err := x.metadata(ctx, c.Object)
	if err != nil {
		return err
	}
	if live == nil || c.pin.uid == string(live.UID) && live.DeletionTimestamp != nil {
		return nil // gone, or going
	}
	again, ours := p.leftover(item{ObjectKey: c.Object, UID: c.pin.uid, Keep: c.keep}, live)
	if again.Action == ActionDelete && ours {
		return nil
	}
	if !ours {
		again.Note, again.forget = "is part of the stack by now", true
	}
	again.depth = c.depth
	*c = again
	return nil
}

// metadata reads the metadata of an object; nil when there is none. What cannot
// be read is an error, never an object that is gone.
func (x *execution) metadata(ctx context.Context, key ObjectKey) (*metav1.PartialObjectMetadata, error) {
	live, err := x.engine.cluster.getMetadata(ctx, key)
	return live, forbidden(describe("read", key, err))
}

// delete deletes the very object that has the uid; one that is gone already, or
// whose kind is, counts as deleted. replaced says that another object has its
// name by now.
func (c *cluster) delete(ctx context.Context, key ObjectKey, uid string, policy metav1.DeletionPropagation) (replaced bool, err error) {
	id := types.UID(uid)
	err = c.follow(key.groupKind(), "", func(m *meta.RESTMapping) error {
		ctx, cancel := c.within(ctx)
		defer cancel()
		return c.mapped(m, key.Namespace).Delete(ctx, key.Name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &id}, PropagationPolicy: &policy,
		})
	})
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return false, nil // gone, as without its kind
	case isUIDMismatch(err):
		return true, nil
	}
	return false, err
}

// awaitGone waits until the objects with these uids are gone, pods included. It
// returns those that are still there when the time of the run is over.
func (x *execution) awaitGone(ctx context.Context, uids map[ObjectKey]string) (left []Health, err error) {
	begun := time.Now()
	defer func() { x.patience -= time.Since(begun) }()
	lingering, err := x.lingering(ctx, sortedKeys(uids), uids)
	if err != nil || len(lingering) == 0 {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := x.engine.newView(ctx)
	if err := v.cover(lingering); err != nil {
		return nil, err
	}
	deadline := time.NewTimer(x.patience)
	defer deadline.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		synced, err := v.ready()
		if err != nil {
			return nil, err
		}
		left = nil
		var unseen []ObjectKey
		for _, k := range lingering {
			if o := v.get(k); !synced || o != nil && string(o.GetUID()) == uids[k] {
				left = append(left, leaving(k, o))
			} else {
				unseen = append(unseen, k)
			}
		}
		// The view shows only what carries the owner labels: the rest is asked
		// for by name.
		there, err := x.lingering(ctx, unseen, uids)
		if err != nil {
			return nil, err
		}
		for _, k := range unseen {
			if slices.Contains(there, k) {
				left = append(left, leaving(k, nil))
			} else {
				x.tell(Health{Object: k, State: StateReady, Message: "gone"})
			}
		}
		if len(left) == 0 {
			return nil, nil
		}
		lingering = lingering[:0]
		for _, h := range left {
			lingering = append(lingering, h.Object)
			if synced {
				x.tell(h)
			}
		}
		select {
		case <-v.changed:
		case <-tick.C:
			if err := x.lock.failure(); err != nil {
				return nil, err
			}
		case <-interruption(ctx):
			return nil, context.Canceled
		case <-deadline.C:
			return left, nil
		}
	}
}

// outOfTime says what the run has waited for in vain; nil when that is nothing.
func (x *execution) outOfTime(left []Health) error {
	if len(left) == 0 {
		return nil
	}
	return &NotReadyError{Timeout: x.run.Timeout, Health: left}
}

// leaving is the health of an object that is being deleted, as far as it was
// seen.
func leaving(key ObjectKey, o *unstructured.Unstructured) Health {
	h := Health{Object: key, State: StateProgressing, Message: "is being deleted"}
	if o != nil {
		h.Message += finalizersText(o)
	}
	return h
}

// tell sends the health of an object, if that is news.
func (x *execution) tell(h Health) {
	if was, told := x.seen[h.Object]; !told || was.State != h.State || was.Message != h.Message {
		x.seen[h.Object] = h
		x.run.send(Progress{Health: h})
	}
}

// lingering lists the objects that are there still.
func (x *execution) lingering(ctx context.Context, keys []ObjectKey, uids map[ObjectKey]string) ([]ObjectKey, error) {
	there := make([]bool, len(keys))
	err := x.engine.cluster.each(ctx, len(keys), func(ctx context.Context, i int) error {
		live, err := x.metadata(ctx, keys[i])
		if err != nil {
			return err
		}
		there[i] = live != nil && string(live.UID) == uids[keys[i]]
		return nil
	})
	var left []ObjectKey
	for i, k := range keys {
		if there[i] {
			left = append(left, k)
		}
	}
	return left, err
}
