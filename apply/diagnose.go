package apply

import (
	"cmp"
	"fmt"
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
	spells map[string]spell
	now    func() time.Time
	// fresh reports a workload whose pods are of this run. The trouble of older
	// pods may be what this run mends, so it is final only if it lasts. Nil
	// takes every trouble at its word.
	fresh func(ObjectKey) bool
	// wrote tells when this run wrote an object, by the API server's clock;
	// zero when it did not. Nil when there is no run.
	wrote func(ObjectKey) time.Time
	// troubles and logs know more than the objects say; nil when nobody asks.
	troubles *troubles
	logs     *podLogs
}

// spell is how long a trouble has been seen.
type spell struct{ since, last time.Time }

func newDiagnosis() *diagnosis {
	return &diagnosis{spells: map[string]spell{}, now: time.Now}
}

// workload adds to a health what the pods are doing, and why it is not ready.
func (d *diagnosis) workload(h *Health, o *unstructured.Unstructured, pods, replicaSets []*unstructured.Unstructured) {
	if o == nil || !observed(o) {
		return
	}
	groups := map[PodGroup]int{}
	var ready, made int64
	var worst, stuck *Cause
	for _, p := range podsOf(o, pods, replicaSets) {
		reason, cause := d.pod(p.pod, h.Object.isJob())
		groups[PodGroup{Reason: reason, Old: p.old}]++
		if p.old {
			if stuck == nil && h.State != StateReady {
				stuck = d.stuckOrdinal(o, p.pod, reason, cause)
			}
			continue
		}
		made++
		h.started = h.started || runs(p.pod)
		if status, _, _ := (state{p.pod.Object}).conditionOf("Ready"); status == "True" && p.pod.GetDeletionTimestamp() == nil {
			ready++
		}
		if cause != nil && (worst == nil || cause.Final && !worst.Final) {
			worst = cause
		}
	}
	h.Pods = groupsOf(groups)
	if len(groups) > 0 && h.Replicas != nil && h.State != StateReady {
		h.Replicas.Ready = min(ready, h.Replicas.Updated)
		h.rollout()
	}
	if worst == nil {
		worst = stuck
	}
	h.ofNewest(o, replicaSets)
	if worst == nil && h.Cause == nil && h.State != StateReady && lacksPods(h, made) {
		d.complaint(h, o)
	}
	d.conclude(h, worst)
}

// ofNewest drops what a Deployment says about the ReplicaSets of earlier
// templates: it goes on saying that their pods were refused.
func (h *Health) ofNewest(o *unstructured.Unstructured, replicaSets []*unstructured.Unstructured) {
	if h.Cause == nil || h.Cause.Reason != reasonFailedCreate || o.GetKind() != "Deployment" {
		return
	}
	h.echo = true // for all that is known
	for _, rs := range replicaSets {
		if ownedBy(rs, string(o.GetUID())) && rs.GetAnnotations()[annotationRollout] == o.GetAnnotations()[annotationRollout] {
			if status, _, _ := (state{rs.Object}).conditionOf("ReplicaFailure"); status == "True" {
				h.echo = false
				return
			}
		}
	}
	if len(replicaSets) > 0 {
		h.Cause = nil
	}
}

// annotationRollout numbers the templates of a Deployment and its ReplicaSets.
const annotationRollout = "deployment.kubernetes.io/revision"

// lacksPods reports that pods are missing that should be there by now.
func lacksPods(h *Health, made int64) bool {
	if h.Object.isJob() {
		return made == 0
	}
	return h.Replicas != nil && (made < h.Replicas.Desired || h.Replicas.Total < h.Replicas.Desired)
}

// complaint takes what the controller of a workload last complained about as
// the cause. A complaint of before this run is named too, but it may be what
// this run mends.
func (d *diagnosis) complaint(h *Health, o *unstructured.Unstructured) {
	if d.troubles == nil {
		return
	}
	var since time.Time
	if d.wrote != nil {
		since = d.wrote(h.Object)
	}
	cause, live := d.troubles.ofWorkload(o, since)
	if cause == nil || cause.Reason != reasonFailedCreate {
		return
	}
	h.Cause = cause
	h.echo = !live
}

const reasonFailedCreate = "FailedCreate"

// stuckOrdinal names the pod that holds up a StatefulSet: one that makes its
// pods in order replaces none before those of the last revision are ready, and
// a broken one never is.
func (d *diagnosis) stuckOrdinal(o, pod *unstructured.Unstructured, doing string, why *Cause) *Cause {
	s := state{o.Object}
	if o.GetKind() != "StatefulSet" || s.text("spec", "podManagementPolicy") == "Parallel" || s.text("spec", "updateStrategy", "type") == "OnDelete" {
		return nil
	}
	if ready, _, _ := (state{pod.Object}).conditionOf("Ready"); ready == "True" || pod.GetDeletionTimestamp() != nil {
		return nil
	}
	if why != nil {
		doing = why.Reason
	}
	// Its controller may be about to replace it.
	lasts := d.lasts(string(pod.GetUID())+"/stuck") >= stuckAfter
	return &Cause{
		Pod: pod.GetName(), Reason: reasonStuck, Final: lasts && why != nil && why.Final,
		Message: fmt.Sprintf("this pod is of an earlier revision and not ready (%s), and the StatefulSet replaces it only once it is; `kubectl -n %s delete pod %s` lets it go on",
			doing, pod.GetNamespace(), pod.GetName()),
	}
}

const (
	reasonStuck = "StuckOrdinal"
	// stuckAfter is how long a controller gets to replace a broken pod.
	stuckAfter = 10 * time.Second
)

// conclude sets the cause of a health that is not ready. A cause found at the
// pods says more than one of the workload itself.
func (d *diagnosis) conclude(h *Health, pod *Cause) {
	if h.State == StateReady {
		return
	}
	if h.Cause != nil && h.Cause.Reason == reasonPaused {
		pod = nil // whatever the pods do, no others come
	}
	if pod != nil {
		if own := h.Cause; own != nil && own.Final {
			pod.Final = true
			if h.Object.isJob() { // why it is not tried once more
				pod.Message += fmt.Sprintf("; %s: %s", own.Reason, own.Message)
			}
		}
		h.Cause = pod
	} else if c := h.Cause; c != nil && c.Reason == reasonFailedCreate {
		lasts := d.lasts(h.Object.String()+c.Reason) >= giveUpAfter
		c.Final = lasts || denied(c.Message) && !h.echo
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

// denied reports a pod that is refused for what it is. A quota may be freed,
// and what an admission plugin looks up may come.
func denied(message string) bool {
	if strings.Contains(message, "exceeded quota") || strings.Contains(message, "error looking up") || strings.Contains(message, "failed calling webhook") {
		return false
	}
	return strings.Contains(message, "is forbidden") || strings.Contains(message, "is invalid") ||
		strings.Contains(message, "denied the request") || strings.Contains(message, "denied request")
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

// lasts returns for how long a trouble has been seen. One that was not seen
// for a while begins anew.
func (d *diagnosis) lasts(trouble string) time.Duration {
	now := d.now()
	s, ok := d.spells[trouble]
	if !ok || now.Sub(s.last) > forgetAfter {
		s.since = now
	}
	s.last = now
	d.spells[trouble] = s
	return now.Sub(s.since)
}

// forgetAfter is how long a trouble may be away and still be the same one: a
// pod that crashes runs for a moment in between.
const forgetAfter = 20 * time.Second

type ownedPod struct {
	pod *unstructured.Unstructured
	old bool // made from an earlier template
}

// podsOf finds the pods of a workload by their owners.
func podsOf(o *unstructured.Unstructured, pods, replicaSets []*unstructured.Unstructured) []ownedPod {
	newest := map[string]bool{} // owner uid → of the newest template
	switch o.GetKind() {
	case "Deployment":
		revision := o.GetAnnotations()[annotationRollout]
		for _, rs := range replicaSets {
			if ownedBy(rs, string(o.GetUID())) {
				newest[string(rs.GetUID())] = rs.GetAnnotations()[annotationRollout] == revision
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
// A pod of a Job that fails is tried again as often as the Job says.
func (d *diagnosis) pod(pod *unstructured.Unstructured, ofJob bool) (doing string, cause *Cause) {
	s := state{pod.Object}
	if pod.GetDeletionTimestamp() != nil {
		return "Terminating", nil
	}
	phase := cmp.Or(s.text("status", "phase"), "Pending")
	if phase == "Succeeded" || phase == "Failed" && !ofJob {
		return phase, nil // somebody else takes its place
	}
	for _, list := range []string{"initContainerStatuses", "containerStatuses"} {
		containers, _ := s.lookup("status", list)
		for _, c := range asList(containers) {
			reason, cause := d.container(pod, c, ofJob)
			if cause != nil {
				if phase == "Failed" {
					reason = phase
				}
				return reason, cause
			}
			if doing == "" && list == "containerStatuses" {
				doing = reason
			}
		}
	}
	if phase == "Failed" {
		return phase, &Cause{Pod: pod.GetName(), Reason: cmp.Or(s.text("status", "reason"), phase), Message: s.text("status", "message")}
	}
	if doing == "" {
		doing = phase
	}
	if ready, _, _ := s.conditionOf("Ready"); ready == "True" {
		return doing, nil
	}
	if phase == "Running" && doing == phase {
		doing = runningNotReady
	}
	return doing, d.unready(pod)
}

const runningNotReady = "Running, not ready"

// unready says why a pod is not ready whose containers are in no trouble.
func (d *diagnosis) unready(pod *unstructured.Unstructured) *Cause {
	if d.troubles != nil {
		if cause := d.troubles.pendingClaim(pod); cause != nil {
			return cause
		}
	}
	if why := unschedulable(pod); why != "" {
		_, _, message := (state{pod.Object}).conditionOf("PodScheduled")
		return &Cause{Pod: pod.GetName(), Reason: why, Message: message, Field: fieldToBlame(why, message)}
	}
	if d.troubles != nil {
		return d.troubles.ofPod(pod)
	}
	return nil
}

// container returns what a container waits for, and the trouble if it is one.
func (d *diagnosis) container(pod *unstructured.Unstructured, c state, ofJob bool) (reason string, cause *Cause) {
	name := c.text("name")
	if code, ok := c.lookup("state", "terminated", "exitCode"); ok {
		if asInt(code) == 0 {
			return "", nil
		}
		return d.crashed(pod, c, cmp.Or(c.text("state", "terminated", "reason"), "Error"), "", ofJob)
	}
	reason = c.text("state", "waiting", "reason")
	message := c.text("state", "waiting", "message")
	trouble := func(final bool) *Cause {
		return &Cause{Pod: pod.GetName(), Container: name, Reason: reason, Message: message, Field: fieldToBlame(reason, message), Final: final}
	}
	lasts := func() time.Duration { return d.lasts(string(pod.GetUID()) + "/" + name + "/" + family(reason)) }
	switch reason {
	case "", "ContainerCreating", "PodInitializing":
		if ready, _ := c.lookup("ready"); ready == true || c.int("restartCount") == 0 || reason != "" {
			return reason, nil
		}
		_, cause := d.crashed(pod, c, cmp.Or(c.text("lastState", "terminated", "reason"), "Error"), "", ofJob)
		cause.Final = false // it runs, and may do so for good this time
		return runningNotReady, cause
	case "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError":
		return reason, trouble(true)
	case "ErrImagePull", "ImagePullBackOff":
		missing := strings.Contains(message, "manifest unknown") || strings.Contains(message, ": not found")
		return reason, trouble(missing || lasts() >= giveUpAfter)
	case "CrashLoopBackOff":
		return d.crashed(pod, c, reason, message, ofJob)
	}
	return reason, trouble(lasts() >= giveUpAfter)
}

// crashed is the trouble of a container that ended in a bad way: how it ended
// and what it said last.
func (d *diagnosis) crashed(pod *unstructured.Unstructured, c state, reason, message string, ofJob bool) (string, *Cause) {
	name, restarts := c.text("name"), c.int("restartCount")
	ended, previous := "state", false
	if _, ok := c.lookup("state", "terminated"); !ok {
		ended, previous = "lastState", true
	}
	why, field := c.text(ended, "terminated", "reason"), "command"
	if why == "OOMKilled" {
		field = "resources"
	}
	if code, ok := c.lookup(ended, "terminated", "exitCode"); ok {
		message = strings.TrimSpace("exit code " + Text(code) + " " + message)
		if field == "resources" && reason != why {
			message = why + ", " + message
		}
	}
	if restarts > 0 && reason != "CrashLoopBackOff" {
		message = strings.TrimPrefix(fmt.Sprintf("%s, restarted %d times", message, restarts), ", ")
	}
	cause := &Cause{Pod: pod.GetName(), Container: name, Reason: reason, Message: message, Field: field}
	lasts := d.lasts(string(pod.GetUID())+"/"+name+"/CrashLoopBackOff") >= giveUpAfter
	cause.Final = !ofJob && (restarts >= giveUpRestarts || lasts)
	if d.logs != nil {
		cause.Log = d.logs.of(pod, name, restarts, previous)
	}
	return reason, cause
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
	case strings.Contains(message, "runAsNonRoot"), strings.Contains(message, "PodSecurity"):
		return "security"
	case reason == "CreateContainerConfigError":
		return "env"
	case strings.Contains(message, "exceeded quota"), strings.Contains(message, "Insufficient"), reason == "OOMKilled":
		return "resources"
	case reason == "Unhealthy":
		return "health"
	case reason == "FailedMount", reason == "FailedAttachVolume", strings.Contains(message, "persistentvolumeclaim"), strings.Contains(message, "PersistentVolumeClaim"):
		return "volumes"
	case reason == "CrashLoopBackOff":
		return "command"
	}
	return ""
}
