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

// podTemplate emits the pods of an app. The token of the service account stays
// out of them: whoever breaks into the program would hold it.
func podTemplate(c *scope) *corev1.PodTemplateSpecApplyConfiguration {
	spec := corev1.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithTopologySpreadConstraints(spread(c)...).
		WithContainers(container(c))
	if grace := c.app.Shutdown.Grace; grace != nil {
		spec.WithTerminationGracePeriodSeconds(int64(*grace))
	}
	if context := podSecurity(c.app.Security); context != nil {
		spec.WithSecurityContext(context)
	}
	if c.app.Security.Preset == "hardened" {
		spec.WithVolumes(corev1.Volume().WithName("tmp").WithEmptyDir(corev1.EmptyDirVolumeSource()))
	}
	for _, name := range c.stack.ImagePullSecrets {
		spec.WithImagePullSecrets(corev1.LocalObjectReference().WithName(name))
	}
	return corev1.PodTemplateSpec().
		WithLabels(c.versioned()).
		WithAnnotations(c.annotations(nil)).
		WithSpec(spec)
}

// container emits the app's own container, which has the app's name.
func container(c *scope) *corev1.ContainerApplyConfiguration {
	app := c.app
	out := corev1.Container().
		WithName(app.Name).
		WithImage(app.Image.String()).
		WithCommand(app.Command...).
		WithArgs(app.Args...).
		WithEnv(env(app.Env)...).
		WithEnvFrom(envFrom(app.EnvFrom)...)
	if wanted := resources(app.Resources); wanted != nil {
		out.WithResources(wanted)
	}
	if app.Image.PullPolicy != "" {
		out.WithImagePullPolicy(v1.PullPolicy(app.Image.PullPolicy))
	}
	if app.Workdir != "" {
		out.WithWorkingDir(app.Workdir)
	}
	for _, name := range app.PortNames() {
		port := app.Ports[name]
		out.WithPorts(corev1.ContainerPort().
			WithName(name).
			WithContainerPort(port.Port).
			WithProtocol(v1.Protocol(port.Protocol)))
	}
	if drain := app.Shutdown.Drain; drain != nil && *drain > 0 {
		out.WithLifecycle(corev1.Lifecycle().WithPreStop(corev1.LifecycleHandler().
			WithSleep(corev1.SleepAction().WithSeconds(int64(*drain)))))
	}
	if context := containerSecurity(app.Security); context != nil {
		out.WithSecurityContext(context)
	}
	if app.Security.Preset == "hardened" {
		out.WithVolumeMounts(corev1.VolumeMount().WithName("tmp").WithMountPath("/tmp"))
	}
	return withProbes(out, app)
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
// apart from.
func spread(c *scope) []*corev1.TopologySpreadConstraintApplyConfiguration {
	if c.replicas() < 2 {
		return nil
	}
	var out []*corev1.TopologySpreadConstraintApplyConfiguration
	add := func(key, mode string) {
		when := v1.ScheduleAnyway
		switch mode {
		case "", "none":
			return
		case "hard":
			when = v1.DoNotSchedule
		}
		out = append(out, corev1.TopologySpreadConstraint().
			WithTopologyKey(key).
			WithMaxSkew(1).
			WithWhenUnsatisfiable(when).
			WithLabelSelector(metav1.LabelSelector().WithMatchLabels(c.selector())).
			WithMatchLabelKeys("pod-template-hash"))
	}
	add("kubernetes.io/hostname", c.app.Spread.Host)
	add("topology.kubernetes.io/zone", c.app.Spread.Zone)
	return out
}
