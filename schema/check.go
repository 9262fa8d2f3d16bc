package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
)

// checker walks a description beside the shapes of stack.cue. It turns short
// forms into long ones, reports unknown keys, wrong types and values that
// break a constraint, and goes on after every error. Because it compares one
// value with one constraint at a time, a wrong value is one error.
type checker struct {
	errs []Error
	// environment says that null is legal everywhere, since it removes.
	environment bool
}

func (c *checker) fail(n *node, path []string, msg, hint string) {
	n.bad = true
	c.errs = append(c.errs, Error{Pos: n.at(), Path: join(path...), Msg: msg, Hint: hint})
}

// check examines n, which lies over under (nil: over nothing).
func (c *checker) check(n *node, s *shape, under *node, path []string) {
	if n.kind == nullKind {
		if c.environment || under != nil {
			return
		}
		hint := "remove the line; null is for environments and for apps that undo a default of the stack"
		if s.kind&cue.StringKind != 0 || s.short["string"] == "value" {
			hint = `for an empty text write ""; ` + hint
		}
		c.fail(n, path, "null has nothing to remove here", hint)
		return
	}
	if len(s.short) > 0 {
		c.expand(n, s, path)
	}
	switch {
	case n.bad && n.kind != mapKind: // a short form that was reported
	case s.kind == cue.StructKind && n.kind != mapKind:
		c.wrongType(n, s, path)
	case s.kind == cue.StructKind && s.fields != nil && len(s.names) > 0:
		c.fields(n, s, under, path)
	case s.kind == cue.StructKind:
		c.entries(n, s, under, path)
	case s.kind == cue.ListKind && n.kind != listKind:
		c.wrongType(n, s, path)
	case s.kind == cue.ListKind:
		for i, item := range n.items {
			c.check(item, s.elem, nil, append(path[:len(path):len(path)], "["+strconv.Itoa(i)+"]"))
		}
	case n.kind == mapKind || n.kind == listKind:
		c.wrongType(n, s, path)
	default:
		c.scalar(n, s, path)
	}
}

// fields examines a struct, whose keys are all known.
func (c *checker) fields(n *node, s *shape, under *node, path []string) {
	for _, name := range slices.Clone(n.names) {
		child := n.fields[name]
		field := s.fields[name]
		at := append(path[:len(path):len(path)], name)
		if n.short {
			at = path // the user did not write this name
		}
		switch {
		case strings.HasPrefix(name, "x-"):
			n.remove(name)
		case field == nil:
			n.remove(name)
			if meant := c.unknown(child, s, at); meant != "" && n.fields[meant] == nil {
				// It was written, only misspelt: say nothing more about it.
				n.set(meant, &node{pos: child.pos, key: child.key, bad: true})
			}
		default:
			beneath := under.get(name)
			if len(field.as) > 0 {
				beneath = under.get(field.as...)
			}
			c.check(child, field, beneath, at)
		}
	}
	for _, group := range s.oneof {
		c.exclusive(n, group, path)
	}
	for _, name := range slices.Clone(n.names) {
		if as := s.fields[name].as; len(as) > 0 {
			c.rename(n, s, name, as, path)
		}
	}
}

// unknown reports a key that the language does not have, or not yet. It
// returns the field that was probably meant.
func (c *checker) unknown(n *node, s *shape, path []string) (meant string) {
	name := path[len(path)-1]
	e := Error{Pos: n.key, Path: join(path...), Msg: "unknown field"}
	meant = nearest(name, slices.Concat(s.names, s.later))
	if other := synonyms[strings.ToLower(name)]; meant == "" && s.fields[other] != nil {
		meant = other
	}
	switch {
	case slices.Contains(s.later, name):
		e.Msg = "not supported yet"
		e.Hint = "this field is planned; remove it for now"
		meant = ""
	case meant != "":
		e.Hint = "did you mean " + quote(meant) + "?"
	default:
		e.Hint = "the fields here are " + strings.Join(slices.Sorted(maps.Keys(s.fields)), ", ") + "; keys that begin with x- are free"
	}
	c.errs = append(c.errs, e)
	if s.fields[meant] == nil || len(s.fields[meant].as) > 0 {
		return ""
	}
	return meant
}

// exclusive reports fields that were written beside one they exclude.
func (c *checker) exclusive(n *node, group []string, path []string) {
	var first string
	for _, name := range n.names {
		if !slices.Contains(group, name) || n.fields[name].isNothing() {
			continue
		}
		if first == "" {
			first = name
			continue
		}
		c.fail(n.fields[name], append(path[:len(path):len(path)], name), "cannot stand beside "+first, "keep one of "+either(group))
	}
}

// rename moves a field that is another spelling to where it belongs.
func (c *checker) rename(n *node, s *shape, name string, as, path []string) {
	value := n.fields[name]
	n.remove(name)
	target := s.fields[as[0]]
	if target.kind == cue.ListKind {
		if n.fields[as[0]] == nil {
			n.set(as[0], listOf(value))
		}
		return
	}
	parent := n.fields[as[0]]
	if parent == nil || parent.kind != mapKind {
		parent = &node{kind: mapKind, pos: value.pos, key: value.key, bad: parent != nil}
		n.set(as[0], parent)
	}
	if parent.fields[as[1]] != nil {
		c.fail(value, append(path[:len(path):len(path)], name), "is "+join(as...)+", which is written too", "keep one of the two")
		return
	}
	parent.set(as[1], value)
}

// listOf wraps the value of a singular field; null stays null.
func listOf(value *node) *node {
	if value.kind == nullKind {
		return value
	}
	return &node{kind: listKind, pos: value.pos, key: value.key, items: []*node{value}}
}

// entries examines a map with free keys.
func (c *checker) entries(n *node, s *shape, under *node, path []string) {
	for _, name := range n.names {
		child := n.fields[name]
		at := append(path[:len(path):len(path)], name)
		if s.key != nil && !c.fits(s.key, name) {
			e := Error{Pos: child.key, Path: join(at...), Msg: "the name " + quote(name) + " does not fit: want " + s.key.want}
			if fix := c.repaired(s.key, name); fix != "" {
				e.Hint = "did you mean " + quote(fix) + "?"
			}
			c.errs = append(c.errs, e)
			child.bad = true
		}
		c.check(child, s.elem, under.get(name), at)
	}
}

// fits reports whether a text satisfies a constraint.
func (c *checker) fits(s *shape, text string) bool {
	return s.value.Unify(language().context.Encode(text)).Err() == nil
}

// scalar examines one value.
func (c *checker) scalar(n *node, s *shape, path []string) {
	isText := s.kind&cue.StringKind != 0
	switch {
	case n.plain && ambiguous(n.text):
		c.ambiguous(n, s, path)
		return
	case n.kind == intKind && s.kind&cue.IntKind != 0,
		n.kind == floatKind && s.kind&cue.FloatKind != 0,
		n.kind == boolKind && s.kind&cue.BoolKind != 0,
		n.kind == textKind && isText:
	case isText && s.text:
		n.kind = textKind
	default:
		c.wrongType(n, s, path)
		return
	}
	if !s.free && s.value.Unify(c.encode(n)).Err() != nil {
		c.wrongValue(n, s, path)
	}
}

// encode makes a CUE value of a scalar.
func (c *checker) encode(n *node) cue.Value {
	ctx := language().context
	switch n.kind {
	case intKind:
		if i, err := strconv.ParseInt(n.text, 10, 64); err == nil {
			return ctx.Encode(i)
		}
		return ctx.CompileString(n.text)
	case floatKind:
		f, _ := strconv.ParseFloat(n.text, 64)
		return ctx.Encode(f)
	case boolKind:
		return ctx.Encode(n.text == "true")
	}
	return ctx.Encode(n.text)
}

// ambiguous reports a plain scalar that parsers read differently.
func (c *checker) ambiguous(n *node, s *shape, path []string) {
	hint := "put it in quotes: " + quote(n.text)
	switch value, ok := yesNo(n.text); {
	case ok && s.kind&cue.BoolKind != 0:
		hint = "write " + value
	case s.kind&cue.NumberKind != 0 && s.kind&cue.StringKind == 0:
		hint = "write a plain decimal number"
	}
	c.fail(n, path, shown(n.text)+" is read as different values by different parsers", hint)
}

// wrongType reports a value of a type the field does not take.
func (c *checker) wrongType(n *node, s *shape, path []string) {
	hint := ""
	switch value, yes := yesNo(n.text); {
	case n.kind == textKind && s.kind == cue.BoolKind && yes:
		hint = "write " + value
	case n.kind == textKind && (s.kind&cue.NumberKind != 0 || s.short["int"] != "") && decimal.MatchString(n.text):
		hint = "write it without quotes: " + n.text
	case n.kind == intKind && c.repaired(s, n.text) != "":
		hint = "did you mean " + quote(c.repaired(s, n.text)) + "?"
	case s.kind == cue.StringKind && n.kind != mapKind && n.kind != listKind:
		hint = "put it in quotes: " + quote(n.text)
	case s.kind == cue.ListKind && n.kind != mapKind:
		hint = "write a list: [" + strings.Join(strings.Fields(shown(n.text)), ", ") + "]"
	case n.kind == mapKind && s.kind == cue.ListKind:
		hint = "write a list: every item on a line that begins with -"
	}
	c.fail(n, path, fmt.Sprintf("want %s, got %s", s.wants(), n.describe()), hint)
}

// wrongValue reports a value that breaks its constraint.
func (c *checker) wrongValue(n *node, s *shape, path []string) {
	hint := ""
	if slices.Contains(s.later, n.text) {
		c.fail(n, path, shown(n.text)+" is not supported yet", "use "+either(s.enum)+" for now")
		return
	}
	if near := nearest(n.text, s.enum); near != "" {
		hint = "did you mean " + quote(near) + "?"
	} else if fix := c.repaired(s, n.text); fix != "" && n.kind != boolKind {
		hint = "did you mean " + quote(fix) + "?"
	}
	c.fail(n, path, fmt.Sprintf("want %s, got %s", s.wants(), n.describe()), hint)
}

// wants names what a field takes.
func (s *shape) wants() string {
	if s.want != "" {
		return s.want
	}
	var kinds []string
	for _, one := range []struct {
		kind cue.Kind
		name string
	}{
		{cue.StringKind, "text"},
		{cue.IntKind, "a whole number"},
		{cue.BoolKind, "true or false"},
		{cue.ListKind, "a list"},
		{cue.StructKind, "a map"},
	} {
		if s.kind&one.kind != 0 {
			kinds = append(kinds, one.name)
		}
	}
	return either(kinds)
}

// missing reports required fields that no layer has. n is a merged
// description, so a fragment needs not be whole.
func missing(n *node, s *shape, path []string) []Error {
	if n == nil || n.bad {
		return nil
	}
	var errs []Error
	if n.kind == mapKind {
		for _, name := range s.required {
			if n.fields[name] == nil {
				n.set(name, &node{bad: true}) // its rules would only repeat that
				errs = append(errs, Error{
					Pos: n.at(), Path: join(path...), Msg: name + " is missing",
					Hint: "want " + s.fields[name].wants(),
				})
			}
		}
		for _, name := range n.names {
			if child := s.child(name); child != nil {
				errs = append(errs, missing(n.fields[name], child, append(path[:len(path):len(path)], name))...)
			}
		}
	}
	for i, item := range n.items {
		errs = append(errs, missing(item, s.elem, append(path[:len(path):len(path)], "["+strconv.Itoa(i)+"]"))...)
	}
	return errs
}
