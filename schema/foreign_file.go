package schema

import (
	"slices"
	"strings"
)

// foreignFile recognises a file of another tool, which would be wrong in every
// line, and returns one error whose hint is the file as a stack.
func foreignFile(root *node) Errors {
	if root.get("apps") != nil {
		return nil
	}
	kind, services := root.get("kind"), root.get("services")
	switch {
	case root.get("apiVersion") != nil && kind != nil && kind.kind == textKind:
		return foreignObject(root, kind.text)
	case services != nil && services.kind == mapKind && len(services.names) > 0:
		apps, left := &node{kind: mapKind}, []string(nil)
		for _, name := range services.names {
			app, without := translate(services.fields[name])
			apps.set(strings.ReplaceAll(name, "_", "-"), app)
			left = append(left, without...)
		}
		return Errors{{Pos: services.at(), Msg: "this is a file of Docker Compose, not a stack", Hint: "write it " + asStack("shop", apps, left)}}
	case root.get("replicaCount") != nil || root.get("image") != nil:
		app, left := translate(root)
		at, msg := root.get("image"), "this describes one app, not a stack"
		if root.get("replicaCount") != nil {
			at, msg = root.get("replicaCount"), "these are the values of a Helm chart, not a stack"
		}
		if port := app.get("service", "port"); port != nil && app.get("port") == nil && app.get("ports") == nil {
			app.set("port", port) // what most charts mean
		}
		name := "web"
		if given := root.get("name"); given != nil && given.kind == textKind && given.text != "" {
			name = given.text
		}
		return Errors{{Pos: at.key, Msg: msg, Hint: "write it " + asStack(name, part(name, app), left)}}
	}
	return nil
}

// foreignObject refuses an object of Kubernetes; a workload becomes an app.
func foreignObject(root *node, kind string) Errors {
	e := Error{
		Pos: root.get("kind").at(), Msg: "this is a " + shown(kind) + " of Kubernetes, not a stack",
		Hint: "a stack applies such a file as it is: manifests: [" + strings.ToLower(shown(kind)) + ".yaml]",
	}
	name, spec := "web", root.get("spec")
	if given := root.get("metadata", "name"); given != nil && given.kind == textKind {
		name = given.text
	}
	app := &node{kind: mapKind}
	switch kind {
	case "Deployment", "Pod":
	case "StatefulSet":
		app.set("kind", textNode(string(Stateful)))
	case "DaemonSet":
		app.set("kind", textNode(string(Daemon)))
	case "Job":
		app.set("kind", textNode(string(JobKind)))
	case "CronJob":
		if schedule := spec.get("schedule"); schedule != nil {
			app.set("schedule", schedule)
		}
		spec = spec.get("jobTemplate", "spec")
	default:
		return Errors{e}
	}
	pod := spec
	if kind != "Pod" {
		pod = spec.get("template", "spec")
	}
	containers := pod.get("containers")
	if containers == nil || containers.kind != listKind || len(containers.items) == 0 {
		return Errors{e}
	}
	var left []string
	for _, from := range []*node{spec, pod, containers.items[0]} {
		from = from.copy()
		for _, name := range []string{"selector", "template", "containers", "name", "volumes", "restartPolicy", "volumeClaimTemplates", "serviceName"} {
			from.remove(name)
		}
		translated, without := translate(from)
		app, left = overlay(nil, app, translated), append(left, without...)
	}
	e.Hint += "; or write it " + asStack(name, part(name, app), left)
	return Errors{e}
}

// translate returns as much of an app of another tool as can be told, and the
// fields it left out.
func translate(n *node) (app *node, left []string) {
	s := language().stack.child("apps").elem
	app = &node{kind: mapKind}
	for _, name := range n.names {
		value := n.fields[name]
		if off := value.get("enabled"); name == "name" || value.text == "" && len(value.names)+len(value.items) == 0 || off != nil && off.text == "false" {
			continue // it says nothing
		}
		fragment := part(name, value.copy())
		if s.fields[name] == nil || !s.holds(fragment) {
			fragment = foreignForm(name, value)
		}
		if other := foreignFields[strings.ToLower(name)]; fragment == nil && other != nil {
			fragment = other(value)
		}
		if fragment == nil || !s.holds(fragment) {
			left = append(left, name)
			continue
		}
		app = overlay(nil, app, fragment)
	}
	return app, left
}

// asStack writes apps as the text of a stack.
func asStack(name string, apps *node, left []string) string {
	out := &strings.Builder{}
	out.WriteString("as a stack\n    name: " + inlineText(name) + "\n    apps:")
	for _, app := range apps.names {
		out.WriteString("\n      " + inlineText(app) + ":")
		for _, field := range apps.fields[app].names {
			out.WriteString("\n        " + field + ": " + inline(apps.fields[app].fields[field]))
		}
	}
	if len(left) > 0 {
		slices.Sort(left)
		out.WriteString("\n    left out: " + strings.Join(slices.Compact(left), ", "))
	}
	return out.String()
}
