package render

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
	batchv1 "k8s.io/client-go/applyconfigurations/batch/v1"
	metav1 "k8s.io/client-go/applyconfigurations/meta/v1"

	"stackctl.dev/stackctl/schema"
)

// workload emits what runs the pods of the app.
func workload(c *scope) []any {
	switch {
	case c.app.IsExternal():
		return nil
	case c.app.Kind == schema.Stateful:
		return one(statefulSet(c))
	case c.app.Kind == schema.Daemon:
		return one(daemonSet(c))
	case c.app.Kind == schema.JobKind:
		return one(job(c))
	case c.app.Kind == schema.Cron:
		return one(cronJob(c))
	}
	return one(deployment(c))
}

func deployment(c *scope) any {
	spec := appsv1.DeploymentSpec().
		WithSelector(metav1.LabelSelector().WithMatchLabels(c.selector())).
		WithStrategy(strategy(c.app.Update)).
		WithTemplate(podTemplate(c))
	if deadline := c.app.Update.Deadline; deadline > 0 {
		spec.WithProgressDeadlineSeconds(int32(deadline))
	}
	if c.app.Replicas != nil {
		spec.WithReplicas(*c.app.Replicas)
	}
	if c.app.Update.MinReady > 0 {
		spec.WithMinReadySeconds(int32(c.app.Update.MinReady))
	}
	return appsv1.Deployment(c.app.Name, c.namespace()).
		WithLabels(c.versioned()).
		WithAnnotations(c.ordered()).
		WithSpec(spec)
}

// ordered are the annotations of a workload: also what must come before it.
func (c *scope) ordered() map[string]string {
	if len(c.app.Needs) == 0 {
		return c.annotations(nil)
	}
	var needs []string
	for _, name := range slices.Sorted(maps.Keys(c.app.Needs)) {
		needs = append(needs, name+"="+string(c.app.Needs[name]))
	}
	return c.annotations(map[string]string{annotationNeeds: strings.Join(needs, ",")})
}

// strategy is how new pods replace old ones.
func strategy(update schema.Update) *appsv1.DeploymentStrategyApplyConfiguration {
	if update.Strategy == "recreate" || update.Type == "Recreate" {
		return appsv1.DeploymentStrategy().WithType(v1.RecreateDeploymentStrategyType)
	}
	out := appsv1.DeploymentStrategy().WithType(v1.RollingUpdateDeploymentStrategyType)
	if update.Strategy == "rolling" {
		return out.WithRollingUpdate(appsv1.RollingUpdateDeployment().
			WithMaxSurge(intOrPercent(update.MaxSurge)).
			WithMaxUnavailable(intOrPercent(update.MaxUnavailable)))
	}
	if raw := update.RollingUpdate; raw != nil {
		rolling := appsv1.RollingUpdateDeployment()
		rolling.MaxSurge, rolling.MaxUnavailable = intOrPercentOf(raw.MaxSurge), intOrPercentOf(raw.MaxUnavailable)
		out.WithRollingUpdate(rolling)
	}
	return out
}

func statefulSet(c *scope) any {
	strategy := appsv1.StatefulSetUpdateStrategy().WithType(v1.RollingUpdateStatefulSetStrategyType)
	switch raw := c.app.Update.RollingUpdate; {
	case c.app.Update.Type == "OnDelete":
		strategy.WithType(v1.OnDeleteStatefulSetStrategyType)
	case raw != nil:
		rolling := appsv1.RollingUpdateStatefulSetStrategy()
		rolling.Partition, rolling.MaxUnavailable = raw.Partition, intOrPercentOf(raw.MaxUnavailable)
		strategy.WithRollingUpdate(rolling)
	}
	spec := appsv1.StatefulSetSpec().
		WithServiceName(governingName(c)).
		WithSelector(metav1.LabelSelector().WithMatchLabels(c.selector())).
		WithUpdateStrategy(strategy).
		WithTemplate(podTemplate(c)).
		WithVolumeClaimTemplates(claimTemplates(c)...)
	if c.app.Replicas != nil {
		spec.WithReplicas(*c.app.Replicas)
	}
	if c.app.Update.MinReady > 0 {
		spec.WithMinReadySeconds(int32(c.app.Update.MinReady))
	}
	return appsv1.StatefulSet(c.app.Name, c.namespace()).
		WithLabels(c.versioned()).
		WithAnnotations(c.ordered()).
		WithSpec(spec)
}

func daemonSet(c *scope) any {
	strategy := appsv1.DaemonSetUpdateStrategy().WithType(v1.RollingUpdateDaemonSetStrategyType)
	switch raw := c.app.Update.RollingUpdate; {
	case c.app.Update.Type == "OnDelete":
		strategy.WithType(v1.OnDeleteDaemonSetStrategyType)
	case c.app.Update.Strategy == "rolling":
		strategy.WithRollingUpdate(appsv1.RollingUpdateDaemonSet().
			WithMaxSurge(intOrPercent(c.app.Update.MaxSurge)).
			WithMaxUnavailable(intOrPercent(c.app.Update.MaxUnavailable)))
	case raw != nil:
		rolling := appsv1.RollingUpdateDaemonSet()
		rolling.MaxSurge, rolling.MaxUnavailable = intOrPercentOf(raw.MaxSurge), intOrPercentOf(raw.MaxUnavailable)
		if raw.MaxSurge != nil && raw.MaxUnavailable == nil {
			rolling.WithMaxUnavailable(intstr.FromInt32(0)) // the server's default is 1, and refused beside a surge
		}
		strategy.WithRollingUpdate(rolling)
	}
	spec := appsv1.DaemonSetSpec().
		WithSelector(metav1.LabelSelector().WithMatchLabels(c.selector())).
		WithUpdateStrategy(strategy).
		WithTemplate(podTemplate(c))
	if c.app.Update.MinReady > 0 {
		spec.WithMinReadySeconds(int32(c.app.Update.MinReady))
	}
	return appsv1.DaemonSet(c.app.Name, c.namespace()).
		WithLabels(c.versioned()).
		WithAnnotations(c.ordered()).
		WithSpec(spec)
}

// job emits a Job, whose template can never change: the engine names it by what
// it is to do, so that another image is another Job.
func job(c *scope) any {
	labels := c.versioned()
	labels[LabelContent] = contentTemplate
	return batchv1.Job(c.app.Name, c.namespace()).
		WithLabels(labels).
		WithAnnotations(c.ordered()).
		WithSpec(jobSpec(c))
}

func jobSpec(c *scope) *batchv1.JobSpecApplyConfiguration {
	template := podTemplate(c)
	template.Spec.WithRestartPolicy(core.RestartPolicyNever)
	spec := batchv1.JobSpec().WithTemplate(template)
	if job := c.app.Job; job != nil {
		spec.BackoffLimit, spec.Parallelism, spec.Completions = job.Retries, job.Parallelism, job.Completions
		if job.Timeout != nil {
			spec.WithActiveDeadlineSeconds(int64(*job.Timeout))
		}
		if job.TTL != nil {
			spec.WithTTLSecondsAfterFinished(int32(*job.TTL))
		}
	}
	return spec
}

func cronJob(c *scope) any {
	schedule := c.app.Schedule
	spec := batchv1.CronJobSpec().
		WithSchedule(schedule.Cron).
		WithConcurrencyPolicy(batch.ConcurrencyPolicy(schedule.Concurrency)).
		WithJobTemplate(batchv1.JobTemplateSpec().WithLabels(c.versioned()).WithSpec(jobSpec(c)))
	if schedule.Timezone != "" {
		spec.WithTimeZone(schedule.Timezone)
	}
	if schedule.Suspend {
		spec.WithSuspend(true)
	}
	if history := schedule.History; history != nil {
		spec.WithSuccessfulJobsHistoryLimit(*history).WithFailedJobsHistoryLimit(*history)
	}
	if schedule.Deadline != nil {
		spec.WithStartingDeadlineSeconds(int64(*schedule.Deadline))
	}
	return batchv1.CronJob(c.app.Name, c.namespace()).
		WithLabels(c.versioned()).
		WithAnnotations(c.ordered()).
		WithSpec(spec)
}

func intOrPercent(value schema.IntOrPercent) intstr.IntOrString {
	if value.Percent != "" {
		return intstr.FromString(value.Percent)
	}
	return intstr.FromInt32(value.Int)
}

func intOrPercentOf(value *schema.IntOrPercent) *intstr.IntOrString {
	if value == nil {
		return nil
	}
	out := intOrPercent(*value)
	return &out
}
