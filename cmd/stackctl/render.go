package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

type renderOptions struct {
	fileFlags
	cluster clusterFlags
	output  choice
}

func newRender(e *env) *cobra.Command {
	var o renderOptions
	c := &cobra.Command{
		Use:   "render [-f FILE]...",
		Short: "print the Kubernetes objects of a description",
		Long: `Print the Kubernetes objects that a description stands for: exactly what
an apply would send. The same file gives the same bytes every time, on every
machine.

No cluster is asked. The namespace is -n, else the file's, else that of the
kubeconfig's context, else "default".` + exitCodes(exitUsage),
		Example: `  stackctl render -f examples/recipes/stack.yaml
  stackctl render -f examples/recipes/stack.yaml -e dev
  stackctl render -f examples/hello/stack.yaml -o json`,
		Args: atMost(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error { return runRender(c.Context(), e, o) },
	}
	o.set(c)
	o.cluster.set(c)
	outputFlag(c, &o.output, "yaml", "json")
	return c
}

func runRender(ctx context.Context, e *env, o renderOptions) error {
	stacks, err := o.load(ctx, e)
	if err != nil {
		return err
	}
	names := map[string]*schema.Stack{}
	var all render.Objects
	for _, s := range stacks {
		namespace, err := o.namespace(s)
		if err != nil {
			return err
		}
		if other := names[namespace+"/"+s.Name]; other != nil {
			return duplicate(other, s, namespace)
		}
		names[namespace+"/"+s.Name] = s
		objects, err := render.Render(s, render.Options{Namespace: namespace})
		if err != nil {
			return err
		}
		all = append(all, objects...)
	}
	return writeObjects(e.stdout, o.output.value, all)
}

// namespace is the one of a stack; only when nobody names one is a kubeconfig
// looked at, and having none is no error.
func (o *renderOptions) namespace(s *schema.Stack) (string, error) {
	switch {
	case *o.cluster.Namespace != "":
		return *o.cluster.Namespace, nil
	case s.Namespace != "":
		return s.Namespace, nil
	}
	namespace, _, err := o.cluster.ToRawKubeConfigLoader().Namespace()
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
