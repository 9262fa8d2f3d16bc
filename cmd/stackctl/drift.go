package main

import (
	"context"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

type driftOptions struct {
	refFlags
	differenceFlags
	args []string
}

func newDrift(e *env) *cobra.Command {
	var o driftOptions
	c := &cobra.Command{
		Use:   "drift [STACK]",
		Short: "show what others changed since the last revision",
		Long: `Show what differs between the cluster and the last deployed revision as it was
recorded: objects that are missing, fields that others changed, with who owns
them, and objects that a later run left behind. Your file plays no part, but
for the name of the stack.

The API server decides: every object is sent to it as a dry run. Nothing is
written, and no value of a Secret is shown.` + differenceFormats + refLong + exitCodes("1 there is drift", exitUsage, "3 the cluster or the output failed, or there is no such stack or record", exitUnknown, exitSignal),
		Example: `  stackctl drift
  stackctl drift recipes -n shop
  stackctl drift recipes -o json`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			return runDrift(c.Context(), e, o)
		},
	}
	o.refFlags.set(c)
	o.differenceFlags.set(c)
	return c
}

func runDrift(ctx context.Context, e *env, o driftOptions) error {
	var revision int
	s, plan, err := ask(ctx, e, &o.refFlags, o.args, func(engine *apply.Engine, ctx context.Context) (plan *apply.Plan, err error) {
		plan, revision, err = engine.Drift(ctx)
		return plan, err
	})
	if err != nil {
		return err
	}
	diffs := []ui.Diff{{Plan: plan, Context: s.context, File: s.file(), Drift: revision}}
	if err := o.show(ctx, e, diffs); err != nil {
		return err
	}
	return o.answer(diffs)
}
