package render

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"stackctl.dev/stackctl/schema"
)

// podTemplate emits the pods of an app. The token of the account stays out of
// them unless it is asked for: whoever breaks into the program would hold it.
func podTemplate(c *scope) fields {
	app := c.app
	mounted := mounts(c)
	var pull, before []fields
	for _, name := range c.stack.ImagePullSecrets {
		pull = append(pull, fields{"name": name})
	}
	// Sidecars come first: what runs before the app may need them, too.
	for _, name := range slices.Sorted(maps.Keys(app.Sidecars)) {
		sidecar := app.Sidecars[name]
		out := container(c, &sidecar.Program, mounted, "sidecars", name)
		out["restartPolicy"] = "Always"
		before = append(before, out)
	}
	for _, name := range slices.Sorted(maps.Keys(app.Init)) {
		first := app.Init[name]
		before = append(before, container(c, &first.Program, mounted, "init", name))
	}
	own := container(c, &app.Program, mounted)
	if drain := app.Shutdown.Drain; drain != nil && *drain > 0 {
		own["lifecycle"] = fields{"preStop": fields{"sleep": fields{"seconds": number(drain)}}}
	}
	spec := fields{
		"automountServiceAccountToken":  app.Account != nil && app.Account.Token,
		"serviceAccountName":            given(accountName(c)),
		"terminationGracePeriodSeconds": number(app.Shutdown.Grace),
		"securityContext":               podSecurity(c),
		"imagePullSecrets":              pull,
		"initContainers":                before,
		"containers":                    []fields{own},
		"volumes":                       mounted.volumes,
		"topologySpreadConstraints":     spread(c),
	}
	if app.Kind == schema.JobKind || app.Kind == schema.Cron {
		spec["restartPolicy"] = "Never"
	}
	place(c, spec)
	return fields{"metadata": fields{"labels": c.podLabels(), "annotations": c.annotations(nil)}, "spec": spec}
}

// podLabels are those of the workload, and those that find the pods.
func (c *scope) podLabels() map[string]string {
	labels := c.versioned()
	maps.Copy(labels, c.app.Selector)
	return labels
}

// place says on which nodes the pods run.
func place(c *scope, spec fields) {
	wanted := c.app.Place
	var tolerations []fields
	for _, raw := range wanted.Tolerations {
		toleration := fields{}
		overlay[v1.Toleration](c, raw, toleration, "place", "tolerations")
		tolerations = append(tolerations, toleration)
	}
	if wanted.Affinity != nil {
		affinity := fields{}
		overlay[v1.Affinity](c, wanted.Affinity, affinity, "place", "affinity")
		spec["affinity"] = affinity
	}
	spec["nodeSelector"] = wanted.Node
	spec["tolerations"] = tolerations
	spec["priorityClassName"] = given(wanted.Priority)
	spec["runtimeClassName"] = given(wanted.Runtime)
}

// container emits one container; path is where it stands below the app, empty
// for the app's own, which has the app's name.
func container(c *scope, p *schema.Program, mounted *mounted, path ...string) fields {
	var ports []fields
	for _, name := range p.PortNames() {
		port := p.Ports[name]
		ports = append(ports, fields{"name": name, "containerPort": port.Port, "protocol": port.Protocol})
	}
	return fields{
		"name":            p.Name,
		"image":           p.Image.String(),
		"imagePullPolicy": given(p.Image.PullPolicy),
		"command":         p.Command,
		"args":            p.Args,
		"workingDir":      given(p.Workdir),
		"ports":           ports,
		"env":             env(c.variables(p, path)),
		"envFrom":         envFrom(p.EnvFrom),
		"resources":       resources(p.Resources),
		"volumeMounts":    mounted.in[p.Name],
		"securityContext": containerSecurity(c, p, path...),
		"startupProbe":    probe(p, p.Health.Startup),
		"readinessProbe":  probe(p, p.Health.Readiness),
		"livenessProbe":   probe(p, p.Health.Liveness),
	}
}

// env emits the variables, each after those its text refers to: Kubernetes
// expands $(NAME) only for a NAME that came before. Beyond that they are
// sorted.
func env(vars map[string]schema.Env) []fields {
	var out []fields
	visited := make(map[string]bool)
	var visit func(name string)
	visit = func(name string) {
		if _, exists := vars[name]; !exists || visited[name] {
			return
		}
		visited[name] = true // before its references, so a circle ends
		for _, other := range references(vars[name].Value) {
			visit(other)
		}
		out = append(out, envVar(name, vars[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		visit(name)
	}
	return out
}

// references returns the names in $(NAME) of a text. $$(NAME) is no reference.
func references(text *string) []string {
	if text == nil {
		return nil
	}
	var names []string
	rest := strings.ReplaceAll(*text, "$$", "")
	for {
		_, after, found := strings.Cut(rest, "$(")
		if !found {
			return names
		}
		name, tail, closed := strings.Cut(after, ")")
		if !closed {
			return names
		}
		names = append(names, name)
		rest = tail
	}
}

func envVar(name string, value schema.Env) fields {
	var source fields
	switch {
	case value.Secret.Name != "":
		source = fields{"secretKeyRef": fields{"name": value.Secret.Name, "key": value.Secret.Key}}
	case value.Config.Name != "":
		source = fields{"configMapKeyRef": fields{"name": value.Config.Name, "key": value.Config.Key}}
	case value.Field != "":
		source = fields{"fieldRef": fields{"fieldPath": value.Field}}
	case value.Value != nil:
		return fields{"name": name, "value": *value.Value}
	}
	return fields{"name": name, "valueFrom": source}
}

func envFrom(sources []schema.EnvFrom) []fields {
	var out []fields
	for _, source := range sources {
		kind, name, _ := strings.Cut(source.From, "/")
		ref := "configMapRef"
		if kind == "secret" {
			ref = "secretRef"
		}
		out = append(out, fields{ref: fields{"name": name}, "prefix": given(source.Prefix)})
	}
	return out
}

// resources emits requests and limits, nil when there are none.
func resources(r schema.Resources) any {
	return nonEmpty(fields{
		"requests": quantities(r.CPU, r.Memory), "limits": quantities(r.Limits.CPU, r.Limits.Memory),
	})
}

// quantities emits what the schema found valid in Kubernetes' own spelling, so
// 0.5 and 500m are the same bytes.
func quantities(cpu, memory schema.Quantity) any {
	return nonEmpty(fields{"cpu": quantity(cpu), "memory": quantity(memory)})
}

func quantity(text schema.Quantity) any {
	q, err := resource.ParseQuantity(string(text))
	if text == "" || err != nil {
		return nil
	}
	return q.String()
}

// spread keeps pods of one revision apart. A single pod has nothing to be kept
// apart from. Only the pods of a Deployment carry a label of their revision.
func spread(c *scope) []fields {
	var out []fields
	add := func(key, mode string) {
		when := "ScheduleAnyway"
		switch mode {
		case "", "none":
			return
		case "hard":
			when = "DoNotSchedule"
		}
		constraint := fields{
			"topologyKey": key, "maxSkew": 1, "whenUnsatisfiable": when, "labelSelector": matching(c.selector()),
		}
		if c.app.Kind != schema.Stateful {
			constraint["matchLabelKeys"] = []string{"pod-template-hash"}
		}
		out = append(out, constraint)
	}
	pods, _ := c.app.Pods()
	if pods >= 2 || c.app.Autoscale != nil && c.app.Autoscale.Max >= 2 {
		add("kubernetes.io/hostname", c.app.Spread.Host)
		add("topology.kubernetes.io/zone", c.app.Spread.Zone)
	}
	for _, raw := range c.app.Spread.Constraints {
		constraint := fields{}
		overlay[v1.TopologySpreadConstraint](c, raw, constraint, "spread", "constraints")
		if constraint["labelSelector"] == nil {
			constraint["labelSelector"] = matching(c.selector())
		}
		out = append(out, constraint)
	}
	return out
}
