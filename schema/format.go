package schema

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue/format"
)

// FormatOptions say how to write a description.
type FormatOptions struct {
	// Long writes the long form of every short one, except where the short one
	// means something else: in environments, in fields that the defaults of the
	// stack have too, and for false.
	Long bool
}

// Format returns a description in its canonical form: fields in the order of
// stack.cue, two blanks of indentation, maps and lists that were written on
// one line on one line, and texts in double quotes where they have quotes.
// Every comment is kept, with what it is about, and so is one blank line
// between parts. Names that the user chose stay in the user's order, and so
// does everything in a file with aliases, which must follow their anchors. A
// CUE file is formatted as `cue fmt` does.
//
// The name of the file says what it is, as for [Load]; "-" is YAML or JSON. The
// text need not describe a valid stack, unless the long form is asked for, but
// what is no YAML, JSON or CUE comes back as [Errors].
//
// The result describes exactly the same and has the same comments: that is
// checked, and where it cannot be kept the answer is an error and no text.
func Format(filename string, text []byte, opts FormatOptions) ([]byte, error) {
	in := &input{file: filename, text: text}
	if errs := in.check(); len(errs) > 0 {
		return nil, errs
	}
	var out []byte
	_, err := guarded(context.Background(), filename, ordinary, func() (*Stack, error) {
		formatted, err := in.format(opts)
		if err == nil {
			out = formatted
		}
		return nil, err
	})
	if err != nil {
		return nil, err // out may still be written to by what was abandoned
	}
	return out, nil
}

// Read returns the text of a description and the name it goes by, without
// understanding it.
func Read(opts Options) (filename string, text []byte, err error) {
	in, err := read(opts)
	if err != nil {
		return "", nil, err
	}
	return in.file, in.text, nil
}

func (in *input) format(opts FormatOptions) ([]byte, error) {
	windows := bytes.Contains(in.text, []byte("\r\n"))
	in.text = bytes.ReplaceAll(in.text, []byte("\r\n"), []byte("\n"))
	var out []byte
	var err error
	switch {
	case strings.EqualFold(filepath.Ext(in.file), ".cue"):
		out, err = in.formatCUE(opts)
	case in.isJSON():
		out, err = in.formatJSON(opts)
	default:
		out, err = in.formatYAML(opts)
	}
	if windows {
		out = bytes.ReplaceAll(out, []byte("\n"), []byte("\r\n"))
	}
	return out, err
}

// isJSON reports whether the text is JSON by its name, or when it has none, by
// its first letter and because it can be.
func (in *input) isJSON() bool {
	if strings.EqualFold(filepath.Ext(in.file), ".json") {
		return true
	}
	if in.file != "-" || !bytes.HasPrefix(bytes.TrimSpace(in.text), []byte("{")) {
		return false
	}
	_, errs := parseJSON(in.file, in.text)
	return len(errs) == 0
}

func (in *input) formatCUE(opts FormatOptions) ([]byte, error) {
	if errs := new(wordCount).count(in.file, in.text); len(errs) > 0 {
		return nil, errs
	}
	if opts.Long {
		return nil, Errors{{Pos: Pos{File: in.file}, Msg: "a CUE file has no long form", Hint: "what it stands for is computed; `stackctl render` shows it"}}
	}
	out, err := format.Source(in.text)
	if err != nil {
		return nil, syntaxErrors(in.file, nil, err)
	}
	return out, nil
}

func (in *input) formatJSON(opts FormatOptions) ([]byte, error) {
	before, errs := parseJSON(in.file, in.text)
	if len(errs) == 0 {
		errs = describesStack(before)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	p, err := readJSON(in.text)
	if err != nil {
		return nil, jsonErrors(in.file, in.text, err)
	}
	if err := p.settle(before, opts); err != nil {
		return nil, err
	}
	out := writeJSON(p)
	after, errs := parseJSON(in.file, out)
	if len(errs) > 0 || !kept(before, after, opts) {
		return nil, notKept(in.file)
	}
	return out, nil
}

func (in *input) formatYAML(opts FormatOptions) ([]byte, error) {
	before, errs := parseYAML(in.file, in.text)
	if len(errs) == 0 {
		errs = describesStack(before)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	d, err := readYAML(in.file, in.text)
	if err != nil {
		return nil, err
	}
	if err := d.root.settle(before, opts); err != nil {
		return nil, err
	}
	said := d.said()
	out := d.write()
	after, errs := parseYAML(in.file, out)
	if len(errs) > 0 || !kept(before, after, opts) {
		return nil, notKept(in.file)
	}
	if again, err := readYAML(in.file, out); err != nil || !slices.Equal(said, again.said()) {
		return nil, notKept(in.file)
	}
	return out, nil
}

// notKept is a defect: the canonical form would not be the same description.
func notKept(file string) error {
	return Errors{{
		Pos: Pos{File: file}, Msg: "cannot be formatted without changing it; it is left as it is",
		Hint: "this is a bug; please report it with the file",
	}}
}

// settle puts the fields in order and, if asked to, writes out short forms.
func (p *piece) settle(before *node, opts FormatOptions) error {
	s := language().stack
	if opts.Long {
		if errs := checkAll(before.copy()); len(errs) > 0 {
			return Errors(sorted(errs))
		}
		p.lengthenStack(s)
	}
	if !p.hasAlias() {
		p.arrange(s)
	}
	return nil
}

// kept reports whether two descriptions are the same. Long forms are compared
// by what they come to in every environment.
func kept(before, after *node, opts FormatOptions) bool {
	if !opts.Long {
		return sameValue(before, after, false)
	}
	before, after = before.copy(), after.copy()
	checkAll(before)
	checkAll(after)
	names := []string{""}
	if all := before.get("environments"); all != nil {
		names = append(names, all.names...)
	}
	for _, name := range names {
		if !sameValue(inForce(before, name), inForce(after, name), true) {
			return false
		}
	}
	return true
}

// sameValue reports whether two nodes hold the same values. Places and the order of
// a map are no part of a value; how a scalar was written is, where parsers
// disagree about it, unless both were checked.
func sameValue(a, b *node, checked bool) bool {
	if a.kind != b.kind || a.kind != nullKind && a.text != b.text || len(a.names) != len(b.names) || len(a.items) != len(b.items) {
		return false
	}
	if !checked && a.plain != b.plain && ambiguous(a.text) {
		return false
	}
	for name, child := range a.fields {
		other := b.fields[name]
		if other == nil || !sameValue(child, other, checked) {
			return false
		}
	}
	for i, child := range a.items {
		if !sameValue(child, b.items[i], checked) {
			return false
		}
	}
	return true
}

// unsupported is an error about something of YAML that a description may have
// and that the formatter does not know.
func unsupported(at Pos, what, hint string) error {
	return Errors{{Pos: at, Msg: fmt.Sprintf("%s cannot be formatted", what), Hint: hint}}
}
