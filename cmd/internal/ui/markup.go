package ui

import (
	"fmt"
	"io"
	"strings"
)

// xmlText writes XML or HTML. Names of elements and attributes are ours; texts
// and values are others', and are cleaned and escaped. The first error is kept
// and ends the writing.
type xmlText struct {
	w   io.Writer
	err error
}

// raw writes markup of ours.
func (x *xmlText) raw(markup string) {
	if x.err == nil {
		_, x.err = io.WriteString(x.w, markup)
	}
}

// open begins an element on a line of its own; blanks before its name are
// written too.
func (x *xmlText) open(name string, attributes ...string) {
	x.raw(tag(name, attributes) + ">\n")
}

func (x *xmlText) empty(name string, attributes ...string) {
	x.raw(tag(name, attributes) + "/>\n")
}

func (x *xmlText) close(name string) {
	blanks := name[:len(name)-len(strings.TrimLeft(name, " "))]
	x.raw(blanks + "</" + strings.TrimLeft(name, " ") + ">\n")
}

// element writes an element with a text, in which line breaks are kept.
func (x *xmlText) element(name, text string, attributes ...string) {
	x.raw(tag(name, attributes) + ">" + escaped(CleanLines(text)) + "</" + strings.TrimLeft(name, " ") + ">\n")
}

func tag(name string, attributes []string) string {
	bare := strings.TrimLeft(name, " ")
	var b strings.Builder
	b.WriteString(name[:len(name)-len(bare)] + "<" + bare)
	for i := 0; i+1 < len(attributes); i += 2 {
		fmt.Fprintf(&b, ` %s="%s"`, attributes[i], escaped(Clean(attributes[i+1])))
	}
	return b.String()
}

var markupEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// escaped escapes a clean text for HTML and XML, in elements and attributes.
func escaped(s string) string { return markupEscapes.Replace(s) }

// inline is a text of others on one line of markup.
func inline(s string) string { return escaped(Clean(s)) }
