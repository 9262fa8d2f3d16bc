package render

import (
	"maps"
	"slices"
	"strings"

	"stackctl.dev/stackctl/schema"
)

// workload emits what runs the pods of the app.
func workload(c *scope) []fields {
	switch {
	case c.app.IsExternal():
		return nil
	case c.app.Kind == schema.Stateful:
		return []fields{statefulSet(c)}
	case c.app.Kind == schema.Daemon:
		return []fields{daemonSet(c)}
	case c.app.Kind == schema.JobKind:
		return []fields{job(c)}
	case c.app.Kind == schema.Cron:
		return []fields{cronJob(c)}
	}
	return []fields{deployment(c)}
}

func deployment(c *scope) fields {
	return c.object("apps/v1", "Deployment", metadata{c.app.Name, c.versioned(), c.ordered()}, fields{"spec": fields{
		"replicas":                c.app.Replicas,
		"minReadySeconds":         given(int64(c.app.Update.MinReady)),
		"progressDeadlineSeconds": given(int64(c.app.Update.Deadline)),
		"selector":                matching(c.selector()),
		"strategy":                strategy(c.app.Update),
		"template":                podTemplate(c),
	}})
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
func strategy(update schema.Update) fields {
	switch raw := update.RollingUpdate; {
	case update.Strategy == "recreate" || update.Type == "Recreate":
		return fields{"type": "Recreate"}
	case update.Strategy == "rolling":
		return rolling(fields{"maxSurge": update.MaxSurge, "maxUnavailable": update.MaxUnavailable})
	case raw != nil:
		return rolling(fields{"maxSurge": raw.MaxSurge, "maxUnavailable": raw.MaxUnavailable})
	}
	return rolling(nil)
}

// rolling is a strategy that replaces pods one by one, with what it says about
// that.
func rolling(update fields) fields { return fields{"type": "RollingUpdate", "rollingUpdate": update} }

func statefulSet(c *scope) fields {
	strategy := rolling(nil)
	switch raw := c.app.Update.RollingUpdate; {
	case c.app.Update.Type == "OnDelete":
		strategy = fields{"type": "OnDelete"}
	case raw != nil:
		strategy = rolling(fields{"partition": raw.Partition, "maxUnavailable": raw.MaxUnavailable})
	}
	return c.object("apps/v1", "StatefulSet", metadata{c.app.Name, c.versioned(), c.ordered()}, fields{"spec": fields{
		"serviceName":          governingName(c),
		"replicas":             c.app.Replicas,
		"minReadySeconds":      given(int64(c.app.Update.MinReady)),
		"selector":             matching(c.selector()),
		"updateStrategy":       strategy,
		"template":             podTemplate(c),
		"volumeClaimTemplates": claimTemplates(c),
	}})
}

func daemonSet(c *scope) fields {
	strategy := rolling(nil)
	switch raw := c.app.Update.RollingUpdate; {
	case c.app.Update.Type == "OnDelete":
		strategy = fields{"type": "OnDelete"}
	case c.app.Update.Strategy == "rolling":
		strategy = rolling(fields{"maxSurge": c.app.Update.MaxSurge, "maxUnavailable": c.app.Update.MaxUnavailable})
	case raw != nil:
		update := fields{"maxSurge": raw.MaxSurge, "maxUnavailable": raw.MaxUnavailable}
		if raw.MaxSurge != nil && raw.MaxUnavailable == nil {
			update["maxUnavailable"] = 0 // the server's default is 1, and refused beside a surge
		}
		strategy = rolling(update)
	}
	return c.object("apps/v1", "DaemonSet", metadata{c.app.Name, c.versioned(), c.ordered()}, fields{"spec": fields{
		"minReadySeconds": given(int64(c.app.Update.MinReady)),
		"selector":        matching(c.selector()),
		"updateStrategy":  strategy,
		"template":        podTemplate(c),
	}})
}

// job emits a Job, whose template can never change: the engine names it by what
// it is to do, so that another image is another Job.
func job(c *scope) fields {
	labels := c.versioned()
	labels[LabelContent] = contentTemplate
	return c.object("batch/v1", "Job", metadata{c.app.Name, labels, c.ordered()}, fields{"spec": jobSpec(c)})
}

func jobSpec(c *scope) fields {
	spec := fields{"template": podTemplate(c)}
	if job := c.app.Job; job != nil {
		spec["backoffLimit"], spec["parallelism"], spec["completions"] = job.Retries, job.Parallelism, job.Completions
		spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"] = number(job.Timeout), number(job.TTL)
	}
	return spec
}

func cronJob(c *scope) fields {
	schedule := c.app.Schedule
	return c.object("batch/v1", "CronJob", metadata{c.app.Name, c.versioned(), c.ordered()}, fields{"spec": fields{
		"schedule":                   schedule.Cron,
		"timeZone":                   given(schedule.Timezone),
		"suspend":                    given(schedule.Suspend),
		"concurrencyPolicy":          schedule.Concurrency,
		"startingDeadlineSeconds":    number(schedule.Deadline),
		"successfulJobsHistoryLimit": schedule.History,
		"failedJobsHistoryLimit":     schedule.History,
		"jobTemplate":                fields{"metadata": fields{"labels": c.versioned()}, "spec": jobSpec(c)},
	}})
}
