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

type validateOptions struct {
	fileFlags
	policy policyFlags
	output choice
}

func newValidate(e *env) *cobra.Command {
	var o validateOptions
	c := &cobra.Command{
		Use:   "validate [-f FILE]...",
		Short: "check a description, without a cluster",
		Long: `Check a description: every mistake at once, each with its line and a way out.

All environments of the file are checked, or the one that -e names. No cluster
is needed and no kubeconfig is read.

With -o json stdout has one object, whether the files are valid or not, for
editors and CI: "valid", "summary" with the numbers of "files", "errors" and
"warnings", "stacks" with what is in the valid files, and "diagnostics". Each of
these has "file", "line" and "column" from 1 (columns are bytes; neither is
there when the whole file is meant), "path" such as apps.web.port, "severity"
(error or warning), "message" and "hint"; one of a policy also has "rule" and
"policy", the place of the rule.` + policyLong + exitCodes("2 something is wrong with the description or a flag", exitPolicy),
		Example: `  stackctl validate
  stackctl validate -f examples/recipes/stack.yaml
  stackctl validate -f examples/recipes/stack.yaml -f examples/hello/stack.yaml
  cat examples/hello/stack.yaml | stackctl validate -f - -o json`,
		Args: atMost(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error { return runValidate(c.Context(), e, o) },
	}
	o.set(c)
	o.policy.set(c)
	outputFlag(c, &o.output, "text", "json")
	return c
}

func runValidate(ctx context.Context, e *env, o validateOptions) error {
	files := o.files
	if len(files) == 0 {
		files = []string{""}
	}
	if err := twice(files); err != nil {
		return err
	}
	if err := o.policy.load(ctx); err != nil {
		return err
	}
	var all []verdict
	var invalid schema.Errors
	broken := &ui.PolicyError{}
	for _, file := range files {
		v, err := o.judge(ctx, e, file, o.environment)
		var unread *usageError
		switch {
		case errors.As(err, &unread) && o.output.value == "json":
			v.errs = schema.Errors{{Pos: schema.Pos{File: file}, Msg: unread.msg, Hint: unread.hint}}
		case err != nil:
			return err
		}
		all = append(all, v)
		invalid = append(invalid, v.errs...)
		broken.Add(v.hits)
	}
	if o.output.value == "json" {
		return writeVerdicts(e, all, invalid, broken)
	}
	for _, v := range all {
		ui.WriteWarnings(e.stderr, v.warnings, e.errorContext(nil))
	}
	if len(invalid) > 0 {
		return invalid
	}
	if len(broken.Hits) > 0 {
		return broken
	}
	for _, v := range all {
		s := v.stack
		fmt.Fprintf(e.stdout, "%s: %s is valid: %s%s\n", ui.Clean(ui.Place(schema.Pos{File: s.Pos.File})), s.Name, apps(s), environments(s))
	}
	return nil
}

// verdict is what there is to say about one file.
type verdict struct {
	stack    *schema.Stack // nil when it is wrong without an environment
	errs     schema.Errors
	warnings []schema.Error
	hits     []ui.PolicyHit
}

// judge checks a file with one environment, or if none is named, with none and
// then with each. What is wrong in several is said once.
func (o *validateOptions) judge(ctx context.Context, e *env, file, environment string) (verdict, error) {
	var v verdict
	stack, err := load(ctx, e, file, environment)
	if err == nil {
		// A patch is applied to what it is for, so only then its mistakes show.
		namespace := cmp.Or(stack.Namespace, "default")
		var objects render.Objects
		if objects, err = rendered(stack, namespace); err == nil {
			v.hits, err = o.policy.hits(ctx, stack, namespace, objects, nil)
		}
	}
	if err != nil {
		var wrong schema.Errors
		if errors.As(err, &wrong) {
			return verdict{errs: wrong}, nil
		}
		return verdict{}, err
	}
	v.stack, v.warnings = stack, stack.Warnings
	if environment != "" {
		return v, nil
	}
	if len(stack.Environments) > 0 {
		v.hits = nil // what is not applied is not judged
	}
	for _, name := range stack.Environments {
		one, err := o.judge(ctx, e, file, name)
		if err != nil {
			return v, err
		}
		v.errs = union(v.errs, within(name, one.errs)) // its warnings are for who chooses it
		found := &ui.PolicyError{Hits: v.hits}
		found.Add(one.hits)
		v.hits = found.Hits
	}
	return v, nil
}

// within says of mistakes that only an environment makes in which one they are,
// unless their place says so.
func within(environment string, errs []schema.Error) []schema.Error {
	out := slices.Clone(errs)
	for i := range out {
		if !strings.HasPrefix(out[i].Path, "environments.") {
			out[i].Msg = "in the environment " + environment + ": " + out[i].Msg
		}
	}
	return out
}

// union adds what is not there yet, in the order of the file.
func union(all, more []schema.Error) []schema.Error {
	all = slices.Clone(all)
	for _, one := range more {
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b schema.Error) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return all
}

// writeVerdicts answers on stdout alone, whatever the answer is.
func writeVerdicts(e *env, all []verdict, invalid schema.Errors, broken *ui.PolicyError) error {
	var d ui.Diagnosis
	for _, v := range all {
		d.Add(v.errs, v.warnings)
		d.AddPolicy(v.hits)
		if s := v.stack; s != nil && len(v.errs) == 0 {
			facts := ui.StackFacts{File: s.Pos.File, Name: s.Name, Environment: s.Environment, Apps: []string{}, Environments: slices.Clone(s.Environments)}
			for _, app := range s.Apps {
				facts.Apps = append(facts.Apps, app.Name)
			}
			if facts.Environments == nil {
				facts.Environments = []string{}
			}
			d.Stacks = append(d.Stacks, facts)
		}
	}
	if err := ui.WriteDiagnosis(e.stdout, d); err != nil {
		return err
	}
	if len(invalid) > 0 {
		return &saidError{invalid}
	}
	if len(broken.Hits) > 0 {
		return &saidError{broken}
	}
	return nil
}

// saidError is an error that stdout has told already.
type saidError struct{ error }

func (e *saidError) Unwrap() error { return e.error }

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
