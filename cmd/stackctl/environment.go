package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// baseName is what the description without an environment is called.
const baseName = "base"

func newEnvironments(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "env COMMAND",
		Short: "list and compare the environments of a description",
		Long: `List the environments of a description, and compare them by the objects they
come to. No cluster is asked.` + exitCodes(exitUsage),
		Example: `  stackctl env list -f examples/recipes/stack.yaml
  stackctl env diff base dev -f examples/recipes/stack.yaml`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
	}
	c.AddCommand(newEnvironmentList(e), newEnvironmentDiff(e))
	return c
}

// oneFile is the flag -f of a command that reads one description.
type oneFile struct{ name string }

func (f *oneFile) set(c *cobra.Command) {
	c.Flags().VarP((*name)(&f.name), "file", "f", "`FILE` that describes a stack, - for YAML or JSON on stdin\n(default stack.yaml, stack.json or stack.cue here)")
}

type environmentListOptions struct {
	oneFile
	output choice
}

func newEnvironmentList(e *env) *cobra.Command {
	var o environmentListOptions
	c := &cobra.Command{
		Use:   "list [-f FILE]",
		Short: "list the environments of a description",
		Long: `List the environments of a description with the namespace each one names, and
how many apps and objects it comes to.` + exitCodes(exitUsage),
		Example: `  stackctl env list
  stackctl env list -f examples/recipes/stack.yaml -o json`,
		Args: atMost(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error { return runEnvironmentList(c.Context(), e, o) },
	}
	o.set(c)
	outputFlag(c, &o.output, "text", "json")
	return c
}

func runEnvironmentList(ctx context.Context, e *env, o environmentListOptions) error {
	base, err := load(ctx, e, o.name, "")
	if err != nil {
		return err
	}
	rows := []ui.EnvironmentRow{}
	for _, name := range base.Environments {
		s, err := load(ctx, e, o.name, name)
		if err != nil {
			return err
		}
		objects, err := rendered(s, cmp.Or(s.Namespace, "default"))
		if err != nil {
			return err
		}
		rows = append(rows, ui.EnvironmentRow{Name: name, Namespace: s.Namespace, Apps: len(s.Apps), Objects: len(objects)})
	}
	if len(rows) == 0 && o.output.value == "text" {
		fmt.Fprintf(e.stderr, "%s defines no environments\n", ui.Clean(ui.Place(schema.Pos{File: base.Pos.File})))
		return nil
	}
	return ui.WriteEnvironments(e.stdout, o.output.value, rows, e.options(e.stdout))
}

type environmentDiffOptions struct {
	oneFile
	output choice
	names  []string
}

func newEnvironmentDiff(e *env) *cobra.Command {
	var o environmentDiffOptions
	c := &cobra.Command{
		Use:   "diff FROM TO [-f FILE]",
		Short: "show how two environments of a description differ",
		Long: `Show how two environments of a description differ, by the objects they come to:
what an apply of TO would do in a cluster where FROM was applied, field by
field. base, or -, is the description without an environment.

No cluster is asked. Another namespace is said once, and not for each object.
No value of a Secret is shown.` + exitCodes("1 there are differences", exitUsage),
		Example: `  stackctl env diff dev prod
  stackctl env diff base dev -f examples/recipes/stack.yaml
  stackctl env diff base dev -f examples/recipes/stack.yaml -o json`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return &usageError{
				msg:  fmt.Sprintf("%s takes two environments, got %d", c.CommandPath(), len(args)),
				hint: "such as `stackctl env diff dev prod`; base is the description without an environment; `stackctl env list` names them",
			}
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.names = args
			return runEnvironmentDiff(c.Context(), e, o)
		},
		ValidArgsFunction: o.complete,
	}
	o.oneFile.set(c)
	outputFlag(c, &o.output, formats("text", ui.DiffFormats())...)
	return c
}

// complete offers the environments that are not named yet.
func (o *environmentDiffOptions) complete(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, noFiles
	}
	file := &fileFlags{}
	if o.name != "" {
		file.files = []string{o.name}
	}
	all, directive := file.completeEnvironment(c, args, typed)
	var names []string
	for _, name := range append(all, baseName) {
		if len(args) == 0 || name != args[0] {
			names = append(names, name)
		}
	}
	return names, directive
}

func runEnvironmentDiff(ctx context.Context, e *env, o environmentDiffOptions) error {
	base, err := load(ctx, e, o.name, "")
	if err != nil {
		return err
	}
	var stacks []*schema.Stack
	for _, name := range o.names {
		s, err := load(ctx, e, o.name, environmentNamed(base, name))
		if err != nil {
			return err
		}
		stacks = append(stacks, s)
	}
	// Both in one namespace: else it would differ in every object.
	namespace := cmp.Or(stacks[1].Namespace, "default")
	var objects []render.Objects
	for _, s := range stacks {
		all, err := rendered(s, namespace)
		if err != nil {
			return err
		}
		objects = append(objects, all)
	}
	d := compared(base.Name, namespace, objects[0], objects[1])
	d.Sides = &ui.Sides{From: side(stacks[0]), To: side(stacks[1])}
	locateChanges(d.Plan, stacks[1])
	if err := ui.WriteDiff(e.stdout, o.output.value, d, e.options(e.stdout)); err != nil {
		return err
	}
	if !d.Empty() {
		return errDifferent
	}
	return nil
}

// environmentNamed returns the environment that an argument means, "" for none.
func environmentNamed(base *schema.Stack, name string) string {
	if name == "-" || name == baseName && !slices.Contains(base.Environments, baseName) {
		return ""
	}
	return name
}

func side(s *schema.Stack) ui.Side {
	return ui.Side{Environment: s.Environment, Namespace: s.Namespace}
}
