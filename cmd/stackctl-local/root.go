package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/plane"
)

// streams are the outside a command talks to. What a command is for goes to
// out, everything else to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exitCode is an error that is already told and only sets the exit code.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// run runs the command line and returns the exit code: 0 done, 1 not done (or
// not up), 2 wrong usage.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	s := &streams{in: in, out: out, err: errOut}
	root := newRoot(s)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.Execute()

	var code exitCode
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "stackctl-local: %v\n  hint: stackctl-local --help\n", err)
		return 2
	default:
		fmt.Fprintf(errOut, "stackctl-local: %v\n", err)
		return 1
	}
}

type usageError struct{ error }

func newRoot(s *streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "stackctl-local",
		Short: "run a Kubernetes control plane on this machine",
		Long: `stackctl-local runs a real Kubernetes control plane on this machine: API server,
controllers and scheduler are the real ones, nodes and pods are played.
It is for trying things out and for tests, and forgets everything on down.`,
		Example: `  eval "$(stackctl-local up)"        # start, and point KUBECONFIG at it
  stackctl-local kubectl get nodes
  stackctl-local down                # no process and no file is left`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	// The Kubernetes libraries put this one on every command of the program.
	_ = pflag.CommandLine.MarkHidden("version")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	for _, command := range []*cobra.Command{
		newUp(s), newRun(s), newDown(s), newStatus(s), newKubeconfig(s), newVersion(s),
		newComponent(), newKubectl(),
	} {
		if command.Args == nil {
			command.Args = noArguments
		}
		root.AddCommand(command)
	}
	return root
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no argument, got %q", cmd.Name(), args[0])}
	}
	return nil
}

// dirFlag is the one flag all commands share.
type dirFlag struct{ path string }

func (f *dirFlag) set(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "dir", "", "directory of the plane (default $XDG_STATE_HOME/stackctl-local or ~/.local/state/stackctl-local)")
}

func (f *dirFlag) open() (*plane.Dir, error) {
	path := f.path
	if path == "" {
		var err error
		if path, err = plane.DefaultDir(); err != nil {
			return nil, err
		}
	}
	return plane.Open(path)
}
