package render

import (
	autoscaling "k8s.io/api/autoscaling/v2"

	"stackctl.dev/stackctl/schema"
)

// autoscaler emits the HorizontalPodAutoscaler of an app that has one. The
// workload then names no number of replicas, which would be a fight.
func autoscaler(c *scope) []fields {
	scale := c.app.Autoscale
	if scale == nil {
		return nil
	}
	kind := "Deployment"
	if c.app.Kind == schema.Stateful {
		kind = "StatefulSet"
	}
	spec := fields{
		"scaleTargetRef": fields{"apiVersion": "apps/v1", "kind": kind, "name": c.app.Name},
		"minReplicas":    scale.Min,
		"maxReplicas":    scale.Max,
	}
	var metrics []fields
	for _, wanted := range []struct {
		name    string
		percent schema.Percent
	}{{"cpu", scale.CPU}, {"memory", scale.Memory}} {
		if wanted.percent != 0 {
			metrics = append(metrics, fields{"type": "Resource", "resource": fields{
				"name":   wanted.name,
				"target": fields{"type": "Utilization", "averageUtilization": int64(wanted.percent)},
			}})
		}
	}
	for _, raw := range scale.Metrics {
		metric := fields{}
		overlay[autoscaling.MetricSpec](c, raw, metric, "autoscale", "metrics")
		metrics = append(metrics, metric)
	}
	spec["metrics"] = metrics
	if scale.Behavior != nil {
		behavior := fields{}
		overlay[autoscaling.HorizontalPodAutoscalerBehavior](c, scale.Behavior, behavior, "autoscale", "behavior")
		spec["behavior"] = behavior
	}
	meta := metadata{c.app.Name, c.labels(), c.annotations(nil)}
	return []fields{c.object("autoscaling/v2", "HorizontalPodAutoscaler", meta, fields{"spec": spec})}
}

// disruption emits the PodDisruptionBudget of an app with two pods or more;
// with one it would stop every node drain, so it is there only if it was
// written. Pods that are not ready may always be evicted, else a crashing app
// would stop a drain too.
func disruption(c *scope) []fields {
	budget := c.app.Disruption
	pods, ok := c.app.Pods()
	if !ok || c.app.IsExternal() || isOff(budget.Enabled) || pods < 2 && !budget.Pos.IsValid() {
		return nil
	}
	meta := metadata{c.app.Name, c.labels(), c.annotations(nil)}
	return []fields{c.object("policy/v1", "PodDisruptionBudget", meta, fields{"spec": fields{
		"selector":                   matching(c.selector()),
		"maxUnavailable":             budget.MaxUnavailable,
		"minAvailable":               budget.MinAvailable,
		"unhealthyPodEvictionPolicy": budget.UnhealthyPodEvictionPolicy,
	}})}
}

// isOff reports whether a switch is written and off.
func isOff(value *bool) bool { return value != nil && !*value }
