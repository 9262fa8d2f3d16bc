package apply

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// applyStages writes what the plan creates and updates, stage by stage.
func (x *execution) applyStages(ctx context.Context) error {
	for s := range stagesNumber {
		var todo []*Change
		for i := range x.plan.Changes {
			c := &x.plan.Changes[i]
			if stage(c.Object) == s && (c.Action == ActionCreate || c.Action == ActionUpdate) {
				todo = append(todo, c)
			}
		}
		if len(todo) == 0 {
			continue
		}
		if s == stageWorkloads {
			if err := x.retireScalers(ctx, todo); err != nil {
				return err
			}
		}
		if err := x.applyStage(ctx, todo); err != nil {
			return err
		}
		if s == stageNamespaces {
			if err := x.keepLateValues(ctx); err != nil {
				return err
			}
		}
		if s == stageKinds {
			if err := x.awaitKinds(ctx, todo); err != nil {
				return err
			}
		}
	}
	return nil
}

// applyStage writes the objects of one stage: those that need nothing, and
// then again and again those that have what they need by now.
func (x *execution) applyStage(ctx context.Context, todo []*Change) error {
	if err := x.watchJobs(ctx, todo); err != nil {
		return err
	}
	var free, held []*Change
	for _, c := range todo {
		if len(c.needs) == 0 {
			free = append(free, c)
		} else {
			held = append(held, c)
		}
	}
	for {
		if err := x.applyAll(ctx, free); err != nil || len(held) == 0 {
			return err
		}
		var err error
		if free, held, err = x.awaitNeeds(ctx, held); err != nil {
			return err
		}
	}
}

// applyAll writes objects. After an error what is in flight ends, nothing new
// begins unless the run keeps going, and all that failed is reported. Those that
// something is in the way of come last: nothing is deleted for the sake of a run
// that fails elsewhere.
func (x *execution) applyAll(ctx context.Context, todo []*Change) error {
	var free, blocked []*Change
	for _, c := range todo {
		if len(c.Replace) > 0 || c.awaits != "" {
			blocked = append(blocked, c)
		} else {
			free = append(free, c)
		}
	}
	_, err := x.together(ctx, free, x.applyObject)
	if len(blocked) == 0 || err != nil && !x.goesOn(ctx) {
		return err
	}
	free, wayErr := x.makeWay(ctx, blocked)
	_, freeErr := x.together(ctx, free, x.applyObject)
	return errors.Join(err, wayErr, freeErr)
}

// together calls f for changes of one stage and returns what it failed with for
// each, and all that joined. After an error nothing new begins, unless the run
// goes on.
func (x *execution) together(ctx context.Context, todo []*Change, f func(context.Context, *Change) error) ([]error, error) {
	errs := make([]error, len(todo))
	err := x.engine.cluster.each(ctx, len(todo), func(groupCtx context.Context, i int) error {
		// The end of the group must not tear a write of the same stage apart.
		if groupCtx.Err() != nil {
			return nil
		}
		if errs[i] = f(ctx, todo[i]); x.goesOn(ctx) {
			return nil
		}
		return errs[i]
	})
	if joined := errors.Join(errs...); joined != nil {
		return errs, joined
	}
	return errs, err
}

// goesOn reports whether a run goes on with a stage in which something failed.
func (x *execution) goesOn(ctx context.Context) bool {
	return x.run.KeepGoing && !graceEnded(ctx) && x.lock.failure() == nil
}

// watchJobs begins to watch Jobs before they are made, where the API server may
// remove them again before anybody would have looked.
func (x *execution) watchJobs(ctx context.Context, todo []*Change) error {
	var jobs []ObjectKey
	for _, c := range todo {
		if expires(c.send) {
			jobs = append(jobs, c.Object)
		}
	}
	if err := x.view.cover(jobs); err != nil || len(jobs) == 0 {
		return err
	}
	return x.view.first(ctx)
}

// keepLateValues stores the data of Secrets whose namespace was just made.
func (x *execution) keepLateValues(ctx context.Context) error {
	var late []*unstructured.Unstructured
	for i := range x.plan.Changes {
		if c := &x.plan.Changes[i]; x.isLate(c) {
			late = append(late, c.send)
		}
	}
	return x.records.keepValues(ctx, x.key, late, func(string) bool { return true })
}
