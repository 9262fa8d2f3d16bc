package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/cmd/internal/ui"
)

type diffOptions struct {
	fileFlags
	clusterFlags
	consentFlags
	differenceFlags
}

// errDifferent is the answer of a diff that is not empty.
var errDifferent = errors.New("there are differences")

func newDiff(e *env) *cobra.Command {
	var o diffOptions
	c := &cobra.Command{
		Use:   "diff [-f FILE]...",
		Short: "show what an apply would change",
		Long: `Show what an apply would change, field by field, and who owns the values that
differ. The API server decides: every object is sent to it as a dry run.

It is empty exactly when an apply would write nothing. With the flags about
conflicts and adoption it shows what an apply with them would do. Nothing is
written, and no value of a Secret is shown.` + differenceFormats + exitCodes("1 there are differences", exitUsage, exitFailed, exitUnknown, exitSignal),
		Example: `  stackctl diff -f examples/recipes/stack.yaml
  stackctl diff -f examples/recipes/stack.yaml -e dev
  stackctl diff -f examples/recipes/stack.yaml -o markdown --exit-zero`,
		Args: atMost(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error { return runDiff(c.Context(), e, o) },
	}
	o.fileFlags.set(c)
	o.clusterFlags.set(c)
	o.setConflicts(c)
	o.setAdopt(c)
	o.setDeletions(c)
	o.differenceFlags.set(c)
	return c
}

// formats puts the default in front of the others.
func formats(first string, all []string) []string {
	sorted := []string{first}
	for _, one := range all {
		if one != first {
			sorted = append(sorted, one)
		}
	}
	return sorted
}

func runDiff(ctx context.Context, e *env, o diffOptions) error {
	all, err := openFiles(ctx, e, &o.fileFlags, &o.clusterFlags)
	if err != nil {
		return err
	}
	var diffs []ui.Diff
	for _, s := range all {
		target, err := s.desired()
		if err != nil {
			return err
		}
		target.Consent = o.consent()
		plan, err := s.engine.Plan(ctx, target)
		if err != nil {
			return s.wrap(err)
		}
		if err := sameKinds(s.spec, plan); err != nil {
			return err
		}
		diffs = append(diffs, ui.Diff{Plan: plan, Context: s.context, File: s.file(), Conflicts: s.conflictContext(e)})
	}
	if err := o.show(ctx, e, diffs); err != nil {
		return err
	}
	return o.answer(diffs)
}

// openFiles returns the sessions of the files that flags name.
func openFiles(ctx context.Context, e *env, files *fileFlags, cluster *clusterFlags) ([]*session, error) {
	specs, err := files.load(ctx, e)
	if err != nil {
		return nil, err
	}
	conn, err := cluster.connect()
	if err != nil {
		return nil, err
	}
	conn.warn(e)
	if err := conn.expected(ctx, specs); err != nil {
		return nil, err
	}
	return open(conn, cluster, specs)
}
