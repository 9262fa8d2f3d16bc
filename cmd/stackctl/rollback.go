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
	to   int
	args []string
}

func newRollback(e *env) *cobra.Command {
	var o rollbackOptions
	c := &cobra.Command{
		Use:   "rollback [STACK] [--to REVISION]",
		Short: "go back to an earlier revision",
		Long: `Go back to an earlier revision: every object as that revision had it, with those
that were deleted since, and without those that were added. Without --to it is
the last revision that ended well before the one that is live.

A rollback is planned, shown, asked for and carried out like an apply, and is
itself a new revision. It does not change your files: the next apply of an
unchanged file brings back what the rollback undid. Data in volumes and
databases are not brought back.` + refLong + exitCodes(exitUsage, exitStopped, exitLocked, exitConflict, exitNotReady, exitRecord, exitUnknown, exitSignal),
		Example: `  stackctl rollback
  stackctl rollback recipes --to 1
  stackctl rollback recipes --to 1 -y --cause "v2 burns the cake"`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			return runRollback(c.Context(), e, o)
		},
	}
	c.Flags().Var((*count)(&o.to), "to", "`REVISION` to go back to; see `stackctl history`")
	completeFlag(c, "to", o.completeRevision)
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
		return &hintError{s.wrap(err), "`stackctl history` shows the revisions there are"}
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
		target: apply.Target{
			Verb: apply.VerbRollback, Objects: rev.Objects, Source: rev.Source, Environment: rev.Environment, RollbackTo: to, Consent: o.consent(),
		},
	}
	return c.execute(ctx, e)
}
