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
	// Conflicts is what the ways out of conflicts are told with; without a
	// command they are left out.
	Conflicts ErrorContext
	// Drift is the revision that the cluster is compared with, 0 when the plan
	// is one to carry out.
	Drift int
	// Only says what the plan was cut down to, "drift" or "intent".
	Only string
}

// diffFormats holds every format of a diff. To add one, write its function in
// diff_<name>.go, add it here, and put what it prints into testdata/ui.
var diffFormats = map[string]func(io.Writer, Diff, Options) error{
	"json": diffJSON,
	"text": diffText,
}

// DiffFormats returns the names of the formats of a diff, sorted.
func DiffFormats() []string { return slices.Sorted(maps.Keys(diffFormats)) }

// WriteDiff writes all that a plan would change, in a format of [DiffFormats].
func WriteDiff(w io.Writer, format string, d Diff, o Options) error {
	write, ok := diffFormats[format]
	if !ok {
		return fmt.Errorf("no diff format %q: there are %s", format, strings.Join(DiffFormats(), ", "))
	}
	return write(w, d, o)
}
