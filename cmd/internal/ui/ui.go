// Package ui writes what the loader and the engine say: plans, progress,
// results, history and errors, for people or for machines.
//
// Every human output goes through a [Printer], which escapes what could move a
// cursor, hide text or forge a line (see [Clean]). Names, messages and values
// come from a cluster in which others write, so nothing is trusted, on a
// terminal or not. JSON and YAML are left as their encoders write them: they
// quote control characters themselves.
//
// The package asks nothing of its surroundings: colour, width and time are
// parameters.
package ui

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Options say how to write.
type Options struct {
	// Color allows colours; they never carry a fact of their own.
	Color bool
	// Now is what ages are counted from.
	Now time.Time
	// Width is that of the terminal in columns, 0 where there is none.
	Width int
	// File names a file of the user's as the reader of a document does, such as
	// relative to the repository; nil leaves the name as it is.
	File func(string) string
	// Summary is where a format for a CI system writes what is to be read beside
	// its lines; nil leaves that out.
	Summary io.Writer
}

// Printer writes text for people. The first error is kept and ends the
// writing; [Printer.Err] returns it.
type Printer struct {
	w   io.Writer
	o   Options
	err error
}

// NewPrinter returns a printer to w.
func NewPrinter(w io.Writer, o Options) *Printer { return &Printer{w: w, o: o} }

// Err returns the first error of writing.
func (p *Printer) Err() error { return p.err }

// style is a colour of a terminal.
type style string

const (
	plain  style = ""
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
	bold   style = "1"
	dim    style = "2"
)

// styled is an argument of printf to be written in a colour.
type styled struct {
	style style
	text  any
}

// lines is an argument of printf in which line breaks are kept.
type lines string

// raw is an argument of printf that was cleaned before it was coloured.
type raw string

// printf writes a format of ours with arguments of others. The arguments are
// cleaned, the format is not.
func (p *Printer) printf(format string, args ...any) {
	for i, a := range args {
		args[i] = p.arg(a)
	}
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *Printer) arg(a any) any {
	switch a := a.(type) {
	case styled:
		text := fmt.Sprint(p.arg(a.text))
		if !p.o.Color || a.style == plain || text == "" {
			return text
		}
		return "\x1b[" + string(a.style) + "m" + text + "\x1b[0m"
	case lines:
		return CleanLines(string(a))
	case raw:
		return string(a)
	case int, int64, bool:
		return a
	default:
		return Clean(fmt.Sprint(a))
	}
}

// plural returns "1 object" or "n objects".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// indent puts a prefix in front of every line of s.
func indent(s, prefix string) string {
	return prefix + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n"+prefix)
}

// shorten cuts s to at most n runes.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
