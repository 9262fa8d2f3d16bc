package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

type renderOptions struct {
	fileFlags
	cluster         clusterFlags
	policy          policyFlags
	output          choice
	allEnvironments bool
	directory       string
	explain         bool
}

func newRender(e *env) *cobra.Command {
	var o renderOptions
	c := &cobra.Command{
		Use:   "render [-f FILE]...",
		Short: "print the Kubernetes objects of a description",
		Long: `Print the Kubernetes objects that a description stands for: exactly what
an apply would send. The same file gives the same bytes every time, on every
machine. Only values of secrets are left out: those of manifests are shown as
hidden, and what "secrets" reads at apply is not read here.

No cluster is asked. The namespace is -n, else the file's, else that of the
kubeconfig's context, else "default".

--explain writes behind every line where it comes from: the file and line of
what you wrote, the named default and what to write to change it or to do
without, or the rule of stackctl. It is the same YAML, with comments.

--output-dir writes DIR/ENVIRONMENT/STACK.yaml, or DIR/STACK.yaml without an
environment, and prints what it did. --all-environments does so for every
environment of every file, and for a file that has none as it is. Nothing is
written before everything is rendered. DIR/.stackctl-files lists what was
written: other files are never replaced, and the file of an environment that is
gone is deleted by the next --all-environments. No symbolic link below DIR is
followed.` + policyLong + exitCodes(exitUsage, exitPolicy),
		Example: `  stackctl render -f examples/recipes/stack.yaml
  stackctl render -f examples/recipes/stack.yaml -e dev
  stackctl render -f examples/hello/stack.yaml --explain
  stackctl render -f examples/hello/stack.yaml -o json
  stackctl render -f examples/recipes/stack.yaml --all-environments --output-dir rendered`,
		Args: atMost(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error { return runRender(c.Context(), e, o) },
	}
	o.set(c)
	o.cluster.set(c)
	o.policy.set(c)
	outputFlag(c, &o.output, "yaml", "json")
	c.Flags().BoolVar(&o.allEnvironments, "all-environments", false, "render every environment of every file")
	c.Flags().BoolVar(&o.explain, "explain", false, "say behind every line where it comes from")
	c.Flags().Var((*name)(&o.directory), "output-dir", "write files below `DIR` instead of stdout")
	completeFlag(c, "output-dir", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
	return c
}

func runRender(ctx context.Context, e *env, o renderOptions) error {
	if o.allEnvironments && o.environment != "" {
		return &usageError{msg: "--env and --all-environments exclude each other", hint: "leave one of them out"}
	}
	if o.explain && (o.output.value == "json" || o.directory != "") {
		return &usageError{msg: "--explain writes comments to be read: neither JSON nor files for others have them", hint: "leave out -o json and --output-dir"}
	}
	stacks, err := o.load(ctx, e)
	if err != nil {
		return err
	}
	e.warnOf(stacks)
	var families []*family
	for i, s := range stacks {
		f := &family{base: s, members: []*schema.Stack{s}}
		if o.allEnvironments && len(s.Environments) > 0 {
			file := ""
			if len(o.files) > 0 {
				file = o.files[i]
			}
			if f.members, err = loadEnvironments(ctx, e, file, s.Environments); err != nil {
				return err
			}
		}
		families = append(families, f)
	}
	if err := o.policy.load(ctx); err != nil {
		return err
	}
	if err := o.render(ctx, families); err != nil {
		return err
	}
	noteSecrets(e, families)
	if o.directory != "" {
		return o.writeDirectory(e, families)
	}
	if o.explain {
		return o.writeExplained(e, families)
	}
	var all render.Objects
	for _, f := range families {
		all = append(all, slices.Concat(f.objects...)...)
	}
	return writeObjects(e.stdout, o.output.value, all)
}

// noteSecrets says which Secrets are not what an apply would send.
func noteSecrets(e *env, families []*family) {
	for _, f := range families {
		for _, objects := range f.objects {
			for _, o := range objects {
				if o.GetLabels()[apply.LabelContent] == apply.ContentKeyed {
					e.note("Secret " + o.GetName() + " has no values here, and only the beginning of its name: an apply reads them")
				}
			}
		}
	}
}

// family is one description: the stack without an environment, what is
// rendered of it, and the objects of each.
type family struct {
	base    *schema.Stack
	members []*schema.Stack
	objects []render.Objects
}

// loadEnvironments reads one file with each of its environments. What is wrong
// in several is said once.
func loadEnvironments(ctx context.Context, e *env, file string, names []string) ([]*schema.Stack, error) {
	var stacks []*schema.Stack
	var invalid schema.Errors
	for _, name := range names {
		s, err := load(ctx, e, file, name)
		var wrong schema.Errors
		switch {
		case errors.As(err, &wrong):
			invalid = union(invalid, wrong)
		case err != nil:
			return nil, err
		default:
			stacks = append(stacks, s)
		}
	}
	if len(invalid) > 0 {
		return nil, invalid
	}
	return stacks, nil
}

// render makes the objects of all. In one stream, and in one directory of one
// environment, no stack may be there twice.
func (o *renderOptions) render(ctx context.Context, families []*family) error {
	seen := map[string]*schema.Stack{}
	broken := &ui.PolicyError{}
	for _, f := range families {
		for _, s := range f.members {
			namespace, err := o.cluster.namespaceOf(s)
			if err != nil {
				return err
			}
			id := namespace + "/" + s.Name
			if o.directory != "" {
				id = s.Environment + "/" + s.Name
			}
			if other := seen[id]; other != nil {
				return o.collision(other, s, namespace)
			}
			seen[id] = s
			objects, err := rendered(s, namespace)
			if err != nil {
				return err
			}
			f.objects = append(f.objects, objects)
			hits, err := o.policy.hits(ctx, s, namespace, objects, nil)
			if err != nil {
				return err
			}
			broken.Add(hits)
		}
	}
	if len(broken.Hits) > 0 {
		return broken
	}
	return nil
}

func (o *renderOptions) collision(a, b *schema.Stack, namespace string) error {
	switch {
	case a.Environment != b.Environment:
		return &usageError{
			msg:  fmt.Sprintf("the environments %s and %s of %s are both the stack %s in namespace %s", a.Environment, b.Environment, ui.Place(schema.Pos{File: a.Pos.File}), a.Name, namespace),
			hint: "write each to a file of its own with --output-dir DIR, or give them namespaces",
		}
	case o.directory != "":
		return &usageError{
			msg:  fmt.Sprintf("%s and %s are both called %s and would be written to one file", ui.Place(schema.Pos{File: a.Pos.File}), ui.Place(schema.Pos{File: b.Pos.File}), a.Name),
			hint: "render them into directories of their own",
		}
	}
	return duplicate(a, b, namespace)
}

// namespaceOf is the namespace of a stack, where no cluster is asked; only when
// nobody names one is a kubeconfig looked at, and having none is no error.
func (f *clusterFlags) namespaceOf(s *schema.Stack) (string, error) {
	switch {
	case f.namespace != "":
		return f.namespace, nil
	case s.Namespace != "":
		return s.Namespace, nil
	}
	namespace, _, err := f.loader().Namespace()
	if err != nil {
		return "", &clusterError{msg: "read the kubeconfig: " + err.Error(), err: err, hint: "name the namespace with -n, and no kubeconfig is read"}
	}
	return namespace, nil
}

func writeObjects(w io.Writer, format string, objects render.Objects) error {
	if format == "json" {
		return objects.WriteJSON(w)
	}
	return objects.WriteYAML(w)
}

// writeDirectory writes one file for each stack and environment.
func (o *renderOptions) writeDirectory(e *env, families []*family) error {
	extension := "." + o.output.value
	files := map[string][]byte{}
	for _, f := range families {
		for i, s := range f.members {
			var text bytes.Buffer
			if err := writeObjects(&text, o.output.value, f.objects[i]); err != nil {
				return err
			}
			files[renderedName(s)+extension] = text.Bytes()
		}
	}
	gone := func(name string) bool {
		return slices.ContainsFunc(families, func(f *family) bool { return o.isGone(f, name) })
	}
	steps, err := writeTree(o.directory, files, gone)
	for _, step := range steps {
		fmt.Fprintln(e.stdout, ui.Clean(step))
	}
	return err
}

// writeExplained writes the objects with the origin of every line.
func (o *renderOptions) writeExplained(e *env, families []*family) error {
	var all render.Explained
	for _, f := range families {
		for _, s := range f.members {
			namespace, err := o.cluster.namespaceOf(s)
			if err != nil {
				return err
			}
			explained, err := render.Explain(s, render.Options{Namespace: namespace})
			if err != nil {
				return err
			}
			all = append(all, explained...)
		}
	}
	return all.WriteYAML(e.stdout, func(at schema.Pos) string { return ui.Clean(ui.Place(schema.Pos{File: at.File, Line: at.Line})) })
}
