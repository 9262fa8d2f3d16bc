package schema

import (
	"slices"
	"strconv"
	"strings"
)

// The forms that Compose, Kubernetes and Helm give to values, as values of this
// language; nil when one cannot tell.

// envOf reads [A=b], [{name: A, value: b}] and maps with valueFrom.
func envOf(n *node) *node {
	out := &node{kind: mapKind}
	switch n.kind {
	case textKind:
		name, value, found := strings.Cut(n.text, "=")
		if !found {
			return nil
		}
		out.set(name, textNode(value))
	case mapKind:
		for _, name := range n.names {
			if out.set(name, n.fields[name]); n.fields[name].get("valueFrom") != nil {
				out.set(name, valueFrom(n.fields[name].get("valueFrom")))
			}
		}
	case listKind:
		for _, item := range n.items {
			one := envOf(item)
			if name := item.get("name"); name != nil {
				if value := item.get("value"); value != nil {
					one = part(name.text, value)
				} else {
					one = part(name.text, valueFrom(item.get("valueFrom")))
				}
			}
			if one == nil {
				return nil
			}
			out.set(one.names[0], one.fields[one.names[0]])
		}
	default:
		return nil
	}
	return out
}

// valueFrom reads {secretKeyRef: {name: db, key: password}} and its like.
func valueFrom(n *node) *node {
	for field, ref := range map[string]string{"secretKeyRef": "secret", "configMapKeyRef": "config"} {
		if name, key := n.get(field, "name"), n.get(field, "key"); name != nil && key != nil {
			return part(ref, textNode(name.text+"/"+key.text))
		}
	}
	return part("field", n.get("fieldRef", "fieldPath"))
}

// needsOf reads [db] and {db: {condition: service_healthy}}.
func needsOf(n *node) *node {
	conditions := map[string]Need{"service_started": Started, "service_healthy": Healthy, "service_completed_successfully": Complete}
	if n.kind != mapKind {
		return n.copy()
	}
	out := &node{kind: mapKind}
	for _, name := range n.names {
		need := Started
		if condition := n.fields[name].get("condition"); condition != nil {
			need = conditions[condition.text]
		}
		out.set(name, textNode(string(need)))
	}
	return out
}

// wordsOf reads a command that is written as one text.
func wordsOf(n *node) *node {
	words := strings.Fields(n.text)
	if n.kind == textKind && strings.ContainsAny(n.text, "\"'`$&|;<>(){}*?\\\n") {
		words = []string{"sh", "-c", n.text}
	}
	switch {
	case n.kind == listKind:
		return n.copy()
	case n.kind != textKind || len(words) == 0:
		return nil
	}
	out := &node{kind: listKind}
	for _, word := range words {
		out.items = append(out.items, textNode(word))
	}
	return out
}

// portsOf reads 80, "8080:80", "53/udp", {containerPort: 80} and lists of them.
func portsOf(n *node) *node {
	items := n.items
	if n.kind != listKind {
		items = []*node{n}
	}
	ports := &node{kind: mapKind}
	for i, item := range items {
		number, name, protocol := portOf(item)
		switch _, taken := ports.fields["http"]; {
		case number == "":
			return nil
		case name != "":
		case !taken && i == 0:
			name = "http"
		default:
			name = "port-" + number
		}
		port := &node{kind: intKind, text: number}
		if protocol = strings.ToUpper(protocol); protocol != "" && protocol != "TCP" {
			port = part("port", port)
			port.set("protocol", textNode(protocol))
		}
		ports.set(name, port)
	}
	if first := ports.names; len(first) > 1 && ports.fields["http"] == nil {
		renamed := part("http", ports.fields[first[0]]) // where one port is meant, http is
		for _, name := range first[1:] {
			renamed.set(name, ports.fields[name])
		}
		ports = renamed
	}
	if http := ports.fields["http"]; len(ports.names) == 1 && http != nil {
		return part("port", http)
	}
	if len(ports.names) == 0 {
		return nil
	}
	return part("ports", ports)
}

// portOf reads one port of a container; number is "" when there is none.
func portOf(n *node) (number, name, protocol string) {
	switch n.kind {
	case mapKind:
		for _, field := range []string{"containerPort", "target", "port"} {
			if n.get(field) != nil {
				number = n.get(field).text
			}
		}
		if n.get("name") != nil {
			name = n.get("name").text
		}
		if n.get("protocol") != nil {
			protocol = n.get("protocol").text
		}
	case textKind, intKind:
		number, protocol, _ = strings.Cut(n.text, "/")
		number = number[strings.LastIndexByte(number, ':')+1:] // the one in the container
	}
	if i, err := strconv.Atoi(number); err != nil || i < 1 || i > 65535 {
		return "", "", ""
	}
	return number, name, protocol
}

// mountsOf reads [data:/data], [{name: data, mountPath: /data}] and their like.
func mountsOf(n *node) *node {
	if n.kind != listKind || len(n.items) == 0 {
		return nil
	}
	out := &node{kind: mapKind}
	for _, item := range n.items {
		path, size := "", "10Gi"
		switch parts := strings.Split(item.text, ":"); {
		case item.get("mountPath") != nil:
			path = item.get("mountPath").text
		case item.get("target") != nil:
			path = item.get("target").text
			if kind := item.get("type"); kind != nil && kind.text == "tmpfs" {
				size = "tmp"
			}
		case item.kind == textKind:
			path = parts[min(1, len(parts)-1)]
		}
		if !strings.HasPrefix(path, "/") {
			return nil
		}
		out.set(path, textNode(size))
	}
	return out
}

// namedOf reads a list of maps that hold their name.
func namedOf(n *node) *node {
	if n.kind != listKind || len(n.items) == 0 {
		return nil
	}
	out := &node{kind: mapKind}
	for _, item := range n.items {
		name := item.get("name")
		if name == nil || name.kind != textKind {
			return nil
		}
		rest := item.copy()
		rest.remove("name")
		out.set(name.text, rest)
	}
	return out
}

// healthcheckOf reads the check of Compose, or a path.
func healthcheckOf(n *node) *node {
	test := n
	if n.kind == mapKind {
		test = n.get("test")
	}
	switch {
	case test == nil:
		return nil
	case test.kind == textKind && strings.HasPrefix(test.text, "/"):
		return part("health", test.copy())
	case test.kind == textKind:
		return part("health", wordsOf(test))
	case test.kind != listKind || len(test.items) < 2:
		return nil
	}
	command := &node{kind: listKind, items: slices.Clone(test.items[1:])}
	if test.items[0].text == "CMD-SHELL" {
		command.items = append([]*node{textNode("sh"), textNode("-c")}, command.items...)
	}
	return part("health", command)
}

// userOf reads 1000 and "1000:1000".
func userOf(n *node) *node {
	security := &node{kind: mapKind}
	for i, id := range strings.SplitN(n.text, ":", 2) {
		if _, err := strconv.ParseUint(id, 10, 31); err != nil {
			return nil
		}
		security.set([]string{"user", "group"}[i], &node{kind: intKind, text: id})
	}
	if security.get("user").text == "0" {
		security.set("preset", textNode("baseline"))
	}
	return part("security", security)
}

func tmpOf(n *node) *node {
	items := n.items
	if n.kind == textKind {
		items = []*node{n}
	}
	volumes := &node{kind: mapKind}
	for _, item := range items {
		path, _, _ := strings.Cut(item.text, ":")
		volumes.set(path, textNode("tmp"))
	}
	if len(items) == 0 {
		return nil
	}
	return part("volumes", volumes)
}

// deployOf reads what Compose says about a deployment.
func deployOf(n *node) *node {
	out := &node{kind: mapKind}
	if replicas := n.get("replicas"); replicas != nil {
		out.set("replicas", replicas)
	}
	resources := &node{kind: mapKind}
	for _, field := range []string{"cpus", "memory"} {
		to := strings.TrimSuffix(field, "s")
		if value := n.get("resources", "reservations", field); value != nil {
			resources.set(to, unitsOf(value))
		}
		if value := n.get("resources", "limits", field); value != nil {
			limits := resources.get("limits").copyOrEmpty()
			limits.set(to, unitsOf(value))
			resources.set("limits", limits)
		}
	}
	if len(resources.names) > 0 {
		out.set("resources", resources)
	}
	if len(out.names) == 0 {
		return nil
	}
	return out
}

// resourcesOf reads {requests: {cpu: 1}, limits: {memory: 1Gi}}.
func resourcesOf(n *node) *node {
	out := n.get("requests").copyOrEmpty()
	if limits := n.get("limits"); limits != nil {
		out.set("limits", limits.copy())
	}
	return out
}

// unitsOf writes 512M as 512Mi, which is what Compose means.
func unitsOf(n *node) *node {
	if m := bytesText().FindStringSubmatch(strings.ToLower(n.text)); m != nil && m[2] != "" {
		return textNode(m[1] + strings.ToUpper(m[2]) + "i")
	}
	return n
}

// securityContextOf tells the context of a pod from that of a container.
func securityContextOf(n *node) *node {
	level := "container"
	for _, name := range []string{"fsGroup", "fsGroupChangePolicy", "supplementalGroups", "sysctls"} {
		if n.get(name) != nil {
			level = "pod"
		}
	}
	return as("security", level)(n)
}

// podField returns the patch for a field of the pod that this language has no
// word for.
func podField(name string) func(*node) *node {
	return func(n *node) *node {
		patch := as("spec", "template", "spec", name)(n)
		entry := part("target", textNode("Deployment"))
		entry.set("patch", patch)
		return part("patches", &node{kind: listKind, items: []*node{entry}})
	}
}

// autoscalingOf reads what most charts call autoscaling.
func autoscalingOf(n *node) *node {
	scale := &node{kind: mapKind}
	for _, one := range [][2]string{
		{"minReplicas", "min"}, {"maxReplicas", "max"}, {"targetCPUUtilizationPercentage", "cpu"}, {"targetMemoryUtilizationPercentage", "memory"},
	} {
		if value := n.get(one[0]); value != nil {
			scale.set(one[1], value)
		}
	}
	if len(scale.names) == 0 || n.get("enabled") != nil && n.get("enabled").text == "false" {
		return nil
	}
	return part("autoscale", scale)
}

func serviceAccountOf(n *node) *node {
	if n.kind != mapKind {
		return part("account", n.copy())
	}
	out := &node{kind: mapKind}
	for _, name := range []string{"name", "annotations"} {
		if value := n.get(name); value != nil && value.text+strings.Join(value.names, "") != "" {
			out.set(name, value)
		}
	}
	if len(out.names) == 0 {
		return part("account", &node{kind: boolKind, text: "true"})
	}
	return part("account", out)
}

func persistenceOf(n *node) *node {
	path, size, class := "/data", n.get("size"), n.get("storageClass")
	if mount := n.get("mountPath"); mount != nil {
		path = mount.text
	}
	if size == nil {
		return nil
	}
	if class == nil || class.text == "" {
		return part("volumes", part(path, size))
	}
	volume := part("size", size)
	volume.set("class", class)
	return part("volumes", part(path, volume))
}
