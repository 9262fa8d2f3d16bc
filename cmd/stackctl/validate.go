package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/schema"
)

type validateOptions struct{ fileFlags }

func newValidate(e *env) *cobra.Command {
	var o validateOptions
	c := &cobra.Command{
		Use:   "validate [-f FILE]...",
		Short: "check a description, without a cluster",
		Long: `Check a description: every mistake at once, each with its line and a way out.

All environments of the file are checked, or the one that -e names. No cluster
is needed and no kubeconfig is read.` + exitCodes("2 something is wrong with the description or a flag"),
		Example: `  stackctl validate
  stackctl validate -f examples/recipes/stack.yaml
  stackctl validate -f examples/recipes/stack.yaml -f examples/hello/stack.yaml
  cat examples/hello/stack.yaml | stackctl validate -f -`,
		Args: atMost(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error { return runValidate(c.Context(), e, o) },
	}
	o.set(c)
	return c
}

func runValidate(ctx context.Context, e *env, o validateOptions) error {
	stacks, err := o.load(ctx, e)
	if err != nil {
		return err
	}
	if o.environment == "" {
		if err := validateEnvironments(ctx, e, o.files, stacks); err != nil {
			return err
		}
	}
	for _, s := range stacks {
		fmt.Fprintf(e.stdout, "%s: %s is valid: %s%s\n", ui.Clean(ui.Place(schema.Pos{File: s.Pos.File})), s.Name, apps(s), environments(s))
	}
	return nil
}

// validateEnvironments checks every environment of every file, and reports
// what is wrong in several of them once.
func validateEnvironments(ctx context.Context, e *env, files []string, stacks []*schema.Stack) error {
	if len(files) == 0 {
		files = []string{""}
	}
	var all schema.Errors
	for i, s := range stacks {
		for _, environment := range s.Environments {
			_, err := load(ctx, e, files[i], environment)
			var wrong schema.Errors
			if err != nil && !errors.As(err, &wrong) {
				return err
			}
			for _, one := range wrong {
				if !slices.Contains(all, one) {
					all = append(all, one)
				}
			}
		}
	}
	if len(all) > 0 {
		return all
	}
	return nil
}

func apps(s *schema.Stack) string {
	if len(s.Apps) == 1 {
		return "1 app"
	}
	return fmt.Sprintf("%d apps", len(s.Apps))
}

func environments(s *schema.Stack) string {
	switch {
	case s.Environment != "":
		return ", environment " + s.Environment
	case len(s.Environments) > 0:
		return ", environments " + strings.Join(s.Environments, ", ")
	}
	return ""
}
