package ui

import (
	"encoding/json"
	"io"

	"stackctl.dev/stackctl/apply"
)

// diffJSON writes the plan as it is, with its counts and whether it is empty,
// so that a reader need not know how to count.
func diffJSON(w io.Writer, d Diff, _ Options) error {
	return WriteJSON(w, struct {
		*apply.Plan
		Context string       `json:"context"`
		Counts  apply.Counts `json:"counts"`
		Empty   bool         `json:"empty"`
		Drift   int          `json:"driftFrom,omitempty"`
		Only    string       `json:"only,omitempty"`
	}{d.Plan, d.Context, d.Plan.Counts(), d.Plan.Empty(), d.Drift, d.Only})
}

// WriteJSON writes v as indented JSON. Control characters are escaped by the
// encoder; "<", ">" and "&" are not, since nobody embeds this in HTML.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
