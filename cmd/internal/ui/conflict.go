package ui

import (
	"fmt"
	"slices"
	"strings"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/schema"
)

// Quote writes a word of a command line, in single quotes if a shell would read
// it otherwise.
func Quote(word string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@,+%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !safe(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// fields writes the fields of an update, each with the conflict about it, then
// the conflicts that are about no field of the update.
func (t *planText) fields(c apply.Change) {
	said, width := make([]bool, len(c.Conflicts)), t.widest(c.Fields)
	for _, f := range c.Fields {
		about := false
		for i, one := range c.Conflicts {
			if one.Path == f.Path || !one.Foreign() && below(f.Path, one.Path) {
				if !said[i] {
					t.conflict(one)
				}
				said[i], about = true, true
			}
		}
		if !about {
			if c.Adopted != "" {
				f.Manager = "" // no drift: they are whom it is taken over from
			}
			t.field(f, width)
		}
	}
	for i, one := range c.Conflicts {
		if !said[i] {
			t.conflict(one)
		}
	}
}

// below reports whether a path leads to something in what another leads to.
func below(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// conflict writes one conflict and what becomes of it.
func (t *planText) conflict(c apply.Conflict) {
	setter := t.setter(c.Manager, c.Since)
	switch {
	case c.Foreign():
		t.printf("    %s\n", styled{red, "! exists and belongs to " + c.Manager})
		return
	case c.Resolution == apply.ResolutionTaken:
		t.printf("    %s %s: %s → %s  %s\n", styled{yellow, "!"}, c.Path, t.value(c.Live), t.value(c.Want), styled{yellow, "taken over from " + setter})
		return
	case c.Resolution == apply.ResolutionYielded:
		t.printf("    = %s: %s, where the stack says %s  %s\n", c.Path, t.value(c.Live), t.value(c.Want), styled{yellow, "left to " + setter})
		return
	}
	what := "conflict: set by "
	if t.drift > 0 {
		what = "set by "
	}
	t.printf("    %s %s: %s → %s  %s\n", styled{red, "!"}, c.Path, t.value(c.Live), t.value(c.Want), styled{red, what + setter})
	if t.conflicts.Command != "" {
		t.written(t.conflicts, c, "        ")
	}
}

// conflictHelp says what a run would do about the conflicts, and the ways out.
func (t *planText) conflictHelp() {
	refused := t.plan.Refused()
	if len(refused) == 0 {
		return
	}
	t.printf("%s: the run stops before its first write\n", styled{red, plural(len(refused), "conflict")})
	if t.conflicts.Command != "" { // else the run is about to say it as an error, with the ways out
		for _, hint := range conflictHints(refused, t.conflicts) {
			t.hint(hint)
		}
	}
}

// conflicts writes the conflicts that stopped a run, each with the user's line
// that it is about.
func (t errorText) conflicts(e *apply.ConflictError) {
	t.printf("%s others own what the stack wants to set; nothing was written\n", t.label())
	for _, c := range e.Conflicts {
		if c.Foreign() {
			t.printf("  %s: exists and belongs to %s\n", c.Object, c.Manager)
			continue
		}
		t.printf("  %s: %s: set to %s by %s, the stack says %s\n",
			c.Object, c.Path, Value(c.Live), t.setter(c.Manager, c.Since), Value(c.Want))
		if pos, ok := t.written(t.c, c, "    "); ok && c.Object.Kind != "Secret" { // a line may hold all of it
			t.snippet(pos)
		}
	}
	for _, hint := range conflictHints(e.Conflicts, t.c) {
		t.hint(hint)
	}
}

// written writes where in the user's file the field of a conflict comes from.
func (p *Printer) written(where ErrorContext, c apply.Conflict, indent string) (schema.Pos, bool) {
	if where.Origin == nil {
		return schema.Pos{}, false
	}
	pos, path := where.Origin(c.Object, c.Path)
	if !pos.IsValid() {
		return pos, false
	}
	p.printf("%s%s\n", raw(indent), styled{bold, Place(pos) + ": " + path})
	return pos, true
}

// scaler is the manager of a number of replicas that an autoscaler has set.
const scaler = "kube-controller-manager (scale)"

// conflictHints are the ways out of conflicts, as commands to copy.
func conflictHints(conflicts []apply.Conflict, where ErrorContext) (hints []string) {
	var fields, unowned, owned []apply.Conflict
	for _, c := range conflicts {
		_, stack := strings.CutPrefix(c.Manager, "stack ")
		switch {
		case !c.Foreign():
			fields = append(fields, c)
		case stack:
			owned = append(owned, c)
		default:
			unowned = append(unowned, c)
		}
	}
	if len(fields) > 0 {
		hints = append(hints, fieldHints(fields, where)...)
	}
	if len(unowned) > 0 {
		hints = append(hints, fmt.Sprintf("to make what nobody's stack is this stack's: `%s%s`; what its makers set and the stack does not is removed then: a diff with the flag shows it", where.Command, adopt(unowned)))
	}
	for len(owned) > 0 {
		manager := owned[0].Manager
		ofThis := func(c apply.Conflict) bool { return c.Manager == manager }
		old := strings.TrimPrefix(manager, "stack ")
		namespace, name, _ := strings.Cut(old, "/")
		all := adopt(slices.DeleteFunc(slices.Clone(owned), func(c apply.Conflict) bool { return !ofThis(c) }))
		hints = append(hints, fmt.Sprintf("if stack %s was renamed to this one: `%s%s`, then `stackctl delete %s -n %s`; else give the app another name",
			old, where.Command, all, Quote(name), Quote(namespace)))
		owned = slices.DeleteFunc(owned, ofThis)
	}
	return hints
}

func fieldHints(fields []apply.Conflict, where ErrorContext) (hints []string) {
	it, value := "it", "value"
	if len(fields) > 1 {
		it, value = "them", "values"
	}
	take := patterns(" --take ", fields)
	if len(fields) > 4 {
		take = " --force-conflicts"
	}
	hints = append(hints,
		fmt.Sprintf("to set the stack's %s: `%s%s`", value, where.Command, take),
		fmt.Sprintf("to leave %s to others in this run: `%s%s`", it, where.Command, patterns(" --yield ", fields)),
		fmt.Sprintf("to keep their %s for good: %s", value, intoTheFile(fields, where)))
	if slices.ContainsFunc(fields, func(c apply.Conflict) bool { return c.Manager == scaler }) {
		hints = append(hints, "kube-controller-manager (scale) is an autoscaler: it goes on deciding as long as there is one; `kubectl get hpa` lists them, and autoscale in the file leaves the replicas to it")
	}
	return hints
}

// intoTheFile says where in the file their values would have to be.
func intoTheFile(fields []apply.Conflict, where ErrorContext) string {
	const general = "put %s into the stack's file, or leave the field out of it"
	if len(fields) > 1 || where.Origin == nil {
		return fmt.Sprintf(general, "them")
	}
	pos, path := where.Origin(fields[0].Object, fields[0].Path)
	theirs := Value(fields[0].Live)
	if strings.Contains(theirs, "***") || len(theirs) > 60 {
		theirs = "it"
	}
	if !pos.IsValid() || strings.Count(path, ".") < 2 {
		return fmt.Sprintf(general, theirs)
	}
	return fmt.Sprintf("put %s into %s (%s)", theirs, path, Place(pos))
}

// patterns writes a flag for each field, each field once.
func patterns(flag string, fields []apply.Conflict) string {
	var all []string
	for _, c := range fields {
		one := flag + Quote(objectPattern(c)+":"+c.Path)
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return strings.Join(all, "")
}

func adopt(foreign []apply.Conflict) string {
	text := ""
	for _, c := range foreign {
		text += " --adopt " + Quote(objectPattern(c))
	}
	return text
}

func objectPattern(c apply.Conflict) string {
	return apply.ObjectPattern{Kind: c.Object.Kind, Name: c.Object.Name}.String()
}
