package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// against is the flag of a diff without a cluster: what the objects of the
// description are compared with.
type against struct {
	kind string // "git", "dir", or "" for the cluster
	name string // a revision, or a directory
}

func (a *against) Type() string { return "git:REVISION|dir:DIR" }

func (a *against) String() string {
	if a.kind == "" {
		return ""
	}
	return a.kind + ":" + a.name
}

func (a *against) Set(text string) error {
	kind, name, _ := strings.Cut(text, ":")
	if name == "" || kind != "git" && kind != "dir" {
		return errors.New("must be git: and a revision, such as git:main, or dir: and a directory of manifests")
	}
	a.kind, a.name = kind, name
	return nil
}

// set adds the flags of a comparison without a cluster.
func (a *against) set(c *cobra.Command, all *bool) {
	c.Flags().Var(a, "against", "compare with `git:REVISION` or dir:DIR instead of a cluster")
	c.Flags().BoolVar(all, "all-environments", false, "with --against: every environment of every file, as one table")
	completeFlag(c, "against", func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if strings.HasPrefix(typed, "dir:") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return []string{"git:HEAD", "git:main", "git:origin/main", "dir:"}, cobra.ShellCompDirectiveNoSpace | noFiles
	})
}

// check refuses flags that only a cluster can answer.
func (a *against) check(c *cobra.Command, o *diffOptions) error {
	if formats := ui.MatrixFormats(); o.allEnvironments && !slices.Contains(formats, o.output.value) {
		return &usageError{msg: "--all-environments writes one table: -o " + strings.Join(formats, ", -o "), hint: "leave out -o, or name one environment with -e"}
	}
	if !o.allEnvironments && !slices.Contains(ui.DiffFormats(), o.output.value) {
		return &usageError{msg: "-o " + o.output.value + " is for --all-environments", hint: "there are -o " + strings.Join(ui.DiffFormats(), ", -o ")}
	}
	if a.kind == "" && o.allEnvironments {
		return &usageError{msg: "--all-environments needs --against: environments may be in several clusters", hint: "such as --against git:main; or one environment with -e"}
	}
	if a.kind == "" {
		return nil
	}
	if o.allEnvironments && o.environment != "" {
		return &usageError{msg: "--env and --all-environments exclude each other", hint: "leave one of them out"}
	}
	for _, name := range []string{"take", "yield", "force-conflicts", "adopt", "prune", "recreate", "out", "allow-prune", "allow-unpreviewed", "only", "fail-on"} {
		if c.Flags().Changed(name) {
			return &usageError{msg: "--" + name + " is about a cluster, which --against does not ask", hint: "leave one of them out"}
		}
	}
	return nil
}

// runAgainst compares every file with what it is to be compared with.
func runAgainst(ctx context.Context, e *env, o *diffOptions) error {
	files := o.files
	if len(files) == 0 {
		files = []string{""}
	}
	if err := twice(files); err != nil {
		return err
	}
	var all []ui.Diff
	broken := &ui.PolicyError{}
	for i, file := range files {
		c := &comparison{env: e, diffOptions: o, file: file}
		diffs, err := c.run(ctx)
		if err != nil {
			return err
		}
		all = append(all, diffs...)
		broken.Add(c.broken)
		if !o.allEnvironments {
			continue
		}
		if i > 0 && o.output.value == "text" {
			fmt.Fprintln(e.stdout)
		}
		if err := ui.WriteMatrix(e.stdout, o.output.value, ui.Matrix{Columns: diffs}, e.options(e.stdout)); err != nil {
			return err
		}
	}
	if !o.allEnvironments {
		if err := o.show(ctx, e, all); err != nil {
			return err
		}
	}
	if len(broken.Hits) > 0 {
		return broken
	}
	return o.answer(all)
}

// comparison is one description and what it is compared with.
type comparison struct {
	*env
	*diffOptions
	file string

	past   *past // for git:
	broken []ui.PolicyHit
}

// run returns a diff for each environment that is compared.
func (c *comparison) run(ctx context.Context) ([]ui.Diff, error) {
	base, err := load(ctx, c.env, c.file, c.only())
	if err != nil {
		return nil, err
	}
	c.warnOf([]*schema.Stack{base})
	if c.against.kind == "git" {
		if c.past, err = openPast(c.against.name, base); err != nil {
			return nil, err
		}
	}
	names := []string{c.environment}
	if c.allEnvironments {
		if names, err = c.environments(ctx, base); err != nil {
			return nil, err
		}
	}
	var diffs []ui.Diff
	for _, name := range names {
		d, err := c.environmentDiff(ctx, base, name)
		if err != nil {
			return nil, err
		}
		diffs = append(diffs, d)
	}
	return diffs, nil
}

// only is the environment that the description is looked at with first.
func (c *comparison) only() string {
	if c.allEnvironments {
		return ""
	}
	return c.environment
}

// environments are those of both sides, and the description without one, which
// can be applied as well. A directory of manifests has that only where there are
// none: the objects of all environments are in it.
func (c *comparison) environments(ctx context.Context, base *schema.Stack) ([]string, error) {
	names := slices.Clone(base.Environments)
	if c.past != nil || len(names) == 0 {
		names = append(names, "")
	}
	if c.past != nil {
		was, err := c.past.load(ctx, "")
		if err != nil {
			return nil, err
		}
		if was != nil {
			names = append(names, was.Environments...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// environmentDiff compares one environment.
func (c *comparison) environmentDiff(ctx context.Context, base *schema.Stack, name string) (ui.Diff, error) {
	to := base
	if name != c.only() {
		to = nil // one that only the other side has
		if slices.Contains(base.Environments, name) {
			var err error
			if to, err = load(ctx, c.env, c.file, name); err != nil {
				return ui.Diff{}, err
			}
		}
	}
	var from *schema.Stack
	if c.past != nil {
		var err error
		if from, err = c.past.load(ctx, name); err != nil {
			return ui.Diff{}, err
		}
	}
	sides := &ui.Sides{
		From: ui.Side{Source: c.against.String(), Environment: name},
		To:   ui.Side{Source: titleOf(base), Environment: name},
	}
	if c.past != nil {
		sides.From.Commit = c.past.files.Commit
	}
	var namespaces [2]string
	for i, s := range []*schema.Stack{from, to} {
		if s == nil {
			continue
		}
		namespace, err := c.namespaceOf(s)
		if err != nil {
			return ui.Diff{}, err
		}
		namespaces[i] = namespace
	}
	// Both in one namespace: else it would differ in every object.
	namespace := cmp.Or(namespaces[1], namespaces[0])
	sides.From.Namespace, sides.To.Namespace = cmp.Or(namespaces[0], namespace), namespace

	before, after, err := c.objects(ctx, base, from, to, name, namespace)
	if err != nil {
		return ui.Diff{}, err
	}
	d := compared(base.Name, namespace, before, after)
	d.Sides = sides
	locateChanges(d.Plan, to)
	if to == nil {
		return d, nil
	}
	hits, err := c.policy.hits(ctx, to, namespace, after, d.Plan)
	c.broken = append(c.broken, hits...)
	return d, err
}

// objects returns what is compared.
func (c *comparison) objects(ctx context.Context, base, from, to *schema.Stack, environment, namespace string) (before, after render.Objects, err error) {
	if to != nil {
		if after, err = rendered(to, namespace); err != nil {
			return nil, nil, err
		}
	}
	if c.against.kind == "dir" {
		if before, err = c.kept(ctx, base, environment, namespace); err != nil {
			return nil, nil, err
		}
		if before.HidesValues() { // as `render` writes Secrets: there is nothing to compare their values with
			before, after = before.Written(), after.Written()
		}
		return before, after, nil
	}
	if from != nil {
		before, err = rendered(from, namespace)
	}
	return before, after, err
}
