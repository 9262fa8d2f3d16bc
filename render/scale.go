package render

import (
	autoscaling "k8s.io/api/autoscaling/v2"
	"k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	autoscalingv2 "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	metav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1 "k8s.io/client-go/applyconfigurations/policy/v1"

	"stackctl.dev/stackctl/schema"
)

// autoscaler emits the HorizontalPodAutoscaler of an app that has one. The
// workload then names no number of replicas, which would be a fight.
func autoscaler(c *scope) []any {
	scale := c.app.Autoscale
	if scale == nil {
		return nil
	}
	kind := "Deployment"
	if c.app.Kind == schema.Stateful {
		kind = "StatefulSet"
	}
	spec := autoscalingv2.HorizontalPodAutoscalerSpec().
		WithScaleTargetRef(autoscalingv2.CrossVersionObjectReference().WithAPIVersion("apps/v1").WithKind(kind).WithName(c.app.Name)).
		WithMinReplicas(scale.Min).
		WithMaxReplicas(scale.Max)
	for _, wanted := range []struct {
		name    v1.ResourceName
		percent schema.Percent
	}{{v1.ResourceCPU, scale.CPU}, {v1.ResourceMemory, scale.Memory}} {
		if wanted.percent == 0 {
			continue
		}
		spec.WithMetrics(autoscalingv2.MetricSpec().
			WithType(autoscaling.ResourceMetricSourceType).
			WithResource(autoscalingv2.ResourceMetricSource().
				WithName(wanted.name).
				WithTarget(autoscalingv2.MetricTarget().
					WithType(autoscaling.UtilizationMetricType).
					WithAverageUtilization(int32(wanted.percent)))))
	}
	for _, raw := range scale.Metrics {
		metric := autoscalingv2.MetricSpec()
		c.into(raw, metric, "autoscale", "metrics")
		spec.WithMetrics(metric)
	}
	if scale.Behavior != nil {
		behavior := autoscalingv2.HorizontalPodAutoscalerBehavior()
		c.into(scale.Behavior, behavior, "autoscale", "behavior")
		spec.WithBehavior(behavior)
	}
	return one(autoscalingv2.HorizontalPodAutoscaler(c.app.Name, c.namespace()).
		WithLabels(c.labels()).
		WithAnnotations(c.annotations(nil)).
		WithSpec(spec))
}

// disruption emits the PodDisruptionBudget of an app with two pods or more;
// with one it would stop every node drain, so it is there only if it was
// written. Pods that are not ready may always be evicted, else a crashing app
// would stop a drain too.
func disruption(c *scope) []any {
	budget := c.app.Disruption
	pods, ok := c.app.Pods()
	if !ok || c.app.IsExternal() || isOff(budget.Enabled) || pods < 2 && !budget.Pos.IsValid() {
		return nil
	}
	spec := policyv1.PodDisruptionBudgetSpec().
		WithSelector(metav1.LabelSelector().WithMatchLabels(c.selector())).
		WithUnhealthyPodEvictionPolicy(policy.UnhealthyPodEvictionPolicyType(budget.UnhealthyPodEvictionPolicy))
	spec.MaxUnavailable, spec.MinAvailable = intOrPercentOf(budget.MaxUnavailable), intOrPercentOf(budget.MinAvailable)
	return one(policyv1.PodDisruptionBudget(c.app.Name, c.namespace()).
		WithLabels(c.labels()).
		WithAnnotations(c.annotations(nil)).
		WithSpec(spec))
}

// isOff reports whether a switch is written and off.
func isOff(value *bool) bool { return value != nil && !*value }
