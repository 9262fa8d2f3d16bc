package schema

import (
	"cmp"
	"slices"
)

// fill lays #Defaults under every app of a merged description, and what
// follows from other fields: the kind of the app, the strategy that its volumes
// allow, the preset of the resources, the limit that goes with a written
// memory, and the probes that a handler brings.
func fill(tree *node) {
	apps := tree.get("apps")
	if apps == nil {
		return
	}
	Concurrently(len(apps.names), func(i int) {
		if app := apps.fields[apps.names[i]]; app.kind == mapKind {
			fillApp(app, language().defaults)
		}
	})
}

func fillApp(app, defaults *node) {
	if app.get("kind") == nil {
		app.set("kind", &node{kind: textKind, text: string(inferKind(app))})
	}
	kind := Kind(app.get("kind").text)
	dropInherited(app, kind)
	fillUpdate(app, kind)
	table := defaults.get(string(kind)).copyOrEmpty()
	if app.get("autoscale") != nil {
		table.remove("replicas")
	}
	if app.get("disruption", "minAvailable") != nil {
		table.get("disruption").remove("maxUnavailable")
	}
	if surge := app.get("update", "maxSurge"); kind == Daemon && surge != nil && surge.text != "0" && surge.text != "0%" {
		table.get("update").set("maxUnavailable", &node{kind: intKind, text: "0"}) // it can have but one of the two
	}
	if app.get("update", "type") != nil || app.get("update", "rollingUpdate") != nil {
		for _, name := range []string{"strategy", "maxSurge", "maxUnavailable"} {
			table.get("update").remove(name)
		}
	}
	underlay(app, table)
	underlay(app, defaults.get("app"))
	fillProgram(app, defaults, kind != JobKind && kind != Cron)
	for _, part := range []string{"ingress", "gateway", "schedule", "autoscale"} {
		if n := app.get(part); n != nil && n.kind == mapKind {
			underlay(n, defaults.get(part))
		}
	}
	if n := app.get("autoscale"); n != nil && n.get("cpu") == nil && n.get("memory") == nil && n.get("metrics") == nil {
		underlay(n, defaults.get("metric"))
	}
	for _, volume := range app.get("volumes").children() {
		if isClaim(volume) {
			underlay(volume, defaults.get("claim"))
		}
	}
	for _, container := range app.get("init").children() {
		fillContainer(container, defaults, false)
	}
	for _, container := range app.get("sidecars").children() {
		fillContainer(container, defaults, true)
	}
}

// dropInherited removes defaults of the stack that say nothing about this app:
// fields that its kind has not, ways to a port it does not have, and parts of
// an update that its workload does not know.
func dropInherited(app *node, kind Kind) {
	if app.get("service", "external") != nil { // a name for another host has no pods
		for _, name := range slices.Clone(app.names) {
			if app.fields[name].inherited && !slices.Contains([]string{"service", "labels", "annotations"}, name) {
				app.remove(name)
			}
		}
	}
	drop := func(n *node, name string) {
		if field := n.get(name); field != nil && field.inherited {
			n.remove(name)
		}
	}
	for _, one := range meaning {
		if !slices.Contains(one.kinds, kind) {
			drop(app, one.field)
		}
	}
	if ports := app.get("ports"); ports == nil || !ports.bad && len(ports.names) == 0 {
		for _, name := range []string{"service", "ingress", "gateway"} {
			drop(app, name)
		}
		if health := app.get("health"); health.get("port") == nil && (health.get("path") != nil || health.get("tcp") != nil || health.get("grpc") != nil) {
			drop(app, "health")
		}
	}
	if kind == JobKind || kind == Cron {
		drop(app, "health")
	}
	update := app.get("update")
	if update == nil {
		return
	}
	if how := cmp.Or(update.get("strategy"), update.get("type")); how != nil && !how.inherited && (how.text == "recreate" || how.text == "Recreate") {
		drop(update, "maxSurge")
		drop(update, "maxUnavailable")
		drop(update, "rollingUpdate")
	}
	if kind == Web || kind == Worker {
		return
	}
	drop(update, "deadline")
	if kind == Stateful {
		drop(update, "maxSurge")
		drop(update, "maxUnavailable")
	}
	for _, name := range []string{"strategy", "type"} {
		if value := update.get(name); value != nil && (value.text == "recreate" || value.text == "Recreate") {
			drop(update, name)
		}
	}
}

// inferKind says what an app is for that does not say it.
func inferKind(app *node) Kind {
	ports := app.get("ports")
	switch {
	case app.get("schedule") != nil:
		return Cron
	case slices.ContainsFunc(app.get("volumes").children(), isClaim):
		return Stateful
	case ports != nil && (ports.bad || len(ports.names) > 0):
		return Web
	}
	return Worker
}

// isClaim reports whether a volume is one that the stack claims.
func isClaim(volume *node) bool {
	return volume.kind == mapKind && volume.get("existing") == nil && volume.get("medium") == nil
}

// fillUpdate makes a Deployment that claims a volume for one node end its pod
// before it starts the next, which could not mount it.
func fillUpdate(app *node, kind Kind) {
	if kind != Web && kind != Worker || !slices.ContainsFunc(app.get("volumes").children(), func(n *node) bool {
		access := n.get("access")
		return isClaim(n) && (access == nil || access.text == "ReadWriteOnce" || access.text == "ReadWriteOncePod")
	}) {
		return
	}
	update := app.get("update")
	if update == nil {
		update = &node{kind: mapKind}
		app.set("update", update)
	}
	for _, name := range []string{"strategy", "type", "maxSurge", "maxUnavailable", "rollingUpdate"} {
		if update.get(name) != nil {
			return
		}
	}
	underlay(update, &node{names: []string{"strategy"}, fields: map[string]*node{"strategy": {kind: textKind, text: "recreate"}}})
}

// fillContainer completes a container beside the app's; asked says that it has
// probes.
func fillContainer(container, defaults *node, asked bool) {
	if container.kind != mapKind {
		return
	}
	for _, name := range []string{"resources", "health"} {
		if container.get(name) == nil {
			container.set(name, &node{kind: mapKind})
		}
	}
	fillProgram(container, defaults, asked)
}

// fillProgram completes what every container has.
func fillProgram(n, defaults *node, asked bool) {
	for _, port := range n.get("ports").children() {
		underlay(port, defaults.get("port"))
	}
	for _, file := range n.get("files").children() {
		underlay(file, defaults.get("file"))
	}
	fillResources(n.get("resources"), defaults)
	fillHealth(n, defaults, asked)
}

func fillResources(n, defaults *node) {
	if n.bad || n.kind != mapKind {
		return
	}
	limits := n.get("limits")
	if limits == nil {
		limits = &node{kind: mapKind}
		n.set("limits", limits)
	}
	unlimited := limits.get("memory") != nil && limits.get("memory").kind == boolKind
	if memory := n.get("memory"); memory != nil && limits.get("memory") == nil {
		limits.set("memory", memory.copy())
	}
	table := "resources"
	if preset := n.get("preset"); preset != nil && !preset.bad {
		table = preset.text
	}
	underlay(n, defaults.get(table))
	if unlimited {
		limits.remove("memory")
	}
}

// fillHealth adds the TCP handler that a TCP port brings, the startup and
// readiness probes that a handler brings, and the timing of every probe. Where
// nobody is asked, only what was written is completed.
func fillHealth(n, defaults *node, asked bool) {
	health := n.get("health")
	if health.bad || health.kind != mapKind || health.isFalse() {
		return
	}
	handler := false
	for _, name := range []string{"path", "tcp", "grpc", "command"} {
		handler = handler || health.get(name) != nil && health.get(name).text != "false"
	}
	if asked && !handler && health.get("tcp") == nil && hasTCP(n.get("ports")) {
		health.set("tcp", &node{kind: boolKind, text: "true"})
		handler = true
	}
	for _, name := range []string{"startup", "readiness", "liveness"} {
		if asked && handler && name != "liveness" && health.get(name) == nil {
			health.set(name, &node{kind: mapKind})
		}
		if probe := health.get(name); probe != nil {
			underlay(probe, defaults.get(name))
		}
	}
}

// isFalse reports whether a part is switched off.
func (n *node) isFalse() bool {
	enabled := n.get("enabled")
	return enabled != nil && enabled.text == "false"
}

// hasTCP reports whether one of the ports speaks TCP.
func hasTCP(ports *node) bool {
	return slices.ContainsFunc(ports.children(), func(port *node) bool {
		protocol := port.get("protocol")
		return protocol != nil && protocol.text == "TCP"
	})
}
