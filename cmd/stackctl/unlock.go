package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

type unlockOptions struct {
	refFlags
	yes    bool
	output choice
	args   []string
}

func newUnlock(e *env) *cobra.Command {
	var o unlockOptions
	c := &cobra.Command{
		Use:   "unlock [STACK]",
		Short: "show who holds the lock of a stack, and break it",
		Long: `Show who holds the lock of a stack, for what, since when and whether they still
live; then take the lock away from them, if you say so.

This is rarely needed: a run that died loses its lock by itself, at once on its
own machine and within a minute elsewhere. A run that still works stops before
its next write and ends with exit code 3; so that it has noticed before the next
run writes, unlocking takes up to three quarters of the time the lock lasts, 22
seconds. Its revision stays pending until the next apply, which finishes what it
left.

On a terminal it asks first; elsewhere it needs -y. A lock that nobody holds is
no error.` + refLong + exitCodes("2 a flag or file is wrong, or -y is missing; nothing was written", exitStopped, exitUnknown, exitSignal),
		Example: `  stackctl unlock
  stackctl unlock recipes -n shop
  stackctl unlock recipes -n shop -y`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			return runUnlock(c.Context(), e, o)
		},
	}
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	o.set(c)
	outputFlag(c, &o.output, "text", "json")
	return c
}

func runUnlock(ctx context.Context, e *env, o unlockOptions) error {
	s, lock, err := ask(ctx, e, &o.refFlags, o.args, (*apply.Engine).Lock)
	if err != nil {
		return err
	}
	if o.output.value == "json" {
		err = ui.WriteJSON(e.stdout, struct {
			Stack apply.Stack `json:"stack"`
			Lock  *apply.Lock `json:"lock"` // null when nobody holds it
		}{s.stack, lock})
	} else {
		err = ui.WriteLock(e.stdout, s.stack, lock, s.context, e.options(e.stdout))
	}
	if err != nil || lock == nil {
		return err
	}
	switch {
	case o.yes:
	case !e.interactive():
		return &usageError{msg: "unlock needs -y where nobody can be asked", hint: "nothing was written; make sure that the run is dead, then add -y"}
	default:
		yes, err := e.confirm(ctx, "break this lock? a run that still works stops before its next write")
		if err != nil {
			return err
		}
		if !yes {
			return errDeclined
		}
	}
	if lock.Process != apply.ProcessDead {
		e.note(fmt.Sprintf("waiting up to %s until the run has noticed", lock.Notice().Round(time.Second/10)))
	}
	var run apply.Run
	e.signRun(&run)
	if err := s.engine.Unlock(ctx, lock, run); err != nil {
		return s.wrap(err)
	}
	e.note(fmt.Sprintf("unlocked: %s is free, its last run left what the next apply finishes", s.stack.Name))
	return nil
}
