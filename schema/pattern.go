package schema

import (
	"reflect"
	"strconv"
	"strings"
)

// Pattern is a place in the objects of an app, as @emits writes it: the kind of
// an object, or a word that stands for several, and a path in it.
type Pattern struct {
	Kind string
	// Where says which object of that kind is meant; nil means each.
	Where *Step
	Steps []Step
}

// Step is one step of a path: a field, or the item of a list.
type Step struct {
	// Field is the name of a field, in which * stands for any letters; ** is any
	// number of steps. "" is an item of a list.
	Field string
	// Index is that of the item, -1 where Is or Like say which one is meant, or
	// any is.
	Index int
	// Is is what the item has at the path By, or begins with if By ends with ~.
	By, Is string
	// Like is what the item has all of.
	Like any
}

// parsePattern reads an argument of @emits. One that begins with a dot or a
// bracket is a path that goes on from around.
func parsePattern(text string) Pattern {
	var p Pattern
	if !strings.HasPrefix(text, ".") && !strings.HasPrefix(text, "[") {
		p.Kind, text, _ = strings.Cut(text, " ")
		if i := strings.IndexByte(p.Kind, '['); i >= 0 {
			where := parseSteps(p.Kind[i:])[0]
			p.Kind, p.Where = p.Kind[:i], &where
		}
	}
	p.Steps = parseSteps(text)
	return p
}

func parseSteps(text string) []Step {
	var steps []Step
	for text != "" {
		switch {
		case text[0] == '.':
			text = text[1:]
		case text[0] == '[':
			inside, rest, _ := strings.Cut(text[1:], "]")
			steps = append(steps, parseItem(inside))
			text = rest
		default:
			end := strings.IndexAny(text, ".[")
			if end < 0 {
				end = len(text)
			}
			steps = append(steps, Step{Field: text[:end]})
			text = text[end:]
		}
	}
	return steps
}

// parseItem reads what stands in brackets.
func parseItem(text string) Step {
	by, is, found := strings.Cut(text, "=")
	switch {
	case text == "", text == "#", text == "~":
		return Step{Index: -1, By: text}
	case found:
		return Step{Index: -1, By: by, Is: is}
	}
	return Step{Field: text}
}

// String returns the pattern as @emits writes it.
func (p Pattern) String() string {
	text := p.Kind
	if p.Where != nil {
		text += p.Where.String()
	}
	var steps strings.Builder
	for _, step := range p.Steps {
		part := step.String()
		if steps.Len() > 0 && !strings.HasPrefix(part, "[") {
			steps.WriteByte('.')
		}
		steps.WriteString(part)
	}
	if steps.Len() == 0 {
		return text
	}
	return strings.TrimSpace(text + " " + steps.String())
}

func (s Step) String() string {
	switch {
	case strings.ContainsAny(s.Field, "./"):
		return "[" + s.Field + "]"
	case s.Field != "":
		return s.Field
	case s.Is != "":
		return "[" + s.By + "=" + s.Is + "]"
	case s.Index >= 0:
		return "[" + strconv.Itoa(s.Index) + "]"
	}
	return "[]"
}

// Match reports whether a place, given by the fields and indexes that lead to
// it, is at or below the pattern, and how many of its steps the pattern has.
// The object is what the path leads through.
func (p Pattern) Match(object map[string]any, place []any) (steps int, ok bool) {
	if p.Where != nil && !p.Where.takes(object) {
		return 0, false
	}
	return match(p.Steps, object, place)
}

func match(steps []Step, value any, place []any) (n int, ok bool) {
	if len(steps) == 0 {
		return 0, true
	}
	if steps[0].Field == "**" {
		for i := range place {
			if n, ok := match(steps[1:], value, place[i:]); ok {
				return i + n, true
			}
			if value = below(value, place[i]); value == nil {
				break
			}
		}
		return 0, false
	}
	if len(place) == 0 {
		return 0, false
	}
	var next any
	switch at := place[0].(type) {
	case string:
		if !steps[0].names(at) {
			return 0, false
		}
		next = below(value, at)
	case int:
		if steps[0].Field != "" || steps[0].Index >= 0 && steps[0].Index != at {
			return 0, false
		}
		if next = below(value, at); !steps[0].takes(next) {
			return 0, false
		}
	}
	n, ok = match(steps[1:], next, place[1:])
	return n + 1, ok
}

// names reports whether a step means a field.
func (s Step) names(field string) bool {
	if s.Field == field {
		return true
	}
	before, after, glob := strings.Cut(s.Field, "*")
	return glob && len(field) >= len(before)+len(after) && strings.HasPrefix(field, before) && strings.HasSuffix(field, after)
}

// takes reports whether a step means an item.
func (s Step) takes(item any) bool {
	if s.Like != nil {
		return hasAll(item, s.Like)
	}
	if s.Is == "" {
		return true
	}
	by, begins := strings.CutSuffix(s.By, "~")
	for _, name := range strings.Split(by, ".") {
		item = below(item, name)
	}
	text, ok := item.(string)
	if number, isNumber := item.(int64); isNumber {
		text, ok = strconv.FormatInt(number, 10), true
	}
	return ok && (text == s.Is || begins && strings.HasPrefix(text, s.Is))
}

// below returns what a value has under a field or an index, nil for nothing.
func below(value any, at any) any {
	switch at := at.(type) {
	case string:
		fields, _ := value.(map[string]any)
		return fields[at]
	case int:
		if items, ok := value.([]any); ok && at < len(items) {
			return items[at]
		}
	}
	return nil
}

// hasAll reports whether a value has all that another one has.
func hasAll(value, other any) bool {
	switch other := other.(type) {
	case map[string]any:
		for name, part := range other {
			if !hasAll(below(value, name), part) {
				return false
			}
		}
		return true
	case []any:
		items, _ := value.([]any)
		if len(items) != len(other) {
			return false
		}
		for i := range other {
			if !hasAll(items[i], other[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(value, other)
}
