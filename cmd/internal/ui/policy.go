package ui

import (
	"fmt"
	"slices"

	"stackctl.dev/stackctl/schema"
)

// PolicyError is all that a stack does against a policy.
type PolicyError struct{ Hits []PolicyHit }

// PolicyHit is one rule that one object, change or plan does not keep.
type PolicyHit struct {
	Rule    string
	Message string     // the rule's own
	Policy  schema.Pos // where the policy says so
	// Subject is the object or the change; Field the path in it, "" when it is
	// meant as a whole; Reason what is wrong there, if that is more than that it
	// is denied.
	Subject, Field, Reason string
	// Spec is where the description decides it, SpecPath what is called so there.
	Spec     schema.Pos
	SpecPath string
	// Environment is the one in force, "" is none.
	Environment string
}

// Add adds hits. What several environments do alike is said once.
func (e *PolicyError) Add(hits []PolicyHit) {
	for _, hit := range hits {
		again := slices.IndexFunc(e.Hits, func(other PolicyHit) bool {
			other.Environment = hit.Environment
			return other == hit
		})
		switch {
		case again < 0:
			e.Hits = append(e.Hits, hit)
		case e.Hits[again].Environment != hit.Environment:
			e.Hits[again].Environment += ", " + hit.Environment
		}
	}
}

// Error returns all hits, one per line.
func (e *PolicyError) Error() string {
	text := ""
	for i, hit := range e.Hits {
		if i > 0 {
			text += "\n"
		}
		text += hit.asError().Error()
	}
	return text
}

// asError says where the description breaks the rule, and where the rule is.
func (h PolicyHit) asError() schema.Error {
	about := h.Subject
	if h.Field != "" {
		about += " " + h.Field
	}
	if h.Environment != "" {
		about = "in the environment " + h.Environment + ": " + about
	}
	if h.Reason != "" {
		about += " (" + h.Reason + ")"
	}
	return schema.Error{
		Pos: h.Spec, Path: h.SpecPath, Msg: fmt.Sprintf("%s breaks the rule %s: %s", about, h.Rule, h.Message),
		Hint: "the rule is at " + h.Policy.String(),
	}
}

func (t errorText) policy(e *PolicyError) {
	for _, hit := range e.Hits {
		t.positioned(hit.asError(), "")
	}
	t.printf("%s of the policy\n", styled{red, plural(len(e.Hits), "violation")})
}

// AddPolicy takes in what the files do against a policy.
func (d *Diagnosis) AddPolicy(hits []PolicyHit) {
	for _, hit := range hits {
		one := diagnostic(hit.asError(), SeverityError)
		one.Rule, one.Policy = hit.Rule, hit.Policy.String()
		d.Diagnostics = append(d.Diagnostics, one)
	}
	d.Summary.Errors += len(hits)
}
