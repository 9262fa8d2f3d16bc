package main

import (
	"strings"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// compared returns what turns one set of rendered objects into another as a
// plan: what an apply of the second would do where the first was applied.
func compared(stack, namespace string, from, to render.Objects) ui.Diff {
	return ui.Diff{Plan: &apply.Plan{
		Stack: apply.Stack{Namespace: namespace, Name: stack}, Verb: apply.VerbApply, Changes: apply.Compare(from, to),
	}}
}

// locateChanges says of every change of a comparison where the description
// decides it. Whoever changed the description did it: there is nobody else.
func locateChanges(plan *apply.Plan, spec *schema.Stack) {
	if spec == nil {
		return
	}
	find := origin(spec, plan.Stack.Namespace)
	for i := range plan.Changes {
		c := &plan.Changes[i]
		switch c.Action {
		case apply.ActionDelete:
			c.Label = apply.LabelYou
			continue
		case apply.ActionCreate:
			c.Label = apply.LabelYou
		case apply.ActionUnchanged:
			continue
		}
		c.Spec = specPlace(find(c.Object, ""))
		for j := range c.Fields {
			f := &c.Fields[j]
			f.Label, f.Spec = apply.LabelYou, specPlace(find(c.Object, f.Path))
		}
	}
}

// specPlace makes a place of a description one that a plan can name.
func specPlace(at schema.Pos, path string) *apply.SpecPlace {
	if !at.IsValid() {
		return nil
	}
	return &apply.SpecPlace{File: at.File, Line: at.Line, Column: at.Col, Path: path}
}

// titleOf names the file of a description.
func titleOf(spec *schema.Stack) string {
	return strings.TrimPrefix(ui.Place(schema.Pos{File: spec.Pos.File}), "./")
}
