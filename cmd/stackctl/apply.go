package main

import (
	"context"

	"github.com/spf13/cobra"
)

type applyOptions struct {
	fileFlags
	clusterFlags
	runFlags
	policy policyFlags
	impactFlags
}

func newApply(e *env) *cobra.Command {
	var o applyOptions
	c := &cobra.Command{
		Use:   "apply [PLAN | -f FILE...]",
		Short: "make the cluster what a description or a plan says",
		Long: `Make the cluster what a description says: show the plan, ask, write, wait until
everything is ready, delete what the stack no longer has, and record it all as
one revision.

What was shown is what runs: when the cluster has changed since, an apply that
a person approved stops before its first write; one with -y or without a
terminal plans again. An apply that changes nothing writes nothing and records
nothing. A run that is killed leaves nothing that the next apply cannot finish.

Fields that others own with another value are a conflict and stop the run:
--take sets the stack's value, --yield leaves the field out of this run. An
object that others made stops it too, until --adopt makes it the stack's: what
kubectl or Helm set and the stack does not is removed then. An object of another
stack is adopted only by KIND/NAME. A diff with these flags shows what comes of
it.

PLAN is a file that ` + "`stackctl diff --out`" + ` made. It was approved, so nothing
asks, and its consents are in it. It does exactly what the diff showed, or
nothing: it is stale (exit code 3) in another cluster, after another revision,
when an object of it was edited, made or deleted, and when its description or
a secret value is another. A new status or other pods do not matter. The
description need not be there, unless a secret value is read from it.

With --rollback-on-failure a run that fails after its first write is followed by
a rollback to the last good revision, recorded as a revision of its own; the
exit code is that of the failure. An interrupted run is not gone back from.

The plan says what the changes do beyond their objects. With --fail-on such a
consequence stops the run before its first write.

What leaves the stack is deleted once all is ready, but for namespaces, volumes,
volume claims and CRDs (see --prune), and for what is annotated
stackctl.dev/keep: "true". What the API server does not let change is an error,
until --recreate has it deleted and made anew.

On a terminal it asks first; elsewhere it goes on. The plan and the result go
to stdout, progress and questions to stderr; with -o json stdout has only the
result. Several files are applied one after the other, and the first that does
not succeed ends the run.` + policyLong + exitCodes(exitUsage, exitStopped, exitLocked, exitConflict, exitNotReady, exitRecord, exitUnknown, exitSignal),
		Example: `  stackctl apply -f examples/recipes/stack.yaml --record
  stackctl apply -f examples/recipes/stack.yaml -y --cause "new oven"
  stackctl apply -f examples/recipes/stack.yaml --dry-run
  stackctl apply -f examples/recipes/stack.yaml -e dev -y --timeout 10m
  stackctl apply plan.json --record`,
		Args: atMost(1, "one PLAN"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.onFailure && !o.wait {
				return &usageError{msg: "--rollback-on-failure needs --wait: without, nobody sees whether the run failed"}
			}
			if len(args) == 1 {
				return runApplyPlan(c.Context(), e, c, o, args[0])
			}
			return runApply(c.Context(), e, o)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, noFiles
			}
			return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	o.fileFlags.set(c)
	o.clusterFlags.set(c)
	o.runFlags.set(c, "ready")
	o.setRelease(c)
	o.setAdopt(c)
	o.setDeletions(c)
	o.policy.set(c)
	o.setFailOn(c)
	c.Flags().BoolVar(&o.onFailure, "rollback-on-failure", false, "go back to the last good revision if the run fails after its first write")
	return c
}

func runApply(ctx context.Context, e *env, o applyOptions) error {
	if err := o.policy.load(ctx); err != nil {
		return err
	}
	all, err := openFiles(ctx, e, &o.fileFlags, &o.clusterFlags)
	if err != nil {
		return err
	}
	return each(e, all, func(s *session) error {
		target, err := s.desired(ctx)
		if err != nil {
			return err
		}
		target.Consent = o.consent()
		run := o.run()
		if run.Cause == "" && o.record {
			run.Cause = commandLine(e.args)
		}
		signCommit(&run, s.spec.Files)
		c := change{
			session: s, runFlags: &o.runFlags, target: target, run: run, question: "apply these changes?",
			policy: &o.policy, failOn: o.failOn,
		}
		return c.execute(ctx, e)
	})
}
