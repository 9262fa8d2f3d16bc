package schema

import (
	"strconv"
	"strings"
)

// kind is what a node is, as the file has it.
type kind int

const (
	nullKind kind = iota
	textKind
	intKind
	floatKind
	boolKind
	listKind
	mapKind
)

// node is a value of a description with its place in the file. YAML, JSON and
// CUE all become nodes; short forms, environments and defaults are worked out
// on them, so every value keeps the line it came from until the end.
type node struct {
	kind kind
	pos  Pos    // of the value
	key  Pos    // of its key; zero for the root and for list items
	text string // of a scalar: the text itself, numbers as they were typed
	// plain marks a YAML scalar without quotes, which parsers may retype.
	plain bool
	// short marks a long form that was written as a short one.
	short bool
	// alias is the other spelling under which a field was written.
	alias string
	// inherited marks a value of an app that the defaults of the stack wrote.
	inherited bool
	// whole marks a map that was written as a list and, like one, replaces what
	// lies under it.
	whole bool
	// chosen marks a value that the environment in force wrote.
	chosen bool
	// bad marks a value that was already reported.
	bad bool

	names  []string // of fields, in the order of the file
	fields map[string]*node
	items  []*node
}

// at is where an error about n points: what was written as a scalar itself,
// else its key.
func (n *node) at() Pos {
	block := n.kind == mapKind && !n.short || n.kind == listKind
	if (block || !n.pos.IsValid()) && n.key.IsValid() {
		return n.key
	}
	return n.pos
}

// get returns the node under path, nil when there is none. [0] is the first
// item of a list.
func (n *node) get(path ...string) *node {
	for _, name := range path {
		switch {
		case n == nil:
			return nil
		case n.kind == listKind:
			n = n.item(name)
		default:
			n = n.fields[name]
		}
	}
	return n
}

func (n *node) item(name string) *node {
	i, err := strconv.Atoi(strings.Trim(name, "[]"))
	if err != nil || i < 0 || i >= len(n.items) {
		return nil
	}
	return n.items[i]
}

// children returns the values of a map, in the order of the file.
func (n *node) children() []*node {
	if n == nil {
		return nil
	}
	out := make([]*node, len(n.names))
	for i, name := range n.names {
		out[i] = n.fields[name]
	}
	return out
}

// set adds or replaces a field.
func (n *node) set(name string, value *node) {
	if n.fields == nil {
		n.fields = make(map[string]*node)
	}
	if _, ok := n.fields[name]; !ok {
		n.names = append(n.names, name)
	}
	n.fields[name] = value
}

// remove deletes a field, if there is one.
func (n *node) remove(name string) {
	if n == nil {
		return
	}
	delete(n.fields, name)
	for i, one := range n.names {
		if one == name {
			n.names = append(n.names[:i:i], n.names[i+1:]...)
			return
		}
	}
}

// isOff reports whether n was written as false.
func (n *node) isOff() bool {
	enabled := n.get("enabled")
	return n.short && enabled != nil && enabled.text == "false"
}

// isNothing reports whether n is null or false, which exclude no other field.
func (n *node) isNothing() bool {
	return n.kind == nullKind || n.kind == boolKind && n.text == "false"
}

// inherit marks n and all in it as written by the defaults of the stack.
func (n *node) inherit() {
	n.inherited = true
	for _, child := range n.fields {
		child.inherit()
	}
	for _, child := range n.items {
		child.inherit()
	}
}

// choose marks n and all in it as written by the environment in force.
func (n *node) choose() {
	n.chosen = true
	for _, child := range n.fields {
		child.choose()
	}
	for _, child := range n.items {
		child.choose()
	}
}

// anyBad reports whether something in n was already reported.
func (n *node) anyBad() bool {
	if n.bad {
		return true
	}
	for _, child := range n.fields {
		if child.anyBad() {
			return true
		}
	}
	for _, child := range n.items {
		if child.anyBad() {
			return true
		}
	}
	return false
}

// describe names a value in an error message.
func (n *node) describe() string {
	switch n.kind {
	case nullKind:
		return "nothing (null)"
	case listKind:
		return "a list"
	case mapKind:
		return "a map"
	case textKind:
		return quote(n.text)
	case boolKind:
		return strings.ToLower(n.text)
	}
	return n.text
}
