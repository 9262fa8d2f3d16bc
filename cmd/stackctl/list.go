package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

type listOptions struct {
	clusterFlags
	all    bool
	output choice
}

func newList(e *env) *cobra.Command {
	var o listOptions
	c := &cobra.Command{
		Use:   "list",
		Short: "list the stacks of a namespace, or of all",
		Long: `List the stacks that have records in a namespace: the newest revision, how it
ended, and which revision is live.` + exitCodes(exitUsage, exitFailed, exitUnknown, exitSignal),
		Example: `  stackctl list
  stackctl list -n shop
  stackctl list -A -o json`,
		Args: atMost(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error { return runList(c.Context(), e, o) },
	}
	o.set(c)
	c.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "of all namespaces")
	outputFlag(c, &o.output, "table", "json", "yaml")
	return c
}

func runList(ctx context.Context, e *env, o listOptions) error {
	conn, err := o.connect()
	if err != nil {
		return err
	}
	conn.warn(e)
	namespace := conn.namespace
	if o.all {
		namespace = ""
	}
	stacks, err := apply.Stacks(ctx, conn.config, namespace)
	if err != nil {
		return conn.explain(err)
	}
	if o.output.value != "table" {
		return encode(e.stdout, o.output.value, stacks)
	}
	if len(stacks) == 0 {
		where := "any namespace"
		if !o.all {
			where = "namespace " + namespace
		}
		fmt.Fprintf(e.stderr, "no stacks in %s\n", ui.Clean(where))
		return nil
	}
	return ui.WriteStacks(e.stdout, stacks, o.all, e.options(e.stdout))
}
