package schema

import (
	"slices"
	"strings"
)

// What people bring along from Docker Compose, Kubernetes and Helm. Where it
// can be said mechanically in this language, the hint is that text. A
// translation returns a part of an app, such as {env: {A: b}}, nil when it
// cannot tell.

// foreignFields are the fields of an app that other tools call otherwise, in
// lower case.
var foreignFields = map[string]func(n *node) *node{
	// Docker Compose
	"environment":       func(n *node) *node { return part("env", envOf(n)) },
	"depends_on":        func(n *node) *node { return part("needs", needsOf(n)) },
	"entrypoint":        func(n *node) *node { return part("command", wordsOf(n)) },
	"cmd":               func(n *node) *node { return part("args", wordsOf(n)) },
	"working_dir":       as("workdir"),
	"workingdir":        as("workdir"),
	"expose":            portsOf,
	"healthcheck":       healthcheckOf,
	"stop_grace_period": as("shutdown"),
	"user":              userOf,
	"privileged":        as("security", "container", "privileged"),
	"cap_add":           as("security", "container", "capabilities", "add"),
	"tmpfs":             tmpOf,
	"mem_limit":         as("resources", "memory"),
	"cpus":              as("resources", "limits", "cpu"),
	"deploy":            deployOf,

	// Kubernetes
	"containerport":                 as("port"),
	"livenessprobe":                 as("health", "liveness"),
	"readinessprobe":                as("health", "readiness"),
	"startupprobe":                  as("health", "startup"),
	"terminationgraceperiodseconds": as("shutdown"),
	"nodeselector":                  as("place", "node"),
	"tolerations":                   as("place", "tolerations"),
	"affinity":                      as("place", "affinity"),
	"priorityclassname":             as("place", "priority"),
	"runtimeclassname":              as("place", "runtime"),
	"topologyspreadconstraints":     as("spread"),
	"serviceaccountname":            as("account"),
	"securitycontext":               securityContextOf,
	"volumemounts":                  func(n *node) *node { return part("volumes", mountsOf(n)) },
	"minreadyseconds":               as("update", "minReady"),
	"progressdeadlineseconds":       as("update", "deadline"),
	"strategy":                      as("update"),
	"updatestrategy":                as("update"),
	"initcontainers":                func(n *node) *node { return part("init", namedOf(n)) },
	"backofflimit":                  as("job", "retries"),
	"activedeadlineseconds":         as("job", "timeout"),
	"parallelism":                   as("job", "parallelism"),
	"completions":                   as("job", "completions"),
	"cpu":                           as("resources", "cpu"),
	"memory":                        as("resources", "memory"),
	"limits":                        as("resources", "limits"),
	"requests":                      as("resources"),
	"hostnetwork":                   podField("hostNetwork"),
	"hostpid":                       podField("hostPID"),
	"hostipc":                       podField("hostIPC"),
	"hostaliases":                   podField("hostAliases"),
	"dnspolicy":                     podField("dnsPolicy"),
	"dnsconfig":                     podField("dnsConfig"),
	"schedulername":                 podField("schedulerName"),

	// Helm charts
	"replicacount":       as("replicas"),
	"instances":          as("replicas"),
	"count":              as("replicas"),
	"autoscaling":        autoscalingOf,
	"podlabels":          as("labels"),
	"podannotations":     as("annotations"),
	"serviceaccount":     serviceAccountOf,
	"podsecuritycontext": as("security", "pod"),
	"persistence":        persistenceOf,
}

// advice is for what has no translation.
var advice = map[string]string{
	"build":           "images are built and pushed beforehand: write image: ghcr.io/acme/shop:1.4.2",
	"restart":         "remove it: Kubernetes starts a program again whenever it ends; one that is meant to end is kind: job",
	"restartpolicy":   "remove it: Kubernetes starts a program again whenever it ends; one that is meant to end is kind: job",
	"container_name":  "remove it: the key of the app is its name",
	"hostname":        "remove it: other apps reach this one by its name in apps; ingress: shop.example.org is how the world does",
	"networks":        "remove it: all apps reach each other by name; \"network\" says who may",
	"network_mode":    "remove it: all apps reach each other by name; network says who may",
	"links":           "remove it: all apps reach each other by name",
	"env_file":        "write the variables into env, or take those of a secret: envFrom: [secret/NAME]",
	"logging":         "remove it: Kubernetes keeps what a program prints",
	"configs":         "write files: {/etc/app.conf: {source: app.conf}}",
	"configmap":       "write files: {/etc/app.conf: {source: app.conf}}",
	"containers":      "the fields of the main container stand in the app itself; write the others as sidecars: {NAME: {image: ...}}",
	"imagepullpolicy": "write image: {repository: ghcr.io/acme/shop, tag: 1.4.2, pullPolicy: Always}",
	"metadata":        "write name as the key of the app, labels and annotations into the app itself",
	"spec":            "the fields of the pod and of its container stand in the app itself: image, port, env, volumes and so on",
	"template":        "the fields of the pod and of its container stand in the app itself: image, port, env, volumes and so on",
	"lifecycle":       "write shutdown: {drain: 10s} to go on serving before the program ends",
	"extra_hosts":     "write patches: [{target: Deployment, patch: {spec: {template: {spec: {hostAliases: [...]}}}}}]",
	"domain":          "write ingress: shop.example.org",
	"host":            "write ingress: shop.example.org",
	"hosts":           "write ingress: {hosts: [shop.example.org]}",
	"pdb":             "write disruption: 1",
	"hpa":             "write autoscale: 2..10",
	"cronjob":         "write schedule: \"*/5 * * * *\"",
	"rbac":            "write account: {rules: [{apiGroups: [\"\"], resources: [pods], verbs: [get, list]}]}",
	"storage":         "write volumes: {/data: 10Gi}",
	"pvc":             "write volumes: {/data: 10Gi}",
	"mounts":          "write volumes: {/data: 10Gi}",
	"targetport":      "write port: 8080 in the app; a service leads to it by itself",
	"nodeport":        "Kubernetes chooses the port of the nodes; for a fixed one write patches: [{target: Service, patch: {spec: {ports: [{port: 80, nodePort: 30080}]}}}]",
	"secretkeyref":    "write {secret: NAME/KEY}",
	"configmapkeyref": "write {config: NAME/KEY}",
	"hostpath":        "a directory of a node cannot be mounted; write a size such as 10Gi for a volume that moves with the pod",
}

// synonyms are other names of fields below an app.
var synonyms = map[string]string{
	"minreplicas": "min", "maxreplicas": "max", "targetcpuutilizationpercentage": "cpu", "targetmemoryutilizationpercentage": "memory",
	"backofflimit": "retries", "activedeadlineseconds": "timeout", "ttlsecondsafterfinished": "ttl",
	"concurrencypolicy": "concurrency", "startingdeadlineseconds": "deadline", "successfuljobshistorylimit": "history", "failedjobshistorylimit": "history",
	"storageclass": "class", "storageclassname": "class", "accessmode": "access", "accessmodes": "access", "storage": "size", "claimname": "existing", "emptydir": "medium",
	"runasuser": "user", "runasgroup": "group", "ingressclassname": "class", "classname": "class", "secretname": "secret", "create": "enabled",
	"minreadyseconds": "minReady", "progressdeadlineseconds": "deadline", "nodeselector": "node", "priorityclassname": "priority", "runtimeclassname": "runtime",
	"number": "port", "containerport": "port", "ingress": "from", "egress": "to", "defaultmode": "mode", "file": "source", "text": "content",
	"clusterip": "headless", "externalname": "external", "fieldref": "field", "components": "apps", "services": "apps", "profiles": "environments", "version": "schema", "variables": "env", "vars": "env",
	"probe": "health", "probes": "health", "podsecuritycontext": "pod", "securitycontext": "container", "grace_period": "grace", "name": "repository", "repo": "repository", "graceperiod": "grace",
	"httproute": "gateway", "node": "host", "nodes": "host", "hostname": "host", "networkpolicy": "network", "rollout": "update", "jsonpatch": "patch", "uri": "path", "url": "path",
}

// otherWords are other words for values.
var otherWords = map[string]string{
	"deployment": "web", "service": "web", "server": "web", "statefulset": "stateful", "daemonset": "daemon", "cronjob": "cron", "task": "job",
	"ready": "healthy", "service_healthy": "healthy", "running": "started", "service_started": "started", "completed": "complete", "done": "complete",
	"service_completed_successfully": "complete",
	"rollingupdate":                  "rolling", "rollingupdates": "rolling", "emptydir": "tmp", "tmpfs": "tmp", "ram": "memory", "rwo": "ReadWriteOnce", "rwx": "ReadWriteMany", "rox": "ReadOnlyMany",
	"http": "TCP", "https": "TCP", "grpc": "TCP", "public": "open", "private": "same-namespace", "required": "hard", "preferred": "soft", "off": "none", "no": "none",
	"donotschedule": "hard", "scheduleanyway": "soft", "privileged": "none", "root": "baseline", "strict": "hardened",
}

// foreign returns the hint for a key that another tool has, and the fields it
// stands for.
func (s *shape) foreign(name string, n, parent *node) (hint string, meant []string) {
	key := strings.ToLower(name)
	if translate := foreignFields[key]; translate != nil && s.fields["workdir"] != nil {
		if fragment := translate(n); fragment != nil && s.holds(fragment) {
			return "write " + inlineFields(fragment), fragment.names
		}
		fields := fieldsMeant(translate)
		return "did you mean " + either(quoted(fields)) + "?", fields
	}
	if hint := s.foreignPart(key, n, parent); hint != "" {
		return hint, nil
	}
	if other := synonyms[key]; s.fields[other] != nil && len(nearest(name, s.names)) == 0 {
		return "did you mean " + quote(other) + "?", []string{other}
	}
	stack := language().stack
	program := stack.child("apps").elem
	switch {
	case advice[key] != "" && s.fields["workdir"] != nil:
		return advice[key], nil
	case len(nearest(name, s.names)) > 0:
		return "", nil
	case advice[key] != "" && (s.fields["external"] != nil || s.fields["field"] != nil || s.fields["medium"] != nil):
		return advice[key], nil
	case s.fields["apps"] != nil && program.fields[name] != nil:
		return "it is a field of an app: write it below apps.NAME, or below defaults for all apps", nil
	case s.fields["workdir"] != nil && stack.fields[name] != nil:
		return "it is a field of the stack: write it at the top of the file, beside apps", nil
	case s.fields["workdir"] != nil && program.fields[name] != nil:
		return "it is a field of the app, not of a container beside it", nil
	}
	return "", nil
}

// holds reports whether a translation would be right at this place.
func (s *shape) holds(fragment *node) bool {
	for _, name := range fragment.names {
		if s.fields[name] == nil || !s.fields[name].accepts(fragment.fields[name].copy()) {
			return false
		}
	}
	return len(inlineFields(fragment)) <= 300
}

// fieldsMeant returns the fields a translation leads to.
func fieldsMeant(translate func(*node) *node) []string {
	for _, sample := range []*node{textNode("1"), {kind: mapKind}, {kind: listKind}} {
		if fragment := translate(sample); fragment != nil {
			return fragment.names
		}
	}
	return nil
}

// foreignPart translates a key of a part that Kubernetes writes otherwise.
func (s *shape) foreignPart(key string, n, parent *node) string {
	switch {
	case key == "requests" && s.fields["preset"] != nil && s.fields["limits"] != nil && n.kind == mapKind:
		whole := parent.copy()
		whole.set("requests", n)
		if out := resourcesOf(whole); s.accepts(out.copy()) {
			return "write resources: " + inline(out)
		}
	case key == "enabled" && s.fields["enabled"] == nil && n.text == "false":
		return "remove the whole field; in an environment, or over a default of the stack, write null"
	case key == "enabled" && s.fields["enabled"] == nil:
		return "remove it: what is written is there"
	case key == "valuefrom" && s.fields["config"] != nil:
		if value := valueFrom(n); value != nil {
			return "write " + inline(value)
		}
	case (key == "secretref" || key == "configmapref") && s.fields["prefix"] != nil && n.get("name") != nil:
		return "write " + strings.TrimSuffix(strings.TrimSuffix(key, "ref"), "map") + "/" + n.get("name").text
	case s.fields["startup"] != nil && timings[key] != "":
		if seconds := secondsOf(n.text); seconds != "" {
			return "write it into a probe: readiness: {" + timings[key] + ": " + seconds + "}"
		}
	case s.fields["startup"] != nil:
		for _, name := range s.fields["readiness"].names {
			if strings.EqualFold(name, key) && s.fields["readiness"].accepts(part(name, n.copy())) {
				return "write it into a probe: readiness: {" + name + ": " + inline(n) + "}"
			}
		}
	}
	return ""
}

// timings are what Compose says about a health check.
var timings = map[string]string{
	"interval": "periodSeconds", "timeout": "timeoutSeconds", "retries": "failureThreshold", "start_period": "initialDelaySeconds",
}

// foreignKey returns the hint for a key of a map that is none here, but was one
// elsewhere.
func foreignKey(name string, value *node, path []string) string {
	field := path[len(path)-1]
	switch {
	case field == "ports" && decimal().MatchString(name):
		return "the key is a name: write ports: {http: " + name + "}, or port: " + name
	case field == "volumes" && value.kind == textKind && strings.HasPrefix(value.text, "/"):
		return "the key is the path in the container: write volumes: {" + value.text + ": 10Gi}"
	}
	return ""
}

// foreignValue returns the hint for a value that other tools write there.
func (s *shape) foreignValue(n *node, path []string) string {
	if len(path) == 0 {
		return ""
	}
	field := path[len(path)-1]
	if inHosts := len(path) > 1 && path[len(path)-2] == "hosts"; inHosts && n.get("host") != nil {
		return "write " + inline(n.get("host"))
	}
	switch {
	case (field == "secret" || field == "config") && n.get("name") != nil && n.get("key") != nil:
		return "write " + field + ": " + n.get("name").text + "/" + n.get("key").text
	case didYouMean(n.text, s.choices()) != "":
		return ""
	case s.short["go"] == "volume" && n.kind == textKind && otherWords[strings.ToLower(n.text)] == "" && !startsWithDigit(n.text):
		return "write a size such as 10Gi, tmp for an empty directory, or {existing: NAME}; a directory of the host cannot be mounted"
	case s.short["go"] == "mount" && n.kind == textKind:
		return "write the path at which the app has the volume, or tmp"
	case s.fields["type"] != nil && n.kind == textKind && s.accepts(part("type", n.copy())):
		return "write {type: " + inline(n) + "}"
	}
	fragment := foreignForm(field, n)
	if fragment == nil || len(inlineFields(fragment)) > 300 {
		return ""
	}
	if value := fragment.fields[field]; value != nil && !s.accepts(value.copy()) {
		return ""
	}
	if hint := "write " + inlineFields(fragment); field != "volumes" || !slices.ContainsFunc(n.items, isBind) {
		return hint
	} else {
		return hint + "; a directory of the host cannot be mounted, a file can: files: {/etc/app.conf: {source: app.conf}}"
	}
}

func startsWithDigit(text string) bool { return text != "" && text[0] >= '0' && text[0] <= '9' }

// podFields are the fields of a pod that a variable can hold.
var podFields = []string{
	"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels['team']", "metadata.annotations['team']", "spec.nodeName",
	"spec.serviceAccountName", "status.hostIP", "status.podIP", "status.hostIPs", "status.podIPs",
}

// foreignForm translates the value of a field that exists here too, nil when it
// cannot tell.
func foreignForm(field string, n *node) *node {
	switch field {
	case "env":
		return part(field, envOf(n))
	case "labels", "annotations":
		if n.kind == listKind {
			return part(field, envOf(n))
		}
	case "port", "ports":
		return portsOf(n)
	case "volumes":
		return part(field, mountsOf(n))
	case "command", "args":
		return part(field, wordsOf(n))
	case "apps", "init", "sidecars", "environments":
		return part(field, namedOf(n))
	case "resources":
		if n.get("requests") != nil {
			return part(field, resourcesOf(n))
		}
	case "tls":
		if n.kind == listKind && len(n.items) == 1 {
			return part(field, n.items[0].get("secretName"))
		}
	}
	return nil
}

// isBind reports whether a volume of Compose is a directory of the host.
func isBind(item *node) bool {
	return item.kind == textKind && strings.ContainsAny(item.text[:min(1, len(item.text))], "./~") && strings.Contains(item.text, ":")
}

// part returns {name: value}, nil without a value.
func part(name string, value *node) *node {
	if value == nil {
		return nil
	}
	out := &node{kind: mapKind}
	out.set(name, value)
	return out
}

// as returns the translation to the field under a path.
func as(path ...string) func(*node) *node {
	return func(n *node) *node {
		out := n.copy()
		for _, name := range slices.Backward(path) {
			out = part(name, out)
		}
		return out
	}
}

func textNode(text string) *node { return &node{kind: textKind, text: text} }
