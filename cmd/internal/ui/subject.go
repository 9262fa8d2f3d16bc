package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"stackctl.dev/stackctl/apply"
)

// subject is one object of a plan, in the words that the formats of a diff
// share. Its texts are as they came from the cluster: each format cleans and
// escapes what it writes.
type subject struct {
	apply.Change
	sign  string // as in a text: +, ~, -/+, -, =, !
	word  string // what happens to it: create, update, recreate, …
	style style
	name  string
	notes []string // what a reader should know beyond the fields
}

// subjects returns the objects of a plan that there is something to say about,
// and the names of the others.
func (d Diff) subjects() (some []subject, unchanged []string) {
	left := predecessors(d.Plan)
	for _, c := range d.Plan.Changes {
		if left[c.Object] {
			continue
		}
		s := subject{Change: c, name: objectName(c.Object, d.Plan.Stack.Namespace), notes: notes(c, d.Plan)}
		for _, i := range c.Impacts {
			s.notes = append(s.notes, string(i.Kind)+": "+i.Message)
		}
		switch {
		case c.Action == apply.ActionCreate:
			s.sign, s.word, s.style = "+", "create", green
		case c.Action == apply.ActionUpdate && len(c.Replace) > 0:
			s.sign, s.word, s.style = "-/+", "recreate", red
		case c.Action == apply.ActionUpdate:
			s.sign, s.word, s.style = "~", "update", yellow
		case c.Action == apply.ActionDelete:
			s.sign, s.word, s.style = "-", "delete", red
		case len(c.Conflicts) > 0:
			s.sign, s.word, s.style = "!", "conflict", red
		case c.Action == apply.ActionKeep && !c.Spare && (c.Note != "" || d.Plan.Verb == apply.VerbDelete):
			s.sign, s.word = "=", "keep"
		case c.Action == apply.ActionUnchanged && c.Note != "":
			s.sign, s.word = "=", "unchanged"
		default:
			unchanged = append(unchanged, s.name)
			continue
		}
		if d.Drift > 0 {
			s.word = driftWord(s.word)
		}
		some = append(some, s)
	}
	return some, unchanged
}

// driftWord says how an object differs from its record, where others are told
// what would be done about it.
func driftWord(word string) string {
	switch word {
	case "create":
		return "missing"
	case "update", "recreate", "conflict":
		return "changed"
	case "delete":
		return "unknown"
	}
	return word
}

// notes are what a reader should know about an object beyond its fields.
func notes(c apply.Change, plan *apply.Plan) []string {
	var all []string
	if c.Predecessor != nil {
		all = append(all, instead(*c.Predecessor, plan))
	}
	if c.Recreated {
		all = append(all, "was deleted in the cluster")
	}
	if len(c.Replace) > 0 {
		all = append(all, "recreated: "+strings.Join(c.Replace, ", ")+" cannot change")
	}
	if c.Deferred {
		all = append(all, "not validated by the server: its namespace or kind comes with this run")
	}
	if c.Unpreviewed != "" {
		all = append(all, "cannot be previewed: "+c.Unpreviewed)
	}
	if c.OwnershipOnly {
		all = append(all, "ownership only: no value changes, only who owns a field")
	}
	if c.Adopted != "" {
		all = append(all, "adopted: belongs to "+c.Adopted)
	}
	if c.Note != "" {
		all = append(all, c.Note)
	}
	return all
}

// title names a plan on one line.
func (d Diff) title() string {
	return fmt.Sprintf("stack %s in namespace %s, %s", d.Plan.Stack.Name, d.Plan.Stack.Namespace, d.where())
}

// where names what was compared, apart from the stack.
func (d Diff) where() string {
	if d.Sides != nil {
		return d.Sides.title()
	}
	return fmt.Sprintf("context %s (%s)", d.Context, d.Plan.Server)
}

// summary counts the changes of a plan, and says what it is for. Nothing in it
// comes from others.
func (d Diff) summary() string {
	n, conflicting := d.Plan.Counts(), 0
	for _, c := range d.Plan.Changes {
		if c.Action == apply.ActionUnchanged && len(c.Conflicts) > 0 {
			conflicting++
		}
	}
	switch {
	case d.Sides != nil && d.Empty():
		return fmt.Sprintf("No differences: %s alike", plural(n.Unchanged, "object"))
	case d.Sides != nil:
		return fmt.Sprintf("%d changed, %d new, %d gone, %d alike", n.Updated, n.Created, n.Deleted, n.Unchanged)
	case d.Drift > 0 && d.Plan.Empty():
		return fmt.Sprintf("No drift: all is as revision %d recorded it", d.Drift)
	case d.Drift > 0:
		return fmt.Sprintf("Drift: %d missing, %d changed, %d unknown to revision %d, %d as recorded", n.Created, n.Updated+conflicting, n.Deleted, d.Drift, n.Unchanged-conflicting)
	case d.Plan.Settle:
		return fmt.Sprintf("No changes, but revision %d has not ended well: an apply waits until all are ready, and records how that ended", d.Plan.Base)
	case d.Plan.Empty():
		return fmt.Sprintf("No changes: all is as revision %d", d.Plan.Base)
	}
	s := fmt.Sprintf("Plan: %d to create, %d to update, %d to delete, %d unchanged", n.Created, n.Updated, n.Deleted, n.Unchanged)
	switch d.Plan.Verb {
	case apply.VerbRollback:
		s += fmt.Sprintf("; a rollback to revision %d", d.Plan.RollbackTo)
	case apply.VerbScale:
		s += fmt.Sprintf("; revision %d with another number of replicas", d.Plan.Base)
	}
	if refused := d.Plan.Refused(); len(refused) > 0 {
		s += "; " + plural(len(refused), "conflict") + ": the run stops before its first write"
	}
	return s
}

// remarks are what is to be said about a plan beyond its objects.
func (d Diff) remarks() []string {
	var all []string
	if d.Sides.moved() {
		all = append(all, fmt.Sprintf("the namespace of all objects changes from %s to %s", d.Sides.From.place(), d.Sides.To.place()))
	}
	if d.Plan.CreateNamespace {
		all = append(all, "Namespace/"+d.Plan.Stack.Namespace+" does not exist yet; stackctl creates it, and never deletes a namespace")
	}
	for _, w := range d.Plan.Warnings {
		all = append(all, "the server says: "+w)
	}
	return append(all, d.Plan.Notices...)
}

// fieldText is a difference on one line, without whose doing it is. Values are
// written as the function does.
func fieldText(f apply.FieldChange, value func(any) string) string {
	switch f.Op {
	case apply.FieldAdd:
		return f.Path + ": " + value(f.After)
	case apply.FieldRemove:
		return f.Path + ": " + value(f.Before)
	case apply.FieldMove:
		return fmt.Sprintf("%s: moved from place %s to %s", f.Path, ordinal(f.Before), ordinal(f.After))
	}
	return f.Path + ": " + value(f.Before) + " → " + value(f.After)
}

// fieldSign is the sign of a difference in a list of them.
func fieldSign(op apply.FieldOp) string {
	switch op {
	case apply.FieldAdd:
		return "+"
	case apply.FieldRemove:
		return "-"
	}
	return "~"
}

// whose says whose doing a difference is, "" when nobody knows.
func (s subject) whose(f apply.FieldChange) string {
	if s.Adopted != "" {
		f.Manager = "" // no drift: they are whom it is taken over from
	}
	text := labelText(f.Label, f.Spec)
	if f.Manager == "" {
		return text
	}
	if text == "" {
		text = string(apply.LabelDrift)
	}
	return text + ", set by " + setter(f.Manager, f.Since)
}

func labelText(label apply.Label, place *apply.SpecPlace) string {
	if place == nil || label == "" {
		return string(label)
	}
	return string(label) + ", " + placeText(*place)
}

func placeText(p apply.SpecPlace) string {
	s := fmt.Sprintf("%s:%d", p.File, p.Line)
	if p.Path != "" {
		s += " " + p.Path
	}
	return s
}

// setter names a field manager and when it wrote last, for documents that are
// read later.
func setter(manager string, since time.Time) string {
	s := fmt.Sprintf("%q", manager)
	if !since.IsZero() {
		s += since.UTC().Format(" 2006-01-02 15:04 MST")
	}
	return s
}

// conflictText says what a conflict is about and what becomes of it.
func conflictText(c apply.Conflict) string {
	if c.Foreign() {
		return "exists and belongs to " + c.Manager
	}
	by := setter(c.Manager, c.Since)
	switch c.Resolution {
	case apply.ResolutionTaken:
		return fmt.Sprintf("%s: %s → %s, taken over from %s", c.Path, Value(c.Live), Value(c.Want), by)
	case apply.ResolutionYielded:
		return fmt.Sprintf("%s: %s, where the stack says %s, left to %s", c.Path, Value(c.Live), Value(c.Want), by)
	}
	return fmt.Sprintf("%s: set to %s by %s, the stack says %s", c.Path, Value(c.Live), by, Value(c.Want))
}

// edits are the lines of an object before and after; nil when nobody knows
// them, or only what is kept about it changes.
func (s subject) edits() []edit {
	before, after := s.Objects()
	edits := lineEdits(objectLines(before), objectLines(after))
	if !slices.ContainsFunc(edits, func(e edit) bool { return e.op != ' ' }) {
		return nil
	}
	return edits
}

// size counts the lines that come and go.
func size(edits []edit) (added, removed int) {
	for _, e := range edits {
		switch e.op {
		case '+':
			added++
		case '-':
			removed++
		}
	}
	return added, removed
}

// objectLines are the lines of an object as YAML, clean.
func objectLines(o map[string]any) []string {
	if o == nil {
		return nil
	}
	text, err := yaml.Marshal(o)
	if err != nil {
		text = fmt.Appendf(nil, "# cannot be shown: %v\n", err)
	}
	return splitLines(CleanLines(string(text)))
}
