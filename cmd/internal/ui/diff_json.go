package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"

	"stackctl.dev/stackctl/apply"
)

// DiffAPIVersion is the version of the JSON of a diff, as docs/diff-json.md
// describes it. Within a version fields are added, and none goes or changes.
const DiffAPIVersion = "stackctl.dev/v1"

// diffDocument is a plan as it is, with its counts and whether it is empty, so
// that a reader need not know how to count.
type diffDocument struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	*apply.Plan
	Context string       `json:"context"`
	Counts  apply.Counts `json:"counts"`
	Empty   bool         `json:"empty"`
	Drift   int          `json:"driftFrom,omitempty"`
	Only    string       `json:"only,omitempty"`
	From    *Side        `json:"from,omitempty"`
	To      *Side        `json:"to,omitempty"`
}

func diffJSON(w io.Writer, d Diff, _ Options) error {
	document := diffDocument{
		APIVersion: DiffAPIVersion, Kind: "Diff", Plan: d.Plan, Context: d.Context,
		Counts: d.Plan.Counts(), Empty: d.Empty(), Drift: d.Drift, Only: d.Only,
	}
	if d.Sides != nil {
		document.From, document.To = &d.Sides.From, &d.Sides.To
	}
	return WriteJSON(w, document)
}

// WriteJSON writes v as indented JSON, with everything escaped that a terminal
// or a reader could take for something else. "<", ">" and "&" are not escaped,
// since nobody embeds this in HTML.
func WriteJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(cleanJSON(b.Bytes()))
	return err
}

// cleanJSON escapes what [Clean] does. Beyond line breaks, all of that is in
// strings only.
func cleanJSON(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("##["), []byte(`##\u005b`))
	deceiving := func(r rune) bool { return r != '\n' && deceives(r) }
	if bytes.IndexFunc(text, deceiving) < 0 {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch high, low := utf16.EncodeRune(r); {
		case !deceiving(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}
