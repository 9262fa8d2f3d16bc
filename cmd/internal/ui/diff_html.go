package ui

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"stackctl.dev/stackctl/apply"
)

// pageStyle is all that the page has of looks. There is no script in it.
//
//go:embed diff_html.css
var pageStyle string

// openLines is how many lines of objects a page shows without asking.
const openLines = 400

// diffHTML writes one page that holds all it needs: it loads nothing, runs
// nothing, and what it says of others is text. Its policy has the browser see
// to that.
func diffHTML(w io.Writer, all []Diff, _ Options) error {
	sum := sha256.Sum256([]byte(pageStyle))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
	p := page{xmlText: &xmlText{w: w}}
	p.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
	p.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"" + policy + "\">\n")
	p.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n")
	p.raw("<meta name=\"referrer\" content=\"no-referrer\">\n")
	p.element("title", pageTitle(all))
	p.raw("<style>" + pageStyle + "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#changes-1\">Skip to the changes</a>\n")
	p.element("h1", pageTitle(all))
	p.raw("<main>\n")
	for i, d := range all {
		p.diff(d, i+1)
	}
	p.raw("</main>\n</body>\n</html>\n")
	return p.err
}

func pageTitle(all []Diff) string {
	if len(all) == 1 {
		return "stackctl diff: " + all[0].Plan.Stack.String()
	}
	return "stackctl diff: " + plural(len(all), "stack")
}

// page is the writing of a page.
type page struct {
	*xmlText
	lines int // shown so far
}

func (p *page) diff(d Diff, n int) {
	objects, unchanged := d.subjects()
	edits := make([][]edit, len(objects))
	for i, s := range objects {
		edits[i] = s.edits()
	}
	p.raw("<article>\n")
	p.element("h2", fmt.Sprintf("Stack %s in namespace %s", d.Plan.Stack.Name, d.Plan.Stack.Namespace))
	p.element("p", d.summary(), "class", "summary")
	p.element("p", d.where(), "class", "where")
	p.list("warnings", d.remarks())
	if len(objects) > 0 {
		p.raw("<div class=\"scroll\" role=\"region\" aria-label=\"Objects\" tabindex=\"0\">\n<table>\n<thead><tr><th scope=\"col\">Change</th><th scope=\"col\">Object</th><th scope=\"col\">Lines</th><th scope=\"col\">Remarks</th></tr></thead>\n<tbody>\n")
		for i, s := range objects {
			p.row(s, edits[i], fmt.Sprintf("object-%d-%d", n, i+1))
		}
		p.raw("</tbody>\n</table>\n</div>\n")
	}
	fmt.Fprintf(p, "<div id=\"changes-%d\" class=\"changes\" tabindex=\"-1\">\n", n)
	for i, s := range objects {
		p.subject(s, edits[i], fmt.Sprintf("object-%d-%d", n, i+1))
	}
	p.raw("</div>\n")
	if len(unchanged) > 0 {
		p.raw("<details><summary>" + plural(len(unchanged), "object") + " unchanged</summary>\n")
		p.list("unchanged", unchanged)
		p.raw("</details>\n")
	}
	p.raw("</article>\n")
}

// Write lets formats of ours be written.
func (p *page) Write(b []byte) (int, error) {
	p.raw(string(b))
	return len(b), p.err
}

func (p *page) list(class string, texts []string) {
	if len(texts) == 0 {
		return
	}
	p.open("ul", "class", class)
	for _, text := range texts {
		p.element("li", text)
	}
	p.close("ul")
}

// row is an object in the table, with a link to its lines.
func (p *page) row(s subject, edits []edit, id string) {
	notes, lines := s.notes, ""
	if n := len(s.Conflicts); n > 0 {
		notes = append([]string{plural(n, "conflict")}, notes...)
	}
	if added, removed := size(edits); added+removed > 0 {
		lines = fmt.Sprintf("+%d −%d", added, removed)
	}
	fmt.Fprintf(p, "<tr><td><span class=\"tag %s\">%s</span></td><td class=\"name\"><a href=\"#%s\"><code>%s</code></a></td><td class=\"size\">%s</td><td>%s</td></tr>\n",
		class(s), s.word, id, inline(s.name), lines, inline(strings.Join(notes, "; ")))
}

// class is what an object looks like, which its word says too.
func class(s subject) string {
	return map[string]string{"+": "add", "~": "set", "-": "remove", "-/+": "remove", "!": "remove"}[s.sign]
}

// subject is an object with its lines, which open by the keyboard too.
func (p *page) subject(s subject, edits []edit, id string) {
	hunks := hunks(edits)
	lines := 0
	for _, h := range hunks {
		lines += len(h)
	}
	open := ""
	if p.lines += lines; p.lines <= openLines {
		open = " open"
	}
	fmt.Fprintf(p, "<details class=\"object\" id=\"%s\"%s>\n<summary><span class=\"tag %s\">%s</span> <code>%s</code></summary>\n", id, open, class(s), s.word, inline(s.name))
	if label := labelText(s.Label, s.Spec); label != "" {
		p.element("p", label, "class", "where")
	}
	p.list("notes", s.notes)
	var conflicts []string
	for _, c := range s.Conflicts {
		conflicts = append(conflicts, conflictText(c))
	}
	p.list("warnings", conflicts)
	if len(s.Fields) > 0 {
		p.fields(s)
	}
	if len(hunks) > 0 {
		fmt.Fprintf(p, "<pre role=\"region\" aria-label=\"Lines of %s\" tabindex=\"0\">", inline(s.name))
		for _, h := range hunks {
			p.raw("<span class=\"hunk\">" + hunkHeader(h) + "</span>\n")
			for _, e := range h {
				p.line(e)
			}
		}
		p.raw("</pre>\n")
	}
	p.raw("</details>\n")
}

func (p *page) line(e edit) {
	text := escaped(string(e.op)) + inline(e.text)
	switch e.op {
	case '+':
		text = "<ins>" + text + "</ins>"
	case '-':
		text = "<del>" + text + "</del>"
	}
	p.raw(text + "\n")
}

// fields is the table of an object's differences.
func (p *page) fields(s subject) {
	fmt.Fprintf(p, "<div class=\"scroll\" role=\"region\" aria-label=\"Fields of %s\" tabindex=\"0\">\n<table>\n", inline(s.name))
	p.raw("<thead><tr><th scope=\"col\">Field</th><th scope=\"col\">Before</th><th scope=\"col\">After</th><th scope=\"col\">Whose doing</th></tr></thead>\n<tbody>\n")
	for _, f := range s.Fields {
		fmt.Fprintf(p, "<tr><th scope=\"row\"><code>%s</code></th><td>%s</td><td>%s</td><td>%s</td></tr>\n",
			inline(f.Path), cell(f.Before, f.Op != apply.FieldAdd), cell(f.After, f.Op != apply.FieldRemove), inline(s.whose(f)))
	}
	p.raw("</tbody>\n</table>\n</div>\n")
}

// cell is a value of a field; one that is long is in the lines below.
func cell(v any, there bool) string {
	if !there {
		return "<span class=\"none\">none</span>"
	}
	return "<code>" + inline(shorten(Value(v), 200)) + "</code>"
}
