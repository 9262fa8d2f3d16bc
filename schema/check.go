package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

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
	// apps are the names of the apps of the stack.
	apps []string
	// trial says that only the number of errors counts.
	trial bool
	// hide says that values may be secret.
	hide bool
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
		c.fail(n, path, "null has nothing to remove here", s.insteadOfNull())
		return
	}
	if len(s.short) > 0 {
		c.expand(n, s, path)
	}
	s = s.whole()
	switch {
	case n.bad && n.kind != mapKind: // a short form that was reported
	case s.isTree() && (n.kind == mapKind || n.kind == listKind):
		c.tree(n, s, path)
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
	before := len(c.errs)
	for _, name := range slices.Clone(n.names) {
		if n.short && len(c.errs) > before {
			return // the parts of one text are one mistake
		}
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
			all := c.unknown(child, n, s, at)
			if len(all) == 0 && s.fields["apps"] == nil && s.fields["workdir"] == nil {
				n.bad = true // a part of which something is not understood
			}
			for _, meant := range all {
				// It was written, only misspelt: say nothing more about it.
				if n.fields[meant] == nil {
					n.set(meant, &node{pos: child.pos, key: child.key, bad: true})
				}
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

// tree examines a value that Kubernetes alone understands: null, which removes
// a field there, is as good as anything.
func (c *checker) tree(n *node, s *shape, path []string) {
	for _, name := range n.names {
		c.tree(n.fields[name], s, append(path[:len(path):len(path)], name))
	}
	for i, item := range n.items {
		c.tree(item, s, append(path[:len(path):len(path)], "["+strconv.Itoa(i)+"]"))
	}
	switch {
	case !n.plain || n.kind == nullKind || !ambiguous(n.text):
	case c.hide:
		n.bad = true
		c.errs = append(c.errs, Error{Pos: n.at(), Path: join(path...), Msg: "is read as different values by different parsers", Hint: "put it in quotes", Hidden: true})
	default:
		c.fail(n, path, shown(n.text)+" is read as different values by different parsers", eitherNumberOrText(n.text))
	}
}

// unknown reports a key of parent that the language does not have. It returns
// the fields that were probably meant.
func (c *checker) unknown(n, parent *node, s *shape, path []string) (meant []string) {
	name := path[len(path)-1]
	e := Error{Pos: n.key, Path: join(path...), Msg: "unknown field"}
	if e.Hint, meant = s.foreign(name, n, parent); e.Hint == "" {
		e.Hint, meant = s.misspelt(name)
	}
	c.errs = append(c.errs, e)
	for i, name := range meant {
		if as := s.fields[name].as; len(as) > 0 {
			meant[i] = as[0]
		}
	}
	return meant
}

// exclusive reports fields that were written beside one they exclude.
func (c *checker) exclusive(n *node, group []string, path []string) {
	var first string
	for _, name := range n.names {
		if !slices.Contains(group, name) || n.fields[name].isNothing() || n.fields[name].bad {
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
			list := listOf(value)
			list.alias = name
			n.set(as[0], list)
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
	value.alias = name
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
			c.errs = append(c.errs, Error{
				Pos: child.key, Path: join(at...), Msg: "the name " + quote(name) + " does not fit: want " + s.key.want,
				Hint: c.insteadOfKey(s.key, name, child, path),
			})
			child.bad = true
			continue
		}
		c.check(child, s.elem, under.get(name), at)
	}
}

// fits reports whether a text satisfies a constraint.
func (c *checker) fits(s *shape, text string) bool {
	return c.satisfies(s, &node{kind: textKind, text: text})
}

// satisfies reports whether a scalar satisfies a constraint. What was asked
// before is remembered: CUE takes its time, and the values of a stack repeat.
func (c *checker) satisfies(s *shape, n *node) bool {
	question := question{s.value, n.kind, n.text}
	if fits, ok := answers.get(question); ok {
		return fits
	}
	fits := s.value.Unify(c.encode(n)).Err() == nil
	answers.put(question, fits)
	return fits
}

// question is a constraint and a scalar.
type question struct {
	value cue.Value
	kind  kind
	text  string
}

// answered remembers the answers to questions of a moderate size and number.
type answered struct {
	mu sync.Mutex
	of map[question]bool
}

var answers answered

func (a *answered) get(q question) (fits, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fits, ok = a.of[q]
	return fits, ok
}

func (a *answered) put(q question, fits bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of == nil || len(a.of) >= 10_000 {
		a.of = make(map[question]bool)
	}
	if len(q.text) <= 100 {
		a.of[q] = fits
	}
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
	if !s.free && !c.satisfies(s, n) {
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
	hint := c.insteadOfAmbiguous(n, s)
	if hint == "" { // no spelling of it is right
		c.wrongType(n, s, path)
		return
	}
	c.fail(n, path, shown(n.text)+" is read as different values by different parsers", hint)
}

// wrongType reports a value of a type the field does not take.
func (c *checker) wrongType(n *node, s *shape, path []string) {
	c.fail(n, path, fmt.Sprintf("want %s, got %s", s.wants(), n.describe()), c.insteadOfType(n, s, path))
}

// wrongValue reports a value that breaks its constraint.
func (c *checker) wrongValue(n *node, s *shape, path []string) {
	c.fail(n, path, fmt.Sprintf("want %s, got %s", s.wants(), n.describe()), c.insteadOfValue(n, s, path))
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

// excused reports whether n has what makes a required field needless, or
// something that may have been meant to be it.
func (n *node) excused(unless []string) bool {
	if len(unless) == 0 {
		return false
	}
	first := n.get(unless[0])
	return n.get(unless...) != nil || first != nil && first.bad
}

// missing reports required fields that no layer has. n is a merged
// description, so a fragment needs not be whole.
func missing(n *node, s *shape, path []string) []Error {
	if n == nil || n.bad || s.isTree() {
		return nil
	}
	s = s.whole()
	var errs []Error
	if n.kind == mapKind {
		for _, name := range s.required {
			if unless := s.fields[name].unless; n.fields[name] == nil && !n.excused(unless) {
				n.set(name, &node{bad: true}) // its rules would only repeat that
				errs = append(errs, Error{
					Pos: n.at(), Path: join(path...), Msg: name + " is missing",
					Hint: s.fields[name].toAdd(name),
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
