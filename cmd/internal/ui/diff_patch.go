package ui

import (
	"io"
	"net/url"
	"strings"

	"stackctl.dev/stackctl/apply"
)

// diffPatch writes a unified patch of the objects as YAML, a file for each, with
// what is not in a file in comments between them. Tools that read patches pass
// over lines that are none.
func diffPatch(w io.Writer, d Diff, o Options) error { return writePatch(w, d, o, true) }

// WriteDiffNotes writes what is to be said about a plan beyond the files of
// [DiffFiles].
func WriteDiffNotes(w io.Writer, d Diff, o Options) error { return writePatch(w, d, o, false) }

func writePatch(w io.Writer, d Diff, o Options, hunks bool) error {
	p := NewPrinter(w, o)
	comment := func(text string) { p.printf("%s\n", styled{dim, "# " + text}) }
	comment(d.title())
	comment(d.summary())
	for _, text := range d.remarks() {
		comment("warning: " + text)
	}
	objects, _ := d.subjects()
	for _, s := range objects {
		p.printf("\n")
		comment(s.sign + " " + s.name + ": " + strings.Join(append([]string{s.word}, s.notes...), "; "))
		if label := labelText(s.Label, s.Spec); label != "" {
			comment("  " + label)
		}
		for _, c := range s.Conflicts {
			comment("  ! " + conflictText(c))
		}
		edits := s.edits()
		for _, f := range s.Fields {
			switch whose := s.whose(f); {
			case edits == nil:
				comment("  " + strings.TrimSpace(fieldSign(f.Op)+" "+fieldText(f, Value)+"  "+whose))
			case whose != "":
				comment("  " + f.Path + ": " + whose)
			}
		}
		if edits != nil && hunks {
			p.file(s, edits)
		}
	}
	return p.Err()
}

// DiffFile is an object for a program that compares files; a side that has no
// object is empty.
type DiffFile struct{ Name, Before, After string }

// DiffFiles returns the objects of a plan that differ, masked and clean, named as
// `kubectl diff` names them.
func DiffFiles(d Diff) (files []DiffFile) {
	objects, _ := d.subjects()
	for _, s := range objects {
		if s.edits() == nil {
			continue
		}
		before, after := s.Objects()
		o := after
		if o == nil {
			o = before
		}
		version, _ := o["apiVersion"].(string)
		name := strings.Join([]string{strings.ReplaceAll(version, "/", "."), s.Object.Kind, s.Object.Namespace, s.Object.Name}, ".")
		files = append(files, DiffFile{fileName(name), text(objectLines(before)), text(objectLines(after))})
	}
	return files
}

func text(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// file writes the hunks of one object.
func (p *Printer) file(s subject, edits []edit) {
	path := objectPath(s.Object)
	from, to := "a/"+path, "b/"+path
	switch added, removed := size(edits); len(edits) {
	case added:
		from = "/dev/null"
	case removed:
		to = "/dev/null"
	}
	p.printf("%s\n%s\n", styled{bold, "--- " + from}, styled{bold, "+++ " + to})
	for _, h := range hunks(edits) {
		p.hunk(h)
	}
}

// objectPath is a path of a file for an object, which no other object has and
// which leads nowhere else.
func objectPath(k apply.ObjectKey) string {
	kind := k.Kind
	if k.Group != "" {
		kind += "." + k.Group
	}
	var parts []string
	for _, part := range []string{k.Namespace, kind, k.Name} {
		if part != "" {
			parts = append(parts, fileName(part))
		}
	}
	return strings.Join(parts, "/") + ".yaml"
}

func fileName(part string) string {
	escaped := strings.ReplaceAll(url.PathEscape(part), ":", "%3A")
	if strings.Trim(escaped, ".") == "" {
		escaped = strings.ReplaceAll(escaped, ".", "%2E")
	}
	return escaped
}
