package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
)

type deleteOptions struct {
	refFlags
	runFlags
	data bool
	args []string
}

func newDelete(e *env) *cobra.Command {
	var o deleteOptions
	c := &cobra.Command{
		Use:   "delete [STACK]",
		Short: "delete a stack and its records",
		Long: `Delete everything a stack owns and nothing else, then its records. No file is
needed.

Volume claims are kept with their data, and named, unless --delete-data is
given. The namespace is kept, and in any case what is annotated
stackctl.dev/keep: "true". There is no way back.

On a terminal it asks first; elsewhere it needs -y.` + refLong + exitCodes("2 a flag or file is wrong, or -y is missing; nothing was written", exitStopped, exitLocked, exitUnknown, exitSignal),
		Example: `  stackctl delete recipes
  stackctl delete recipes -n shop -y
  stackctl delete recipes --delete-data`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			return runDelete(c.Context(), e, o)
		},
	}
	c.Flags().BoolVar(&o.data, "delete-data", false, "delete volume claims and the data in them too")
	o.refFlags.set(c)
	o.runFlags.set(c, "gone")
	return c
}

func runDelete(ctx context.Context, e *env, o deleteOptions) error {
	if !o.yes && !o.dryRun && !e.interactive() {
		return &usageError{msg: "delete needs -y where nobody can be asked", hint: "`stackctl delete --dry-run` shows what would be deleted"}
	}
	s, err := o.open(ctx, e, o.args)
	if err != nil {
		return err
	}
	run := o.run()
	run.Wait = true
	c := change{
		session: s, runFlags: &o.runFlags, run: run,
		question: fmt.Sprintf("delete %s for good?", s.stack.Name),
		target:   apply.Target{Verb: apply.VerbDelete, DeleteData: o.data},
	}
	return c.execute(ctx, e)
}
