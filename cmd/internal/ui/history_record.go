package ui

import (
	"fmt"
	"io"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"stackctl.dev/stackctl/apply"
)

// WriteRecord writes all that is on record about a revision but its objects.
func WriteRecord(w io.Writer, stack apply.Stack, r *apply.Record, o Options) error {
	p := NewPrinter(w, o)
	p.printf("revision %d of stack %s in namespace %s: %s\n", r.Revision, styled{bold, stack.Name}, styled{bold, stack.Namespace}, revisionStatus(r.Summary))
	if r.Flaw != "" {
		p.printf("%s %s; this is what was recorded\n", styled{red, "the record was changed:"}, r.Flaw)
	}
	var t table
	line := func(name, text string) {
		if text != "" {
			t.row("  "+name, text)
		}
	}
	line("when", fmt.Sprintf("%s (%s ago)%s", r.CreatedAt.UTC().Format("2006-01-02 15:04:05 UTC"), Age(o.Now, r.CreatedAt), took(r.Duration)))
	line("who", orNone(r.Author))
	line("why", orNone(r.Cause))
	line("verb", verb(r.Summary))
	line("commit", commitInFull(r.Summary))
	line("CI", r.CI)
	line("environment", r.Environment)
	line("tool", r.Tool)
	line("plan", r.Plan)
	line("images", strings.Join(r.Images, ", "))
	line("changes", fmt.Sprintf("%s, %d unchanged", changes(r.Changes), r.Changes.Unchanged))
	line("error", r.Error)
	t.write(p)
	if len(r.Outcomes) > 0 {
		p.printf("\nobjects that were written:\n")
	}
	for _, outcome := range r.Outcomes {
		mark := map[apply.Action]styled{
			apply.ActionCreate: {green, "+"}, apply.ActionUpdate: {yellow, "~"}, apply.ActionDelete: {red, "-"},
		}[outcome.Action]
		if mark.text == nil {
			mark = styled{plain, "="}
		}
		p.printf("  %s %s", mark, objectName(outcome.Object, stack.Namespace))
		if outcome.Error != "" {
			p.printf("  %s", styled{red, outcome.Error})
		}
		p.printf("\n")
	}
	if r.Source != "" {
		p.printf("\nas it was described:\n")
		p.printf("%s\n", lines(indent(r.Source, "    ")))
	}
	return p.Err()
}

func took(d apply.Seconds) string {
	if d == 0 {
		return ""
	}
	return ", took " + round(time.Duration(d))
}

func verb(r apply.Summary) string {
	if r.Verb == apply.VerbRollback {
		return fmt.Sprintf("%s to revision %d", r.Verb, r.RollbackTo)
	}
	return string(r.Verb)
}

func commitInFull(r apply.Summary) string {
	if r.Commit != "" && r.Dirty {
		return r.Commit + " (the files differed from it)"
	}
	return r.Commit
}

// WriteObjects writes the objects of a revision as YAML documents.
func WriteObjects(w io.Writer, r *apply.Record) error {
	for _, o := range r.Objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

// RevisionDiff is how two revisions of a stack differ: in what was written, and
// in the objects it came to.
type RevisionDiff struct {
	Stack   apply.Stack    `json:"stack"`
	From    *apply.Record  `json:"-"`
	To      *apply.Record  `json:"-"`
	Changes []apply.Change `json:"changes"` // what makes From into To
	// Spec and Objects choose what is compared.
	Spec    bool `json:"-"`
	Objects bool `json:"-"`
}

// Empty reports whether what is compared is the same.
func (d *RevisionDiff) Empty() bool {
	if d.Spec && (d.From.Source != d.To.Source || d.From.Environment != d.To.Environment) {
		return false
	}
	return !d.Objects || d.plan().Empty()
}

// plan is what turns the objects of one revision into those of the other.
func (d *RevisionDiff) plan() *apply.Plan { return &apply.Plan{Stack: d.Stack, Changes: d.Changes} }

// WriteRevisionDiff writes a comparison of revisions as text or json.
func WriteRevisionDiff(w io.Writer, format string, d RevisionDiff, o Options) error {
	if !d.Objects || d.Changes == nil {
		d.Changes = []apply.Change{}
	}
	if format == "json" {
		var spec strings.Builder
		if d.Spec && d.From.Source != d.To.Source {
			if err := WriteLineDiff(&spec, "spec", d.From.Source, d.To.Source, Options{Now: o.Now}); err != nil {
				return err
			}
		}
		return WriteJSON(w, struct {
			RevisionDiff
			FromRevision    int    `json:"from"`
			ToRevision      int    `json:"to"`
			FromEnvironment string `json:"fromEnvironment"`
			ToEnvironment   string `json:"toEnvironment"`
			Spec            string `json:"spec"` // a unified diff
			Empty           bool   `json:"empty"`
		}{d, d.From.Revision, d.To.Revision, d.From.Environment, d.To.Environment, spec.String(), d.Empty()})
	}
	t := planText{Printer: NewPrinter(w, o), plan: d.plan(), full: true}
	t.revisions(d)
	return t.Err()
}

func (t *planText) revisions(d RevisionDiff) {
	t.printf("stack %s: revision %d → revision %d\n", styled{bold, d.Stack.Name}, d.From.Revision, d.To.Revision)
	if d.Spec {
		if d.From.Environment != d.To.Environment {
			t.printf("  %s environment: %s → %s\n", styled{yellow, "~"}, orNone(d.From.Environment), orNone(d.To.Environment))
		}
		if d.From.Source == d.To.Source {
			t.printf("The description is the same.\n")
		} else {
			t.printf("\n")
			if err := WriteLineDiff(t.w, "spec", d.From.Source, d.To.Source, t.o); err != nil && t.err == nil {
				t.err = err
			}
		}
	}
	if !d.Objects {
		return
	}
	if t.plan.Empty() {
		t.printf("No object differs: %s alike.\n", plural(t.plan.Counts().Unchanged, "object"))
		return
	}
	t.compared(fmt.Sprintf("revision %d", d.From.Revision), fmt.Sprintf("revision %d", d.To.Revision))
}

// WriteVerification writes what verifying the records of a stack found, as text
// or json.
func WriteVerification(w io.Writer, format string, v *apply.Verification, o Options) error {
	if format == "json" {
		return WriteJSON(w, struct {
			*apply.Verification
			OK bool `json:"ok"`
		}{v, v.OK()})
	}
	p := NewPrinter(w, o)
	var t table
	t.row("REVISION", "STATUS", "RECORD")
	for _, r := range v.Revisions {
		status := revisionStatus(apply.Summary{Status: r.Status})
		if len(r.Problems) == 0 {
			t.row(r.Revision, status, styled{green, "ok"})
			continue
		}
		for i, problem := range r.Problems {
			if i == 0 {
				t.row(r.Revision, status, styled{red, problem})
			} else {
				t.row("", "", styled{red, problem})
			}
		}
	}
	t.write(p)
	for _, problem := range v.Problems {
		p.printf("%s %s\n", styled{red, "problem:"}, problem)
	}
	if v.Garbage > 0 {
		p.printf("%s that no revision refers to: a run was killed; the next that removes an old revision removes them too\n", plural(v.Garbage, "record"))
	}
	if v.OK() {
		p.printf("All records of %s are as they were written.\n", v.Stack.Name)
		return p.Err()
	}
	if v.Bad() > 0 {
		p.printf("%d of %s of %s: not as written. No rollback goes there; an apply compares every object in full.\n", v.Bad(), plural(len(v.Revisions), "revision"), v.Stack.Name)
	}
	return p.Err()
}
