package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

type diffOptions struct {
	fileFlags
	clusterFlags
	consentFlags
	saveFlags
	differenceFlags
	impactFlags
	only            choice
	against         against
	policy          policyFlags
	allEnvironments bool
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
written, and no value of a Secret is shown.

Each difference is labelled: "you" changed it, at this line of the file;
"default" is what this version of stackctl decides otherwise; "drift" is what
somebody changed in the cluster, with the field manager and when; "server" is
what the API server or an admission plugin decides. --only=intent shows you and
default, --only=drift what others did, and the exit code is about what is shown.

What the changes do beyond their objects is said too: pods that are replaced,
data that may be lost, hosts that become reachable, and so on. With --fail-on
such a consequence is an error, whatever --only shows.` + differenceFormats + `

With --out the plan is kept in a file as well, also when it changes nothing:
` + "`stackctl apply FILE`" + ` then does exactly that, or says why it no longer can. The
plans of several files are in one, for one cluster. Only you can read it; secret
values are not in it, but where they are read. --allow-prune and
--allow-unpreviewed are consents that such an apply would ask for.

--against asks no cluster: it compares the objects of the description with those
it comes to at another revision of its git repository (git:main, git:HEAD~1,
git:v1.2.0, a hash), where all that it imports and reads is of that revision;
or with the YAML and JSON manifests in a directory and below it (dir:manifests),
by kind, namespace and name. There, what is labelled as another stack's is left
out, and a directory with a subdirectory for an environment, as written by
render --output-dir, has the objects of that environment there. No secret is
read.

--all-environments does so for every environment, and for the file without one,
in one table (text, json or markdown): + is new, ~ changed, - gone, = alike.` + policyLong + exitCodes("1 there are differences", exitUsage, "3 the cluster or the output failed, a policy is broken, or --fail-on is met", exitUnknown, exitSignal),
		Example: `  stackctl diff -f examples/recipes/stack.yaml
  stackctl diff -f examples/recipes/stack.yaml -e dev
  stackctl diff -f examples/recipes/stack.yaml -o markdown --exit-zero
  stackctl diff -f examples/recipes/stack.yaml --only=drift
  stackctl diff -f examples/recipes/stack.yaml --fail-on=recreate,data-loss,exposure
  stackctl diff -f examples/recipes/stack.yaml --out plan.json
  stackctl diff -f examples/recipes/stack.yaml --against git:HEAD
  stackctl diff -f examples/recipes/stack.yaml --against git:HEAD --all-environments`,
		Args: atMost(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.against.check(c, &o); err != nil {
				return err
			}
			return runDiff(c.Context(), e, o)
		},
	}
	o.fileFlags.set(c)
	o.clusterFlags.set(c)
	o.setConflicts(c)
	o.setAdopt(c)
	o.setDeletions(c)
	o.saveFlags.set(c, &o.consentFlags)
	o.against.set(c, &o.allEnvironments)
	o.policy.set(c)
	o.setFailOn(c)
	onlyFlag(c, &o.only)
	o.differenceFlags.set(c, ui.MatrixFormats()...)
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
	if err := o.policy.load(ctx); err != nil {
		return err
	}
	if o.against.kind != "" {
		return runAgainst(ctx, e, &o)
	}
	if o.out != "" {
		if err := o.check(); err != nil {
			return err
		}
		if o.only.given {
			return &usageError{msg: "--only hides what a plan of --out would do", hint: "leave one of them out"}
		}
		e.command = commandLine(e.args) // a plan is made with other consents, not applied
	}
	all, err := openFiles(ctx, e, &o.fileFlags, &o.clusterFlags)
	if err != nil {
		return err
	}
	var diffs []ui.Diff
	var saved []*apply.SavedPlan
	var worse []error
	broken, refused := &ui.PolicyError{}, false
	for _, s := range all {
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
		if o.out != "" {
			one, err := o.save(ctx, e, s, plan)
			if err != nil {
				return err
			}
			saved = append(saved, one)
		}
		refused = refused || plan.Refusal() != nil
		worse = append(worse, s.wrap(plan.FailOn(o.failOn...)))
		hits, err := o.policy.hits(ctx, s.spec, s.stack.Namespace, target.Objects, plan)
		if err != nil {
			return err
		}
		broken.Add(hits)
		if labels := onlyLabels[o.only.value]; labels != nil {
			plan = plan.Only(labels...)
		}
		diffs = append(diffs, ui.Diff{Plan: plan, Context: s.context, File: s.file(), Conflicts: s.conflictContext(e), Only: o.only.value})
	}
	if err := o.show(ctx, e, diffs); err != nil {
		return err
	}
	if err := errors.Join(worse...); err != nil {
		return err
	}
	if len(broken.Hits) > 0 {
		return broken
	}
	if o.out != "" {
		if err := o.write(e, saved, refused); err != nil {
			return err
		}
	}
	return o.answer(diffs)
}

// openFiles returns the sessions of the files that flags name.
func openFiles(ctx context.Context, e *env, files *fileFlags, cluster *clusterFlags) ([]*session, error) {
	specs, err := files.load(ctx, e)
	if err != nil {
		return nil, err
	}
	e.warnOf(specs)
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
