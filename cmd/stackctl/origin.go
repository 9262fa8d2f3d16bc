package main

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// conflictContext is what a plan tells the ways out of its conflicts with.
func (s *session) conflictContext(e *env) ui.ErrorContext {
	where := e.errorContext(locate(s.spec))
	where.Origin = origin(s.spec, s.stack.Namespace)
	where.Command = cmp.Or(e.command, commandLine(asApply(e.args)))
	return where
}

// asApply returns the command line of the apply that a diff, or a dry run, is
// the preview of.
func asApply(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "--dry-run" || arg == "--exit-zero" || strings.HasPrefix(arg, "-o") && len(arg) > 2 || strings.HasPrefix(arg, "--output="):
		case arg == "-o" || arg == "--output":
			i++ // and the format
		case arg == "diff" && !slices.Contains(out, "apply"):
			out = append(out, "apply")
		default:
			out = append(out, arg)
		}
	}
	return out
}

// origin returns the function that finds the user's line that decides a field
// of an object; nil without a description.
func (e *stackError) origin() func(apply.ObjectKey, string) (schema.Pos, string) {
	if e == nil {
		return nil
	}
	return origin(e.spec, e.stack.Namespace)
}

func origin(spec *schema.Stack, namespace string) func(apply.ObjectKey, string) (schema.Pos, string) {
	if spec == nil {
		return nil
	}
	explained := sync.OnceValue(func() render.Explained {
		all, _ := render.Explain(spec, render.Options{Namespace: namespace})
		return all
	})
	return func(object apply.ObjectKey, path string) (schema.Pos, string) {
		for _, one := range explained() {
			name, hashed := one.Object.GetName(), one.Object.GetLabels()[apply.LabelContent] != ""
			if one.Object.GetKind() != object.Kind || name != object.Name && !(hashed && strings.HasPrefix(object.Name, name+"-")) {
				continue
			}
			if o := originOf(one, path); o != nil && o.Pos.IsValid() {
				return o.Pos, o.Path
			}
			if app := spec.App(one.App); app != nil {
				return app.Pos, "apps." + app.Name
			}
		}
		return schema.Pos{}, ""
	}
}

// originOf returns what decides a field: the origin of its line or, for what is
// below a line, of the nearest one around it.
func originOf(one render.ExplainedObject, path string) *schema.Origin {
	place, ok := apply.Place(one.Object, path)
	if !ok {
		return nil
	}
	return originAt(one, place)
}

// originAt returns what decides the field at a place of an object.
func originAt(one render.ExplainedObject, place []any) *schema.Origin {
	var best *schema.Origin
	most := 0
	for _, line := range one.Lines {
		if n := len(line.Place); n > most && n <= len(place) && slices.Equal(line.Place, place[:n]) {
			best, most = line.Origin, n
		}
	}
	return best
}
