package ui

import (
	"fmt"
	"io"
	"strings"
)

// summaryLimit is what GitHub keeps of a step's summary, in bytes, with room for
// what other commands of the step wrote.
const summaryLimit = 900 << 10

// diffGitHub writes workflow commands, which GitHub shows at the lines of the
// description, and the Markdown of the plans as the summary of the step.
func diffGitHub(w io.Writer, all []Diff, o Options) error {
	for _, d := range all {
		annotate(w, "notice", nil, d.title(), d.summary())
		for _, f := range d.findings() {
			properties := map[string]string{}
			if f.place != nil {
				properties["file"], properties["line"] = o.file(f.place.File), fmt.Sprint(max(f.place.Line, 1))
				if f.place.Column > 0 {
					properties["col"] = fmt.Sprint(f.place.Column)
				}
			}
			command := map[level]string{levelError: "error", levelWarning: "warning", levelNotice: "notice"}[f.level]
			if err := annotate(w, command, properties, f.check, strings.Join(cleaned(f.text), "\n")); err != nil {
				return err
			}
		}
	}
	if o.Summary == nil {
		return nil
	}
	return writeMarkdown(o.Summary, all, summaryLimit)
}

// annotate writes one workflow command. Its text may have several lines.
func annotate(w io.Writer, command string, properties map[string]string, title, text string) error {
	line := "::" + command + " "
	for _, name := range []string{"file", "line", "col"} {
		if value := properties[name]; value != "" {
			line += name + "=" + commandProperty(value) + ","
		}
	}
	_, err := fmt.Fprintf(w, "%stitle=%s::%s\n", line, commandProperty("stackctl: "+title), commandData(CleanLines(text)))
	return err
}

// cleaned are texts each on a line of its own.
func cleaned(all []string) []string {
	clean := make([]string, len(all))
	for i, text := range all {
		clean[i] = Clean(text)
	}
	return clean
}

var (
	commandEscapes  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// commandData escapes the text of a workflow command.
func commandData(s string) string { return commandEscapes.Replace(s) }

// commandProperty escapes the value of a property of a workflow command.
func commandProperty(s string) string { return propertyEscapes.Replace(Clean(s)) }

// file names a file as the reader of a document does.
func (o Options) file(name string) string {
	if o.File == nil {
		return name
	}
	return o.File(name)
}
