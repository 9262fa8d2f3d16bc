package schema

import "slices"

// lengthenStack writes the long form of what was written in a short one, where
// both mean the same. Over something else a short form replaces and a long one
// merges: so environments, and fields of apps under which a default of the
// stack lies, stay as they are.
func (p *piece) lengthenStack(s *shape) {
	var defaults *piece
	if e := p.get("defaults"); e != nil {
		defaults = &e.piece
	}
	for _, e := range p.entries {
		switch e.name {
		case "environments", "defaults":
		case "apps":
			for _, app := range e.entries {
				app.lengthenApp(s.fields["apps"].elem, defaults)
			}
		default:
			e.lengthen(s.fields[e.name])
		}
	}
}

func (p *piece) lengthenApp(s *shape, defaults *piece) {
	if defaults == nil {
		p.lengthen(s)
		return
	}
	for _, e := range p.entries {
		if defaults.get(e.name) == nil && e.name != "port" && e.name != "ports" {
			e.lengthen(s.fields[e.name])
		}
	}
}

func (p *piece) lengthen(s *shape) {
	if s == nil || s.raw != "" || s.isTree() || p.alias || p.anchor != "" {
		return
	}
	if len(s.short) > 0 && p.kind != mapKind {
		p.expandShort(s)
	}
	if p.kind == mapKind {
		p.respell(s)
	}
	for _, e := range p.entries {
		if p.kind == mapKind && s.fields[e.name] != nil {
			e.lengthen(s.fields[e.name])
		} else {
			e.lengthen(s.elem)
		}
	}
}

// expandShort makes the long form of a short one, as the loader does. What the
// loader refuses, and false, over which nothing merges, stay as they are.
func (p *piece) expandShort(s *shape) {
	n, c := p.node(), &checker{}
	c.expand(n, s, nil)
	if len(c.errs) > 0 || n.kind != mapKind || n.isOff() {
		return
	}
	long := pieceOf(n)
	if only := long.entries; len(only) == 1 && sameValue(n.fields[only[0].name], p.node(), true) {
		only[0].piece = *p // with its quotes, its lines and its comments
		p.foot = nil
	}
	p.kind, p.text, p.block, p.flow, p.entries = mapKind, "", nil, true, nil
	for _, e := range long.entries {
		p.add(e)
	}
}

// respell writes fields by the name that is meant: port as ports.http, host as
// hosts.
func (p *piece) respell(s *shape) {
	for _, e := range slices.Clone(p.entries) {
		field := s.fields[e.name]
		if field == nil || len(field.as) == 0 || e.kind == nullKind || e.alias || e.anchor != "" {
			continue
		}
		inner := &entry{piece: e.piece}
		group := p.get(field.as[0])
		if len(field.as) == 2 {
			inner.name, inner.key = field.as[1], field.as[1]
		}
		switch {
		case group == nil:
			e.name, e.key = field.as[0], field.as[0]
			e.piece = piece{kind: listKind, flow: true}
			if len(field.as) == 2 {
				e.kind = mapKind
			}
			e.add(inner)
		case group.kind == mapKind && !group.alias:
			inner.head, inner.tail = e.head, e.tail
			group.add(inner)
			p.entries = slices.DeleteFunc(p.entries, func(one *entry) bool { return one == e })
		}
	}
}

// node returns the value of a piece.
func (p *piece) node() *node {
	n := &node{kind: p.kind, text: p.text, plain: true}
	if p.kind == textKind {
		n.text, n.plain = p.value, p.text == p.value
	}
	for _, e := range p.entries {
		if p.kind == listKind {
			n.items = append(n.items, e.node())
		} else {
			n.set(e.name, e.node())
		}
	}
	return n
}

// pieceOf writes a value anew, on one line.
func pieceOf(n *node) *piece {
	p := &piece{kind: n.kind, text: n.text, value: n.text, flow: true}
	if n.kind == textKind {
		p.text = inQuotes(n.text)
	}
	for _, name := range n.names {
		p.add(&entry{name: name, key: inQuotes(name), piece: *pieceOf(n.fields[name])})
	}
	for _, item := range n.items {
		p.add(&entry{piece: *pieceOf(item)})
	}
	return p
}
