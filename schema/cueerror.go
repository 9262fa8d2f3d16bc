package schema

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/ast/astutil"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"
)

// places are the files of the user: an error points at one of them, never
// into the definitions of stackctl or of CUE.
type places struct {
	main  string
	files []*ast.File
}

// user converts a position; one outside of the user's files is none.
func (p *places) user(at token.Pos) Pos {
	if !at.IsValid() {
		return Pos{}
	}
	name := at.Filename()
	if name == "" || name == p.main || slices.ContainsFunc(p.files, func(f *ast.File) bool { return f.Filename == name }) {
		return position(p.main, at)
	}
	return Pos{}
}

// position converts a position of CUE.
func position(file string, p token.Pos) Pos {
	if !p.IsValid() {
		return Pos{File: file}
	}
	at := p.Position()
	if at.Filename == "" {
		at.Filename = file
	}
	return Pos{File: at.Filename, Line: at.Line, Col: at.Column}
}

// of returns the places an error names that lie in files of the user.
func (p *places) of(err cueerrors.Error) []Pos {
	var found []Pos
	for _, at := range append([]token.Pos{err.Position()}, err.InputPositions()...) {
		if pos := p.user(at); pos.IsValid() && !slices.Contains(found, pos) {
			found = append(found, pos)
		}
	}
	return found
}

// cueErrors says in the user's words what CUE found, everything at once.
func cueErrors(p *places, err error) Errors {
	all := cueerrors.Errors(err)
	var out Errors
	for _, one := range all {
		if p.isEcho(one, all) {
			continue
		}
		e := p.error(one)
		again := func(other Error) bool { // a-b is two references and one mistake
			return strings.HasSuffix(e.Msg, " is not defined") && strings.HasSuffix(other.Msg, " is not defined") &&
				other.Path == e.Path && other.Pos.Line == e.Pos.Line
		}
		if !slices.ContainsFunc(out, again) {
			out = append(out, e)
		}
	}
	return out
}

// syntaxErrors gives the error of a parser of CUE or YAML its places.
func syntaxErrors(file string, text []byte, err error) Errors {
	var list cueerrors.Error
	if errors.As(err, &list) {
		return cueErrors(&places{main: file}, err)
	}
	return yamlFaults(file, text, err)
}

// isEcho reports whether other errors say better what this one says: it only
// counts them, or a value is undecided since another one is.
func (p *places) isEcho(err cueerrors.Error, all []cueerrors.Error) bool {
	format, _ := err.Msg()
	switch {
	case strings.HasPrefix(format, "%d errors in empty disjunction"):
		return len(all) > 1
	case strings.HasPrefix(format, "invalid interpolation"):
		return slices.ContainsFunc(all, isUndecided)
	case !isUndecided(err):
		return false
	}
	cause := p.of(err)
	if len(cause) == 0 || p.field(err.Path()).Line == cause[0].Line {
		return false
	}
	return slices.ContainsFunc(all, func(other cueerrors.Error) bool {
		found := p.of(other)
		return isUndecided(other) && len(found) > 0 && found[0] == cause[0] && p.field(other.Path()).Line == cause[0].Line
	})
}

func isUndecided(err cueerrors.Error) bool {
	format, _ := err.Msg()
	return strings.HasPrefix(format, "incomplete value ") || format == "incomplete %s: %s"
}

func (p *places) error(err cueerrors.Error) Error {
	format, args := err.Msg()
	e := Error{Path: userPath(err.Path()), Msg: fmt.Sprintf(format, args...)}
	for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
		e.Msg += ": " + causeOf(cause)
	}
	found := p.of(err)
	switch own := p.field(err.Path()); {
	case isUndecided(err) && own.IsValid():
		e.Pos = own // where the decision is missing, not where the type comes from
	case len(found) > 0:
		e.Pos = found[0]
	case own.IsValid():
		e.Pos = own
	default:
		e.Pos = Pos{p.main, 1, 1}
	}
	switch {
	case strings.HasPrefix(format, "conflicting values") && len(args) >= 2:
		p.conflict(&e, found, fmt.Sprint(args[0]), fmt.Sprint(args[1]))
	case strings.HasPrefix(format, "invalid value %v (out of bound %s)"):
		p.outOfBound(&e, found, fmt.Sprint(args[0]), fmt.Sprint(args[1]))
	case isUndecided(err):
		undecided(&e, oneLine(fmt.Sprint(args[len(args)-1])))
	case strings.HasPrefix(format, "reference %q not found"):
		p.unknown(&e, fmt.Sprint(args[0]))
	case format == "field is required but not present":
		e.Msg = "is missing"
	case format == "field not allowed":
		e.Msg = "the definition of this value does not have this field"
	case strings.HasPrefix(format, "structural cycle"):
		e.Msg, e.Hint = "contains itself (a structural cycle)", "let it refer to a definition or to another field"
	case strings.HasPrefix(format, "imported and not used"):
		e.Hint = "remove the import"
	case strings.HasPrefix(format, "unreferenced alias or let clause"):
		e.Msg, e.Hint = fmt.Sprintf("the name %v is not used", args[0]), "remove it; a field is written with a colon, as in replicas: 2"
	}
	return e
}

// causeOf returns the message of an error without its place and path.
func causeOf(err error) string {
	var one cueerrors.Error
	if !errors.As(err, &one) {
		return err.Error()
	}
	format, args := one.Msg()
	return fmt.Sprintf(format, args...)
}

// conflict names both places of a conflict; the later one is where it is.
func (p *places) conflict(e *Error, found []Pos, value, other string) {
	value, other = oneLine(value), oneLine(other)
	e.Msg = value + " conflicts with " + other
	if len(found) < 2 {
		return
	}
	here, there := found[0], found[1]
	if here.File == there.File && (here.Line < there.Line || here.Line == there.Line && here.Col < there.Col) {
		here, there = there, here
		value, other = other, value
	}
	e.Pos = here
	e.Msg = value + " conflicts with " + other + otherPlace(here, there)
}

// outOfBound points at the value; CUE's first place is that of the bound.
func (p *places) outOfBound(e *Error, found []Pos, value, bound string) {
	e.Msg = oneLine(value) + " is not " + oneLine(bound)
	if len(found) > 1 {
		e.Pos = found[1]
		e.Msg += otherPlace(found[1], found[0])
	}
}

// otherPlace says where the other place of an error is.
func otherPlace(here, there Pos) string {
	switch {
	case here.File != there.File:
		return " on line " + strconv.Itoa(there.Line) + " of " + there.File
	case here.Line == there.Line:
		return " in the same line"
	}
	return " on line " + strconv.Itoa(there.Line)
}

// undecided reports a value that still can be several things.
func undecided(e *Error, kind string) {
	e.Msg = "is not decided: " + kind
	switch {
	case strings.Contains(kind, " | "):
		e.Hint = "choose one, or mark the default with a *"
	case kind == "int" || kind == "number" || kind == "float":
		e.Hint = "give it a value, or a default as in *1 | " + kind
	case kind == "bool":
		e.Hint = "give it a value, or a default as in *true | bool"
	default:
		e.Hint = "give it a value, or a default as in *\"a\" | string"
	}
}

// oneLine returns a value on one line.
func oneLine(value string) string {
	value = strings.Join(strings.Fields(value), " ")
	if runes := []rune(value); len(runes) > 60 {
		value = string(runes[:57]) + "..."
	}
	return value
}

// unknown reports a name that nothing has.
func (p *places) unknown(e *Error, name string) {
	e.Msg = "the name " + name + " is not defined"
	e.Hint = "a text needs quotes, as in \"" + name + "\""
	if hint := didYouMean(name, p.names()); hint != "" {
		e.Hint = hint + " " + e.Hint
	}
}

// names returns what references in the user's files can mean.
func (p *places) names() []string {
	var names []string
	for _, file := range p.files {
		ast.Walk(file, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.Field:
				if name, isName, err := ast.LabelName(x.Label); err == nil && isName {
					names = append(names, name)
				}
			case *ast.LetClause:
				names = append(names, x.Ident.Name)
			case *ast.ImportSpec:
				if info, err := astutil.ParseImportSpec(x); err == nil {
					names = append(names, info.Ident)
				}
			}
			return true
		}, nil)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// field returns where a field, or the nearest one around it, is written.
func (p *places) field(path []string) Pos {
	best, deepest := Pos{}, 0
	for _, file := range p.files {
		if at, depth := written(file.Decls, path); depth > deepest {
			best, deepest = p.user(at), depth
		}
	}
	return best
}

// written looks for a path in declarations and returns the place of the field
// that matches most of it.
func written(decls []ast.Decl, path []string) (best token.Pos, deepest int) {
	for _, decl := range decls {
		field, ok := decl.(*ast.Field)
		if !ok || len(path) == 0 {
			continue
		}
		if name, _, err := ast.LabelName(field.Label); err != nil || name != unquoted(path[0]) {
			continue
		}
		at, depth := writtenIn(field.Value, path[1:])
		if depth == 0 {
			at = field.Label.Pos()
		}
		if depth+1 > deepest {
			best, deepest = at, depth+1
		}
	}
	return best, deepest
}

func writtenIn(value ast.Expr, path []string) (token.Pos, int) {
	switch x := value.(type) {
	case *ast.StructLit:
		return written(x.Elts, path)
	case *ast.BinaryExpr:
		at, depth := writtenIn(x.X, path)
		if other, more := writtenIn(x.Y, path); more > depth {
			return other, more
		}
		return at, depth
	case *ast.ListLit:
		if len(path) == 0 {
			break
		}
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(x.Elts) {
			if at, depth := writtenIn(x.Elts[i], path[1:]); depth > 0 {
				return at, depth + 1
			}
			return x.Elts[i].Pos(), 1
		}
	}
	return token.NoPos, 0
}

// userPath joins a path of CUE, leaving out definitions: their names lie in
// front of the path of a value that was checked against them.
func userPath(path []string) string {
	var parts []string
	for _, part := range path {
		if _, err := strconv.Atoi(part); err == nil {
			part = "[" + part + "]"
		}
		if !strings.HasPrefix(part, "#") || len(path) == 1 {
			parts = append(parts, unquoted(part))
		}
	}
	return join(parts...)
}

// unquoted returns a label without the quotes CUE puts around some.
func unquoted(part string) string {
	if text, err := strconv.Unquote(part); err == nil {
		return text
	}
	return part
}
