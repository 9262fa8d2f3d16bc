package schema

import (
	"slices"
	"strings"
)

// piece is a value of a description together with all that a person wrote
// about it: what the formatter works on.
type piece struct {
	kind kind
	// text is a scalar as it is written, with its quotes; of a block scalar it
	// is the mark, such as |-, and block holds its lines.
	text   string
	block  []string
	value  string // of a text: what it stands for
	alias  bool   // text is a reference such as *common
	anchor string // such as &common
	// flow says that a map or list is to be on one line, if it fits.
	flow    bool
	entries []*entry
	foot    []string // comments after the last entry, "" for a blank line

	owner *entry
	end   int // offset in the text it was read from
	col   int // of the entries, from 0
}

// entry is a field of a map or an item of a list.
type entry struct {
	name string   // of a field
	key  string   // the name as it is written
	head []string // comments in front of it, "" for a blank line
	tail string   // the comment behind it, on the same line
	piece
	parent *piece
	start  int // offset of the key, or of the mark of the item
}

// add appends an entry.
func (p *piece) add(e *entry) {
	e.parent, e.owner = p, e
	p.entries = append(p.entries, e)
}

// get returns the entry of a name, nil when there is none.
func (p *piece) get(name string) *entry {
	for _, e := range p.entries {
		if p.kind == mapKind && e.name == name {
			return e
		}
	}
	return nil
}

// hasAlias reports whether something in p is written by reference.
func (p *piece) hasAlias() bool {
	return p.alias || slices.ContainsFunc(p.entries, func(e *entry) bool { return e.hasAlias() })
}

// hasNotes reports whether somebody wrote a comment inside p.
func (p *piece) hasNotes() bool {
	if slices.ContainsFunc(p.foot, isComment) {
		return true
	}
	return slices.ContainsFunc(p.entries, func(e *entry) bool {
		return e.tail != "" || slices.ContainsFunc(e.head, isComment) || e.hasNotes()
	})
}

func isComment(line string) bool { return line != "" }

// early are the fields that come before those that stack.cue begins with: what
// it is, of which release, how many.
var early = []string{"schema", "name", "image", "kind", "replicas"}

// rank is where a field belongs among the others: in the order of stack.cue.
// What is unknown comes last, free keys after that.
func (s *shape) rank(name string) int {
	field := slices.Index(s.names, name)
	switch first := slices.Index(early, name); {
	case strings.HasPrefix(name, "x-"):
		return len(s.names) + 2
	case field < 0:
		return len(s.names) + 1
	case first >= 0:
		return first - len(early)
	case name == "environments":
		return len(s.names) // the evaluator puts embedded fields first
	}
	return field
}

// arrange puts the fields of p into the order of its shape. Names that the
// user chose, and objects of the Kubernetes API, keep the order they have.
func (p *piece) arrange(s *shape) {
	if s == nil || s.raw != "" || s.isTree() {
		return
	}
	if p.kind == mapKind && len(s.names) > 0 {
		slices.SortStableFunc(p.entries, func(a, b *entry) int { return s.rank(a.name) - s.rank(b.name) })
	}
	for _, e := range p.entries {
		if p.kind == mapKind && s.fields[e.name] != nil {
			e.arrange(s.fields[e.name])
		} else {
			e.arrange(s.elem)
		}
	}
}
