package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a file the user wrote. Line and Col count from 1, Col in
// bytes. The zero value means "no place".
type Pos struct {
	File      string
	Line, Col int
}

// IsValid reports whether p names a line.
func (p Pos) IsValid() bool { return p.Line > 0 }

// String returns file:line:col, leaving out what is not known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Error is one thing that is wrong, or for a warning unwise, in a description.
// Msg is lower case without a full stop; Hint, if there is one, is the way out.
type Error struct {
	Pos  Pos
	Path string // such as apps.web.port, as the user wrote it
	Msg  string
	Hint string
	// Hidden says that the line may hold a secret value: show its place only.
	Hidden bool
}

// Error returns "file:line:col: path: msg" without the hint.
func (e Error) Error() string {
	text := e.Msg
	if e.Path != "" {
		text = e.Path + ": " + text
	}
	if at := e.Pos.String(); at != "" {
		text = at + ": " + text
	}
	return text
}

// Errors is everything that is wrong, sorted by position. It is never empty
// when [Load] returns it.
type Errors []Error

// Error returns all errors, one per line, without their hints.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted orders errors by position and drops repeated ones.
func sorted(errs []Error) []Error {
	slices.SortStableFunc(errs, func(a, b Error) int {
		return cmp.Or(
			cmp.Compare(a.Pos.File, b.Pos.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Msg, b.Msg),
		)
	})
	return slices.Compact(errs)
}

// join returns a path as an error shows it, quoting what has dots in it.
func join(path ...string) string {
	var text strings.Builder
	for _, part := range path {
		switch {
		case strings.HasPrefix(part, "["):
			text.WriteString(part)
			continue
		case part == "" || strings.ContainsAny(part, ". ") || !isPlain(part):
			part = fmt.Sprintf("%q", part)
		}
		if text.Len() > 0 {
			text.WriteByte('.')
		}
		text.WriteString(part)
	}
	return text.String()
}

// isPlain reports whether a text can be shown as it is: a terminal obeys what
// is not printable, and quotes would end early.
func isPlain(text string) bool { return fmt.Sprintf("%q", text) == `"`+text+`"` }
