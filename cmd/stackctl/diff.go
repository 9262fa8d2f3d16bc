package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/cmd/internal/ui"
)

type diffOptions struct {
	fileFlags
	clusterFlags
	consentFlags
	impactFlags
	output choice
	only   choice
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
written, and no value of a Secret is shown. JSON is one document for each file.

Each difference is labelled: "you" changed it, at this line of the file;
"default" is what this version of stackctl decides otherwise; "drift" is what
somebody changed in the cluster, with the field manager and when; "server" is
what the API server or an admission plugin decides. --only=intent shows you and
default, --only=drift what others did, and the exit code is about what is shown.

What the changes do beyond their objects is said too: pods that are replaced,
data that may be lost, hosts that become reachable, and so on. With --fail-on
such a consequence is an error, whatever --only shows.` + exitCodes("1 there are differences", exitUsage, "3 the cluster failed, or a consequence is one of --fail-on", exitUnknown, exitSignal),
		Example: `  stackctl diff -f examples/recipes/stack.yaml
  stackctl diff -f examples/recipes/stack.yaml -e dev
  stackctl diff -f examples/recipes/stack.yaml -o json
  stackctl diff -f examples/recipes/stack.yaml --only=drift
  stackctl diff -f examples/recipes/stack.yaml --fail-on=recreate,data-loss,exposure`,
		Args: atMost(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error { return runDiff(c.Context(), e, o) },
	}
	o.fileFlags.set(c)
	o.clusterFlags.set(c)
	o.setConflicts(c)
	o.setAdopt(c)
	o.setDeletions(c)
	o.setFailOn(c)
	onlyFlag(c, &o.only)
	outputFlag(c, &o.output, formats("text", ui.DiffFormats())...)
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
	different := false
	var worse []error
	for i, s := range all {
		target, err := s.desired(ctx)
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
		if i > 0 && o.output.value == "text" {
			fmt.Fprintln(e.stdout)
		}
		worse = append(worse, s.wrap(plan.FailOn(o.failOn...)))
		if labels := onlyLabels[o.only.value]; labels != nil {
			plan = plan.Only(labels...)
		}
		diff := ui.Diff{Plan: plan, Context: s.context, Conflicts: s.conflictContext(e), Only: o.only.value}
		if err := ui.WriteDiff(e.stdout, o.output.value, diff, e.options(e.stdout)); err != nil {
			return err
		}
		different = different || !plan.Empty()
	}
	if err := errors.Join(worse...); err != nil {
		return err
	}
	if different {
		return errDifferent
	}
	return nil
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
