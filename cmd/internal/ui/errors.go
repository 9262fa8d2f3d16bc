package ui

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/schema"
)

// ErrorContext is what the text of an error may draw on besides the error.
type ErrorContext struct {
	Options
	// Source returns the text of a file the user wrote; nil when unknown.
	Source func(file string) []byte
	// Command is the command line that met the error, for hints to repeat.
	Command string
	// Locate returns the place in the user's file that a field of an app comes
	// from.
	Locate func(object apply.ObjectKey, field string) (schema.Pos, string)
	// Origin returns the place in the user's file that decides a field of an
	// object, and what is called so there.
	Origin func(object apply.ObjectKey, path string) (schema.Pos, string)
}

// hinter is an error that knows the way out.
type hinter interface{ Hint() string }

// WriteError writes an error and the ways out of it. Lower case, no full stop,
// one fact a line: what is wrong, where, and as a hint the next command.
func WriteError(w io.Writer, err error, c ErrorContext) {
	t := errorText{NewPrinter(w, c.Options), c, map[string][]string{}}
	var (
		invalid  schema.Errors
		conflict *apply.ConflictError
		notReady *apply.NotReadyError
		locked   *apply.LockedError
		defect   *apply.PanicError
		policy   *PolicyError
		hinted   hinter
	)
	switch {
	case errors.As(err, &policy):
		t.policy(policy)
	case errors.As(err, &invalid):
		for _, one := range invalid {
			t.positioned(one, "")
		}
		t.count(invalid)
	case errors.As(err, &conflict):
		t.conflicts(conflict)
	case errors.As(err, &notReady):
		t.notReady(notReady)
		// What became of the record of the run is said after it.
		if _, more, ok := strings.Cut(err.Error(), notReady.Error()+"\n"); ok {
			t.printf("%s %s\n", t.label(), lines(strings.ReplaceAll(more, "\n", "\n  ")))
			if errors.As(err, &hinted) {
				t.hint(hinted.Hint())
			}
		}
	case errors.As(err, &locked):
		t.locked(locked)
	case errors.As(err, &defect):
		t.printf("%s %s\n%s\n", t.label(), err, lines(indent(string(defect.Stack), "  ")))
		t.hint("this is a defect of stackctl: please report it with the lines above")
	default:
		t.printf("%s %s\n", t.label(), lines(strings.ReplaceAll(err.Error(), "\n", "\n  ")))
		if frozen := (*apply.ImmutableError)(nil); errors.As(err, &frozen) {
			t.place(frozen.Object, frozen.Field)
		}
		if errors.As(err, &hinted) {
			t.hint(hinted.Hint())
		} else {
			t.hint(wayOut(err))
		}
	}
}

// WriteWarnings writes what is legal in a description and will hurt.
func WriteWarnings(w io.Writer, warnings []schema.Error, c ErrorContext) {
	t := errorText{NewPrinter(w, c.Options), c, map[string][]string{}}
	for _, one := range warnings {
		t.positioned(one, "warning: ")
	}
}

type errorText struct {
	*Printer
	c     ErrorContext
	files map[string][]string // the lines of those that were asked for
}

func (p *Printer) label() styled { return styled{red, "error:"} }

// hint writes the way out on a line of its own.
func (p *Printer) hint(hint string) {
	if hint != "" {
		p.printf("  %s %s\n", styled{cyan, "hint:"}, lines(strings.ReplaceAll(hint, "\n", "\n        ")))
	}
}

// positioned writes an error of the user's file as a compiler does: the place,
// what is wrong, the line with a caret under it, the hint.
func (t errorText) positioned(e schema.Error, kind string) {
	at := Place(e.Pos)
	if at == "" {
		at = "error"
	}
	path := e.Path
	if path != "" {
		path += ": "
	}
	t.printf("%s %s%s%s\n", styled{bold, at + ":"}, kind, path, lines(e.Msg))
	if !e.Hidden {
		t.snippet(e.Pos)
	}
	t.hint(e.Hint)
}

// count ends a list of errors that may be longer than the screen.
func (t errorText) count(errs schema.Errors) {
	var files []string
	for _, e := range errs {
		if name := Place(schema.Pos{File: e.Pos.File}); name != "" && !slices.Contains(files, name) {
			files = append(files, name)
		}
	}
	switch {
	case len(errs) < 2:
	case len(files) == 1:
		t.printf("%s in %s\n", styled{red, plural(len(errs), "error")}, files[0])
	default:
		t.printf("%s in %s\n", styled{red, plural(len(errs), "error")}, plural(len(files), "file"))
	}
}

// Place writes a position as file:line:col, with standard input by its name.
func Place(pos schema.Pos) string {
	if pos.File == "-" {
		pos.File = "stdin"
	}
	return pos.String()
}

// secretLine matches a line of a file in which a variable that is named like a
// secret has a literal value: errors end up in logs, which have more readers.
var secretLine = regexp.MustCompile(`([A-Z0-9_]*(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL)[A-Z0-9_]*|[Pp]ass(word|wd|phrase))["']?\s*:\s*["']?[^\s"'{}\[\],#&*]`)

// snippet writes the user's line with a caret under the column.
func (t errorText) snippet(pos schema.Pos) {
	if t.c.Source == nil || !pos.IsValid() {
		return
	}
	line := t.sourceLine(pos)
	if strings.TrimSpace(line) == "" || secretLine.MatchString(line) {
		return
	}
	t.printf("%6d | %s\n", pos.Line, CleanLines(line))
	if pos.Col > 0 && pos.Col <= len(line)+1 {
		blanks := visible(CleanLines(line[:pos.Col-1]))
		t.printf("       | %s%s\n", raw(strings.Repeat(" ", blanks)), styled{red, "^"})
	}
}

// sourceLine returns a line of the user's file, "" when there is none. A file is
// read once, however many lines of it are shown.
func (t errorText) sourceLine(pos schema.Pos) string {
	lines, known := t.files[pos.File]
	if !known {
		lines = strings.SplitAfter(string(t.c.Source(pos.File)), "\n")
		t.files[pos.File] = lines
	}
	if pos.Line > len(lines) {
		return ""
	}
	return strings.TrimRight(lines[pos.Line-1], "\r\n")
}

func (t errorText) locked(e *apply.LockedError) {
	t.printf("%s locked by %s for %s\n", t.label(), e.Holder, Age(t.o.Now, e.Holder.Since))
	t.hint("wait for it with --lock-timeout 10m; a run that died loses its lock within a minute; `stackctl unlock` shows more, and breaks it")
}

func (t errorText) notReady(e *apply.NotReadyError) {
	switch {
	case e.Timeout > 0:
		t.printf("%s not ready after %s\n", t.label(), round(e.Timeout))
	default:
		t.printf("%s not ready, and waiting longer cannot help\n", t.label())
	}
	for _, h := range e.Health {
		t.printf("  %s: %s\n", h.Object, h.Message)
		t.cause(h)
	}
	t.hint("mend it and run `stackctl apply` again, go back with `stackctl rollback`, or look with `stackctl status`")
}

// cause writes what keeps an object from becoming ready, with the line of the
// user's file to change.
func (t errorText) cause(h apply.Health) {
	if h.Cause == nil {
		return
	}
	t.printf("    %s\n", lines(strings.ReplaceAll(h.Cause.String(), "\n", "\n      ")))
	for _, line := range h.Cause.Log {
		t.printf("      | %s\n", line)
	}
	if h.Cause.Field != "" {
		t.place(h.Object, h.Cause.Field)
	}
}

// place writes the line of the user's file that a field of an object's app
// comes from, or where the app begins.
func (t errorText) place(object apply.ObjectKey, field string) {
	if t.c.Locate == nil {
		return
	}
	pos, path := t.c.Locate(object, field)
	if !pos.IsValid() {
		return
	}
	t.printf("    %s\n", styled{bold, Place(pos) + ": " + path})
	t.snippet(pos)
}

// wayOut is the hint for an error of the engine.
func wayOut(err error) string {
	var (
		stale     *apply.StalePlanError
		prune     *apply.PruneError
		forbidden *apply.ForbiddenError
		lost      *apply.LockLostError
		record    *apply.NotRecordedError
	)
	switch {
	case errors.As(err, &stale):
		return "nothing was written; run the command again to see and approve the new plan"
	case errors.As(err, &prune):
		return "if that is meant: --allow-prune " + Value(prune.Deletes)
	case errors.As(err, &forbidden):
		return "ask for the right to read it; `kubectl auth can-i --list` shows what you may do"
	case errors.As(err, &lost):
		return "another run may be working; look with `stackctl status`, then apply again"
	case errors.As(err, &record):
		return "run `stackctl apply` again: it finishes the record and writes nothing else"
	case errors.Is(err, apply.ErrNoStack):
		return "`stackctl list -A` shows what there is; -n names the namespace"
	}
	return ""
}
