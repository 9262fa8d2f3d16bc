package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

type statusOptions struct {
	refFlags
	output choice
	args   []string
}

// errNotReady is the answer of a status that is not all ready.
var errNotReady = errors.New("not ready")

func newStatus(e *env) *cobra.Command {
	var o statusOptions
	c := &cobra.Command{
		Use:   "status [STACK]",
		Short: "show how a stack is doing",
		Long: `Show how a stack is doing: its newest revision and the live one, each object
with its pods and what keeps it from being ready, the ways from the world to
the pods, and who holds the lock.` + refLong + exitCodes(exitUsage, "3 the cluster or the output failed, or there is no such stack", exitNotReady, exitUnknown, exitSignal),
		Example: `  stackctl status
  stackctl status recipes -n shop
  stackctl status recipes -o json`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			return runStatus(c.Context(), e, o)
		},
	}
	o.set(c)
	outputFlag(c, &o.output, "table", "json", "yaml")
	return c
}

func runStatus(ctx context.Context, e *env, o statusOptions) error {
	s, status, err := ask(ctx, e, &o.refFlags, o.args, (*apply.Engine).Status)
	if err != nil {
		return err
	}
	if o.output.value != "table" {
		err = encode(e.stdout, o.output.value, status)
	} else {
		where := ui.ErrorContext{Options: e.options(e.stdout), Locate: locate(s.spec), Source: e.source}
		err = ui.WriteStatus(e.stdout, status, s.context, where)
	}
	if err == nil && !status.Ready() {
		err = notReady(status)
	}
	return err
}

// notReady counts what is not ready; the status itself has told the rest.
func notReady(status *apply.Status) error {
	n := 0
	for _, h := range status.Objects {
		if h.State != apply.StateReady {
			n++
		}
	}
	return fmt.Errorf("%d of %d objects: %w", n, len(status.Objects), errNotReady)
}
