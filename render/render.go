// Package render turns a valid stack into Kubernetes objects.
//
// [Render] is pure: the same stack and options give the same bytes, whatever
// the time, machine, locale or working directory, and in the same order, app
// by app and kind by kind. It asks no cluster anything.
//
// It emits only what the description or a named default asks for: no status,
// no timestamps, no empty list or map, no null. A server-side apply owns every
// field it sends, so a field too many is a fight with somebody else. For the
// same reason objects are built from fields that are not mentioned unless they
// are given, and not from the Go types of the API, which mention their zeros.
//
// A value of a Secret is in the objects, for whoever applies them, and never in
// what [Objects.WriteYAML] and [Objects.WriteJSON] write.
//
// To add an emitted kind, write render/<kind>.go and add its function to
// [emitters].
package render

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"

	"stackctl.dev/stackctl/schema"
)

// The labels that say whose an object is. Two of them, because a label holds
// 63 bytes and namespace and name together may be longer.
const (
	LabelStack     = "stackctl.dev/stack"
	LabelNamespace = "stackctl.dev/namespace"
)

// What the engine reads on an object.
const (
	// LabelContent marks an object that is named by its content: with the hash
	// that its name ends with, or with what its name is still to be made of.
	LabelContent    = "stackctl.dev/content"
	contentKeyed    = "keyed"    // the data of a Secret, with a key that nobody else has
	contentTemplate = "template" // the spec of a Job
	// annotationNeeds lists what comes before a workload, and how far it must be.
	annotationNeeds = "stackctl.dev/needs"
	// annotationSources says where the values of a Secret are read.
	annotationSources = "stackctl.dev/sources"
)

// The labels every Kubernetes tool knows.
const (
	labelName      = "app.kubernetes.io/name"
	labelInstance  = "app.kubernetes.io/instance"
	labelPartOf    = "app.kubernetes.io/part-of"
	labelManagedBy = "app.kubernetes.io/managed-by"
	labelVersion   = "app.kubernetes.io/version"
)

// Options say where the objects belong.
type Options struct {
	// Namespace is required: the one of the stack after flags, environment,
	// file and context had their say.
	Namespace string
	// Secret reads a value that is not in the description; it is called from
	// several goroutines. Without it the Secrets have no data, which is enough
	// to look at them.
	Secret func(schema.SecretValue) ([]byte, error)
}

// Objects are Kubernetes objects in the order they were rendered.
type Objects []*unstructured.Unstructured

// emitters make the objects of one app, in this order. An emitter returns
// nothing when the app has no such object.
var emitters = []func(*scope) []fields{
	serviceAccount,
	config,
	secret,
	claims,
	workload,
	governing,
	service,
	ingress,
	httpRoute,
	autoscaler,
	disruption,
	networkPolicy,
}

// Render returns the objects of a stack: those of its manifests, then those of
// each app. What is wrong with a patch, a raw object or a secret comes back as
// [schema.Errors]; any other error means that Options are not complete.
func Render(s *schema.Stack, opts Options) (Objects, error) {
	if opts.Namespace == "" {
		return nil, errors.New("render: a namespace is required")
	}
	objects := manifests(s, opts.Namespace)
	origins := make([]schema.Pos, len(objects))
	for i := range objects {
		origins[i] = s.Manifests[i].Pos
	}
	scopes, emitted := make([]scope, len(s.Apps)), make([]Objects, len(s.Apps))
	schema.Concurrently(len(s.Apps), func(i int) {
		c := &scopes[i]
		*c = scope{stack: s, app: s.Apps[i], options: opts}
		emitted[i] = c.emit()
		c.patch(emitted[i])
	})
	var errs schema.Errors
	for i, app := range s.Apps {
		objects, errs = append(objects, emitted[i]...), append(errs, scopes[i].errs...)
		for range emitted[i] {
			origins = append(origins, app.Pos)
		}
	}
	errs = append(errs, twice(objects, origins)...)
	if len(errs) > 0 {
		return nil, errs
	}
	return objects, nil
}

// emit returns the objects of the app before any patch.
func (c *scope) emit() Objects {
	var objects Objects
	for _, emit := range emitters {
		for _, object := range emit(c) {
			plain(object)
			objects = append(objects, &unstructured.Unstructured{Object: object})
		}
	}
	return objects
}

// twice reports objects that would be one in the cluster.
func twice(objects Objects, origins []schema.Pos) schema.Errors {
	var errs schema.Errors
	type place struct {
		kind            runtimeschema.GroupKind
		namespace, name string
	}
	seen := make(map[place]schema.Pos, len(objects))
	for i, object := range objects {
		gvk := object.GroupVersionKind()
		key := place{gvk.GroupKind(), object.GetNamespace(), object.GetName()}
		if first, ok := seen[key]; ok {
			errs = append(errs, schema.Error{
				Pos: origins[i], Msg: fmt.Sprintf("the %s %s is in the stack twice", gvk.Kind, object.GetName()),
				Hint: "the other one comes from " + first.String() + "; rename one of the two",
			})
		}
		seen[key] = origins[i]
	}
	return errs
}

// scope is one app on its way to objects.
type scope struct {
	stack   *schema.Stack
	app     *schema.App
	options Options
	errs    schema.Errors
}

// fail reports what is wrong with a field of the app.
func (c *scope) fail(msg, hint string, path ...string) {
	full := append([]string{"apps", c.app.Name}, path...)
	c.errs = append(c.errs, schema.Error{Pos: c.stack.PosOf(full...), Path: strings.Join(full, "."), Msg: msg, Hint: hint})
}

func (c *scope) namespace() string { return c.options.Namespace }

// selector finds the pods of the app. It never changes, since Kubernetes does
// not let a selector change.
func (c *scope) selector() map[string]string { return selectorOf(c.stack, c.app) }

func selectorOf(stack *schema.Stack, app *schema.App) map[string]string {
	if len(app.Selector) > 0 {
		return app.Selector
	}
	return map[string]string{labelName: app.Name, labelInstance: stack.Name}
}

// fixed are the labels that do not change while the app has its name.
func (c *scope) fixed() map[string]string {
	return map[string]string{
		labelName:      c.app.Name,
		labelInstance:  c.stack.Name,
		labelPartOf:    c.stack.Name,
		labelManagedBy: "stackctl",
		LabelStack:     c.stack.Name,
		LabelNamespace: c.namespace(),
	}
}

// labels are on every object of the app.
func (c *scope) labels() map[string]string {
	labels := make(map[string]string)
	maps.Copy(labels, c.stack.Labels)
	maps.Copy(labels, c.app.Labels)
	maps.Copy(labels, c.fixed())
	return labels
}

// content are the labels of an object that is named by its content.
func (c *scope) content(hash string) map[string]string {
	labels := c.labels()
	labels[LabelContent] = hash
	return labels
}

// versioned are the labels of the workload and its pods only: elsewhere every
// release would touch every object.
func (c *scope) versioned() map[string]string {
	labels := c.labels()
	if version := labelSafe(c.app.Image.Tag); version != "" && labels[labelVersion] == "" {
		labels[labelVersion] = version
	}
	return labels
}

// annotations are on every object of the app; more specific ones win.
func (c *scope) annotations(own map[string]string) map[string]string {
	annotations := make(map[string]string)
	maps.Copy(annotations, c.stack.Annotations)
	maps.Copy(annotations, c.app.Annotations)
	maps.Copy(annotations, own)
	return annotations
}

var notLabel = regexp.MustCompile(`[^A-Za-z0-9_.-]`)

// labelSafe makes a label value of an image tag: at most 63 characters that
// begin and end with a letter or a digit.
func labelSafe(tag string) string {
	tag = notLabel.ReplaceAllString(tag, "-")
	tag = strings.TrimLeft(tag, "_.-")
	if len(tag) > 63 {
		tag = tag[:63]
	}
	return strings.TrimRight(tag, "_.-")
}
