package ui

import (
	"io"
	"strings"

	"stackctl.dev/stackctl/schema"
)

// textWidth is where paragraphs are broken.
const textWidth = 78

// WriteField writes all that the language says about a field, and a line for
// each of the fields below it.
func WriteField(w io.Writer, f *schema.Field, o Options) error {
	p := NewPrinter(w, o)
	p.printf("%s\n", styled{bold, f.Path})
	p.paragraph(f.Doc)
	p.facts(f)
	if len(f.Examples) > 0 {
		p.printf("\n%s\n", styled{bold, "Examples"})
		for _, example := range f.Examples {
			p.printf("  %s: %s\n", f.Name, example)
		}
	}
	if len(f.Fields) > 0 {
		p.printf("\n%s\n", styled{bold, "Fields"})
		p.fields(f.Fields)
	}
	return p.Err()
}

// WriteFields writes the overview: the fields of a stack and of an app.
func WriteFields(w io.Writer, stack, app *schema.Field, o Options) error {
	p := NewPrinter(w, o)
	p.printf("%s\n", styled{bold, "Fields of a stack"})
	p.fields(stack.Fields)
	p.printf("\n%s\n", styled{bold, "Fields of an app, below apps.NAME"})
	p.fields(app.Fields)
	p.printf("\n`stackctl explain FIELD` says more, such as `stackctl explain ingress`.\n")
	return p.Err()
}

// facts writes what is true of a field, one fact under the other.
func (p *Printer) facts(f *schema.Field) {
	var rows table
	add := func(name string, values ...string) {
		for _, value := range values {
			if value != "" {
				rows.row("  "+name, value)
				name = ""
			}
		}
	}
	add("type", f.Type)
	for i, form := range f.Short {
		text := form.Want
		if form.Field != "" {
			text += ", which stands for " + form.Field
		}
		add([]string{"short", ""}[min(i, 1)], text)
	}
	if f.SameAs != "" {
		add("same as", f.SameAs)
	}
	add("keys", f.Keys)
	add("values", f.Values)
	if f.Want != f.Type {
		add("want", f.Want)
	}
	switch {
	case f.Required && strings.HasPrefix(f.Path, "apps."):
		add("required", "yes; the defaults of the stack or an environment may have it")
	case f.Required:
		add("required", "yes")
	}
	for i, one := range f.Defaults {
		text := one.Value
		if one.When != "" {
			text = one.When + ": " + text
		}
		add([]string{"default", ""}[min(i, 1)], text)
	}
	add("without", f.Off)
	add("emits", f.Emits...)
	if len(rows.rows) > 0 {
		p.printf("\n")
		rows.write(p)
	}
}

// fields writes a line for each field: its name, and the first sentence about
// it.
func (p *Printer) fields(fields []*schema.Field) {
	var rows table
	for _, f := range fields {
		name := f.Name
		if f.Required {
			name += " (required)"
		}
		rows.row("  "+name, firstSentence(f.Doc))
	}
	rows.write(p)
}

func firstSentence(text string) string {
	first, _, more := strings.Cut(strings.ReplaceAll(text, "\n", " "), ". ")
	if more {
		first += "."
	}
	return first
}

// paragraph writes a text, indented, in lines that are easy to read.
func (p *Printer) paragraph(text string) {
	if text == "" {
		return
	}
	p.printf("\n")
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && visible(line)+visible(word)+3 > textWidth {
			p.printf("  %s\n", line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	p.printf("  %s\n", line)
}
