package apply

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// When a trouble that may heal is given up on.
const (
	giveUpRestarts = 3
	giveUpAfter    = time.Minute
)

// diagnosis explains the health of workloads by their pods. It remembers since
// when each trouble lasts, because how long decides whether it is final.
type diagnosis struct {
	since map[string]time.Time
	now   func() time.Time
	// fresh reports a workload whose pods are of this run. The trouble of older
	// pods may be what this run mends, so it is final only if it lasts. Nil
	// takes every trouble at its word.
	fresh func(ObjectKey) bool
}

func newDiagnosis() *diagnosis { return &diagnosis{since: map[string]time.Time{}, now: time.Now} }

// workload adds to a health what the pods are doing, and why it is not ready.
func (d *diagnosis) workload(h *Health, o *unstructured.Unstructured, pods, replicaSets []*unstructured.Unstructured) {
	if o == nil || !observed(o) {
		return
	}
	groups := map[PodGroup]int{}
	var ready int64
	var worst *Cause
	seen := false
	for _, p := range podsOf(o, pods, replicaSets) {
		reason, cause := d.pod(p.pod)
		groups[PodGroup{Reason: reason, Old: p.old}]++
		seen = true
		if p.old {
			continue
		}
		h.started = h.started || runs(p.pod)
		if status, _, _ := (state{p.pod.Object}).conditionOf("Ready"); status == "True" && p.pod.GetDeletionTimestamp() == nil {
			ready++
		}
		if cause != nil && (worst == nil || cause.Final && !worst.Final) {
			worst = cause
		}
	}
	h.Pods = groupsOf(groups)
	if seen && h.Replicas != nil && h.State != StateReady {
		h.Replicas.Ready = min(ready, h.Replicas.Updated)
		h.rollout()
	}
	d.conclude(h, worst)
}

// conclude sets the cause of a health that is not ready. A cause found at the
// pods says more than one of the workload itself.
func (d *diagnosis) conclude(h *Health, pod *Cause) {
	if h.State == StateReady {
		return
	}
	if pod != nil {
		pod.Final = pod.Final || h.Cause != nil && h.Cause.Final
		h.Cause = pod
	} else if c := h.Cause; c != nil && c.Reason == "FailedCreate" {
		quota := strings.Contains(c.Message, "exceeded quota")
		c.Final = !quota && strings.Contains(c.Message, "forbidden") || d.lasts(h.Object.String()+c.Reason) >= giveUpAfter
	}
	if c := h.Cause; c != nil && c.Final && d.fresh != nil && !d.fresh(h.Object) && isWorkload(h.Object) && c.Reason != reasonPaused {
		c.Final = d.lasts(h.Object.String()) >= giveUpAfter
	}
	switch {
	case h.Cause == nil:
	case h.Cause.Final:
		h.State = StateFailed
	case h.State == StateFailed:
		h.State = StateProgressing
	}
}

// runs reports whether a container of a pod runs.
func runs(pod *unstructured.Unstructured) bool {
	containers, _ := state{pod.Object}.lookup("status", "containerStatuses")
	for _, c := range asList(containers) {
		if _, ok := c.lookup("state", "running"); ok {
			return pod.GetDeletionTimestamp() == nil
		}
	}
	return false
}

// lasts returns for how long a trouble has been seen.
func (d *diagnosis) lasts(trouble string) time.Duration {
	now := d.now()
	since, ok := d.since[trouble]
	if !ok {
		d.since[trouble] = now
		return 0
	}
	return now.Sub(since)
}

type ownedPod struct {
	pod *unstructured.Unstructured
	old bool // made from an earlier template
}

// podsOf finds the pods of a workload by their owners.
func podsOf(o *unstructured.Unstructured, pods, replicaSets []*unstructured.Unstructured) []ownedPod {
	newest := map[string]bool{} // owner uid → of the newest template
	switch o.GetKind() {
	case "Deployment":
		revision := o.GetAnnotations()["deployment.kubernetes.io/revision"]
		for _, rs := range replicaSets {
			if ownedBy(rs, string(o.GetUID())) {
				newest[string(rs.GetUID())] = rs.GetAnnotations()["deployment.kubernetes.io/revision"] == revision
			}
		}
	default:
		newest[string(o.GetUID())] = true
	}
	var owned []ownedPod
	for _, p := range pods {
		for _, ref := range p.GetOwnerReferences() {
			if current, ok := newest[string(ref.UID)]; ok {
				owned = append(owned, ownedPod{p, !current || outdated(o, p)})
			}
		}
	}
	slices.SortFunc(owned, func(a, b ownedPod) int { return strings.Compare(a.pod.GetName(), b.pod.GetName()) })
	return owned
}

func ownedBy(o *unstructured.Unstructured, uid string) bool {
	for _, ref := range o.GetOwnerReferences() {
		if string(ref.UID) == uid {
			return true
		}
	}
	return false
}

// outdated reports a pod of an earlier template, for workloads that own pods
// of several templates themselves.
func outdated(o, pod *unstructured.Unstructured) bool {
	switch o.GetKind() {
	case "StatefulSet":
		revision := state{o.Object}.text("status", "updateRevision")
		return revision != "" && pod.GetLabels()["controller-revision-hash"] != revision
	case "DaemonSet":
		generation := o.GetAnnotations()["deprecated.daemonset.template.generation"]
		return generation != "" && pod.GetLabels()["pod-template-generation"] != generation
	}
	return false
}

func groupsOf(counts map[PodGroup]int) []PodGroup {
	var groups []PodGroup
	for g, n := range counts {
		g.Count = n
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b PodGroup) int {
		if a.Old != b.Old {
			if a.Old {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	return groups
}

// pod says in a word what a pod is doing, and what keeps it from being ready.
func (d *diagnosis) pod(pod *unstructured.Unstructured) (reason string, cause *Cause) {
	s := state{pod.Object}
	if pod.GetDeletionTimestamp() != nil {
		return "Terminating", nil
	}
	for _, list := range []string{"initContainerStatuses", "containerStatuses"} {
		v, _ := s.lookup("status", list)
		containers, _ := v.([]any)
		for _, c := range containers {
			m, _ := c.(map[string]any)
			if reason, cause := d.container(pod.GetName(), state{m}); cause != nil {
				return reason, cause
			} else if reason != "" && list == "containerStatuses" {
				return reason, nil
			}
		}
	}
	if status, why, message := s.conditionOf("PodScheduled"); status == "False" {
		return "Pending", &Cause{Pod: pod.GetName(), Reason: why, Message: message, Field: fieldToBlame(why, message)}
	}
	phase := cmp.Or(s.text("status", "phase"), "Pending")
	if phase == "Running" {
		if ready, _, _ := s.conditionOf("Ready"); ready != "True" {
			return "Running, not ready", nil
		}
	}
	return phase, nil
}

// container returns what a container waits for, and the trouble if it is one.
func (d *diagnosis) container(pod string, c state) (reason string, cause *Cause) {
	reason = c.text("state", "waiting", "reason")
	message := c.text("state", "waiting", "message")
	trouble := func(final bool) *Cause {
		return &Cause{Pod: pod, Container: c.text("name"), Reason: reason, Message: message, Field: fieldToBlame(reason, message), Final: final}
	}
	lasts := func() time.Duration { return d.lasts(pod + "/" + c.text("name") + "/" + family(reason)) }
	switch reason {
	case "", "ContainerCreating", "PodInitializing":
		return reason, nil
	case "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError":
		return reason, trouble(true)
	case "ErrImagePull", "ImagePullBackOff":
		missing := strings.Contains(message, "manifest unknown") || strings.Contains(message, ": not found")
		return reason, trouble(missing || lasts() >= giveUpAfter)
	case "CrashLoopBackOff":
		if code, ok := c.lookup("lastState", "terminated", "exitCode"); ok {
			message = strings.TrimSpace("exit code " + Text(code) + " " + message)
		}
		return reason, trouble(c.int("restartCount") >= giveUpRestarts || lasts() >= giveUpAfter)
	}
	return reason, trouble(lasts() >= giveUpAfter)
}

// family joins the reasons that a pod in one trouble alternates between.
func family(reason string) string {
	if reason == "ImagePullBackOff" {
		return "ErrImagePull"
	}
	return reason
}

// fieldToBlame names the field of an app that a trouble most likely comes from.
func fieldToBlame(reason, message string) string {
	switch {
	case strings.Contains(reason, "Image"):
		return "image"
	case strings.Contains(message, "runAsNonRoot"), strings.Contains(message, "PodSecurity"), strings.Contains(message, "violates PodSecurity"):
		return "security"
	case reason == "CreateContainerConfigError":
		return "env"
	case strings.Contains(message, "exceeded quota"), strings.Contains(message, "Insufficient"), reason == "OOMKilled":
		return "resources"
	case reason == "CrashLoopBackOff":
		return "command"
	}
	return ""
}
