package schema

import "slices"

// overlay lays a partial description over another: maps merge, scalars and
// lists replace, null removes. A short form is a scalar and replaces, as does
// anything over false; of fields that exclude each other the new one stays.
// Neither argument changes; nil stands for nothing.
func overlay(s *shape, base, over *node) *node {
	if over.kind == nullKind && !over.bad {
		return nil
	}
	if over.kind != mapKind {
		return over
	}
	out := &node{kind: mapKind, pos: over.pos, key: over.key, short: over.short, whole: over.whole, alias: over.alias, bad: over.bad, chosen: over.chosen}
	if base != nil && base.kind == mapKind && !over.short && !over.whole && !base.isOff() {
		out = &node{kind: mapKind, pos: base.pos, key: base.key, alias: base.alias, bad: base.bad || over.bad}
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
	if n.kind != mapKind {
		return
	}
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

// copyOrEmpty returns a deep copy of n, an empty map for nil.
func (n *node) copyOrEmpty() *node {
	if n == nil {
		return &node{kind: mapKind}
	}
	return n.copy()
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

// inForce returns the stack with every app over the stack's defaults, and one
// environment laid over that. root was checked and has only long forms.
func inForce(root *node, environment string) *node {
	s := language().stack
	out := root.copy()
	over := out.get("environments", environment)
	out.remove("environments")
	var theirs, theirDefaults *node
	if over != nil && over.kind == mapKind {
		over.choose()
		theirs, theirDefaults = over.get("apps"), over.get("defaults")
		over.remove("apps")
		out = overlay(s, out, over)
	}
	fragment := out.get("defaults")
	out.remove("defaults")
	if fragment != nil {
		fragment.inherit()
	}
	apps := out.get("apps")
	switch {
	case apps == nil && theirs == nil, apps != nil && apps.kind != mapKind:
		return out
	case theirs != nil && theirs.kind == nullKind && !theirs.bad:
		out.remove("apps")
		return out
	case apps == nil:
		apps = &node{kind: mapKind, pos: theirs.pos, key: theirs.key}
	}
	if theirs == nil || theirs.kind != mapKind {
		theirs = &node{kind: mapKind}
	}
	laid := &node{kind: mapKind, pos: apps.pos, key: apps.key, bad: apps.bad}
	names := slices.Clone(apps.names)
	for _, name := range theirs.names {
		if apps.fields[name] == nil {
			names = append(names, name)
		}
	}
	whole := make([]*node, len(names))
	shape := s.child("apps").elem
	Concurrently(len(names), func(i int) {
		if app := layered(shape, fragment, apps.fields[names[i]], theirs.fields[names[i]]); app != nil {
			app.restore(theirs.fields[names[i]], theirDefaults)
			whole[i] = app.copy() // a default of the stack is one node under many apps
		}
	})
	for i, name := range names {
		if whole[i] != nil {
			laid.set(name, whole[i])
		}
	}
	out.set("apps", laid)
	return out
}

// restore gives what an environment removed from an app the value that its own
// defaults have: null takes away what the file wrote, not what stands beside it.
func (n *node) restore(theirs, defaults *node) {
	if n.kind != mapKind || theirs == nil || defaults == nil {
		return
	}
	for _, name := range theirs.names {
		mine, value := n.fields[name], defaults.fields[name]
		switch removed := theirs.fields[name]; {
		case value == nil:
		case removed.kind == nullKind && !removed.bad && mine == nil:
			n.set(name, value.copy())
		case mine != nil:
			mine.restore(removed, value)
		}
	}
}

// layered lays an app over the defaults of the stack, and what an environment
// says about it over that; nil when the environment removes it.
func layered(s *shape, defaults, app, theirs *node) *node {
	if app == nil {
		app, theirs = theirs, nil
	}
	if app.kind != mapKind {
		if app.kind == nullKind && !app.bad {
			return nil
		}
		return app
	}
	merged := app
	if defaults != nil && defaults.kind == mapKind {
		merged = overlay(s, defaults, app)
		merged.pos, merged.key, merged.chosen = app.pos, app.key, app.chosen
	}
	if theirs != nil {
		merged = overlay(s, merged, theirs)
	}
	return merged
}
