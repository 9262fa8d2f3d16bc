package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// When a stack no longer says how many replicas a workload has, applying it
// would remove the number, and the server's default of 1 come back until an
// autoscaler decides: from 3 pods to 1 and up again. So a second manager sets
// the live number first. Whoever sets another one takes the field from it.

// managerHandOver holds a number of replicas until somebody decides about it.
const managerHandOver = "stackctl-handover"

// keepReplicas adds the live number of replicas to what a dry-run is made with,
// if the stack set it and sets it no longer. It reports whether it did.
func (p *planner) keepReplicas(dry, live *unstructured.Unstructured, a *adoption) bool {
	if live == nil || dry == nil {
		return false
	}
	if _, set, _ := unstructured.NestedFieldNoCopy(dry.Object, "spec", "replicas"); set || !isScaled(keyOf(dry)) {
		return false
	}
	n, ok := liveReplicas(live, p.engine.stack.Manager(), a)
	if ok {
		unstructured.SetNestedField(dry.Object, n, "spec", "replicas")
	}
	return ok
}

// isScaled reports a kind whose replicas the server sets to 1 when nobody says
// how many there are.
func isScaled(key ObjectKey) bool {
	return key.Group == "apps" && (key.Kind == "Deployment" || key.Kind == "StatefulSet" || key.Kind == "ReplicaSet")
}

// liveReplicas returns the replicas of an object if nobody but the stack, or
// those an adoption makes the stack, says how many there are.
func liveReplicas(live *unstructured.Unstructured, manager string, a *adoption) (int64, bool) {
	n, ok, _ := unstructured.NestedInt64(live.Object, "spec", "replicas")
	ours := false
	for _, f := range live.GetManagedFields() {
		spec, _ := fieldsOf(&f)["f:spec"].(map[string]any)
		if _, owns := spec["f:replicas"]; !owns {
			continue
		}
		applied := f.Manager == manager && f.Operation == metav1.ManagedFieldsOperationApply && f.Subresource == ""
		if !applied && (a == nil || !a.takes(f.Manager, f.Subresource)) {
			return 0, false
		}
		ours = true
	}
	return n, ok && ours
}

// inheritReplicas lets an object that is made anew begin with as many replicas
// as the one before had, whoever set them, if the stack does not say how many.
func (change *Change) inheritReplicas(live *unstructured.Unstructured) {
	_, set, _ := unstructured.NestedFieldNoCopy(change.send.Object, "spec", "replicas")
	n, _, _ := unstructured.NestedInt64(live.Object, "spec", "replicas")
	if change.handOver = !set && isScaled(change.Object) && n != 1; change.handOver {
		change.replicas = n
	}
}

// first is what an object is made with.
func (change *Change) first() *unstructured.Unstructured {
	o := change.send.DeepCopy()
	if change.replicas != 0 {
		_ = unstructured.SetNestedField(o.Object, change.replicas, "spec", "replicas") // a workload has a spec
	}
	return o
}

// noteHandOver says in a change that the replicas stay.
func (p *planner) noteHandOver(change *Change, live *unstructured.Unstructured) {
	if !change.handOver {
		return
	}
	n, _, _ := unstructured.NestedInt64(live.Object, "spec", "replicas")
	change.Note = fmt.Sprintf("replicas stay at %d: the stack does not say how many", n)
	for _, o := range p.target.Objects {
		if Scales(o, change.Object) {
			change.Note = fmt.Sprintf("replicas stay at %d until the autoscaler decides", n)
		}
	}
	if change.Action == ActionUnchanged {
		change.Action, change.OwnershipOnly = ActionUpdate, true
	}
}

// Scales reports whether an object is an autoscaler of a workload.
func Scales(o *unstructured.Unstructured, workload ObjectKey) bool {
	kind, _, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "kind")
	name, _, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "name")
	return o.GetKind() == "HorizontalPodAutoscaler" && o.GetNamespace() == workload.Namespace && kind == workload.Kind && name == workload.Name
}

// retireScalers deletes the autoscalers that leave the stack and whose workload
// is about to get a number of its own, as the exception to the rule that what
// leaves goes when all is healthy: until then they would set theirs again.
func (x *execution) retireScalers(ctx context.Context, workloads []*Change) error {
	if !x.run.Wait {
		return nil // then nothing is deleted
	}
	leaving := map[ObjectKey]*unstructured.Unstructured{}
	for _, o := range x.plan.base.Objects {
		leaving[keyOf(o)] = o
	}
	var scalers []*Change
	for i := range x.plan.Changes {
		c := &x.plan.Changes[i]
		o := leaving[c.Object]
		scales := func(w *Change) bool {
			_, set, _ := unstructured.NestedFieldNoCopy(w.send.Object, "spec", "replicas")
			return set && Scales(o, w.Object)
		}
		if c.Action == ActionDelete && o != nil && slices.ContainsFunc(workloads, scales) {
			scalers = append(scalers, c)
		}
	}
	err := errors.Join(x.deleteAll(ctx, scalers)...)
	for _, c := range scalers {
		if err == nil && c.Action == ActionDelete {
			x.retired = append(x.retired, c)
		}
	}
	return err
}

// takeBack ends a hand-over without a word: the number that our own second
// manager holds is nobody's decision.
func (change *Change) takeBack() {
	var left []Conflict
	for _, c := range change.Conflicts {
		if c.Manager == managerHandOver {
			change.force = true
		} else {
			left = append(left, c)
		}
	}
	change.Conflicts = left
	for i := range change.Fields {
		if f := &change.Fields[i]; f.Manager == managerHandOver {
			f.Manager, f.Since = "", time.Time{}
		}
	}
}

// clearWay does what must be done to an object before it is sent. It is safe to
// repeat.
func (x *execution) clearWay(ctx context.Context, c *Change) error {
	if c.handOver {
		if err := x.handOver(ctx, c); err != nil {
			return err
		}
	}
	if c.adopt != nil {
		return x.migrate(ctx, c)
	}
	return nil
}

// handOver lets the second manager set the replicas to what they are. If
// somebody else has decided meanwhile there is nothing to hand over.
func (x *execution) handOver(ctx context.Context, c *Change) error {
	cluster := x.engine.cluster
	live, err := cluster.get(ctx, c.Object, c.send.GroupVersionKind().Version)
	if err != nil || live == nil {
		return err
	}
	n, ok := liveReplicas(live, x.engine.stack.Manager(), c.adopt)
	if !ok {
		return nil
	}
	if err := x.lock.check(ctx); err != nil {
		return err
	}
	o := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": n}}}
	o.SetGroupVersionKind(c.send.GroupVersionKind())
	o.SetNamespace(c.Object.Namespace)
	o.SetName(c.Object.Name)
	o.SetUID(types.UID(c.pin.uid))
	if _, err = cluster.apply(ctx, o, patchOptions{manager: managerHandOver}); isFieldConflict(err) {
		return nil
	}
	return err
}

// create makes an object that is not there. again says that an earlier try may
// have done it, whose answer was lost.
func (x *execution) create(ctx context.Context, c *Change, again bool) (*metav1.PartialObjectMetadata, error) {
	got, err := x.engine.cluster.apply(ctx, absent(c.first()), patchOptions{})
	if again && apierrors.IsConflict(err) && !isFieldConflict(err) {
		return x.createdBefore(ctx, c, err)
	}
	return got, err
}

// send applies an object. With force it takes only what the plan showed: the
// object must still be the one that the plan was made for, which its
// resourceVersion makes sure of. Else it is sent without, and the server says
// what somebody took meanwhile.
func (x *execution) send(ctx context.Context, c *Change) (*metav1.PartialObjectMetadata, error) {
	cluster := x.engine.cluster
	o := c.send.DeepCopy()
	o.SetUID(types.UID(c.pin.uid))
	if !c.force {
		return cluster.apply(ctx, o, patchOptions{})
	}
	live, err := cluster.get(ctx, c.Object, c.send.GroupVersionKind().Version)
	if err != nil {
		return nil, err
	}
	if live == nil || pinOf(live) != c.pin { // changed meanwhile, or an earlier try got through
		return cluster.apply(ctx, o, patchOptions{})
	}
	o.SetResourceVersion(live.GetResourceVersion())
	got, err := cluster.apply(ctx, o, patchOptions{force: true})
	if apierrors.IsConflict(err) && !isUIDMismatch(err) {
		return nil, &movedError{err}
	}
	return got, err
}
