package ui

import (
	"io"

	"stackctl.dev/stackctl/apply"
)

// Comparison is how two environments of a stack differ, by the objects they
// come to.
type Comparison struct {
	Stack string `json:"stack"`
	From  Side   `json:"from"`
	To    Side   `json:"to"`
	// Shown is the namespace that the objects have here, on both sides.
	Shown   string         `json:"-"`
	Changes []apply.Change `json:"changes"` // what makes From into To
}

// Side is one of the two.
type Side struct {
	Environment string `json:"environment"` // "" is the file without one
	Namespace   string `json:"namespace"`   // "" when the file names none
}

// Title names the environment.
func (s Side) Title() string {
	if s.Environment == "" {
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

// Empty reports whether both come to the same objects in the same namespace.
func (c *Comparison) Empty() bool {
	alike, changed, only, missing := c.counts()
	return c.From.Namespace == c.To.Namespace && changed+only+missing == 0 && alike == len(c.Changes)
}

// counts returns how many objects are alike, differ, and are on one side only.
func (c *Comparison) counts() (alike, differ, onlyTo, onlyFrom int) {
	for _, change := range c.Changes {
		switch change.Action {
		case apply.ActionUnchanged:
			alike++
		case apply.ActionUpdate:
			differ++
		case apply.ActionCreate:
			onlyTo++
		case apply.ActionDelete:
			onlyFrom++
		}
	}
	return alike, differ, onlyTo, onlyFrom
}

// WriteComparison writes a comparison as text or json.
func WriteComparison(w io.Writer, format string, c Comparison, o Options) error {
	if c.Changes == nil {
		c.Changes = []apply.Change{}
	}
	if format == "json" {
		return WriteJSON(w, struct {
			Comparison
			Empty bool `json:"empty"`
		}{c, c.Empty()})
	}
	t := planText{Printer: NewPrinter(w, o), plan: &apply.Plan{Stack: apply.Stack{Name: c.Stack, Namespace: c.Shown}}, full: true}
	t.comparison(c)
	return t.Err()
}

func (t *planText) comparison(c Comparison) {
	t.printf("stack %s: %s → %s\n", styled{bold, c.Stack}, styled{bold, c.From.Title()}, styled{bold, c.To.Title()})
	if c.From.Namespace != c.To.Namespace {
		t.printf("  %s namespace: %s → %s, of all objects\n", styled{yellow, "~"}, c.From.place(), c.To.place())
	}
	alike, differ, onlyTo, onlyFrom := c.counts()
	if differ+onlyTo+onlyFrom == 0 {
		t.printf("No differences: %s alike.\n", plural(alike, "object"))
		return
	}
	t.printf("\n")
	for _, change := range c.Changes {
		t.change(change)
	}
	t.printf("\n%d differ, %d only in %s, %d only in %s, %d alike\n", differ, onlyFrom, c.From.Title(), onlyTo, c.To.Title(), alike)
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
