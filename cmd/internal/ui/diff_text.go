package ui

import (
	"fmt"
	"io"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"stackctl.dev/stackctl/apply"
)

// diffText writes a diff in full: every line of an object to create, every
// field of an update with the owner of its live value.
func diffText(w io.Writer, d Diff, o Options) error {
	return writePlan(w, d, o, true)
}

// WritePlan writes a plan for somebody who has to say yes or no: like the text
// of a diff, with one line for each object to create.
func WritePlan(w io.Writer, d Diff, o Options) error {
	return writePlan(w, d, o, false)
}

func writePlan(w io.Writer, d Diff, o Options, full bool) error {
	t := planText{Printer: NewPrinter(folded(w, o.Width), o), plan: d.Plan, full: full, conflicts: d.Conflicts, drift: d.Drift, only: d.Only, between: d.Sides != nil}
	if d.Sides != nil {
		t.sides(*d.Sides)
		return t.Err()
	}
	t.header(d.Context)
	if d.Plan.Empty() {
		t.inSync()
	} else {
		t.changes()
	}
	return t.Err()
}

// planText is the writing of one plan.
type planText struct {
	*Printer
	plan      *apply.Plan
	full      bool
	conflicts ErrorContext
	drift     int  // the revision compared with; 0 for a plan to carry out
	between   bool // two descriptions are compared, and no cluster
	only      string

	predecessors map[apply.ObjectKey]bool // found when first asked for
}

func (t *planText) header(context string) {
	t.printf("stack %s in namespace %s, context %s (%s)\n",
		styled{bold, t.plan.Stack.Name}, styled{bold, t.plan.Stack.Namespace}, context, t.plan.Server)
	switch {
	case t.drift > 0:
		t.printf("the cluster → revision %d, the last that was deployed\n", t.drift)
	case t.plan.Verb == apply.VerbRollback:
		t.printf("rollback to revision %d\n", t.plan.RollbackTo)
	}
	if t.plan.Verb == apply.VerbScale {
		t.printf("revision %d with another number of replicas\n", t.plan.Base)
	}
}

func (t *planText) inSync() {
	t.warnings()
	for _, c := range t.plan.Changes {
		if c.Action == apply.ActionUnchanged || c.Action == apply.ActionKeep || c.Terminating {
			t.change(c)
		}
	}
	if t.only != "" {
		t.printf("Nothing differs that --only=%s shows.\n", t.only)
		return
	}
	if t.drift > 0 {
		t.printf("No drift: %s is as revision %d recorded it.\n", t.plan.Stack.Name, t.drift)
		return
	}
	if !t.plan.Settle {
		t.printf("No changes: %s matches revision %d.\n", t.plan.Stack.Name, t.plan.Base)
		return
	}
	t.printf("No changes, but revision %d has not ended well: `stackctl apply` writes no object, waits until all are ready, and records how that ended.\n", t.plan.Base)
}

func (t *planText) changes() {
	t.printf("\n")
	if t.plan.CreateNamespace {
		t.printf("%s Namespace/%s  does not exist yet; stackctl creates it, and never deletes a namespace\n", styled{green, "+"}, t.plan.Stack.Namespace)
	}
	for _, c := range t.plan.Changes {
		t.change(c)
	}
	t.printf("\n")
	t.warnings()
	n := t.plan.Counts()
	if t.drift > 0 {
		t.printf("Drift: %d missing, %d changed, %d unknown to revision %d, %d as recorded\n", n.Created, n.Updated+t.conflicting(), n.Deleted, t.drift, n.Unchanged-t.conflicting())
		t.hint("`stackctl apply` makes the cluster what your file says; `stackctl rollback --to " + Value(t.drift) + "` what was recorded")
		if refused := t.plan.Refused(); len(refused) > 0 {
			t.hint(fmt.Sprintf("both stop at what others own now (%s), unless --take or --yield names it", plural(len(refused), "field")))
		}
		return
	}
	t.conflictHelp()
	if t.only != "" {
		t.printf("With --only=%s: %d to create, %d to update, %d to delete\n", t.only, n.Created, n.Updated+t.conflicting(), n.Deleted)
		return
	}
	defer t.impactSum()
	t.printf("Plan: %d to create, %d to update, %d to delete, %d unchanged\n", n.Created, n.Updated, n.Deleted, n.Unchanged)
}

// conflicting counts the objects that differ only where others own a field.
func (t *planText) conflicting() (n int) {
	for _, c := range t.plan.Changes {
		if c.Action == apply.ActionUnchanged && len(c.Conflicts) > 0 {
			n++
		}
	}
	return n
}

// change writes one object; an unchanged one only when there is something to
// say about it.
func (t *planText) change(c apply.Change) {
	if t.predecessors == nil {
		t.predecessors = predecessors(t.plan)
	}
	if t.predecessors[c.Object] {
		return
	}
	name := objectName(c.Object, t.plan.Stack.Namespace)
	switch c.Action {
	case apply.ActionCreate:
		t.heading(styled{green, "+"}, name, c)
		if t.full && c.Predecessor == nil {
			t.object(c.New)
		}
	case apply.ActionUpdate:
		sign := styled{yellow, "~"}
		if len(c.Replace) > 0 {
			sign = styled{red, "-/+"}
		}
		t.heading(sign, name, c)
	case apply.ActionDelete:
		t.heading(styled{red, "-"}, name, c)
	case apply.ActionKeep:
		if c.Spare || c.Note == "" && t.plan.Verb != apply.VerbDelete {
			return // kept for older revisions: no difference, nothing to decide
		}
		t.printf("= %s  kept%s\n", name, t.remarks(c))
	default:
		if len(c.Conflicts) == 0 {
			if c.Note != "" {
				t.printf("= %s%s\n", name, t.remarks(c))
			}
			return
		}
		t.printf("%s %s%s\n", styled{red, "!"}, styled{bold, name}, t.remarks(c))
	}
	t.fields(c)
	if t.drift == 0 {
		t.impacts(c)
	}
}

// heading writes the line that names an object.
func (t *planText) heading(sign styled, name string, c apply.Change) {
	t.printf("%s %s%s", sign, styled{bold, name}, t.remarks(c))
	if t.tells(c.Label, c.Spec) && t.drift == 0 {
		t.printf("  %s", t.whose(c.Label, c.Spec, apply.FieldChange{}))
	}
	t.printf("\n")
}

// remarks are the notes about an object, behind its name.
func (t *planText) remarks(c apply.Change) string {
	all := notes(c, t.plan)
	if len(all) == 0 {
		return ""
	}
	return "  (" + strings.Join(all, "; ") + ")"
}

// object writes an object to create as lines of YAML.
func (t *planText) object(o map[string]any) {
	text, err := yaml.Marshal(o)
	if err != nil {
		text = []byte(fmt.Sprintf("# cannot be shown: %v", err))
	}
	for line := range strings.Lines(string(text)) {
		t.printf("    %s\n", styled{green, "+ " + strings.TrimSuffix(line, "\n")})
	}
}

// setter names a field manager and when it wrote last.
func (p *Printer) setter(manager string, since time.Time) string {
	s := fmt.Sprintf("%q", manager)
	if !since.IsZero() {
		s += " " + Age(p.o.Now, since) + " ago"
	}
	return s
}

// value is a value on one line, cut short where a person only decides.
func (t *planText) value(v any) string {
	s := Value(v)
	if !t.full {
		s = shorten(s, 80)
	}
	return s
}

func (t *planText) warnings() {
	for _, w := range t.plan.Warnings {
		t.printf("%s the server says: %s\n", styled{yellow, "warning:"}, w)
	}
	for _, n := range t.plan.Notices {
		t.printf("%s %s\n", styled{yellow, "warning:"}, n)
	}
}

// objectName is the short name of an object: its namespace is left out where
// it is the stack's.
func objectName(k apply.ObjectKey, namespace string) string {
	if k.Namespace == namespace {
		k.Namespace = ""
	}
	return k.String()
}
