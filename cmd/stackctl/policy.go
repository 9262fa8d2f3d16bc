package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// policyFlags name a directory of rules.
type policyFlags struct {
	directory string
	policy    *schema.Policy
}

func (f *policyFlags) set(c *cobra.Command) {
	c.Flags().Var((*name)(&f.directory), "policy", "refuse what breaks a rule in `DIR`, a package in CUE")
	completeFlag(c, "policy", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
}

// policyLong is the part of a help text about --policy.
const policyLong = `

--policy DIR refuses what breaks a rule, with the line of the rule and of the
description; examples/policies says how rules are written.`

// exitPolicy is the line of exitCodes of commands that only a policy can refuse.
const exitPolicy = "3 a policy is broken by what is described, or the output failed"

// load reads the policy, if there is one. What is wrong with it is an error of
// the command line.
func (f *policyFlags) load(ctx context.Context) error {
	if f.directory == "" {
		return nil
	}
	policy, err := schema.LoadPolicy(ctx, f.directory)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.policy = policy
	return unreadable(err)
}

// check asks the policy about the objects of a stack and, if there is one,
// about the plan. Values of Secrets are masked before.
func (f *policyFlags) check(ctx context.Context, spec *schema.Stack, namespace string, objects render.Objects, plan *apply.Plan) error {
	hits, err := f.hits(ctx, spec, namespace, objects, plan)
	if err != nil || len(hits) == 0 {
		return err
	}
	return &ui.PolicyError{Hits: hits}
}

func (f *policyFlags) hits(ctx context.Context, spec *schema.Stack, namespace string, objects render.Objects, plan *apply.Plan) ([]ui.PolicyHit, error) {
	if f.policy == nil {
		return nil, nil
	}
	subjects := policySubjects(objects, plan)
	asked := make([]map[string]any, len(subjects))
	for i, s := range subjects {
		asked[i] = s.values(spec, namespace)
	}
	violations, err := f.policy.Check(ctx, asked)
	if err != nil {
		return nil, err
	}
	find := origin(spec, namespace)
	hits := make([]ui.PolicyHit, len(violations))
	for i, v := range violations {
		s := subjects[v.Subject]
		hit := ui.PolicyHit{Rule: v.Rule, Message: v.Message, Policy: v.Pos, Reason: v.Msg, Environment: spec.Environment}
		hit.Subject, hit.Field = s.title(namespace), s.field(v.Path)
		if s.object != nil {
			hit.Spec, hit.SpecPath = find(s.key, hit.Field)
		}
		if !hit.Spec.IsValid() {
			hit.Spec = schema.Pos{File: spec.Pos.File}
		}
		hits[i] = hit
	}
	return hits, nil
}

// policySubject is what a rule is asked about: an object, a change with the
// object it leads to, or a plan.
type policySubject struct {
	key    apply.ObjectKey
	object map[string]any // masked; nil for one that goes
	change *apply.Change
	counts *apply.Counts

	pod  []any          // where the pod spec of the object is
	spec map[string]any // that is there
}

// policySubjects returns all that rules are asked about.
func policySubjects(objects render.Objects, plan *apply.Plan) []policySubject {
	var all []policySubject
	for _, c := range apply.Compare(nil, objects) { // which masks them
		s := policySubject{key: c.Object, object: c.New}
		s.findPod()
		all = append(all, s)
	}
	if plan == nil {
		return all
	}
	rendered := all
	all = nil
	for i := range plan.Changes {
		c := &plan.Changes[i]
		s := policySubject{key: c.Object, change: c}
		if at := slices.IndexFunc(rendered, func(r policySubject) bool { return r.is(c.Object) }); at >= 0 && c.Action != apply.ActionDelete {
			s.object, s.pod, s.spec = rendered[at].object, rendered[at].pod, rendered[at].spec
		}
		all = append(all, s)
	}
	counts := plan.Counts()
	return append(all, policySubject{counts: &counts})
}

// is reports whether a rendered object is that of a plan, which knows the names
// that are made of contents.
func (s *policySubject) is(key apply.ObjectKey) bool {
	if s.key == key {
		return true
	}
	labels := (&unstructured.Unstructured{Object: s.object}).GetLabels()
	hash := labels[apply.LabelContent]
	name := strings.TrimSuffix(s.key.Name, "-"+hash)
	return hash != "" && s.key.Kind == key.Kind && s.key.Group == key.Group && s.key.Namespace == key.Namespace && strings.HasPrefix(key.Name, name+"-")
}

// podPlaces are where the kinds of Kubernetes have their pod spec.
var podPlaces = [][]any{{"spec", "template", "spec"}, {"spec", "jobTemplate", "spec", "template", "spec"}, {"spec"}}

func (s *policySubject) findPod() {
	for _, place := range podPlaces {
		var at any = s.object
		for _, step := range place {
			fields, _ := at.(map[string]any)
			at = fields[step.(string)]
		}
		spec, _ := at.(map[string]any)
		if _, ok := spec["containers"].([]any); ok {
			s.pod, s.spec = place, spec
			return
		}
	}
}

// values are what the subject consists of, by the names of
// [schema.PolicyNames].
func (s *policySubject) values(spec *schema.Stack, namespace string) map[string]any {
	out := map[string]any{"stack": spec.Name, "environment": spec.Environment, "namespace": namespace}
	if s.object != nil {
		out["object"] = s.object
	}
	if s.spec != nil {
		out["pod"] = s.spec
		out["containers"] = slices.Concat(asList(s.spec["containers"]), asList(s.spec["initContainers"]))
	}
	if c := s.change; c != nil {
		fields, impacts := []any{}, []any{}
		for _, f := range c.Fields {
			fields = append(fields, map[string]any{"path": f.Path, "op": string(f.Op), "label": string(f.Label)})
		}
		for _, i := range c.Impacts {
			impacts = append(impacts, string(i.Kind))
		}
		out["change"] = map[string]any{
			"action": string(c.Action), "group": s.key.Group, "kind": s.key.Kind, "namespace": s.key.Namespace, "name": s.key.Name,
			"recreate": len(c.Replace) > 0, "fields": fields, "impacts": impacts,
		}
	}
	if n := s.counts; n != nil {
		out["plan"] = map[string]any{"created": n.Created, "updated": n.Updated, "deleted": n.Deleted, "unchanged": n.Unchanged}
	}
	return out
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// title names the subject.
func (s *policySubject) title(namespace string) string {
	key := s.key
	if key.Namespace == namespace {
		key.Namespace = ""
	}
	switch {
	case s.counts != nil:
		return "the plan"
	case s.change != nil && s.object == nil:
		return fmt.Sprintf("the %s of %s", s.change.Action, key)
	}
	return key.String()
}

// field is the path in the object that a path in the subject leads to, "" when
// that is none in an object.
func (s *policySubject) field(path []any) string {
	if s.object == nil || len(path) == 0 {
		return ""
	}
	place := path[1:]
	switch path[0] {
	case "object":
	case "pod":
		place = slices.Concat(s.pod, place)
	case "containers":
		if len(place) > 0 {
			i, list := place[0].(int), "containers"
			if n := len(asList(s.spec[list])); i >= n {
				i, list = i-n, "initContainers"
			}
			place = slices.Concat(s.pod, []any{list, i}, place[1:])
		} else {
			place = slices.Concat(s.pod, []any{"containers"})
		}
	default:
		return ""
	}
	return objectPath(s.object, place)
}

// objectPath writes a place in an object as a diff does: list items by their
// name where they have one.
func objectPath(object any, place []any) string {
	var b strings.Builder
	for _, step := range place {
		switch step := step.(type) {
		case int:
			var item any
			if list := asList(object); step < len(list) {
				item = list[step]
			}
			fields, _ := item.(map[string]any)
			if name, ok := fields["name"].(string); ok {
				fmt.Fprintf(&b, "[name=%q]", name)
			} else {
				fmt.Fprintf(&b, "[%d]", step)
			}
			object = item
		case string:
			fields, _ := object.(map[string]any)
			object = fields[step]
			switch {
			case strings.ContainsAny(step, `./"[]`):
				fmt.Fprintf(&b, `["%s"]`, step)
			case b.Len() > 0:
				b.WriteString("." + step)
			default:
				b.WriteString(step)
			}
		}
	}
	return b.String()
}
