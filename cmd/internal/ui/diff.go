package ui

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"stackctl.dev/stackctl/apply"
)

// Diff is a plan and where it would be carried out.
type Diff struct {
	Plan *apply.Plan
	// Context is the kubeconfig context the plan was made in.
	Context string
	// File is the description that the plan was made from, if there is one.
	File string
	// Conflicts is what the ways out of conflicts are told with; without a
	// command they are left out.
	Conflicts ErrorContext
	// Drift is the revision that the cluster is compared with, 0 when the plan
	// is one to carry out.
	Drift int
	// Only says what the plan was cut down to, "drift" or "intent".
	Only string
	// Sides are set where two descriptions are compared, and no cluster.
	Sides *Sides
}

// diffFormats holds every format of a diff. To add one, write its function in
// diff_<name>.go, add it here, and let STACKCTL_UPDATE=1 go test put what it
// prints into testdata/ui. A function gets all diffs of a run, since what it
// writes may be one document.
var diffFormats = map[string]func(io.Writer, []Diff, Options) error{
	"github":       diffGitHub,
	"gitlab":       diffGitLab,
	"html":         diffHTML,
	"json":         each("", diffJSON),
	"junit":        diffJUnit,
	"markdown":     diffMarkdown,
	"patch":        each("\n", diffPatch),
	"side-by-side": each("\n", diffSideBySide),
	"text":         each("\n", diffText),
}

// DiffFormats returns the names of the formats of a diff, sorted.
func DiffFormats() []string { return slices.Sorted(maps.Keys(diffFormats)) }

// WriteDiff writes all that a plan would change, in a format of [DiffFormats].
func WriteDiff(w io.Writer, format string, d Diff, o Options) error {
	return WriteDiffs(w, format, []Diff{d}, o)
}

// WriteDiffs writes all that several plans would change, in their order.
func WriteDiffs(w io.Writer, format string, all []Diff, o Options) error {
	write, ok := diffFormats[format]
	if !ok {
		return fmt.Errorf("no diff format %q: there are %s", format, strings.Join(DiffFormats(), ", "))
	}
	return write(w, all, o)
}

// each makes a format of several diffs of one that knows a single one. What
// between holds is written between them.
func each(between string, write func(io.Writer, Diff, Options) error) func(io.Writer, []Diff, Options) error {
	return func(w io.Writer, all []Diff, o Options) error {
		for i, d := range all {
			if i > 0 && between != "" {
				if _, err := io.WriteString(w, between); err != nil {
					return err
				}
			}
			if err := write(w, d, o); err != nil {
				return err
			}
		}
		return nil
	}
}
