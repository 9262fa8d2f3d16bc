package ui

import (
	"io"
	"strings"
)

// sideWidth is how wide two columns are where nobody knows the width.
const sideWidth = 160

// diffSideBySide writes the objects as they are and as they would be beside each
// other, with the lines around each change.
func diffSideBySide(w io.Writer, d Diff, o Options) error {
	t := sides{Printer: NewPrinter(folded(w, o.Width), o)}
	width := o.Width
	if width <= 0 {
		width = sideWidth
	}
	t.column = max((width-4)/2, 16)
	t.printf("%s\n", styled{bold, d.title()})
	for _, text := range d.remarks() {
		t.printf("%s %s\n", styled{yellow, "warning:"}, text)
	}
	objects, _ := d.subjects()
	for _, s := range objects {
		t.subject(s)
	}
	t.printf("\n%s\n", d.summary())
	return t.Err()
}

// sides is the writing of two columns.
type sides struct {
	*Printer
	column int
}

func (t *sides) subject(s subject) {
	t.printf("\n%s %s  %s\n", styled{s.style, s.sign}, styled{bold, s.name}, s.word)
	if label := labelText(s.Label, s.Spec); label != "" {
		t.printf("    %s\n", styled{cyan, label})
	}
	for _, note := range s.notes {
		t.printf("    %s\n", note)
	}
	for _, c := range s.Conflicts {
		t.printf("    %s %s\n", styled{red, "!"}, conflictText(c))
	}
	edits := s.edits()
	for _, f := range s.Fields {
		switch whose := s.whose(f); {
		case edits == nil:
			t.printf("    %s\n", strings.TrimSpace(fieldSign(f.Op)+" "+fieldText(f, Value)+"  "+whose))
		case whose != "":
			t.printf("    %s: %s\n", f.Path, styled{cyan, whose})
		}
	}
	if added, removed := size(edits); added == len(edits) || removed == len(edits) {
		t.oneSide(edits) // nothing is beside it
		return
	}
	for i, h := range hunks(edits) {
		if i > 0 {
			t.printf("%s\n", styled{dim, strings.Repeat("┈", 2*t.column+4)})
		}
		t.hunk(h)
	}
}

// oneSide writes an object that comes or goes.
func (t *sides) oneSide(edits []edit) {
	for _, e := range edits {
		line := string(e.op) + " " + CleanLines(e.text)
		t.printf("    %s\n", styled{map[byte]style{'-': red, '+': green}[e.op], line})
	}
}

// hunk pairs the lines that go with those that come.
func (t *sides) hunk(h []edit) {
	var left, right []string
	flush := func() {
		for i := range max(len(left), len(right)) {
			switch {
			case i >= len(right):
				t.row(left[i], "<", "", red)
			case i >= len(left):
				t.row("", ">", right[i], green)
			default:
				t.row(left[i], "|", right[i], yellow)
			}
		}
		left, right = nil, nil
	}
	for _, e := range h {
		switch e.op {
		case '-':
			left = append(left, e.text)
		case '+':
			right = append(right, e.text)
		default:
			flush()
			t.row(e.text, " ", e.text, plain)
		}
	}
	flush()
}

// row writes one line of both, on as many lines as the longer one takes.
func (t *sides) row(left, sign, right string, s style) {
	l, r := fold(left, t.column), fold(right, t.column)
	for i := range max(len(l), len(r), 1) {
		a, b := "", ""
		if i < len(l) {
			a = l[i]
		}
		if i < len(r) {
			b = r[i]
		}
		a += strings.Repeat(" ", max(t.column-visible(a), 0))
		// No line begins with a text of others: see [Clean].
		t.printf("│%s %s", styled{leftStyle(s), a}, styled{s, sign})
		if b != "" {
			t.printf(" %s", styled{rightStyle(s), b})
		}
		t.printf("\n")
	}
}

// A line that is another one is red on the left and green on the right.
func leftStyle(s style) style {
	if s == yellow {
		return red
	}
	return s
}

func rightStyle(s style) style {
	if s == yellow {
		return green
	}
	return s
}
