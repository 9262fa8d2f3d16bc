package ui

import (
	"cmp"
	"slices"
	"strings"

	"stackctl.dev/stackctl/apply"
)

// level is how much a finding matters.
type level int

// The levels, the worst first.
const (
	levelError level = iota
	levelWarning
	levelNotice
)

// finding is one thing that a review tool shows at a line of the description.
// Its texts are as they came from the cluster.
type finding struct {
	level  level
	check  string // what kind of thing it is, such as update, conflict, impact-restart
	object apply.ObjectKey
	about  string           // the field, or "" for the object
	text   []string         // lines
	place  *apply.SpecPlace // nil when nobody knows
}

// findings are what is to be said of a plan line by line, the worst first.
func (d Diff) findings() []finding {
	var all []finding
	objects, _ := d.subjects()
	for _, s := range objects {
		all = append(all, d.conflicts(s)...)
		all = append(all, impacts(s)...)
		all = append(all, d.changes(s)...)
	}
	for _, text := range d.remarks() {
		all = append(all, finding{level: levelWarning, check: "warning", text: []string{text}})
	}
	slices.SortStableFunc(all, func(a, b finding) int { return cmp.Compare(a.level, b.level) })
	return all
}

func (d Diff) conflicts(s subject) (all []finding) {
	for _, c := range s.Conflicts {
		f := finding{level: levelWarning, check: "conflict", object: c.Object, about: c.Path, place: d.placeOf(s, c.Path)}
		f.text = []string{s.name + ": " + conflictText(c)}
		switch {
		case c.Resolution == apply.ResolutionYielded:
			f.level = levelNotice
		case c.Stops() && d.Drift == 0:
			f.level = levelError
		}
		all = append(all, f)
	}
	return all
}

// placeOf is where the description decides a field of an object.
func (d Diff) placeOf(s subject, path string) *apply.SpecPlace {
	for _, f := range s.Fields {
		if f.Path == path && f.Spec != nil {
			return f.Spec
		}
	}
	if d.Conflicts.Origin != nil {
		if pos, name := d.Conflicts.Origin(s.Object, path); pos.IsValid() {
			return &apply.SpecPlace{File: pos.File, Line: pos.Line, Column: pos.Col, Path: name}
		}
	}
	return s.Spec
}

func impacts(s subject) (all []finding) {
	for _, i := range s.Impacts {
		f := finding{level: levelWarning, check: "impact-" + string(i.Kind), object: s.Object, about: i.Field, place: s.Spec}
		f.text = []string{s.name + ": " + string(i.Kind) + ": " + i.Message}
		if i.Kind == apply.ImpactRestart {
			f.level = levelNotice
		}
		for _, field := range s.Fields {
			if field.Path == i.Field && field.Spec != nil {
				f.place = field.Spec
			}
		}
		all = append(all, f)
	}
	return all
}

// changes says what happens to an object: a finding for each place in the
// description that decides some of it, and one for what others changed.
func (d Diff) changes(s subject) []finding {
	var groups []finding
	add := func(level level, check, about string, place *apply.SpecPlace, line string) {
		same := func(f finding) bool {
			return f.level == level && f.check == check && (f.place == place || f.place != nil && place != nil && f.place.File == place.File && f.place.Line == place.Line)
		}
		i := slices.IndexFunc(groups, same)
		if i < 0 {
			head := s.name + ": " + strings.Join(append([]string{s.word}, s.notes...), "; ")
			groups = append(groups, finding{level: level, check: check, object: s.Object, about: about, place: place, text: []string{head}})
			i = len(groups) - 1
		}
		if line != "" {
			groups[i].text = append(groups[i].text, line)
		}
	}
	usual := levelNotice
	if d.Drift > 0 || s.word == "recreate" || s.word == "delete" || s.Unpreviewed != "" {
		usual = levelWarning
	}
	for _, f := range s.Fields {
		if slices.ContainsFunc(s.Conflicts, func(c apply.Conflict) bool { return c.Path == f.Path }) {
			continue // a finding of its own says it
		}
		line := fieldSign(f.Op) + " " + shorten(fieldText(f, Value), 500)
		whose := s.whose(f)
		if whose != "" {
			line += "  (" + whose + ")"
		}
		place := f.Spec
		if place == nil {
			place = s.Spec
		}
		if f.Label == apply.LabelDrift || f.Label == "" && whose != "" {
			add(levelWarning, "drift", f.Path, place, line)
		} else {
			add(usual, s.word, f.Path, place, line)
		}
	}
	if len(groups) == 0 && len(s.Conflicts) == 0 {
		add(usual, s.word, "", s.Spec, labelText(s.Label, s.Spec))
	}
	return groups
}
