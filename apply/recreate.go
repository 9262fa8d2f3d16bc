package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
//
// Whoever owns a field of it loses that with the object, so the conflicts of
// the change stay what they are; a field cannot be left to somebody then.
func (p *planner) refused(ctx context.Context, change Change, live *unstructured.Unstructured, refusal error) (Change, error) {
	o := change.send
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
	for _, c := range change.Conflicts {
		if c.Resolution == ResolutionYielded {
			return Change{}, fmt.Errorf("%s: %s cannot be left to %s where the object is deleted to be made anew: nobody owns a field of the new one; take it over, or take it out of the stack", key, c.Path, c.Manager)
		}
	}
	change.inheritReplicas(live)
	want, have, err := p.bothSides(change.first(), live)
	if err != nil {
		return Change{}, err
	}
	change.Action, change.Replace, change.Fields = ActionUpdate, pathsOf(frozen.Fields), differences(key, have, want)
	change.template, change.force, change.adopt = isWorkload(key), false, nil // there is nothing to take it from
	p.noteHandOver(&change, live)
	change.Note = strings.Trim(loss(frozen, live)+"; "+change.Note, "; ")
	change.live = live
	change.show(have, want)
	return change, nil
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

// makeWay sees to it that the names are free of objects that are made anew: it
// deletes what has them, unless that is on its way out already, and waits until
// it is gone, all in one wait. It returns the changes that can be carried out,
// and has reported the others.
func (x *execution) makeWay(ctx context.Context, todo []*Change) (free []*Change, err error) {
	errs, err := x.together(ctx, todo, x.removeOld)
	uids := map[ObjectKey]string{}
	for i, c := range todo {
		if errs[i] == nil && c.awaits != "" {
			uids[c.Object] = c.awaits
		}
	}
	left := map[ObjectKey]Health{}
	if err == nil || x.goesOn(ctx) {
		stuck, waitErr := x.awaitGone(ctx, uids)
		for _, h := range stuck {
			left[h.Object] = h
		}
		if err = errors.Join(err, waitErr, x.outOfTime(stuck)); waitErr != nil {
			uids = nil // nothing is known of them
		}
	}
	goesOn := err == nil || x.goesOn(ctx)
	for i, c := range todo {
		h, stuck := left[c.Object]
		_, known := uids[c.Object]
		switch {
		case errs[i] != nil:
		case stuck:
			errs[i] = x.outOfTime([]Health{h})
		case goesOn && known:
			free = append(free, c)
			continue
		case len(c.Replace) > 0 && c.awaits != "":
			errs[i] = fmt.Errorf("it was deleted to be made anew, and the run stopped before that; apply again")
		default:
			continue // untouched
		}
		x.report(c.Object, c.Action, errs[i])
	}
	return free, err
}

// removeOld deletes an object that is to be made anew: a workload with its
// pods, but for a StatefulSet that takes them over. It must be what the plan
// was approved for. What is created then has nothing to do with it: its uid is
// forgotten.
func (x *execution) removeOld(ctx context.Context, c *Change) error {
	if c.awaits != "" {
		return nil // somebody else did that
	}
	if graceEnded(ctx) {
		return context.Canceled
	}
	live, err := x.engine.cluster.get(ctx, c.Object, c.send.GroupVersionKind().Version)
	if err != nil {
		return forbidden(describe("read", c.Object, err))
	}
	if pinOf(live) != c.pin {
		return fmt.Errorf("recreate %s: it was changed during the run, so that it was not deleted; apply again", c.Object)
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
	if err != nil {
		return err
	}
	c.awaits, c.pin = c.pin.uid, pin{}
	return nil
}

// isReplaced reports an object of a view that is the one from before it was
// made anew.
func (x *execution) isReplaced(key ObjectKey, o metav1.Object) bool {
	return len(x.changes[key].Replace) > 0 && string(o.GetUID()) != x.sent[key].UID
}
