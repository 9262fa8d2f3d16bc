package apply

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Resolution is what a run does about a conflict.
type Resolution string

// The resolutions. A conflict without one stops the run before its first write.
const (
	ResolutionNone Resolution = ""
	// ResolutionTaken sets the stack's value; the other manager loses the field.
	ResolutionTaken Resolution = "taken"
	// ResolutionYielded leaves the field out of what this run sends.
	ResolutionYielded Resolution = "yielded"
)

// Conflict is one field (or a whole object, when Path is empty) that somebody
// else owns and the stack wants to set.
type Conflict struct {
	Object ObjectKey `json:"object"`
	// Path of the field; empty when the whole object belongs to somebody else.
	Path string `json:"path,omitempty"`
	// Manager is the field manager, or the stack ("stack shop/web"), that owns it.
	Manager string `json:"manager"`
	// Since is the time of the manager's last write; zero when unknown.
	Since time.Time `json:"since,omitzero"`
	// Live and Want are the values in the cluster and in the stack, masked.
	Live any `json:"live,omitempty"`
	Want any `json:"want,omitempty"`
	// Resolution is what the plan has consent to do about it.
	Resolution Resolution `json:"resolution,omitempty"`

	label Label  // whether the stack wants another value by now, or somebody set one
	field string // the path as the server names it
	place place  // of the field in what is sent; nil when it was not found there
}

// Foreign reports whether the whole object belongs to somebody else, which
// forcing fields does not change.
func (c Conflict) Foreign() bool { return c.Path == "" }

// Stops reports whether the run stops for want of consent.
func (c Conflict) Stops() bool { return c.Resolution == ResolutionNone }

// conflictManager finds the manager in a cause's text:
// conflict with "kubectl-edit" using apps/v1
// conflict with "kube-controller-manager" with subresource "scale" using apps/v1 at 2026-…
var conflictManager = onUse(`conflict with "([^"]*)"(?: with subresource "([^"]*)")?`)

// conflictsOf turns the server's refusal to apply an object into conflicts as
// data, with the values and times that its text does not tell.
func conflictsOf(sent *unstructured.Unstructured, err error, live *unstructured.Unstructured) []Conflict {
	key := keyOf(sent)
	var all []Conflict
	for _, cause := range status(err).Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		c := Conflict{Object: key, Path: strings.TrimPrefix(cause.Field, "."), field: strings.TrimPrefix(cause.Field, ".")}
		subresource := ""
		if m := conflictManager().FindStringSubmatch(cause.Message); m != nil {
			c.Manager, subresource = m[1], m[2]
		}
		for _, f := range live.GetManagedFields() {
			if f.Manager == c.Manager && f.Subresource == subresource && f.Time != nil && f.Time.After(c.Since) {
				c.Since = f.Time.Time
			}
		}
		if subresource != "" {
			c.Manager += " (" + subresource + ")"
		}
		c.fill(sent, live)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Conflict) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// fill finds the field and its values in the two objects.
func (c *Conflict) fill(sent, live *unstructured.Unstructured) {
	var ok bool
	if c.place, ok = placeOf(sent.Object, c.field); !ok {
		c.place = nil
	} else {
		path := c.place.in(sent.Object)
		c.Path, c.Want = path.String(), masked1(c.Object, path, c.place.at(sent.Object), maskedAfter)
	}
	if there, ok := placeOf(live.Object, c.field); ok {
		path := there.in(live.Object)
		c.Path, c.Live = path.String(), masked1(c.Object, path, there.at(live.Object), maskedBefore)
	}
}

// masked1 masks the value at a path as a diff does.
func masked1(key ObjectKey, path fieldPath, v any, text string) any {
	if path.envValue() {
		return maskWhole(v, text)
	}
	return mask(key, path, v, text)
}

// matches reports whether a pattern is about the conflict, in either way of
// naming its field.
func (c *Conflict) matches(p FieldPattern) bool {
	return !c.Foreign() && (p.Matches(c.Object, c.Path) || p.Matches(c.Object, c.field))
}

// resolve gives the conflicts of a change their resolutions.
func (p *planner) resolve(change *Change) {
	consent := &p.target.Consent
	for i := range change.Conflicts {
		c := &change.Conflicts[i]
		switch {
		case slices.ContainsFunc(consent.Yield, c.matches):
			c.Resolution = ResolutionYielded
		case consent.Force, slices.ContainsFunc(consent.Take, c.matches):
			c.Resolution = ResolutionTaken
			change.force = true
		}
	}
}

// yield leaves out of what is sent the fields that are left to others.
func (change *Change) yield() error {
	var places []place
	for _, c := range change.Conflicts {
		if c.Resolution != ResolutionYielded {
			continue
		}
		if c.place == nil {
			return fmt.Errorf("%s: %s cannot be left to %s: what the stack sends does not have it under that name; take it, or take it out of the stack", c.Object, c.Path, c.Manager)
		}
		places = append(places, c.place)
	}
	if len(places) > 0 {
		change.whole, change.send = change.send, without(change.send, places)
	}
	return nil
}

// noteUnused warns of consents that nothing in the plan asks for: most likely
// they were mistyped.
func (p *planner) noteUnused() {
	conflicts := p.plan.Conflicts()
	for _, of := range []struct {
		what     string
		patterns []FieldPattern
	}{{"taken over", p.target.Consent.Take}, {"left to others", p.target.Consent.Yield}} {
		for _, pattern := range of.patterns {
			if !slices.ContainsFunc(conflicts, func(c Conflict) bool { return c.matches(pattern) }) {
				p.plan.Notices = append(p.plan.Notices, fmt.Sprintf("no conflict is about %s, so that nothing is %s there", pattern, of.what))
			}
		}
	}
	for _, pattern := range p.target.Consent.Adopt {
		if !slices.ContainsFunc(p.plan.Changes, func(c Change) bool {
			foreign := slices.ContainsFunc(c.Conflicts, Conflict.Foreign)
			return pattern.Matches(c.Object) && (c.Adopted != "" || foreign)
		}) {
			p.plan.Notices = append(p.plan.Notices, fmt.Sprintf("nothing is adopted for %s: no such object of the stack belongs to anybody else", pattern))
		}
	}
}
