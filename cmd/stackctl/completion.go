package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/schema"
)

// completionPatience is how long a completion may ask a cluster: a person is
// waiting with a finger on the tab key.
const completionPatience = time.Second

type completionOptions struct {
	root  *cobra.Command
	shell string
}

func newCompletion(e *env) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "print the completion script of a shell",
		Long: `Print a script that completes commands, flags, stacks, environments and
revisions in bash, zsh, fish or powershell. Names that only a cluster knows
are asked for, for a second at most. The script for bash needs the package
bash-completion.` + exitCodes(exitUsage),
		Example: `  source <(stackctl completion bash)
  stackctl completion zsh > "${fpath[1]}/_stackctl"
  stackctl completion fish > ~/.config/fish/completions/stackctl.fish
  stackctl completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: shells,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return &usageError{msg: "completion takes one shell", hint: "one of " + strings.Join(shells, ", ")}
		},
		RunE: func(c *cobra.Command, args []string) error {
			return runCompletion(c.Context(), e, completionOptions{root: c.Root(), shell: args[0]})
		},
	}
}

func runCompletion(_ context.Context, e *env, o completionOptions) error {
	var write func(io.Writer) error
	switch o.shell {
	case "bash":
		write = func(w io.Writer) error { return o.root.GenBashCompletionV2(w, true) }
	case "zsh":
		write = o.root.GenZshCompletion
	case "fish":
		write = func(w io.Writer) error { return o.root.GenFishCompletion(w, true) }
	case "powershell":
		write = o.root.GenPowerShellCompletionWithDesc
	default:
		return &usageError{msg: fmt.Sprintf("there is no completion for %q", o.shell), hint: "there is one for bash, zsh, fish and powershell"}
	}
	return write(e.stdout)
}

const noFiles = cobra.ShellCompDirectiveNoFileComp

// completeContext offers the contexts of the kubeconfig.
func (f *clusterFlags) completeContext(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	raw, err := f.loader().RawConfig()
	if err != nil {
		return nil, noFiles
	}
	for name := range raw.Contexts {
		names = append(names, name)
	}
	return names, noFiles
}

// completeEnvironment offers the environments of the first file.
func (f *fileFlags) completeEnvironment(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	options := schema.Options{}
	if len(f.files) > 0 {
		options.Filename = f.files[0]
	}
	if options.Filename == "-" {
		return nil, noFiles
	}
	ctx, cancel := context.WithTimeout(c.Context(), completionPatience)
	defer cancel()
	stack, err := schema.Load(ctx, options)
	if err != nil {
		return nil, noFiles
	}
	return stack.Environments, noFiles
}

// completeStack offers the stacks of the namespace.
func (f *refFlags) completeStack(c *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	conn, err := f.connect()
	if err != nil {
		return nil, noFiles
	}
	ctx, cancel := context.WithTimeout(c.Context(), completionPatience)
	defer cancel()
	stacks, err := apply.Stacks(ctx, conn.config, conn.namespace)
	if err != nil {
		return nil, noFiles
	}
	for _, s := range stacks {
		names = append(names, s.Name)
	}
	return names, noFiles
}

// completeRevision offers the revisions of the stack, each with its cause.
func (o *refFlags) completeRevision(c *cobra.Command, args []string, _ string) (revisions []string, _ cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(c.Context(), completionPatience)
	defer cancel()
	silent := newEnv()
	silent.stderr = &output{w: io.Discard}
	s, err := o.open(ctx, silent, args)
	if err != nil {
		return nil, noFiles
	}
	all, err := s.engine.History(ctx)
	if err != nil {
		return nil, noFiles
	}
	for _, r := range all {
		revisions = append(revisions, cobra.CompletionWithDesc(fmt.Sprint(r.Revision), r.Cause))
	}
	return revisions, noFiles | cobra.ShellCompDirectiveKeepOrder
}
