package main

import (
	"context"
	"errors"
	"fmt"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

// change is what apply, rollback and delete have in common: one plan is shown,
// approved and carried out.
type change struct {
	*session
	*runFlags
	target   apply.Target
	run      apply.Run
	question string
	policy   *policyFlags // nil for none
	failOn   []apply.ImpactKind
	// restore returns a plan that was approved before the run; nil for a run that
	// makes its own. target then has only the verb and the consent.
	restore func(context.Context) (*apply.Plan, error)

	nested bool          // part of a run that tells the result in whole
	result *apply.Result // once it was carried out
}

// errDeclined says that a person said no.
var errDeclined = errors.New("not confirmed: nothing was written")

// execute plans, shows the plan, asks, and carries it out.
//
// With --yes or without a terminal nobody approved a particular plan. So when
// the cluster changes between the plan and the lock, the new plan is shown and
// carried out instead: once at least, and again for as long as the run would
// have queued for the lock. What a person said yes to is never replaced.
func (c *change) execute(ctx context.Context, e *env) error {
	c.warn(e)
	e.signRun(&c.run)
	began := e.now()
	for again := true; ; {
		plan, err := c.plan(ctx)
		if err != nil {
			return c.wrap(c.unplanned(err))
		}
		if err := sameKinds(c.spec, plan); err != nil {
			return err
		}
		if err := c.show(e, plan); err != nil {
			return err
		}
		if c.policy != nil {
			if err := c.policy.check(ctx, c.spec, c.stack.Namespace, c.target.Objects, plan); err != nil {
				return err
			}
		}
		if err := plan.FailOn(c.failOn...); err != nil || c.dryRun {
			return c.wrap(err)
		}
		approved, err := c.approve(ctx, e, plan)
		if err != nil {
			return err
		}
		result, err := c.carryOut(ctx, e, plan)
		var stale *apply.StalePlanError
		if errors.As(err, &stale) && !approved && again && ctx.Err() == nil {
			again = e.now().Sub(began) < c.lockTimeout
			e.note("the cluster changed since the plan was made: " + err.Error() + "; planning again")
			continue
		}
		if c.result = result; c.goesBack(result, err) {
			return c.goBack(ctx, e, result, err)
		}
		if shown := c.showResult(e, plan, result, err); shown != nil && err == nil {
			err = shown
		}
		return c.wrap(e.recovered(result, err))
	}
}

// plan returns what is to be carried out.
func (c *change) plan(ctx context.Context) (*apply.Plan, error) {
	if c.restore != nil {
		return c.restore(ctx)
	}
	return c.engine.Plan(ctx, c.target)
}

// unplanned says of a rollback that cannot be planned that it did nothing.
func (c *change) unplanned(err error) error {
	if c.target.Verb != apply.VerbRollback || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("revision %d cannot be gone back to, nothing was written: %w", c.target.RollbackTo, err)
}

// show writes the plan where the person or the script that needs it looks.
func (c *change) show(e *env, plan *apply.Plan) error {
	diff := ui.Diff{Plan: plan, Context: c.context}
	if c.dryRun { // else the run says it as an error
		diff.Conflicts = c.conflictContext(e)
	}
	json := c.output.value == "json"
	if e.log != nil {
		if e.log.Plan(plan); json && !c.dryRun {
			return nil // stdout is for the result
		}
	}
	if c.dryRun && json {
		return ui.WriteDiff(e.stdout, "json", diff, e.options(e.stdout))
	}
	to := e.stdout
	if json || c.asks(e) && !e.stdout.tty {
		to = e.stderr // stdout is for the result, or is not seen by who is asked
	}
	return ui.WritePlan(to, diff, e.options(to))
}

// asks reports whether a person is asked before something is written.
func (c *change) asks(e *env) bool {
	return !c.yes && !c.dryRun && c.restore == nil && e.interactive()
}

// approve asks a person, and reports whether there was one. A plan that
// changes nothing, or that the engine will refuse, is not worth a question.
func (c *change) approve(ctx context.Context, e *env, plan *apply.Plan) (bool, error) {
	if c.restore != nil {
		return true, nil // by who looked at it
	}
	if !c.asks(e) || plan.Empty() || plan.Refusal() != nil {
		return false, nil
	}
	yes, err := e.confirm(ctx, c.question)
	if err == nil && !yes {
		err = errDeclined
	}
	return true, err
}

// carryOut runs the plan and shows how it goes.
func (c *change) carryOut(ctx context.Context, e *env, plan *apply.Plan) (*apply.Result, error) {
	if plan.Refusal() != nil || plan.Empty() && !plan.Settle {
		return c.engine.Apply(ctx, plan, c.run)
	}
	run := c.run
	if e.log != nil {
		run.Events = e.log.Event
		return c.engine.Apply(ctx, plan, run)
	}
	progress := ui.NewProgress(e.stderr, ui.ProgressOptions{
		Color: e.color(e.stderr), Now: e.now, Live: e.live(), Size: e.size, Plan: plan, Locate: locate(c.spec),
	})
	e.progress.Store(progress)
	run.Events = progress.Event
	result, err := c.engine.Apply(ctx, plan, run)
	e.progress.Store(nil)
	progress.Close()
	return result, err
}

// showResult writes the end of a run: as JSON always, for people when it went
// well and the plan did not say it already.
func (c *change) showResult(e *env, plan *apply.Plan, result *apply.Result, err error) error {
	if e.log != nil && result != nil {
		e.log.Result(c.stack, result)
	}
	switch {
	case result == nil:
		return nil
	case c.output.value == "json" && c.nested:
		return nil
	case c.output.value == "json":
		return ui.WriteJSON(e.stdout, result)
	case err != nil && c.keepGoing:
		return ui.WriteFailures(e.stdout, plan, result, e.options(e.stdout))
	case err != nil || plan.Empty() && !plan.Settle:
		return nil
	}
	return ui.WriteResult(e.stdout, plan, result, e.options(e.stdout))
}

// each runs a function for every session, in their order, and stops at the
// first error, naming those that were not reached.
func each(e *env, all []*session, do func(*session) error) error {
	for i, s := range all {
		if i > 0 {
			fmt.Fprintln(e.stderr)
		}
		err := do(s)
		if err == nil {
			continue
		}
		for _, left := range all[i+1:] {
			fmt.Fprintf(e.stderr, "not started: stack %s in namespace %s\n", ui.Clean(left.stack.Name), ui.Clean(left.stack.Namespace))
		}
		return err
	}
	return nil
}
