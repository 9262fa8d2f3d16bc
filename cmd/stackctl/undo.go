package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

// goesBack reports a run that failed after its first write, and is to be
// undone. A run that was interrupted or lost its lock is somebody's to decide
// about; what is only not recorded, or only left something to delete, did not
// fail.
func (c *change) goesBack(result *apply.Result, err error) bool {
	var interrupted *apply.InterruptedError
	var lost *apply.LockLostError
	var leftover *apply.LeftoverError
	return c.onFailure && err != nil && result.Status == apply.StatusFailed && len(result.Outcomes) > 0 &&
		!errors.As(err, &interrupted) && !errors.As(err, &lost) && !errors.As(err, &leftover)
}

// goBack tells of a failure and carries out the rollback that undoes it. There
// is one: a rollback that fails is not undone. The error is that of the failure
// in any case, unless somebody interrupts.
func (c *change) goBack(ctx context.Context, e *env, failed *apply.Result, failure error) error {
	e.report(c.wrap(failure))
	back := c.undoing(failed, failure)
	to, err := c.undo(ctx, e, back)
	if c.output.value == "json" {
		whole := struct {
			*apply.Result
			Rollback *apply.Result `json:"rollback,omitempty"` // what was done to undo it
		}{failed, back.result}
		if shown := ui.WriteJSON(e.stdout, whole); shown != nil && err == nil {
			err = shown
		}
	}
	if interrupted := (*apply.InterruptedError)(nil); errors.As(err, &interrupted) {
		return err
	}
	end := fmt.Sprintf("revision %d failed", failed.Revision)
	switch {
	case err == nil && back.result.Revision > 0:
		end += fmt.Sprintf(" and was rolled back to revision %d, as revision %d", to, back.result.Revision)
	case err == nil:
		end += fmt.Sprintf(" and changed nothing: the cluster is as revision %d recorded it", to)
	default:
		e.report(err)
		end += ", and so did going back: mend what is wrong and run `stackctl apply` again"
	}
	e.report(errors.New(end))
	return &saidError{failure}
}

// undoing is the change that undoes a run that failed. It has the consents that
// the run had, and may delete what the run created.
func (c *change) undoing(failed *apply.Result, failure error) *change {
	flags := *c.runFlags
	flags.yes, flags.onFailure = true, false
	run := c.run
	run.Plan = "" // it is no part of what was approved
	reason, _, _ := strings.Cut(failure.Error(), "\n")
	run.Cause = fmt.Sprintf("revision %d failed: %s", failed.Revision, reason)
	run.AllowPrune += failed.Changes.Created
	return &change{session: c.session, runFlags: &flags, run: run, nested: true}
}

// undo plans and carries out the rollback to the last good revision, and
// returns its number.
func (c *change) undo(ctx context.Context, e *env, back *change) (to int, err error) {
	if to, err = c.engine.RollbackTarget(ctx); err != nil {
		return 0, c.wrap(err)
	}
	rev, err := c.engine.Revision(ctx, to)
	if err != nil {
		return to, c.wrap(err)
	}
	back.target = goingBack(rev)
	back.target.Consent = c.target.Consent
	back.run.Commit, back.run.Dirty = rev.Commit, rev.Dirty
	e.note(fmt.Sprintf("going back to revision %d", to))
	return to, back.execute(ctx, e)
}
