package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/schema"
)

type scaleOptions struct {
	refFlags
	runFlags
	stack []string // none or one
	app   string
	n     count
}

func newScale(e *env) *cobra.Command {
	var o scaleOptions
	c := &cobra.Command{
		Use:   "scale [STACK/]APP N",
		Short: "run another number of pods of an app",
		Long: `Run N pods of an app: the newest revision with that one number changed is
planned, shown, asked for and carried out like an apply, under the same lock,
and is itself a new revision. What the newest revision wanted and the cluster
does not have goes live with it, also when that revision did not end well.

It does not change your file: the next apply of an unchanged file sets the
number back. An app with an autoscaler is not scaled: that would be a fight.

Without STACK it is the one that the file in the working directory describes.
With it the namespace is the one of -n or the context.` + exitCodes(exitUsage, exitStopped, exitLocked, exitConflict, exitNotReady, exitRecord, exitUnknown, exitSignal),
		Example: `  stackctl scale recipes/web-api 5
  stackctl scale web-api 5 --cause "the sale begins"
  stackctl scale recipes/worker 0 -y`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.parse(args); err != nil {
				return err
			}
			return runScale(c.Context(), e, o)
		},
	}
	o.refFlags.set(c)
	c.Args, c.ValidArgsFunction = nil, o.complete
	o.runFlags.set(c, "ready")
	o.setRelease(c)
	return c
}

// maxReplicas is the limit of replicas in a description.
const maxReplicas = 10000

// parse reads the arguments.
func (o *scaleOptions) parse(args []string) error {
	if len(args) != 2 {
		return &usageError{msg: fmt.Sprintf("stackctl scale takes an app and a number, got %q", strings.Join(args, " ")), hint: "such as `stackctl scale recipes/web-api 5`"}
	}
	o.stack, o.app = nil, args[0]
	if stack, app, ok := strings.Cut(args[0], "/"); ok {
		o.stack, o.app = []string{stack}, app
	}
	if o.app == "" || len(o.stack) == 1 && o.stack[0] == "" || strings.Contains(o.app, "/") {
		return &usageError{msg: fmt.Sprintf("%q is not STACK/APP or APP", args[0])}
	}
	if err := o.n.Set(args[1]); err != nil {
		return &usageError{msg: fmt.Sprintf("%q is no number of pods: %v", args[1], err)}
	}
	if o.n > maxReplicas {
		return &usageError{msg: fmt.Sprintf("%s pods are too many: at most %d", args[1], maxReplicas)}
	}
	return nil
}

// runScale makes a revision of the newest one. If another one is recorded
// meanwhile, and nobody approved a plan, it is made of that one instead.
func runScale(ctx context.Context, e *env, o scaleOptions) error {
	s, err := o.open(ctx, e, o.stack)
	if err != nil {
		return err
	}
	began := e.now()
	for again := true; ; {
		err := o.scale(ctx, e, s)
		var stale *apply.StalePlanError
		if !errors.As(err, &stale) || !again || e.interactive() && !o.yes || ctx.Err() != nil {
			return err
		}
		again = e.now().Sub(began) < o.lockTimeout
		e.note(stale.Error() + "; scaling that one")
	}
}

func (o *scaleOptions) scale(ctx context.Context, e *env, s *session) error {
	rev, err := s.engine.Newest(ctx)
	if err != nil {
		return s.wrap(err)
	}
	workload, err := scalable(rev.Objects, o.app)
	if err != nil {
		return err
	}
	if rev.Status != apply.StatusDeployed {
		e.note(fmt.Sprintf("revision %d did not end well (%s): what it wanted and is not live yet goes live with this", rev.Revision, rev.Status))
	}
	if err := unstructured.SetNestedField(workload.Object, int64(o.n), "spec", "replicas"); err != nil {
		return fmt.Errorf("%s: %w", workload.GetName(), err)
	}
	run := o.run()
	switch {
	case run.Cause != "":
	case o.record:
		run.Cause = commandLine(e.args)
	default:
		run.Cause = fmt.Sprintf("scale %s to %d", o.app, o.n)
	}
	run.Commit, run.Dirty = rev.Commit, rev.Dirty // but for the number it is what that commit described
	c := change{
		session: s, runFlags: &o.runFlags, run: run, question: fmt.Sprintf("scale %s to %d?", o.app, o.n),
		target: apply.Target{
			Verb: apply.VerbScale, Objects: rev.Objects, Source: rev.Source, Environment: rev.Environment,
			ScaledFrom: rev.Revision, Consent: o.consent(),
		},
	}
	err = c.execute(ctx, e)
	if err == nil && !o.dryRun {
		e.note(o.remind(ctx, s, rev.Environment))
	}
	return err
}

// scalable finds the workload of an app whose replicas may be set.
func scalable(objects []*unstructured.Unstructured, app string) (*unstructured.Unstructured, error) {
	var apps []string
	var found *unstructured.Unstructured
	for _, workload := range workloads(objects) {
		name := appLabel(workload)
		apps = append(apps, name)
		if name == app && (found == nil || hasReplicas(workload)) {
			found = workload
		}
	}
	if found == nil {
		hint := "the stack has " + strings.Join(apps, ", ")
		if near := nearest(app, apps); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		return nil, &usageError{msg: fmt.Sprintf("the stack has no app %q", app), hint: hint}
	}
	if !hasReplicas(found) {
		return nil, &usageError{msg: fmt.Sprintf("%s is a %s, which has no number of replicas", app, found.GetKind())}
	}
	key := apply.KeyOf(found, found.GroupVersionKind())
	for _, o := range objects {
		if apply.Scales(o, key) {
			return nil, &usageError{
				msg:  fmt.Sprintf("HorizontalPodAutoscaler/%s decides how many pods %s has", o.GetName(), app),
				hint: "change the bounds of autoscale in the file, or remove it there, and apply",
			}
		}
	}
	return found, nil
}

// workloads are the objects that run the pods of an app, each app once a kind.
func workloads(objects []*unstructured.Unstructured) (all []*unstructured.Unstructured) {
	for _, o := range objects {
		switch group := o.GroupVersionKind().Group; {
		case appLabel(o) == "":
		case group == "apps", group == "batch":
			all = append(all, o)
		}
	}
	return all
}

func appLabel(o *unstructured.Unstructured) string { return o.GetLabels()["app.kubernetes.io/name"] }

func hasReplicas(o *unstructured.Unstructured) bool {
	return o.GetKind() == "Deployment" || o.GetKind() == "StatefulSet"
}

// remind says what the next apply of the file does to the number.
func (o *scaleOptions) remind(ctx context.Context, s *session, environment string) string {
	spec := s.spec
	if spec == nil { // the stack was named; its file may be here all the same
		spec, _ = schema.Load(ctx, schema.Options{Environment: environment})
	}
	if spec != nil && spec.Name == s.stack.Name {
		if app := spec.App(o.app); app != nil && app.Replicas != nil {
			if int(*app.Replicas) == int(o.n) {
				return fmt.Sprintf("%s says %d, too", ui.Place(spec.PosOf("apps", o.app, "replicas")), o.n)
			}
			return fmt.Sprintf("%s: apps.%s.replicas still says %d: the next apply of the file sets it back",
				ui.Place(spec.PosOf("apps", o.app, "replicas")), o.app, *app.Replicas)
		}
	}
	return "the file of the stack is as it was: its next apply sets the number back to what it says"
}

// complete offers the stacks of the namespace, and after a slash the apps of
// one.
func (o *scaleOptions) complete(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	stack, _, inStack := strings.Cut(typed, "/")
	if !inStack {
		names, directive := o.completeStack(c, nil, typed)
		for i := range names {
			names[i] += "/"
		}
		return names, directive | cobra.ShellCompDirectiveNoSpace
	}
	ctx, cancel := context.WithTimeout(c.Context(), completionPatience)
	defer cancel()
	silent := newEnv()
	silent.stderr = &output{w: io.Discard}
	s, err := o.open(ctx, silent, []string{stack})
	if err != nil {
		return nil, noFiles
	}
	rev, err := s.engine.Newest(ctx)
	if err != nil {
		return nil, noFiles
	}
	var names []string
	for _, w := range workloads(rev.Objects) {
		if name := stack + "/" + appLabel(w); hasReplicas(w) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, noFiles
}
