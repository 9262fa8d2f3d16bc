package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// contextLines are shown around every change of a text.
const contextLines = 3

// WriteLineDiff writes what turns one text into another, line by line, in the
// unified format that `patch` and every review tool read.
func WriteLineDiff(w io.Writer, name, before, after string, o Options) error {
	p := NewPrinter(w, o)
	edits := lineEdits(splitLines(before), splitLines(after))
	p.printf("%s\n%s\n", styled{bold, "--- " + name}, styled{bold, "+++ " + name})
	for _, h := range hunks(edits) {
		p.hunk(h)
	}
	return p.Err()
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// edit is one line of a diff: ' ' in both texts, '-' in the first, '+' in the
// second. before and after are the lines that stand before it.
type edit struct {
	op            byte
	text          string
	before, after int
}

// maxEdits bounds the search for the shortest diff; beyond it everything
// between the first and the last difference is replaced.
const maxEdits = 2000

// lineEdits finds the shortest way from a to b (Myers, 1986).
func lineEdits(a, b []string) []edit {
	begin := 0
	for begin < len(a) && begin < len(b) && a[begin] == b[begin] {
		begin++
	}
	end := 0
	for end < len(a)-begin && end < len(b)-begin && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	var ops []byte
	ops = append(ops, strings.Repeat(" ", begin)...)
	ops = append(ops, shortest(a[begin:len(a)-end], b[begin:len(b)-end])...)
	ops = append(ops, strings.Repeat(" ", end)...)
	edits := make([]edit, len(ops))
	i, j := 0, 0
	for n, op := range ops {
		edits[n] = edit{op: op, before: i, after: j}
		if op == '+' {
			edits[n].text = b[j]
		} else {
			edits[n].text = a[i]
		}
		if op != '+' {
			i++
		}
		if op != '-' {
			j++
		}
	}
	return edits
}

// shortest returns the shortest list of operations from a to b.
func shortest(a, b []string) []byte {
	most := min(len(a)+len(b), maxEdits)
	middle := most + 1
	reach := make([]int, 2*most+3) // on diagonal k = x-y, at middle+k: the greatest x reached
	var rows [][]int               // the same after d edits, for k = -d, -d+2, … d
	for d := range most + 1 {
		row := make([]int, 0, d+1)
		for k := -d; k <= d; k += 2 {
			x := reach[middle+k-1] + 1
			if k == -d || k != d && reach[middle+k-1] < reach[middle+k+1] {
				x = reach[middle+k+1]
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			reach[middle+k] = x
			row = append(row, x)
			if x >= len(a) && x-k >= len(b) {
				return walkBack(append(rows, row), len(a), len(b))
			}
		}
		rows = append(rows, row)
	}
	return []byte(strings.Repeat("-", len(a)) + strings.Repeat("+", len(b)))
}

// walkBack reads the operations off the rows, from the end to the beginning.
func walkBack(rows [][]int, x, y int) []byte {
	var ops []byte
	for d := len(rows) - 1; d >= 0; d-- {
		k, fromX, fromY := x-y, 0, 0
		if d > 0 {
			reached := func(k int) int { return rows[d-1][(k+d-1)/2] }
			before := k - 1
			if k == -d || k != d && reached(k-1) < reached(k+1) {
				before = k + 1
			}
			fromX = reached(before)
			fromY = fromX - before
		}
		for x > fromX && y > fromY {
			ops = append(ops, ' ')
			x, y = x-1, y-1
		}
		switch {
		case d == 0:
		case x > fromX:
			ops = append(ops, '-')
		default:
			ops = append(ops, '+')
		}
		x, y = fromX, fromY
	}
	slices.Reverse(ops)
	return ops
}

// hunks cuts the edits into groups of changes with the lines around them.
func hunks(edits []edit) [][]edit {
	var all [][]edit
	for i := 0; i < len(edits); i++ {
		if edits[i].op == ' ' {
			continue
		}
		begin, last := max(i-contextLines, 0), i
		for ; i < len(edits) && i <= last+2*contextLines; i++ {
			if edits[i].op != ' ' {
				last = i
			}
		}
		end := min(last+contextLines+1, len(edits))
		all = append(all, edits[begin:end])
		i = end - 1
	}
	return all
}

func (p *Printer) hunk(h []edit) {
	p.printf("%s\n", styled{cyan, hunkHeader(h)})
	for _, e := range h {
		line := string(e.op) + CleanLines(e.text)
		p.printf("%s\n", styled{map[byte]style{'-': red, '+': green}[e.op], line})
	}
}

// hunkHeader says where in both texts a hunk begins, and how long it is.
func hunkHeader(h []edit) string {
	before, after := 0, 0
	for _, e := range h {
		if e.op != '+' {
			before++
		}
		if e.op != '-' {
			after++
		}
	}
	first := h[0]
	return fmt.Sprintf("@@ -%d,%d +%d,%d @@", first.before+min(before, 1), before, first.after+min(after, 1), after)
}
