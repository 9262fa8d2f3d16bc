// Package render turns a valid stack into Kubernetes objects.
//
// [Render] is pure: the same stack and options give the same bytes, whatever
// the time, machine, locale or working directory, and in the same order, app
// by app and kind by kind. It asks no cluster anything.
//
// It emits only what the description or a named default asks for: no status,
// no timestamps, no empty list or map, no null. A server-side apply owns every
// field it sends, so a field too many is a fight with somebody else. For the
// same reason objects are built from client-go's apply configurations, whose
// zero value is "not mentioned".
//
// To add an emitted kind, write render/<kind>.go and add its function to
// [emitters].
package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"stackctl.dev/stackctl/schema"
)

// The labels that say whose an object is. Two of them, because a label holds
// 63 bytes and namespace and name together may be longer.
const (
	LabelStack     = "stackctl.dev/stack"
	LabelNamespace = "stackctl.dev/namespace"
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
}

// Objects are Kubernetes objects in the order they were rendered.
type Objects []*unstructured.Unstructured

// emitters make the objects of one app, in this order. An emitter returns nil
// when the app has no such object.
var emitters = []func(*scope) any{
	deployment,
	service,
	ingress,
	disruption,
}

// Render returns the objects of a stack. It fails only when Options are not
// complete or a stack was built by hand and not by [schema.Load].
func Render(s *schema.Stack, opts Options) (Objects, error) {
	if opts.Namespace == "" {
		return nil, errors.New("render: a namespace is required")
	}
	var objects Objects
	for _, app := range s.Apps {
		for _, emit := range emitters {
			object, err := toUnstructured(emit(&scope{stack: s, app: app, namespace: opts.Namespace}))
			if err != nil {
				return nil, fmt.Errorf("render %s: %w", app.Name, err)
			}
			if object != nil {
				objects = append(objects, object)
			}
		}
	}
	return objects, nil
}

// toUnstructured converts an apply configuration.
func toUnstructured(object any) (*unstructured.Unstructured, error) {
	if object == nil {
		return nil, nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	return &unstructured.Unstructured{Object: content}, nil
}

// scope is one app on its way to objects.
type scope struct {
	stack     *schema.Stack
	app       *schema.App
	namespace string
}

// selector finds the pods of the app. It never changes, since Kubernetes does
// not let a selector change.
func (c *scope) selector() map[string]string {
	return map[string]string{labelName: c.app.Name, labelInstance: c.stack.Name}
}

// labels are on every object of the app.
func (c *scope) labels() map[string]string {
	labels := make(map[string]string)
	maps.Copy(labels, c.stack.Labels)
	maps.Copy(labels, c.app.Labels)
	maps.Copy(labels, map[string]string{
		labelName:      c.app.Name,
		labelInstance:  c.stack.Name,
		labelPartOf:    c.stack.Name,
		labelManagedBy: "stackctl",
		LabelStack:     c.stack.Name,
		LabelNamespace: c.namespace,
	})
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

// WriteJSON writes the objects as one List of the API version v1, indented,
// with sorted keys.
func (o Objects) WriteJSON(w io.Writer) error {
	items := make([]any, len(o))
	for i, object := range o {
		items[i] = object.Object
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
}
