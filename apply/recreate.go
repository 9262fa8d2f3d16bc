package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// CheckRecreate refuses a pattern for [Consent.Recreate] that names no single
// object, or one that is never deleted to be made anew.
func CheckRecreate(pattern ObjectPattern) error {
	if !pattern.Exact() {
		return fmt.Errorf("%q names more than one object: recreating deletes, so each is named as KIND/NAME, such as Deployment/web", pattern)
	}
	for _, k := range protectedKinds {
		if strings.EqualFold(k.kind, pattern.Kind) {
			return fmt.Errorf("%s: no %s is ever deleted to be made anew, since %s would go with it", pattern, k.kind, k.with)
		}
	}
	return nil
}

// checkRecreate refuses patterns that may not be, and remarks those that no
// object of the plan needs.
func (p *planner) checkRecreate() error {
	for _, pattern := range p.target.Consent.Recreate {
		if err := CheckRecreate(pattern); err != nil {
			return fmt.Errorf("recreate %w", err)
		}
		needs := func(c Change) bool { return len(c.Replace) > 0 && pattern.Matches(c.Object) }
		is := func(c Change) bool { return c.send != nil && pattern.Matches(c.Object) }
		switch {
		case slices.ContainsFunc(p.plan.Changes, needs):
		case slices.ContainsFunc(p.plan.Changes, is):
			p.plan.Notices = append(p.plan.Notices, fmt.Sprintf("--recreate %s: no field of it changes that cannot, so it is not recreated", pattern))
		default:
			p.plan.Notices = append(p.plan.Notices, fmt.Sprintf("--recreate %s: there is no such object in the stack", pattern))
		}
	}
	return nil
}

// refused decides about an object whose dry-run was refused: an error, or with
// the consent to it, a change that makes the object anew.
func (p *planner) refused(ctx context.Context, o, live *unstructured.Unstructured, refusal error) (Change, error) {
	frozen, err := p.immutable(ctx, o, live, refusal)
	if err != nil {
		return Change{}, describe("dry-run", keyOf(o), err)
	}
	if frozen == nil {
		return Change{}, p.dryRunError(ctx, o, live, refusal)
	}
	key := keyOf(o)
	if !matchesAny(p.target.Consent.Recreate, key) || notRecreatable(frozen, live) != "" {
		return Change{}, frozen
	}
	want, have, err := p.bothSides(o, live)
	if err != nil {
		return Change{}, err
	}
	return Change{
		Object: key, Action: ActionUpdate, Replace: pathsOf(frozen.Fields), Note: loss(frozen, live),
		Fields: differences(key, have, want),
		send:   o, live: live, pin: pinOf(live), template: isWorkload(key),
	}, nil
}

// notRecreatable says why an object is not deleted to be made anew, whatever
// consent is given; "" when it may be.
func notRecreatable(e *ImmutableError, live *unstructured.Unstructured) string {
	with := goesWith(e.Object)
	switch {
	case holdsData(e.Object):
		return "a " + e.Object.Kind + " is never deleted for that, since its data would go with it: make one of another name, and copy the data"
	case with != "":
		return "a " + e.Object.Kind + " is never deleted for that, since " + with + " would go with it"
	case saysKeep(live):
		return "it is annotated " + AnnotationKeep + ", so it is not deleted to be made anew"
	}
	if e.Object.Kind == "StatefulSet" && !takesPodsOver(e.Object, pathsOf(e.Fields)) {
		if policy, _, _ := unstructured.NestedString(live.Object, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"); policy == "Delete" {
			return "it is not deleted to be made anew, since its claims and the data in them would go with it (persistentVolumeClaimRetentionPolicy.whenDeleted is Delete)"
		}
	}
	return ""
}

// takesPodsOver reports whether a StatefulSet that is made anew finds the pods
// of the one before: not when it selects others.
func takesPodsOver(key ObjectKey, frozen []string) bool {
	return key.Kind == "StatefulSet" && isWorkload(key) &&
		!slices.ContainsFunc(frozen, func(path string) bool { return isBelow(path, "spec.selector") })
}

// loss says what becomes of what depends on an object that is made anew.
func loss(e *ImmutableError, live *unstructured.Unstructured) string {
	key := e.Object
	switch {
	case takesPodsOver(key, pathsOf(e.Fields)):
		return "its pods and claims stay and are taken over; a claim that is there keeps its size and class"
	case key.Kind == "StatefulSet" && isWorkload(key):
		return "its pods stop before new ones start; its claims stay"
	case isWorkload(key):
		return "its pods stop before new ones start"
	case key.isJob():
		return "it runs again"
	case key.Group == "" && key.Kind == "Service":
		return serviceLoss(live, e)
	}
	return "it is gone for a moment"
}

// serviceLoss says what address a Service has that is made anew.
func serviceLoss(live *unstructured.Unstructured, e *ImmutableError) string {
	if slices.ContainsFunc(e.Fields, func(f FieldChange) bool {
		return isBelow(f.Path, "spec.clusterIP") || isBelow(f.Path, "spec.clusterIPs")
	}) {
		if kind, _, _ := unstructured.NestedString(live.Object, "spec", "type"); kind == "NodePort" || kind == "LoadBalancer" {
			return "gets another clusterIP, and new nodePorts where the stack sets none"
		}
		return "gets another clusterIP"
	}
	if note := recreatedNote(e.Object, live); note != "" {
		return note
	}
	return "it is gone for a moment"
}

// makeWay deletes the objects that are to be made anew, and waits until they
// are gone. What is created then has nothing to do with them: their uids are
// forgotten.
func (x *execution) makeWay(ctx context.Context, todo []*Change) error {
	var old []*Change
	for _, c := range todo {
		if len(c.Replace) > 0 && c.pin.uid != "" {
			old = append(old, c)
		}
	}
	if len(old) == 0 {
		return nil
	}
	errs := make([]error, len(old))
	x.each(ctx, old, errs, x.makeWayFor)
	err := errors.Join(errs...)
	if err == nil {
		begun := time.Now()
		err = x.awaitGone(ctx, old, x.patience)
		x.patience -= time.Since(begun)
	}
	if err != nil {
		for i, c := range old {
			if errs[i] == nil {
				errs[i] = fmt.Errorf("it was deleted to be made anew, and the run stopped before that; apply again")
			}
			x.report(c.Object, c.Action, errs[i])
		}
		return err
	}
	for _, c := range old {
		c.pin = pin{}
	}
	return nil
}

// makeWayFor deletes one object that is to be made anew: a workload with its
// pods, but for a StatefulSet that takes them over.
func (x *execution) makeWayFor(ctx context.Context, c *Change) error {
	if graceEnded(ctx) {
		return context.Canceled
	}
	live, err := x.metadata(ctx, c.Object)
	if err != nil {
		return err
	}
	if live != nil && saysKeep(live) {
		return fmt.Errorf("recreate %s: it is annotated %s", c.Object, AnnotationKeep)
	}
	policy := metav1.DeletePropagationBackground
	if stage(c.Object) == stageWorkloads {
		policy = metav1.DeletePropagationForeground
	}
	if takesPodsOver(c.Object, c.Replace) {
		policy = metav1.DeletePropagationOrphan
	}
	replaced, err := x.deleteOne(ctx, c, policy)
	if replaced {
		return fmt.Errorf("recreate %s: it was replaced by somebody else during the run; apply again", c.Object)
	}
	return err
}

// isReplaced reports an object of a view that is the one from before it was
// made anew.
func (x *execution) isReplaced(key ObjectKey, o metav1.Object) bool {
	return len(x.changes[key].Replace) > 0 && string(o.GetUID()) != x.sent[key].UID
}
