package apply

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// judge returns the health of a live object by itself: a pure function of what
// the API server says, per kind. A state the object's controller has not seen
// yet is never ready. A nil object is missing.
func judge(key ObjectKey, o *unstructured.Unstructured) Health {
	h := Health{Object: key, State: StateProgressing}
	if o == nil {
		h.State, h.Message = StateMissing, "is not there"
		return h
	}
	s := state{o.Object}
	if o.GetDeletionTimestamp() != nil && !s.ended(key) {
		h.Message = "is being deleted"
		return h
	}
	if !observed(o) {
		h.Message = "waiting for its controller"
		if isWorkload(key) {
			h.Replicas = s.replicas(key.Kind)
		}
		return h
	}
	switch key.Group + "/" + key.Kind {
	case "apps/Deployment":
		s.deployment(&h)
	case "apps/StatefulSet":
		s.statefulSet(&h)
	case "apps/DaemonSet":
		s.daemonSet(&h)
	case "batch/Job":
		s.job(&h)
	case "/PersistentVolumeClaim":
		s.claim(&h)
	case "apiextensions.k8s.io/CustomResourceDefinition":
		s.condition(&h, "Established")
	case "/Pod":
		s.pod(&h)
	default:
		s.other(&h, key)
	}
	h.started = h.State == StateReady || h.Replicas != nil && h.Replicas.Desired == 0
	return h
}

// observed reports whether the controller of an object has seen what was
// written last; before that neither status nor pods say anything about it.
func observed(o *unstructured.Unstructured) bool {
	generation, ok := state{o.Object}.lookup("status", "observedGeneration")
	if !ok {
		return !isWorkload(keyOf(o)) // the controllers of workloads always tell
	}
	return asInt(generation) >= o.GetGeneration()
}

// state reads fields of an object; what is absent is zero.
type state struct{ object map[string]any }

func (s state) lookup(path ...string) (any, bool) {
	v, ok, err := unstructured.NestedFieldNoCopy(s.object, path...)
	return v, ok && err == nil
}

func (s state) int(path ...string) int64 {
	v, _ := s.lookup(path...)
	return asInt(v)
}

func (s state) text(path ...string) string {
	v, _ := s.lookup(path...)
	t, _ := v.(string)
	return t
}

func asInt(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	}
	return 0
}

// conditionOf returns status, reason and message of a condition.
func (s state) conditionOf(name string) (status, reason, message string) {
	v, _ := s.lookup("status", "conditions")
	list, _ := v.([]any)
	for _, c := range list {
		m, ok := c.(map[string]any)
		if !ok || m["type"] != name {
			continue
		}
		c := state{m}
		if seen, ok := c.lookup("observedGeneration"); ok && asInt(seen) < s.int("metadata", "generation") {
			return "Unknown", "", "" // it is about an older generation
		}
		return c.text("status"), c.text("reason"), c.text("message")
	}
	return "", "", ""
}

func (s state) desired() int64 {
	if v, ok := s.lookup("spec", "replicas"); ok {
		return asInt(v)
	}
	return 1
}

func (s state) replicas(kind string) *Replicas {
	if kind == "DaemonSet" {
		return &Replicas{
			Desired: s.int("status", "desiredNumberScheduled"), Updated: s.int("status", "updatedNumberScheduled"),
			Ready: min(s.int("status", "numberReady"), s.int("status", "updatedNumberScheduled")), Total: s.int("status", "currentNumberScheduled"),
		}
	}
	updated := s.int("status", "updatedReplicas")
	return &Replicas{
		Desired: s.desired(), Updated: updated,
		// Until the pods are seen, ready ones are counted as old first.
		Ready: max(0, s.int("status", "readyReplicas")-max(0, s.int("status", "replicas")-updated)),
		Total: s.int("status", "replicas"),
	}
}

func (h *Health) rollout() {
	r := h.Replicas
	h.Message = fmt.Sprintf("%d of %d updated, %d ready", r.Updated, r.Desired, r.Ready)
	if old := r.Total - r.Updated; old > 0 {
		h.Message += fmt.Sprintf(", %d old to go", old)
	}
}

const reasonPaused = "Paused"

func (s state) deployment(h *Health) {
	r := s.replicas("Deployment")
	h.Replicas = r
	h.rollout()
	available := s.int("status", "availableReplicas")
	if paused, _ := s.lookup("spec", "paused"); paused == true && r.Updated < r.Desired {
		h.fail(reasonPaused, "the Deployment is paused; `kubectl rollout resume` lets it go on", true)
		return
	}
	switch status, reason, message := s.conditionOf("Progressing"); {
	case reason == "ProgressDeadlineExceeded":
		h.fail(reason, message, true)
		return
	case status == "False": // such as a ReplicaSet that is refused
		h.Cause = &Cause{Reason: reason, Message: message, Field: fieldToBlame(reason, message)}
	}
	if status, reason, message := s.conditionOf("ReplicaFailure"); status == "True" {
		h.Cause = &Cause{Reason: reason, Message: message, Field: fieldToBlame(reason, message)}
	}
	if r.Updated == r.Desired && r.Total == r.Desired && available >= r.Desired {
		h.ready()
	}
}

func (s state) statefulSet(h *Health) {
	r := s.replicas("StatefulSet")
	h.Replicas = r
	h.rollout()
	partition := s.int("spec", "updateStrategy", "rollingUpdate", "partition")
	updated := r.Updated
	if s.text("spec", "updateStrategy", "type") == "OnDelete" {
		updated = r.Desired
	}
	if updated >= r.Desired-partition && r.Total == r.Desired && s.int("status", "availableReplicas") >= r.Desired {
		h.ready()
	}
}

func (s state) daemonSet(h *Health) {
	r := s.replicas("DaemonSet")
	h.Replicas = r
	h.rollout()
	updated := r.Updated
	if s.text("spec", "updateStrategy", "type") == "OnDelete" {
		updated = r.Desired
	}
	if updated >= r.Desired && s.int("status", "numberAvailable") >= r.Desired {
		h.ready()
	}
}

// ended reports a Job that is done: removing it then takes nothing back.
func (s state) ended(key ObjectKey) bool {
	if !key.isJob() {
		return false
	}
	complete, _, _ := s.conditionOf("Complete")
	failed, _, _ := s.conditionOf("Failed")
	return complete == "True" || failed == "True"
}

func (s state) job(h *Health) {
	if status, _, _ := s.conditionOf("Complete"); status == "True" {
		h.State, h.Message, h.complete = StateReady, "complete", true
		return
	}
	if status, reason, message := s.conditionOf("Failed"); status == "True" {
		h.Message = failedJob(h.Object)
		h.fail(reason, message, true)
		return
	}
	h.Message = fmt.Sprintf("%d running, %d succeeded, %d failed", s.int("status", "active"), s.int("status", "succeeded"), s.int("status", "failed"))
	if suspended, _ := s.lookup("spec", "suspend"); suspended == true {
		h.State, h.Message = StateReady, "suspended"
	}
}

func (s state) claim(h *Health) {
	switch phase := s.text("status", "phase"); phase {
	case "Lost":
		h.fail("Lost", "the volume of the claim is gone", true)
	default:
		// A claim may wait for its first pod: the pods tell whether it hurts.
		h.State, h.Message = StateReady, cmp.Or(phase, "Pending")
	}
}

func (s state) pod(h *Health) {
	switch phase := s.text("status", "phase"); phase {
	case "Succeeded":
		h.State, h.Message = StateReady, "succeeded"
	case "Failed":
		h.Message = "failed"
		h.fail(cmp.Or(s.text("status", "reason"), "Failed"), s.text("status", "message"), true)
	default:
		s.condition(h, "Ready")
	}
}

func (s state) condition(h *Health, name string) {
	status, reason, message := s.conditionOf(name)
	if status == "True" {
		h.ready()
		return
	}
	h.Message = "not " + name
	if reason != "" {
		h.Cause = &Cause{Reason: reason, Message: message}
	}
}

// other judges kinds not known in depth: by the condition Ready where there is
// one and the kind is not Kubernetes' own, else by being there.
func (s state) other(h *Health, key ObjectKey) {
	if status, _, _ := s.conditionOf("Ready"); status != "" && !builtIn(key.Group) {
		s.condition(h, "Ready")
		return
	}
	h.ready()
}

func (h *Health) ready() {
	h.State, h.Cause = StateReady, nil
	if h.Replicas == nil {
		h.Message = "ready"
	}
}

// fail marks the health as one that waiting does not improve.
func (h *Health) fail(reason, message string, final bool) {
	h.Cause = &Cause{Reason: reason, Message: message, Final: final}
	if final {
		h.State = StateFailed
	}
}

// builtIn reports whether an API group is Kubernetes' own.
func builtIn(group string) bool {
	switch group {
	case "", "apps", "batch", "autoscaling", "policy":
		return true
	}
	const suffix = ".k8s.io"
	return len(group) > len(suffix) && group[len(group)-len(suffix):] == suffix && group != "gateway.networking.k8s.io"
}
