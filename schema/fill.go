package schema

// fill lays #Defaults under every app of a merged description, and what
// follows from other fields: the preset of the resources, the limit that goes
// with a written memory, and the probes that a handler brings.
func fill(tree *node) {
	apps := tree.get("apps")
	if apps == nil {
		return
	}
	for _, app := range apps.fields {
		if app.kind == mapKind {
			fillApp(app, language().defaults)
		}
	}
}

func fillApp(app, defaults *node) {
	underlay(app, defaults.get("app"))
	if ports := app.get("ports"); ports != nil {
		for _, port := range ports.fields {
			underlay(port, defaults.get("port"))
		}
	}
	if ingress := app.get("ingress"); ingress != nil {
		underlay(ingress, defaults.get("ingress"))
	}
	fillResources(app.get("resources"), defaults)
	fillHealth(app, defaults)
}

func fillResources(n, defaults *node) {
	if n.bad {
		return
	}
	if memory := n.get("memory"); memory != nil && n.get("limits", "memory") == nil {
		limits := n.get("limits")
		if limits == nil {
			limits = &node{kind: mapKind}
			n.set("limits", limits)
		}
		limits.set("memory", memory.copy())
	}
	table := "resources"
	if preset := n.get("preset"); preset != nil && !preset.bad {
		table = preset.text
	}
	underlay(n, defaults.get(table))
}

// fillHealth adds the TCP handler that a TCP port brings, the startup and
// readiness probes that a handler brings, and the timing of every probe.
func fillHealth(app, defaults *node) {
	health := app.get("health")
	if health.bad || health.isFalse() {
		return
	}
	handler := false
	for _, name := range []string{"path", "tcp", "grpc", "command"} {
		handler = handler || health.get(name) != nil && health.get(name).text != "false"
	}
	if !handler && health.get("tcp") == nil && hasTCP(app.get("ports")) {
		health.set("tcp", &node{kind: boolKind, text: "true"})
		handler = true
	}
	for _, name := range []string{"startup", "readiness", "liveness"} {
		if handler && name != "liveness" && health.get(name) == nil {
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
	if ports == nil {
		return false
	}
	for _, port := range ports.fields {
		if protocol := port.get("protocol"); protocol != nil && protocol.text == "TCP" {
			return true
		}
	}
	return false
}
