package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

type historyOptions struct {
	refFlags
	output choice
	args   []string
}

func newHistory(e *env) *cobra.Command {
	var o historyOptions
	c := &cobra.Command{
		Use:   "history [STACK]",
		Short: "list the revisions of a stack",
		Long: `List the revisions of a stack, oldest first: when, how it ended, why, who, from
which commit (with a star when the files differed from it), with which images,
and how many objects were created (+), updated (~) and deleted (-).

The 10 last revisions that ended well are kept, and the 10 last that did not;
never removed are the live one and the good one before it. A record that was
changed by hand is shown as corrupt; verify finds out what is wrong. A stack
without any record is an error; one called show, diff or verify goes after --.` + refLong + exitCodes(exitUsage, "3 the cluster or the output failed, or there is no such stack", exitUnknown, exitSignal),
		Example: `  stackctl history
  stackctl history recipes -n shop
  stackctl history show 3
  stackctl history diff 3 5
  stackctl history recipes -o json`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			return runHistory(c.Context(), e, o)
		},
	}
	o.set(c)
	outputFlag(c, &o.output, "table", "json", "yaml")
	c.AddCommand(newHistoryShow(e), newHistoryDiff(e), newHistoryVerify(e))
	return c
}

func runHistory(ctx context.Context, e *env, o historyOptions) error {
	s, err := o.open(ctx, e, o.args)
	if err != nil {
		return err
	}
	revisions, err := s.engine.History(ctx)
	if err == nil && len(revisions) == 0 {
		err = apply.ErrNoStack
	}
	if err != nil {
		return s.wrap(err)
	}
	if o.output.value != "table" {
		return encode(e.stdout, o.output.value, revisions)
	}
	return ui.WriteHistory(e.stdout, revisions, e.options(e.stdout))
}

// encode writes a value as JSON or YAML, with the same names.
func encode(w io.Writer, format string, v any) error {
	if format == "json" {
		return ui.WriteJSON(w, v)
	}
	text, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
