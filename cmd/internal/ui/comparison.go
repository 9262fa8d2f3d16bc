package ui

import "io"

// Sides are the two descriptions that a plan leads from and to, where it is not
// a cluster that is compared. The objects of the plan are all in the namespace
// of To.
type Sides struct {
	From Side `json:"from"`
	To   Side `json:"to"`
}

// Side is one of the two.
type Side struct {
	Source      string `json:"source,omitempty"` // such as git:main, "" where both are one file
	Commit      string `json:"commit,omitempty"` // of a source that is a revision
	Environment string `json:"environment"`      // "" is the file without one
	Namespace   string `json:"namespace"`        // "" when nobody names one
}

// Title names the side by what it is told from the other by.
func (s Side) Title() string {
	switch {
	case s.Commit != "":
		return s.Source + " (" + s.Commit[:min(10, len(s.Commit))] + ")"
	case s.Source != "":
		return s.Source
	case s.Environment == "":
		return "base"
	}
	return s.Environment
}

func (s Side) place() string {
	if s.Namespace == "" {
		return "that of the context"
	}
	return s.Namespace
}

// title names both sides, and the environment that is the same in them.
func (s Sides) title() string {
	text := s.From.Title() + " → " + s.To.Title()
	if s.From.Environment == s.To.Environment && s.To.Environment != "" {
		text += ", environment " + s.To.Environment
	}
	return text
}

// moved reports whether all objects go to another namespace.
func (s *Sides) moved() bool { return s != nil && s.From.Namespace != s.To.Namespace }

// Empty reports whether there is nothing to show.
func (d Diff) Empty() bool { return d.Plan.Empty() && !d.Sides.moved() }

// sides writes what turns one description into another.
func (t *planText) sides(s Sides) {
	t.printf("stack %s", styled{bold, t.plan.Stack.Name})
	if s.From.Environment == s.To.Environment && s.To.Environment != "" {
		t.printf(", environment %s", styled{bold, s.To.Environment})
	}
	t.printf(": %s → %s\n", styled{bold, s.From.Title()}, styled{bold, s.To.Title()})
	if s.moved() {
		t.printf("  %s namespace: %s → %s, of all objects\n", styled{yellow, "~"}, s.From.place(), s.To.place())
	}
	if t.plan.Empty() {
		t.printf("No differences: %s alike.\n", plural(t.plan.Counts().Unchanged, "object"))
		return
	}
	t.compared(s.From.Title(), s.To.Title())
}

// compared writes the changes that lead from one to another, and their number.
func (t *planText) compared(from, to string) {
	t.printf("\n")
	for _, change := range t.plan.Changes {
		t.change(change)
	}
	n := t.plan.Counts()
	t.printf("\n%d differ, %d only in %s, %d only in %s, %d alike\n", n.Updated, n.Deleted, from, n.Created, to, n.Unchanged)
}

// EnvironmentRow is what the list of environments says about one.
type EnvironmentRow struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"` // "" when the file names none
	Apps      int    `json:"apps"`
	Objects   int    `json:"objects"`
}

// WriteEnvironments writes the environments of a file as text or json.
func WriteEnvironments(w io.Writer, format string, rows []EnvironmentRow, o Options) error {
	if format == "json" {
		return WriteJSON(w, rows)
	}
	p := NewPrinter(w, o)
	var t table
	t.row(styled{bold, "ENVIRONMENT"}, styled{bold, "NAMESPACE"}, styled{bold, "APPS"}, styled{bold, "OBJECTS"})
	for _, r := range rows {
		namespace := r.Namespace
		if namespace == "" {
			namespace = "-"
		}
		t.row(r.Name, namespace, r.Apps, r.Objects)
	}
	t.write(p)
	return p.Err()
}
