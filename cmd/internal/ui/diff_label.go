package ui

import (
	"fmt"
	"strings"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/schema"
)

// labelColumn is where labels stand at most: longer lines push theirs out.
const labelColumn = 72

// whose says whose doing a difference is: who and where in a few words.
func (p *Printer) whose(l apply.Label, spec *apply.SpecPlace, f apply.FieldChange) styled {
	words := []string{string(l)}
	switch {
	case l == apply.LabelYou && spec != nil:
		words = append(words, Place(schema.Pos{File: spec.File, Line: spec.Line}))
	case l == apply.LabelDrift && f.Manager != "":
		words = append(words, f.Manager)
		if !f.Since.IsZero() {
			words = append(words, Age(p.o.Now, f.Since)+" ago")
		}
	}
	if l == apply.LabelDrift {
		return styled{yellow, strings.Join(words, " ")}
	}
	return styled{dim, strings.Join(words, " ")}
}

// tells reports whether a label says more than what the plan is for: what a
// revision has otherwise is nobody's doing now, and between two descriptions all
// is yours.
func (t *planText) tells(l apply.Label, spec *apply.SpecPlace) bool {
	return l != "" && (l != apply.LabelYou || t.plan.Verb == apply.VerbApply && (spec != nil || !t.between))
}

// fieldText returns the sign of a difference and what it says.
func (t *planText) fieldText(f apply.FieldChange) (styled, string) {
	color := map[apply.FieldOp]style{apply.FieldAdd: green, apply.FieldRemove: red}[f.Op]
	if color == "" {
		color = yellow
	}
	return styled{color, fieldSign(f.Op)}, fieldText(f, t.value)
}

// ordinal counts from one.
func ordinal(index any) string {
	switch i := index.(type) {
	case int:
		return fmt.Sprint(i + 1)
	case float64: // from JSON
		return fmt.Sprint(i + 1)
	}
	return fmt.Sprint(index)
}

// widest is the column in which the labels of an object stand.
func (t *planText) widest(fields []apply.FieldChange) int {
	n := 0
	for _, f := range fields {
		if _, text := t.fieldText(f); t.tells(f.Label, f.Spec) && visible(Clean(text)) <= labelColumn {
			n = max(n, visible(Clean(text)))
		}
	}
	return n
}

func (t *planText) field(f apply.FieldChange, width int) {
	sign, text := t.fieldText(f)
	t.printf("    %s %s", sign, text)
	if t.tells(f.Label, f.Spec) {
		t.printf("%s  %s", strings.Repeat(" ", max(0, width-visible(Clean(text)))), t.whose(f.Label, f.Spec, f))
	}
	t.printf("\n")
}

// impacts writes what a change does beyond its object.
func (t *planText) impacts(c apply.Change) {
	for _, one := range c.Impacts {
		t.printf("    %s %s\n", styled{impactStyle(one.Kind), "» " + string(one.Kind) + ":"}, one.Message)
	}
}

func impactStyle(kind apply.ImpactKind) style {
	switch kind {
	case apply.ImpactRestart, apply.ImpactAutoscaler, apply.ImpactDisruption:
		return yellow
	}
	return red
}

// impactSum counts the impacts of all changes.
func (t *planText) impactSum() {
	var all []any
	for _, kind := range apply.ImpactKinds() {
		objects, pods := 0, 0
		for _, c := range t.plan.Changes {
			some := 0
			for _, one := range c.Impacts {
				if one.Kind == kind {
					some, pods = 1, pods+one.Pods
				}
			}
			objects += some
		}
		if objects == 0 {
			continue
		}
		count := plural(objects, "object")
		if pods > 0 {
			count += ", " + plural(pods, "pod")
		}
		all = append(all, string(kind)+" ("+count+")")
	}
	if len(all) > 0 {
		t.printf("Impact: %s"+strings.Repeat(", %s", len(all)-1)+"\n", all...)
	}
}

// predecessors are the objects that others come instead of, by name: what
// becomes of each is said there.
func predecessors(plan *apply.Plan) map[apply.ObjectKey]bool {
	all := map[apply.ObjectKey]bool{}
	for i := range plan.Changes {
		if old := plan.Changes[i].Predecessor; old != nil {
			all[*old] = true
		}
	}
	return all
}

// instead says what an object comes instead of, and what becomes of that.
func instead(predecessor apply.ObjectKey, plan *apply.Plan) string {
	for _, old := range plan.Changes {
		if old.Object == predecessor && old.Action == apply.ActionDelete {
			return "instead of " + predecessor.Name + ", which is deleted"
		}
	}
	return "instead of " + predecessor.Name
}
