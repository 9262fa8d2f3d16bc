package schema

import (
	"bytes"
	"fmt"
	"strconv"
)

// Limits of a description. They stop input that is small on disk and huge in
// memory, long before they stop a person.
const (
	maxBytes   = 8 << 20
	maxValues  = 100_000 // 10,000 apps of some fields fit
	maxDepth   = 100
	maxAliases = 100
)

// builder makes the nodes of a data file and keeps to the limits.
type builder struct {
	values int
	depth  int
	full   bool // a limit was hit, and reported
	errs   Errors
}

// result returns the node even with errors, as far as it can be checked; nil
// when a limit was hit.
func (b *builder) result(n *node) (*node, Errors) {
	if b.full {
		return nil, b.errs
	}
	return n, b.errs
}

func (b *builder) fail(at Pos, msg, hint string) {
	b.errs = append(b.errs, Error{Pos: at, Msg: msg, Hint: hint})
}

// stop reports a limit once and ends the conversion.
func (b *builder) stop(at Pos, msg, hint string) {
	if !b.full {
		b.full = true
		b.fail(at, msg, hint)
	}
}

// enter begins a value, which leave ends; false when there is no room for it.
func (b *builder) enter(at Pos) bool {
	b.values++
	b.depth++
	switch {
	case b.full:
	case b.values > maxValues:
		b.stop(at, "the file has more than "+strconv.Itoa(maxValues)+" values", "split the stack")
	case b.depth > maxDepth:
		b.stop(at, "values are nested deeper than "+strconv.Itoa(maxDepth)+" levels", "")
	}
	return !b.full
}

func (b *builder) leave() { b.depth-- }

// twice reports a key that n has already: parsers disagree about which one
// counts.
func (b *builder) twice(n *node, name string, at Pos) bool {
	first := n.fields[name]
	if first != nil {
		b.fail(at, "the key "+quote(name)+" is written twice", "the first one is on line "+strconv.Itoa(first.key.Line))
	}
	return first != nil
}

// strayBreaks refuses what YAML 1.1 calls the end of a line and YAML 1.2, or
// any editor, does not: places after it would be wrong.
func strayBreaks(file string, text []byte) Errors {
	for i, r := range string(text) {
		name := ""
		switch {
		case r == '\r' && !bytes.HasPrefix(text[i+1:], []byte("\n")):
			name = "a carriage return without a line feed"
		case r == '\u0085' || r == '\u2028' || r == '\u2029':
			name = fmt.Sprintf("the character U+%04X", r)
		}
		if name != "" {
			return Errors{{
				Pos:  placeAt(file, text, i),
				Msg:  name + " ends a line for some parsers only",
				Hint: "end lines with a line feed; inside a text write an escape in double quotes",
			}}
		}
	}
	return nil
}

// placeAt converts an offset.
func placeAt(file string, text []byte, offset int) Pos {
	before := text[:offset]
	return Pos{file, bytes.Count(before, []byte("\n")) + 1, offset - bytes.LastIndexByte(before, '\n')}
}
