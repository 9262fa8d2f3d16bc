package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
)

type rollbackOptions struct {
	refFlags
	runFlags
	to          int
	allowFailed bool
	args        []string
}

func newRollback(e *env) *cobra.Command {
	var o rollbackOptions
	c := &cobra.Command{
		Use:   "rollback [STACK] [--to REVISION]",
		Short: "go back to an earlier revision",
		Long: `Go back to an earlier revision: every object as that revision had it, with those
that were deleted since, and without those that were added. Without --to it is
the last revision that ended well before the one that is live; one that did not
is gone back to only with --allow-failed.

The whole revision is sent to the API server as a dry run first: where it can no
longer be applied (an API version that is gone, a field that cannot change, a
Secret whose stored data are gone) nothing is written.

A rollback is planned, shown, asked for and carried out like an apply, and is
itself a new revision. It does not change your files: the next apply of an
unchanged file brings back what the rollback undid. What the revision left to
others (--yield) is left to them again: whoever owns it now keeps it, and where
the stack has taken it since, the API server's default comes back; replicas stay
as they are. Data in volumes and databases are not brought back.` + refLong + exitCodes(exitUsage, exitStopped, exitLocked, exitConflict, exitNotReady, exitRecord, exitUnknown, exitSignal),
		Example: `  stackctl rollback
  stackctl rollback recipes --to 1
  stackctl rollback recipes --to 1 -y --cause "v2 burns the cake"`,
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("to") && o.to == 0 {
				return &usageError{msg: "--to 0: there is no revision 0", hint: "without --to it goes back to the last good one; `stackctl history` shows all"}
			}
			o.args = args
			return runRollback(c.Context(), e, o)
		},
	}
	c.Flags().Var((*count)(&o.to), "to", "`REVISION` to go back to; see `stackctl history`")
	completeFlag(c, "to", o.completeRevision)
	c.Flags().BoolVar(&o.allowFailed, "allow-failed", false, "go back to a revision that did not end well")
	o.refFlags.set(c)
	o.runFlags.set(c, "ready")
	o.setRelease(c)
	o.setAdopt(c)
	o.setDeletions(c)
	return c
}

func runRollback(ctx context.Context, e *env, o rollbackOptions) error {
	s, err := o.open(ctx, e, o.args)
	if err != nil {
		return err
	}
	to := o.to
	if to == 0 {
		if to, err = s.engine.RollbackTarget(ctx); err != nil {
			return s.wrap(err)
		}
	}
	rev, err := s.engine.Revision(ctx, to)
	if err != nil {
		return &hintError{s.wrap(err), "nothing was written; `stackctl history` shows the revisions there are"}
	}
	if !rev.Good() && !o.allowFailed {
		return &usageError{
			msg:  fmt.Sprintf("revision %d did not end well: %s", to, ending(rev.Summary)),
			hint: "`stackctl history` shows those that did; if it is meant all the same: --allow-failed",
		}
	}
	run := o.run()
	switch {
	case run.Cause != "":
	case o.record:
		run.Cause = commandLine(e.args)
	default:
		run.Cause = fmt.Sprintf("rollback to revision %d", to)
	}
	run.Commit, run.Dirty = rev.Commit, rev.Dirty // what goes live is what that commit described
	c := change{
		session: s, runFlags: &o.runFlags, run: run, question: fmt.Sprintf("go back to revision %d?", to),
		target: goingBack(rev),
	}
	c.target.Consent = o.consent()
	return c.execute(ctx, e)
}

// goingBack is the target of a rollback.
func goingBack(rev *apply.Revision) apply.Target {
	return apply.Target{
		Verb: apply.VerbRollback, Objects: rev.Objects, Source: rev.Source, Environment: rev.Environment, RollbackTo: rev.Revision,
	}
}

// ending says how a revision ended that did not end well.
func ending(s apply.Summary) string {
	switch {
	case s.Unverified:
		return "its run did not wait until everything was ready"
	case s.Error != "" && s.Error != string(s.Status):
		return fmt.Sprintf("it is %s: %s", s.Status, s.Error)
	}
	return "it is " + string(s.Status)
}
