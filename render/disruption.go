package render

import (
	policy "k8s.io/api/policy/v1"
	metav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1 "k8s.io/client-go/applyconfigurations/policy/v1"
)

// disruption emits the PodDisruptionBudget of an app with two replicas or
// more; with one it would stop every node drain. Pods that are not ready may
// always be evicted, else a crashing app would stop it too.
func disruption(c *scope) any {
	budget := c.app.Disruption
	if c.replicas() < 2 || budget.Enabled != nil && !*budget.Enabled {
		return nil
	}
	return policyv1.PodDisruptionBudget(c.app.Name, c.namespace).
		WithLabels(c.labels()).
		WithAnnotations(c.annotations(nil)).
		WithSpec(policyv1.PodDisruptionBudgetSpec().
			WithSelector(metav1.LabelSelector().WithMatchLabels(c.selector())).
			WithMaxUnavailable(intOrPercent(budget.MaxUnavailable)).
			WithUnhealthyPodEvictionPolicy(policy.AlwaysAllow))
}
