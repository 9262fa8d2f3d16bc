package render

import (
	"k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
	metav1 "k8s.io/client-go/applyconfigurations/meta/v1"

	"stackctl.dev/stackctl/schema"
)

// deployment emits the workload of a web app or a worker.
func deployment(c *scope) any {
	spec := appsv1.DeploymentSpec().
		WithSelector(metav1.LabelSelector().WithMatchLabels(c.selector())).
		WithProgressDeadlineSeconds(int32(c.app.Update.Deadline)).
		WithStrategy(strategy(c.app.Update)).
		WithTemplate(podTemplate(c))
	if c.app.Replicas != nil {
		spec.WithReplicas(*c.app.Replicas)
	}
	if c.app.Update.MinReady > 0 {
		spec.WithMinReadySeconds(int32(c.app.Update.MinReady))
	}
	return appsv1.Deployment(c.app.Name, c.namespace).
		WithLabels(c.versioned()).
		WithAnnotations(c.annotations(nil)).
		WithSpec(spec)
}

// strategy is how new pods replace old ones.
func strategy(update schema.Update) *appsv1.DeploymentStrategyApplyConfiguration {
	if update.Strategy == "recreate" {
		return appsv1.DeploymentStrategy().WithType(v1.RecreateDeploymentStrategyType)
	}
	return appsv1.DeploymentStrategy().
		WithType(v1.RollingUpdateDeploymentStrategyType).
		WithRollingUpdate(appsv1.RollingUpdateDeployment().
			WithMaxSurge(intOrPercent(update.MaxSurge)).
			WithMaxUnavailable(intOrPercent(update.MaxUnavailable)))
}

// replicas is how many pods the app has.
func (c *scope) replicas() int32 {
	if c.app.Replicas == nil {
		return 1
	}
	return *c.app.Replicas
}

func intOrPercent(value schema.IntOrPercent) intstr.IntOrString {
	if value.Percent != "" {
		return intstr.FromString(value.Percent)
	}
	return intstr.FromInt32(value.Int)
}
