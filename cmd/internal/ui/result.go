package ui

import (
	"io"
	"strings"
	"time"

	"stackctl.dev/stackctl/apply"
)

// WriteResult writes the end of a run that succeeded, in one line and what a
// reader should know beyond it.
func WriteResult(w io.Writer, plan *apply.Plan, r *apply.Result, o Options) error {
	p := NewPrinter(w, o)
	for _, n := range r.Interrupted {
		p.printf("revision %d was interrupted; this run took over from it\n", n)
	}
	switch {
	case plan.Verb == apply.VerbDelete:
		p.printf("Deleted %s: %s in %s.\n", r.Stack.Name, plural(r.Changes.Deleted, "object"), round(time.Duration(r.Duration)))
	case r.Revision == 0:
		p.printf("No changes: %s matches revision %d.\n", r.Stack.Name, plan.Base)
	default:
		p.printf("%s %s: revision %d, %s in %s.\n", done(plan.Verb), r.Stack.Name, r.Revision, counts(r.Changes), round(time.Duration(r.Duration)))
	}
	if r.Left > 0 {
		p.printf("%s left in place, since this run did not wait for health: `stackctl apply` removes what the stack no longer has\n",
			plural(r.Left, "object"))
	}
	return p.Err()
}

// WriteFailures writes what became of each object that a run could not do
// something to, and how many it did not come to.
func WriteFailures(w io.Writer, plan *apply.Plan, r *apply.Result, o Options) error {
	p := NewPrinter(w, o)
	failed := 0
	for _, one := range r.Outcomes {
		if one.Error != "" {
			failed++
			p.printf("%s %s  %s failed: %s\n", styled{red, "!"}, objectName(one.Object, plan.Stack.Namespace), string(one.Action), lines(one.Error))
		}
	}
	n := plan.Counts()
	left := n.Created + n.Updated + n.Deleted - len(r.Outcomes)
	p.printf("%s: %s, %d failed, %d not begun\n", r.Stack.Name, counts(r.Changes), failed, max(0, left))
	return p.Err()
}

func done(verb apply.Verb) string {
	switch verb {
	case apply.VerbRollback:
		return "Rolled back"
	case apply.VerbScale:
		return "Scaled"
	}
	return "Applied"
}

// counts writes counts in words, without those that are zero.
func counts(c apply.Counts) string {
	var all []string
	for _, one := range []struct {
		n    int
		what string
	}{{c.Created, "created"}, {c.Updated, "updated"}, {c.Deleted, "deleted"}, {c.Unchanged, "unchanged"}} {
		if one.n > 0 {
			all = append(all, Value(one.n)+" "+one.what)
		}
	}
	if len(all) == 0 {
		return "no objects"
	}
	return strings.Join(all, ", ")
}
