package schema

import (
	"slices"
	"strings"
)

// place hands every comment and every blank line to the part it belongs to.
func (r *reader) place(d *document) {
	for _, one := range r.comments {
		if one.own {
			r.placeAbove(d, one)
		} else {
			r.placeBehind(d, one)
		}
	}
	for _, e := range r.entries {
		if r.isFirst(e.start) && r.blankAbove(e.start) {
			e.head = append(e.head, "")
		}
	}
	if d.root.flow {
		d.root.flow = false // the whole of a file is never one line
	}
	d.splitHeader()
}

// placeAbove places a comment on a line of its own: in front of the next part,
// or at the end of the map or list whose column it has.
func (r *reader) placeAbove(d *document, one remark) {
	to := r.aboveOf(d, one)
	if r.blankAbove(one.start) {
		*to = append(*to, "")
	}
	*to = append(*to, one.text)
}

func (r *reader) aboveOf(d *document, one remark) *[]string {
	last, next := r.around(one.start)
	if last == nil {
		if next == nil {
			return &d.root.foot
		}
		return &next.head
	}
	if next != nil && next.parent == &last.piece {
		return &next.head
	}
	for p := last.parent; p != nil && (next == nil || p != next.parent); p = p.above() {
		switch {
		case p.flow && p.end > one.start, // before its bracket closes
			!p.flow && one.col >= p.col && (next == nil || one.col > next.parent.col):
			return &p.foot
		}
	}
	if next == nil {
		return &d.root.foot
	}
	return &next.head
}

// above returns the map or list that p is in.
func (p *piece) above() *piece {
	if p.owner == nil {
		return nil
	}
	return p.owner.parent
}

// placeBehind places a comment behind something: the outermost part that its
// line begins and ends with.
func (r *reader) placeBehind(d *document, one remark) {
	last, _ := r.around(one.start)
	if last == nil {
		d.header = append(d.header, one.text)
		return
	}
	to := last
	line := r.line(one.start)
	if r.line(last.start) != line { // it stands behind a bracket, or a long value
		for p := to.parent; p.flow && p.end <= one.start && p.owner != nil; p = to.parent {
			to = p.owner
		}
	}
	first, _ := slices.BinarySearchFunc(r.entries, r.lines[line], func(e *entry, at int) int { return e.start - at })
	for _, e := range r.entries[first:] {
		if e.start > one.start {
			break
		}
		inner := len(e.entries) > 0 && !e.flow
		open := inner && r.line(e.entries[0].start) > line
		if open || !inner && e.end <= one.start {
			to = e
			break
		}
	}
	if to.tail != "" {
		to.head = append(to.head, to.tail)
	}
	to.tail = one.text
}

// around returns the entries before and after an offset.
func (r *reader) around(at int) (last, next *entry) {
	i, _ := slices.BinarySearchFunc(r.entries, at, func(e *entry, at int) int { return e.start - at })
	if i > 0 {
		last = r.entries[i-1]
	}
	if i < len(r.entries) {
		next = r.entries[i]
	}
	return last, next
}

// isFirst reports whether nothing stands before an offset on its line.
func (r *reader) isFirst(at int) bool {
	return strings.Trim(string(r.text[r.lines[r.line(at)]:at]), " ") == ""
}

// blankAbove reports whether the line above the one of an offset is blank, and
// is no line of a text.
func (r *reader) blankAbove(at int) bool {
	line := r.line(at)
	if line == 0 {
		return false
	}
	begin := r.lines[line-1]
	for _, span := range r.scalars {
		if begin >= span[0] && begin < span[1] {
			return false
		}
	}
	return strings.TrimSpace(string(r.text[begin:r.lines[line]])) == ""
}

// splitHeader takes the comments at the top of the file, which stay there
// whatever comes first, from the first entry: all up to a blank line, and the
// lines that tell an editor about the file.
func (d *document) splitHeader() {
	if len(d.root.entries) == 0 {
		return
	}
	first := d.root.entries[0]
	n := 0
	for i, line := range first.head {
		if line == "" || strings.Contains(line, "yaml-language-server:") {
			n = i + 1
		}
	}
	d.header = append(d.header, first.head[:n]...)
	first.head = first.head[n:]
}
