package render

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/schema"
)

// Explained are objects with the origin of every line of them.
type Explained []ExplainedObject

// ExplainedObject is one object, line by line.
type ExplainedObject struct {
	Object *unstructured.Unstructured
	// App is the name of the app, "" for an object of a manifest.
	App   string
	Lines []Line
}

// Line is one line of an object as YAML.
type Line struct {
	Text string
	// Place is where in the object the line is: fields and indexes.
	Place []any

	explainer *explainer
}

// Origin returns what decides the line, nil for stackctl, and how many steps of
// its place that names: with 0 the line is there because its app is. It is worked
// out when it is asked for.
func (l Line) Origin() (*schema.Origin, int) {
	if l.explainer == nil {
		return nil, 0
	}
	return l.explainer.origin(l.Place)
}

// Explain renders a stack and says of every line where it comes from. It fails
// as [Render] does.
func Explain(s *schema.Stack, opts Options) (Explained, error) {
	if _, err := Render(s, opts); err != nil {
		return nil, err
	}
	out, err := ExplainManifests(s, opts)
	for _, app := range s.Apps {
		if err != nil {
			return nil, err
		}
		var more Explained
		more, err = ExplainApp(s, app, opts)
		out = append(out, more...)
	}
	return out, err
}

// ExplainManifests explains the objects of the manifests of a stack that
// [Render] renders.
func ExplainManifests(s *schema.Stack, opts Options) (out Explained, err error) {
	for i, object := range manifests(s, opts.Namespace) {
		e := &explainer{manifest: &s.Manifests[i], origins: origins(s, nil, opts.Namespace)}
		one, err := e.explain(object)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// ExplainApp explains the objects of one app of a stack that [Render] renders,
// at a cost that does not depend on the other apps.
func ExplainApp(s *schema.Stack, app *schema.App, opts Options) (out Explained, err error) {
	c := &scope{stack: s, app: app, options: opts}
	objects := c.emit()
	before := make(Objects, len(objects))
	for i, object := range objects {
		before[i] = object.DeepCopy()
	}
	patched, origins := c.patchOneByOne(objects), c.origins()
	for i, object := range objects {
		e := &explainer{origins: origins, unpatched: before[i].Object, patched: patched[object]}
		one, err := e.explain(object)
		if err != nil {
			return nil, err
		}
		one.App = app.Name
		out = append(out, one)
	}
	return out, nil
}

// patchOneByOne applies the patches of the app, and returns for each object
// what each of them made of it.
func (c *scope) patchOneByOne(objects Objects) map[*unstructured.Unstructured][]patched {
	steps := make(map[*unstructured.Unstructured][]patched)
	all := c.app.Patches
	for i := range all {
		before := make([]map[string]any, len(objects))
		for j, object := range objects {
			before[j] = object.DeepCopy().Object
		}
		app := *c.app
		app.Patches = all[i : i+1]
		(&scope{stack: c.stack, app: &app, options: c.options}).patch(objects)
		for j, object := range objects {
			if !reflect.DeepEqual(before[j], object.Object) {
				steps[object] = append(steps[object], patched{
					origin: &schema.Origin{Path: fmt.Sprintf("apps.%s.patches[%d]", c.app.Name, i), Pos: all[i].Pos}, object: object.DeepCopy().Object,
				})
			}
		}
	}
	return steps
}

// patched is an object after one patch.
type patched struct {
	origin *schema.Origin
	object map[string]any
}

// origins returns what decides the objects of the app, with the names in place
// that only rendering gives.
func (c *scope) origins() []*schema.Origin {
	volumes := volumeNames(c.app)
	main, _ := c.app.MainPort()
	all := origins(c.stack, c.app, c.namespace())
	for _, o := range all {
		suffix, container := "", "containers"
		called := c.app.Name
		if o.Container != "" {
			suffix, container, called = "-"+o.Container, "initContainers", o.Container
		}
		names := sync.OnceValue(func() *strings.Replacer {
			return strings.NewReplacer(
				"$volume", volumes[o.Entry], "$claim", c.app.Name+"-"+volumes[o.Entry], "$main", main,
				"$suffix", suffix, "$file", keysOf([]string{o.Entry})[o.Entry])
		})
		name := func(text string) string {
			if !strings.Contains(text, "$") {
				return text
			}
			return names().Replace(text)
		}
		var places []schema.Pattern
		for _, p := range o.At {
			for _, kind := range c.kindsOf(p.Kind) {
				place := p
				place.Kind = kind
				steps := slices.Clone(p.Steps)
				if p.Kind == "Container" {
					steps = append([]schema.Step{{Field: container}, {Index: -1, By: "name", Is: called}}, steps...)
				}
				place.Steps = append(templateSteps(p.Kind, kind), steps...)
				for i := range place.Steps {
					place.Steps[i].Field = name(place.Steps[i].Field)
					place.Steps[i].Is = name(place.Steps[i].Is)
				}
				if p.Where != nil {
					where := *p.Where
					where.Is = name(where.Is)
					place.Where = &where
				}
				places = append(places, place)
			}
		}
		o.At = places
	}
	return all
}

// origins returns what decides the objects of an app. The namespace need not be
// the one in the file.
func origins(s *schema.Stack, app *schema.App, namespace string) []*schema.Origin {
	all := s.Origins(app)
	for _, o := range all {
		if o.Path == "namespace" && namespace != s.Namespace {
			o.Pos, o.Note = schema.Pos{}, "not in the file: -n, else the namespace of the kubeconfig's context"
		}
	}
	return all
}

// kindsOf returns the kinds of objects that a word in @emits stands for.
func (c *scope) kindsOf(word string) []string {
	switch word {
	case "Workload", "PodTemplate", "Pod", "Container":
		return []string{workloadKinds[c.app.Kind]}
	case "JobSpec":
		return []string{"Job", "CronJob"}
	}
	return []string{word}
}

var workloadKinds = map[schema.Kind]string{
	schema.Web: "Deployment", schema.Worker: "Deployment", schema.Stateful: "StatefulSet",
	schema.Daemon: "DaemonSet", schema.JobKind: "Job", schema.Cron: "CronJob",
}

// templateSteps lead from an object to what a word in @emits stands for.
func templateSteps(word, kind string) []schema.Step {
	text := ""
	if kind == "CronJob" {
		text = "spec.jobTemplate."
	}
	switch word {
	case "PodTemplate":
		text += "spec.template"
	case "Pod", "Container":
		text += "spec.template.spec"
	case "JobSpec":
		text += "spec"
	default:
		return nil
	}
	var steps []schema.Step
	for name := range strings.SplitSeq(text, ".") {
		steps = append(steps, schema.Step{Field: name})
	}
	return steps
}

// explainer says of every line of one object where it comes from.
type explainer struct {
	origins   []*schema.Origin
	unpatched map[string]any
	patched   []patched
	manifest  *schema.Manifest
	object    map[string]any
	here      []decided // of the origins, in objects of the kind
}

// decided is a place with what decides it.
type decided struct {
	schema.Pattern
	origin *schema.Origin
}

func (e *explainer) explain(object *unstructured.Unstructured) (ExplainedObject, error) {
	out := ExplainedObject{Object: object}
	var text bytes.Buffer
	e.object = shown(object)
	for _, o := range e.origins {
		for _, p := range o.At {
			if p.Kind == object.GetKind() || p.Kind == "*" {
				e.here = append(e.here, decided{p, o})
			}
		}
	}
	y := &yamlWriter{out: bufio.NewWriter(&text)}
	y.endLine = func(place []any) {
		out.Lines = append(out.Lines, Line{Place: slices.Clone(place), explainer: e})
	}
	y.value(e.object, 0, false)
	if y.err != nil {
		return out, y.err
	}
	y.out.Flush()
	i := 0
	for line := range strings.Lines(text.String()) {
		out.Lines[i].Text = strings.TrimSuffix(line, "\n")
		i++
	}
	return out, nil
}

// origin returns what decides a place, and how many of its steps that names.
func (e *explainer) origin(place []any) (*schema.Origin, int) {
	if e.manifest != nil {
		if pos, written := e.manifest.PosOf(place...); written {
			return &schema.Origin{Pos: pos}, len(place)
		}
	}
	for i := len(e.patched) - 1; i >= 0; i-- {
		before := e.unpatched
		if i > 0 {
			before = e.patched[i-1].object
		}
		if !same(valueAt(before, place), valueAt(e.patched[i].object, place)) {
			return e.patched[i].origin, len(place)
		}
	}
	var best *schema.Origin
	most := -1
	for _, p := range e.here {
		steps, ok := p.Match(e.object, place)
		if ok && (steps > most || steps == most && p.origin.Before(best)) {
			best, most = p.origin, steps
		}
	}
	return best, most
}

// valueAt returns what an object has at a place, nil for nothing.
func valueAt(object any, place []any) any {
	for _, step := range place {
		switch step := step.(type) {
		case string:
			fields, _ := object.(map[string]any)
			object = fields[step]
		case int:
			items, _ := object.([]any)
			if step >= len(items) {
				return nil
			}
			object = items[step]
		}
	}
	return object
}

// same compares what one line says of two values: of a map or a list only that
// it is there.
func same(a, b any) bool {
	if !isScalar(a) && !isScalar(b) {
		return true
	}
	return reflect.DeepEqual(a, b)
}

func isScalar(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// widest is the column that comments keep to; longer lines push theirs out.
const widest = 64

// WriteYAML writes the objects as [Objects.WriteYAML] does, with the origin of
// every line as a comment behind it. name writes a position.
func (x Explained) WriteYAML(w io.Writer, name func(schema.Pos) string) error {
	out := bufio.NewWriter(w)
	for i, object := range x {
		if i > 0 {
			out.WriteString("---\n")
		}
		column := 0
		for _, line := range object.Lines {
			column = max(column, len([]rune(line.Text)))
		}
		column = min(column, widest)
		for _, line := range object.Lines {
			out.WriteString(line.Text)
			for range max(0, column-len([]rune(line.Text))) {
				out.WriteByte(' ')
			}
			origin, _ := line.Origin()
			out.WriteString("  # " + comment(origin, object.App, name) + "\n")
		}
	}
	return out.Flush()
}

// comment writes an origin on one line. Fields of the app go without its name.
func comment(o *schema.Origin, app string, name func(schema.Pos) string) string {
	switch {
	case o == nil:
		return "stackctl"
	case !o.Pos.IsValid():
		return o.Note
	}
	return strings.TrimSpace(name(o.Pos) + " " + strings.TrimPrefix(o.Path, "apps."+app+"."))
}
