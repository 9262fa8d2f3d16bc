package schema

import (
	"slices"
	"strings"
)

// emits returns what a field decides, for a reader: what @emits says, or else
// what it says about the field around. The words of @emits stay, for they are
// shorter than the five kinds of workloads.
func (v view) emits() []string {
	var out []string
	for _, p := range v.patterns() {
		if text := p.shown(); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// patterns are the places that a field decides; for a map, those of its entries
// as well.
func (v view) patterns() []Pattern {
	if len(v.path) == 0 || v.shape.name == "#App" {
		return nil // each field of it says what it decides
	}
	texts := v.shape.emits
	if entry, ok := v.child("[]"); ok && len(v.shape.whole().names) == 0 && entry.shape.name != "#App" {
		texts = slices.Concat(texts, entry.shape.emits)
	}
	if len(texts) == 0 {
		around := v.up().patterns()
		if v.up().shape.raw == "" && !v.isInRaw() {
			return around
		}
		for i := range around {
			around[i].Steps = append(slices.Clone(around[i].Steps), rawStep(v.path[len(v.path)-1]))
		}
		return around
	}
	var out []Pattern
	for _, text := range texts {
		p := parsePattern(text)
		if p.Kind != "" {
			out = append(out, p)
			continue
		}
		for _, around := range v.up().patterns() {
			around.Steps = slices.Concat(around.Steps, p.Steps)
			out = append(out, around)
		}
	}
	return out
}

// isInRaw reports whether a field is inside an object of Kubernetes.
func (v view) isInRaw() bool {
	for ; len(v.path) > 0; v = v.up() {
		if v.shape.raw != "" {
			return true
		}
	}
	return false
}

func rawStep(name string) Step {
	if name == "[]" {
		return Step{Index: -1}
	}
	return Step{Field: name}
}

// shown writes a pattern without what tells one item from another.
func (p Pattern) shown() string {
	p.Where = nil
	p.Steps = slices.Clone(p.Steps)
	for i := range p.Steps {
		p.Steps[i].By, p.Steps[i].Is = "", ""
	}
	text := strings.ReplaceAll(p.String(), "**.", "...")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "**[", "...["), "$file", "KEY")
	return text
}
