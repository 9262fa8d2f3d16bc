package render

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1 "k8s.io/client-go/applyconfigurations/core/v1"
	metav1 "k8s.io/client-go/applyconfigurations/meta/v1"

	"stackctl.dev/stackctl/schema"
)

// podTemplate emits the pods of an app. The token of the account stays out of
// them unless it is asked for: whoever breaks into the program would hold it.
func podTemplate(c *scope) *corev1.PodTemplateSpecApplyConfiguration {
	app := c.app
	mounted := mounts(c)
	spec := corev1.PodSpec().
		WithAutomountServiceAccountToken(app.Account != nil && app.Account.Token).
		WithTopologySpreadConstraints(spread(c)...).
		WithVolumes(mounted.volumes...)
	if name := accountName(c); name != "" {
		spec.WithServiceAccountName(name)
	}
	if grace := app.Shutdown.Grace; grace != nil {
		spec.WithTerminationGracePeriodSeconds(int64(*grace))
	}
	if context := podSecurity(c); context != nil {
		spec.WithSecurityContext(context)
	}
	for _, name := range c.stack.ImagePullSecrets {
		spec.WithImagePullSecrets(corev1.LocalObjectReference().WithName(name))
	}
	place(c, spec)
	// Sidecars come first: what runs before the app may need them, too.
	for _, name := range slices.Sorted(maps.Keys(app.Sidecars)) {
		sidecar := app.Sidecars[name]
		spec.WithInitContainers(container(c, &sidecar.Program, mounted, "sidecars", name).
			WithRestartPolicy(v1.ContainerRestartPolicyAlways))
	}
	for _, name := range slices.Sorted(maps.Keys(app.Init)) {
		first := app.Init[name]
		spec.WithInitContainers(container(c, &first.Program, mounted, "init", name))
	}
	own := container(c, &app.Program, mounted)
	if drain := app.Shutdown.Drain; drain != nil && *drain > 0 {
		own.WithLifecycle(corev1.Lifecycle().WithPreStop(corev1.LifecycleHandler().
			WithSleep(corev1.SleepAction().WithSeconds(int64(*drain)))))
	}
	return corev1.PodTemplateSpec().
		WithLabels(c.podLabels()).
		WithAnnotations(c.annotations(nil)).
		WithSpec(spec.WithContainers(own))
}

// podLabels are those of the workload, and those that find the pods.
func (c *scope) podLabels() map[string]string {
	labels := c.versioned()
	maps.Copy(labels, c.app.Selector)
	return labels
}

// place says on which nodes the pods run.
func place(c *scope, spec *corev1.PodSpecApplyConfiguration) {
	wanted := c.app.Place
	if len(wanted.Node) > 0 {
		spec.WithNodeSelector(wanted.Node)
	}
	for _, raw := range wanted.Tolerations {
		toleration := corev1.Toleration()
		c.into(raw, toleration, "place", "tolerations")
		spec.WithTolerations(toleration)
	}
	if wanted.Affinity != nil {
		affinity := corev1.Affinity()
		c.into(wanted.Affinity, affinity, "place", "affinity")
		spec.WithAffinity(affinity)
	}
	if wanted.Priority != "" {
		spec.WithPriorityClassName(wanted.Priority)
	}
	if wanted.Runtime != "" {
		spec.WithRuntimeClassName(wanted.Runtime)
	}
}

// container emits one container; path is where it stands below the app, empty
// for the app's own, which has the app's name.
func container(c *scope, p *schema.Program, mounted *mounted, path ...string) *corev1.ContainerApplyConfiguration {
	out := corev1.Container().
		WithName(p.Name).
		WithImage(p.Image.String()).
		WithCommand(p.Command...).
		WithArgs(p.Args...).
		WithEnv(env(c.variables(p, path))...).
		WithEnvFrom(envFrom(p.EnvFrom)...).
		WithVolumeMounts(mounted.in[p.Name]...)
	if wanted := resources(p.Resources); wanted != nil {
		out.WithResources(wanted)
	}
	if p.Image.PullPolicy != "" {
		out.WithImagePullPolicy(v1.PullPolicy(p.Image.PullPolicy))
	}
	if p.Workdir != "" {
		out.WithWorkingDir(p.Workdir)
	}
	for _, name := range p.PortNames() {
		port := p.Ports[name]
		out.WithPorts(corev1.ContainerPort().
			WithName(name).
			WithContainerPort(port.Port).
			WithProtocol(v1.Protocol(port.Protocol)))
	}
	if context := containerSecurity(c, p, path...); context != nil {
		out.WithSecurityContext(context)
	}
	return withProbes(out, p)
}

// env emits the variables, each after those its text refers to: Kubernetes
// expands $(NAME) only for a NAME that came before. Beyond that they are
// sorted.
func env(vars map[string]schema.Env) []*corev1.EnvVarApplyConfiguration {
	var out []*corev1.EnvVarApplyConfiguration
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

func envVar(name string, value schema.Env) *corev1.EnvVarApplyConfiguration {
	out := corev1.EnvVar().WithName(name)
	source := corev1.EnvVarSource()
	switch {
	case value.Secret.Name != "":
		source.WithSecretKeyRef(corev1.SecretKeySelector().WithName(value.Secret.Name).WithKey(value.Secret.Key))
	case value.Config.Name != "":
		source.WithConfigMapKeyRef(corev1.ConfigMapKeySelector().WithName(value.Config.Name).WithKey(value.Config.Key))
	case value.Field != "":
		source.WithFieldRef(corev1.ObjectFieldSelector().WithFieldPath(value.Field))
	case value.Value != nil:
		return out.WithValue(*value.Value)
	default:
		return out
	}
	return out.WithValueFrom(source)
}

func envFrom(sources []schema.EnvFrom) []*corev1.EnvFromSourceApplyConfiguration {
	var out []*corev1.EnvFromSourceApplyConfiguration
	for _, source := range sources {
		kind, name, _ := strings.Cut(source.From, "/")
		one := corev1.EnvFromSource()
		if kind == "secret" {
			one.WithSecretRef(corev1.SecretEnvSource().WithName(name))
		} else {
			one.WithConfigMapRef(corev1.ConfigMapEnvSource().WithName(name))
		}
		if source.Prefix != "" {
			one.WithPrefix(source.Prefix)
		}
		out = append(out, one)
	}
	return out
}

// resources emits requests and limits, nil when there are none.
func resources(r schema.Resources) *corev1.ResourceRequirementsApplyConfiguration {
	requests, limits := quantities(r.CPU, r.Memory), quantities(r.Limits.CPU, r.Limits.Memory)
	if len(requests)+len(limits) == 0 {
		return nil
	}
	out := corev1.ResourceRequirements()
	if len(requests) > 0 {
		out.WithRequests(requests)
	}
	if len(limits) > 0 {
		out.WithLimits(limits)
	}
	return out
}

// quantities parses what the schema found valid; Kubernetes' own spelling
// comes out, so 0.5 and 500m are the same bytes.
func quantities(cpu, memory schema.Quantity) v1.ResourceList {
	list := make(v1.ResourceList)
	for name, text := range map[v1.ResourceName]schema.Quantity{v1.ResourceCPU: cpu, v1.ResourceMemory: memory} {
		if quantity, err := resource.ParseQuantity(string(text)); text != "" && err == nil {
			list[name] = quantity
		}
	}
	return list
}

// spread keeps pods of one revision apart. A single pod has nothing to be kept
// apart from. Only the pods of a Deployment carry a label of their revision.
func spread(c *scope) []*corev1.TopologySpreadConstraintApplyConfiguration {
	var out []*corev1.TopologySpreadConstraintApplyConfiguration
	selector := metav1.LabelSelector().WithMatchLabels(c.selector())
	add := func(key, mode string) {
		when := v1.ScheduleAnyway
		switch mode {
		case "", "none":
			return
		case "hard":
			when = v1.DoNotSchedule
		}
		constraint := corev1.TopologySpreadConstraint().
			WithTopologyKey(key).
			WithMaxSkew(1).
			WithWhenUnsatisfiable(when).
			WithLabelSelector(selector)
		if c.app.Kind != schema.Stateful {
			constraint.WithMatchLabelKeys("pod-template-hash")
		}
		out = append(out, constraint)
	}
	pods, _ := c.app.Pods()
	if pods >= 2 || c.app.Autoscale != nil && c.app.Autoscale.Max >= 2 {
		add("kubernetes.io/hostname", c.app.Spread.Host)
		add("topology.kubernetes.io/zone", c.app.Spread.Zone)
	}
	for _, raw := range c.app.Spread.Constraints {
		constraint := corev1.TopologySpreadConstraint()
		c.into(raw, constraint, "spread", "constraints")
		if constraint.LabelSelector == nil {
			constraint.WithLabelSelector(selector)
		}
		out = append(out, constraint)
	}
	return out
}
