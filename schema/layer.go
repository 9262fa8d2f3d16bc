package schema

import "slices"

// overlay lays a partial description over another: maps merge, scalars and
// lists replace, null removes. A short form is a scalar and replaces, as does
// anything over false; of fields that exclude each other the new one stays.
// Neither argument changes; nil stands for nothing.
func overlay(s *shape, base, over *node) *node {
	if over.kind == nullKind {
		return nil
	}
	if over.kind != mapKind {
		return over
	}
	out := &node{kind: mapKind, pos: over.pos, key: over.key, short: over.short, bad: over.bad}
	if base != nil && base.kind == mapKind && !over.short && !base.isOff() {
		out = &node{kind: mapKind, pos: base.pos, key: base.key, bad: base.bad || over.bad}
		for _, name := range base.names {
			if !s.excluded(name, over) {
				out.set(name, base.fields[name])
			}
		}
	}
	for _, name := range over.names {
		merged := overlay(s.child(name), out.fields[name], over.fields[name])
		if merged == nil {
			out.remove(name)
			continue
		}
		out.set(name, merged)
	}
	return out
}

// excluded reports whether over holds a field that takes the place of name.
func (s *shape) excluded(name string, over *node) bool {
	if s == nil {
		return false
	}
	for _, group := range s.oneof {
		if !slices.Contains(group, name) {
			continue
		}
		for _, other := range group {
			if other != name && over.fields[other] != nil && !over.fields[other].isNothing() {
				return true
			}
		}
	}
	return false
}

// underlay fills what n does not have from the defaults, field by field.
func underlay(n, defaults *node) {
	for _, name := range defaults.names {
		value := defaults.fields[name]
		switch own := n.fields[name]; {
		case own == nil:
			n.set(name, value.copy())
		case own.kind == mapKind && value.kind == mapKind:
			underlay(own, value)
		}
	}
}

// copy returns a deep copy of n.
func (n *node) copy() *node {
	out := *n
	out.names = slices.Clone(n.names)
	out.fields = nil
	if n.fields != nil {
		out.fields = make(map[string]*node, len(n.fields))
		for name, child := range n.fields {
			out.fields[name] = child.copy()
		}
	}
	out.items = nil
	for _, child := range n.items {
		out.items = append(out.items, child.copy())
	}
	return &out
}

// inForce returns the stack with one environment laid over it and every app
// over the stack's defaults. root was checked and has only long forms.
func inForce(root *node, environment string) *node {
	s := language().stack
	out := root.copy()
	if over := out.get("environments", environment); over != nil && over.kind == mapKind {
		out = overlay(s, out, over)
	}
	apps, fragment := out.get("apps"), out.get("defaults")
	out.remove("environments")
	out.remove("defaults")
	if apps == nil || apps.kind != mapKind {
		return out
	}
	laid := &node{kind: mapKind, pos: apps.pos, key: apps.key}
	for _, name := range apps.names {
		app := apps.fields[name]
		if fragment != nil && fragment.kind == mapKind && app.kind == mapKind {
			merged := overlay(s.child("apps").elem, fragment, app)
			merged.pos, merged.key = app.pos, app.key
			app = merged
		}
		// A default of the stack is one node under many apps.
		laid.set(name, app.copy())
	}
	out.set("apps", laid)
	return out
}
