package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// desired is the target that the stack's description stands for.
func (s *session) desired(ctx context.Context) (apply.Target, error) {
	objects, err := render.Render(s.spec, render.Options{Namespace: s.stack.Namespace, Secret: readSecret(s.spec)})
	if err != nil {
		return apply.Target{}, err
	}
	return apply.Target{
		Verb: apply.VerbApply, Objects: objects, Source: s.spec.Source, Environment: s.spec.Environment, Tool: tool(),
		Origin: attribution(s.spec, s.stack.Namespace), OriginOf: earlierAttribution(ctx, s.stack.Namespace),
	}, nil
}

// rendered are the objects of a stack as an apply sends them, as far as can be
// known without a cluster: Jobs have the names they will have; a Secret whose
// values are read at apply has the beginning of its name.
func rendered(spec *schema.Stack, namespace string) (render.Objects, error) {
	objects, err := render.Render(spec, render.Options{Namespace: namespace})
	if err != nil {
		return nil, err
	}
	return apply.Named(objects, nil)
}

// readSecret returns the function that reads the secret values of a stack,
// from the environment or from files below the description. What it says about
// a value never has the value in it.
func readSecret(spec *schema.Stack) func(schema.SecretValue) ([]byte, error) {
	return func(value schema.SecretValue) ([]byte, error) {
		if value.FromFile != "" {
			return spec.ReadFile(value.FromFile)
		}
		text, ok := os.LookupEnv(value.FromEnv)
		if !ok {
			return nil, fmt.Errorf("the environment variable %s is not set", value.FromEnv)
		}
		return []byte(text), nil
	}
}

// expected stops a run that meets another cluster than its description expects.
func (c *connection) expected(ctx context.Context, specs []*schema.Stack) error {
	for _, spec := range specs {
		want := spec.Expect.Cluster
		if want == "" {
			continue
		}
		got := c.config.Host
		if !strings.Contains(want, "://") {
			uid, err := apply.ClusterUID(ctx, c.config)
			if err != nil {
				return c.explain(err)
			}
			got = uid
		}
		if strings.TrimSuffix(got, "/") != strings.TrimSuffix(want, "/") {
			return schema.Errors{{
				Pos: spec.PosOf("expect", "cluster"), Path: "expect.cluster",
				Msg:  fmt.Sprintf("this is another cluster: %s", ui.Clean(got)),
				Hint: "choose the right one with --context, or change expect",
			}}
		}
	}
	return nil
}

// sameKinds stops a run that would replace a workload by one of another kind
// which nobody wrote: a volume or a schedule that was added makes another kind
// of an app, and its pods would go.
func sameKinds(spec *schema.Stack, plan *apply.Plan) error {
	if spec == nil || plan.Verb != apply.VerbApply {
		return nil
	}
	leaving := map[*schema.App]apply.ObjectKey{}
	for _, change := range plan.Changes {
		if app := workloadOf(spec, change.Object); app != nil && change.Action == apply.ActionDelete {
			leaving[app] = change.Object
		}
	}
	var wrong schema.Errors
	for _, change := range plan.Changes {
		app := workloadOf(spec, change.Object)
		old, left := leaving[app]
		if app == nil || !left || change.Action != apply.ActionCreate || old.Kind == change.Object.Kind || spec.Wrote("apps", app.Name, "kind") {
			continue
		}
		wrong = append(wrong, schema.Error{
			Pos: app.Pos, Path: "apps." + app.Name,
			Msg:  fmt.Sprintf("is a %s app now, so that the live %s would be deleted and a %s made instead", app.Kind, old.Kind, change.Object.Kind),
			Hint: fmt.Sprintf("if that is meant, write kind: %s", app.Kind),
		})
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// workloadOf returns the app whose pods an object runs, nil for any other
// object.
func workloadOf(spec *schema.Stack, object apply.ObjectKey) *schema.App {
	if object.Group != "apps" && object.Group != "batch" {
		return nil
	}
	return appOf(spec, object)
}
