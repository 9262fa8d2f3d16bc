package ui

import (
	"io"

	"stackctl.dev/stackctl/schema"
)

// Severity says how bad a diagnostic is.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Diagnostic is one thing to say about a line of a description. Its shape is
// part of the interface: editors read it.
type Diagnostic struct {
	File string `json:"file"` // as it was named, "-" for standard input
	// Line and Column count from 1, Column in bytes; neither is there when the
	// whole file is meant.
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Path     string   `json:"path,omitempty"` // such as apps.web.port
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
	// Rule is the one of a policy that is broken, and Policy where it is.
	Rule   string `json:"rule,omitempty"`
	Policy string `json:"policy,omitempty"`
}

// Diagnosis is the answer of a validation.
type Diagnosis struct {
	Valid       bool         `json:"valid"`
	Summary     Summary      `json:"summary"`
	Diagnostics []Diagnostic `json:"diagnostics"`
	Stacks      []StackFacts `json:"stacks"`
}

// Summary counts what a validation found.
type Summary struct {
	Files    int `json:"files"`
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
}

// StackFacts are what a valid description has in it.
type StackFacts struct {
	File         string   `json:"file"`
	Name         string   `json:"name"`
	Environment  string   `json:"environment,omitempty"` // the one that was asked for
	Apps         []string `json:"apps"`
	Environments []string `json:"environments"`
}

// Add takes in what was found in one file.
func (d *Diagnosis) Add(errs, warnings []schema.Error) {
	for _, one := range errs {
		d.Diagnostics = append(d.Diagnostics, diagnostic(one, SeverityError))
	}
	for _, one := range warnings {
		d.Diagnostics = append(d.Diagnostics, diagnostic(one, SeverityWarning))
	}
	d.Summary.Files++
	d.Summary.Errors += len(errs)
	d.Summary.Warnings += len(warnings)
}

func diagnostic(e schema.Error, severity Severity) Diagnostic {
	return Diagnostic{File: e.Pos.File, Line: e.Pos.Line, Column: e.Pos.Col, Path: e.Path, Severity: severity, Message: e.Msg, Hint: e.Hint}
}

// WriteDiagnosis writes a diagnosis as JSON; its lists are never null.
func WriteDiagnosis(w io.Writer, d Diagnosis) error {
	d.Valid = d.Summary.Errors == 0
	if d.Diagnostics == nil {
		d.Diagnostics = []Diagnostic{}
	}
	if d.Stacks == nil {
		d.Stacks = []StackFacts{}
	}
	return WriteJSON(w, d)
}
