package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// approvedFlags are those of an apply whose matter a plan has settled.
var approvedFlags = []string{
	"file", "env", "force-conflicts", "take", "yield", "adopt", "prune", "recreate", "allow-unpreviewed", "allow-prune", "policy",
}

// readPlan returns the text of a plan file.
func readPlan(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		return nil, &usageError{msg: name + " is no file"}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxInput+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if len(text) > maxInput {
		return nil, &usageError{msg: fmt.Sprintf("%s is larger than %d MiB", name, maxInput>>20)}
	}
	return text, nil
}

// planInstead tells who names a plan with -f what to do, nil for any other
// mistake.
func planInstead(file string, err error) error {
	var invalid schema.Errors
	if file == "" || file == "-" || !errors.As(err, &invalid) {
		return nil
	}
	if text, err := readPlan(file); err != nil || !apply.IsPlanFile(text) {
		return nil
	}
	return &usageError{msg: file + " is a plan, and no description", hint: fmt.Sprintf("`stackctl apply %s` carries it out", quote(file))}
}

const notPlan = "a description is named with -f; `stackctl diff --out FILE` makes a plan"

// decodePlan reads a plan file.
func decodePlan(name string) (*apply.PlanFile, error) {
	text, err := readPlan(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &usageError{msg: "there is no plan file " + name, hint: notPlan, err: err}
	}
	if err != nil {
		return nil, err
	}
	file, err := apply.DecodePlans(text)
	hinted := interface{ Hint() string }(nil)
	switch {
	case err == nil:
		return file, nil
	case errors.Is(err, apply.ErrNoPlan):
		return nil, &usageError{msg: name + " is not a plan file", hint: notPlan, err: err}
	case errors.As(err, &hinted):
		return nil, &usageError{msg: name + ": " + err.Error(), hint: hinted.Hint(), err: err}
	}
	return nil, err
}

// runApplyPlan carries out the plans of a file. All of them must hold before
// the first one is begun.
func runApplyPlan(ctx context.Context, e *env, c *cobra.Command, o applyOptions, name string) error {
	for _, flag := range approvedFlags {
		if c.Flags().Changed(flag) {
			return &usageError{
				msg:  fmt.Sprintf("--%s cannot change the plan in %s", flag, name),
				hint: "what was approved is what runs: make a plan with `stackctl diff --out`, which takes this flag",
			}
		}
	}
	file, err := decodePlan(name)
	if err != nil {
		return err
	}
	conn, err := o.connect()
	if err != nil {
		return err
	}
	conn.warn(e)
	var all []*session
	saved := map[*session]*apply.SavedPlan{}
	for _, plan := range file.Plans {
		if ns := o.namespace; ns != "" && ns != plan.Stack().Namespace {
			return &usageError{msg: fmt.Sprintf("the plan in %s is for stack %s in namespace %s, not in %s", name, plan.Stack().Name, plan.Stack().Namespace, ns), hint: "a plan knows its namespace: leave -n out"}
		}
		s, err := newSession(conn, plan.Stack(), nil)
		if err != nil {
			return err
		}
		all, saved[s] = append(all, s), plan
	}
	if len(all) > 1 {
		for _, s := range all {
			if _, err := s.engine.Restore(ctx, saved[s], sources(ctx, saved[s])); err != nil {
				return s.wrap(unrestored(name, err))
			}
		}
	}
	return each(e, all, func(s *session) error { return applySaved(ctx, e, s, &o.runFlags, name, saved[s]) })
}

// applySaved carries out one plan.
func applySaved(ctx context.Context, e *env, s *session, flags *runFlags, name string, saved *apply.SavedPlan) error {
	consent, err := saved.Consent()
	if err != nil {
		return err
	}
	run := flags.run()
	switch {
	case run.Cause != "":
	case flags.record:
		run.Cause = commandLine(e.args)
	default:
		run.Cause = fmt.Sprintf("%s, planned %s by %s", filepath.Base(name), saved.Made.At.Format("2006-01-02 15:04 UTC"), saved.Made.By)
	}
	run.Plan, run.AllowPrune, run.Commit, run.Dirty = saved.Digest(), saved.AllowPrune(), saved.Made.Commit, saved.Made.Dirty
	e.command = saved.Made.Command // with other flags it makes another plan
	c := change{
		session: s, runFlags: flags, run: run, target: apply.Target{Verb: saved.Verb(), Consent: consent},
		restore: func(ctx context.Context) (*apply.Plan, error) {
			plan, err := s.engine.Restore(ctx, saved, sources(ctx, saved))
			return plan, unrestored(name, err)
		},
	}
	return unrestored(name, c.execute(ctx, e))
}

// unrestored says how to go on from a plan file that cannot be carried out.
func unrestored(name string, err error) error {
	var stale *apply.StalePlanError
	var wrong *apply.PlanFileError
	var said *hintError
	switch {
	case errors.As(err, &said):
	case errors.As(err, &stale):
		return &hintError{err, "nothing was written; make a new plan with `stackctl diff --out`, and look at it"}
	case errors.As(err, &wrong):
		return &usageError{msg: name + ": " + wrong.Error(), hint: wrong.Hint(), err: err}
	}
	return err
}

// sources reads again what a saved plan leaves out: values of the environment
// and of files by themselves, and others from the description.
func sources(ctx context.Context, saved *apply.SavedPlan) apply.Sources {
	main := saved.Main()
	load := sync.OnceValues(func() (*schema.Stack, error) {
		if _, err := os.Stat(main); main == "" || errors.Is(err, fs.ErrNotExist) {
			return nil, fs.ErrNotExist
		}
		return schema.Load(ctx, schema.Options{Filename: main, Environment: saved.Environment()})
	})
	objects := sync.OnceValues(func() (render.Objects, error) {
		spec, err := load()
		if err != nil {
			return nil, err
		}
		read := readSecret(spec)
		return render.Render(spec, render.Options{Namespace: saved.Stack().Namespace, Secret: func(v schema.SecretValue) ([]byte, error) {
			text, err := read(v)
			if err != nil {
				text = nil // it is read, and missed, by itself
			}
			return text, nil
		}})
	})
	return apply.Sources{
		Files: func() ([]apply.DescribedFile, error) { return filesNow(ctx, saved, load) },
		Value: func(w apply.Withheld) (any, error) { return valueNow(w, filepath.Dir(main), objects) },
	}
}

// filesNow returns the files of the description of a saved plan. One that can no
// longer be loaded has those files that it had.
func filesNow(ctx context.Context, saved *apply.SavedPlan, load func() (*schema.Stack, error)) ([]apply.DescribedFile, error) {
	spec, err := load()
	switch {
	case err == nil:
		from, err := described(spec)
		return from.Files, err
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case ctx.Err() != nil:
		return nil, err
	}
	var files []apply.DescribedFile
	for _, file := range saved.Execute.Description.Files {
		if text, err := os.ReadFile(file.Name); err == nil {
			files = append(files, apply.DescribedFile{Name: file.Name, Text: text})
		}
	}
	return files, nil
}

// valueNow reads one value. Its errors have no value in them.
func valueNow(w apply.Withheld, dir string, objects func() (render.Objects, error)) (any, error) {
	var text []byte
	switch from := w.Source; {
	case from.Env != "":
		value, ok := os.LookupEnv(from.Env)
		if !ok {
			return nil, fmt.Errorf("%s is not set", from)
		}
		text = []byte(value)
	case from.File != "":
		var err error
		if text, err = (&schema.Stack{Dir: dir}).ReadFile(from.File); err != nil {
			return nil, err
		}
	default:
		return describedValue(w, objects)
	}
	if w.Base64() {
		return base64.StdEncoding.EncodeToString(text), nil
	}
	return string(text), nil
}

// describedValue reads a value that the description itself has.
func describedValue(w apply.Withheld, objects func() (render.Objects, error)) (any, error) {
	all, err := objects()
	var invalid schema.Errors
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is not there", w.Source)
	case errors.As(err, &invalid):
		return nil, fmt.Errorf("%s cannot be read: the description is not valid any more", w.Source)
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", w.Source, err)
	}
	for _, o := range all {
		if apply.KeyOf(o, o.GroupVersionKind()) != w.Object {
			continue
		}
		if v, ok := w.In(o); ok {
			return v, nil
		}
	}
	return nil, fmt.Errorf("%s does not have it any more", w.Source)
}
