package main

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
		case arg == "--dry-run" || arg == "--exit-zero" || strings.HasPrefix(arg, "--only=") || strings.HasPrefix(arg, "-o") && len(arg) > 2 || strings.HasPrefix(arg, "--output="):
		case arg == "-o" || arg == "--output" || arg == "--only":
			i++ // and its value
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
	decides := deciding(spec, namespace)
	return func(object apply.ObjectKey, path string) (schema.Pos, string) {
		if object.Kind == "Secret" && isData(path) {
			path = "data" // the line of a value is shown with what it says
		}
		pos, field, _ := decides(object, path)
		return pos, field
	}
}

// attribution returns the function that tells the engine whose a field is.
func attribution(spec *schema.Stack, namespace string) apply.Origin {
	decides := deciding(spec, namespace)
	return func(object apply.ObjectKey, path string) (apply.SpecPlace, bool, bool) {
		pos, field, written := decides(object, path)
		return apply.SpecPlace{File: pos.File, Line: pos.Line, Column: pos.Col, Path: field}, written, pos.IsValid()
	}
}

// earlierAttribution does so for the description of an earlier revision. Of one
// that reads other files, which need not be there any more, there is no telling.
func earlierAttribution(ctx context.Context, namespace string) func([]byte, string) apply.Origin {
	return func(source []byte, environment string) apply.Origin {
		spec, err := schema.Load(ctx, schema.Options{Filename: "-", Stdin: bytes.NewReader(source), Environment: environment})
		if err != nil {
			return nil
		}
		return attribution(spec, namespace)
	}
}

// deciding returns the function that finds what decides a field of an object:
// the line that writes it or, where none does, the app; written tells which.
// Nothing is worked out before it is asked, and then of one app only.
func deciding(spec *schema.Stack, namespace string) func(apply.ObjectKey, string) (pos schema.Pos, field string, written bool) {
	options := render.Options{Namespace: namespace, Secret: noValue}
	owners := sync.OnceValue(func() *ownerIndex { return indexOwners(spec, options) })
	var explained sync.Map // of each app, and of the manifests by nil
	explain := func(app *schema.App) render.Explained {
		once, _ := explained.LoadOrStore(app, sync.OnceValue(func() render.Explained {
			if app == nil {
				all, _ := render.ExplainManifests(spec, options)
				return all
			}
			all, _ := render.ExplainApp(spec, app, options)
			return all
		}))
		return once.(func() render.Explained)()
	}
	return func(object apply.ObjectKey, path string) (schema.Pos, string, bool) {
		name, apps := owners().find(object)
		for _, app := range apps {
			all := explain(app)
			at := slices.IndexFunc(all, func(one render.ExplainedObject) bool { return nameOf(one.Object) == name })
			if at < 0 {
				continue
			}
			if o := originOf(all[at], path); o != nil && o.Pos.IsValid() {
				return o.Pos, o.Path, true
			}
			if app != nil {
				return app.Pos, "apps." + app.Name, false
			}
		}
		return schema.Pos{}, "", false
	}
}

// kindName are the kind and the name of an object as it is rendered.
type kindName struct{ kind, name string }

func nameOf(o *unstructured.Unstructured) kindName { return kindName{o.GetKind(), o.GetName()} }

// ownerIndex tells of which apps an object may be: of one, nil for a manifest,
// and of any where a patch changed the label that says so.
type ownerIndex struct {
	apps   map[kindName][]*schema.App
	hashed map[kindName]bool // a hash is added to the name
}

func indexOwners(spec *schema.Stack, options render.Options) *ownerIndex {
	n := &ownerIndex{apps: map[kindName][]*schema.App{}, hashed: map[kindName]bool{}}
	objects, _ := render.Render(spec, options)
	for i, o := range objects {
		apps := []*schema.App{nil}
		if i >= len(spec.Manifests) {
			if apps[0] = spec.App(appLabel(o)); apps[0] == nil {
				apps = spec.Apps
			}
		}
		n.apps[nameOf(o)], n.hashed[nameOf(o)] = apps, o.GetLabels()[apply.LabelContent] != ""
	}
	return n
}

// find returns the name as it was rendered of an object in the cluster, whose
// name may end with the hash of what is known only there.
func (n *ownerIndex) find(object apply.ObjectKey) (kindName, []*schema.App) {
	name := kindName{object.Kind, object.Name}
	if n.apps[name] == nil {
		begin := object.Name[:max(0, strings.LastIndexByte(object.Name, '-'))]
		if named := (kindName{object.Kind, begin}); n.hashed[named] {
			name = named
		}
	}
	return name, n.apps[name]
}

// noValue stands for every secret value, so that a Secret has the keys of its
// data without any of them being read.
func noValue(schema.SecretValue) ([]byte, error) { return nil, nil }

// originOf returns what decides a field: the origin of its line or, for what is
// below a line, of the nearest one around it. What is more than a line is
// decided by what was written of it.
func originOf(one render.ExplainedObject, path string) *schema.Origin {
	object := render.Objects{one.Object}.Written()[0] // as its lines are: the data of a Secret are text
	if _, text := object.Object["stringData"]; text && isData(path) {
		path = "stringData" + strings.TrimPrefix(strings.TrimPrefix(path, "."), "data")
	}
	place, ok := apply.Place(object, path)
	if !ok {
		return nil
	}
	return originAt(one, place)
}

// isData reports the path of a value in a Secret.
func isData(path string) bool {
	path = strings.TrimPrefix(path, ".")
	return strings.HasPrefix(path, "data.") || strings.HasPrefix(path, "data[")
}

// originAt returns what decides the field at a place of an object.
func originAt(one render.ExplainedObject, place []any) *schema.Origin {
	at, most := -1, 0
	for i, line := range one.Lines {
		if n := len(line.Place); n > most && n <= len(place) && slices.Equal(line.Place, place[:n]) {
			at, most = i, n
		}
	}
	var best *schema.Origin
	if at >= 0 {
		if best, _ = one.Lines[at].Origin(); best != nil && best.Pos.IsValid() {
			return best
		}
	}
	for _, line := range one.Lines {
		if n := len(place); n < len(line.Place) && slices.Equal(line.Place[:n], place) {
			if o, _ := line.Origin(); o != nil && o.Pos.IsValid() {
				return o
			}
		}
	}
	return best
}
