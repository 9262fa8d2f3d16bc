package apply

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// compare finds out by dry-run what applying an object would change.
func (p *planner) compare(ctx context.Context, o *unstructured.Unstructured, exists bool) (Change, error) {
	c, key := p.engine.cluster, keyOf(o)
	if !exists {
		return p.compareAbsent(ctx, o)
	}
	live, err := c.get(ctx, key, o.GroupVersionKind().Version)
	if err != nil {
		return Change{}, forbidden(describe("read", key, err))
	}
	if live == nil {
		return p.compareAbsent(ctx, o)
	}
	change := Change{Object: key, send: o, pin: pinOf(live)}
	dryRun := func(o *unstructured.Unstructured, force bool) (*unstructured.Unstructured, error) {
		o = withUID(o, live)
		change.handOver = p.keepReplicas(o, live, change.adopt)
		return c.preview(ctx, o, force)
	}
	merged, refusal := dryRun(o, false)
	if owner := p.foreignOwner(live); owner != "" && !p.halfAdopted(live) {
		if change.adopt = p.adoption(key, owner); change.adopt == nil {
			change.Action, change.Conflicts = ActionUpdate, []Conflict{{Object: key, Manager: owner}}
			return change, nil
		}
		change.Adopted = owner
	}
	if live.GetDeletionTimestamp() != nil {
		return p.afterDeletion(o, live), nil
	}
	conflicted := isFieldConflict(refusal)
	if conflicted {
		if err := p.settle(&change, refusal, live); err != nil {
			return Change{}, err
		}
	}
	if err = refusal; conflicted || err == nil && change.adopt != nil {
		merged, err = dryRun(change.send, true) // a refusal shows no object: what forcing would make does
	}
	if err == nil && change.adopt != nil {
		merged, err = p.previewAdoption(ctx, &change, live, merged)
	}
	if s := status(err); s != nil && admissionOf(s).DryRun {
		return p.unpreviewed(o, live, admissionOf(s)), nil
	}
	if err != nil {
		return p.refused(ctx, change, live, err)
	}
	p.decide(&change, live, merged)
	change.takeBack()
	p.noteHandOver(&change, live)
	if change.adopt != nil {
		change.Note = strings.Trim(change.Note+"; "+change.adopt.note(live), "; ")
	}
	return change, nil
}

// compareAbsent plans an object that was not there a moment ago. Of what a
// dry-run makes of it only that it can be made is asked: nothing is compared.
func (p *planner) compareAbsent(ctx context.Context, o *unstructured.Unstructured) (Change, error) {
	got, err := p.engine.cluster.apply(ctx, o, patchOptions{dryRun: true})
	if isFieldConflict(err) || err == nil && got.GetResourceVersion() != "" {
		return p.compare(ctx, o, true) // somebody else made an object of that name
	}
	if s := status(err); s != nil && admissionOf(s).DryRun {
		return p.unpreviewed(o, nil, admissionOf(s)), nil
	}
	key := keyOf(o)
	change := Change{Object: key, send: o}
	if err != nil {
		return p.refused(ctx, change, nil, err)
	}
	change.Action, change.New, change.template = ActionCreate, maskObject(key, o.Object), isWorkload(key)
	if p.wasThere(key) {
		change.Recreated, change.Note = true, recreatedNote(key, o)
	}
	return change, nil
}

// unpreviewed plans an object that no dry-run may be made of.
func (p *planner) unpreviewed(o, live *unstructured.Unstructured, by admission) Change {
	key := keyOf(o)
	change := Change{
		Object: key, Action: ActionUpdate, send: o, pin: pinOf(live), template: isWorkload(key),
		Unpreviewed: fmt.Sprintf("webhook %q refuses dry runs", by.Name),
	}
	if live == nil {
		change.Action, change.New = ActionCreate, maskObject(key, o.Object)
	}
	return change
}

// afterDeletion plans an object that is being deleted: what is sent to it now
// would vanish with it, so it is made anew once it is gone.
func (p *planner) afterDeletion(o, live *unstructured.Unstructured) Change {
	key := keyOf(o)
	return Change{
		Object: key, Action: ActionCreate, New: maskObject(key, o.Object), send: o, template: isWorkload(key), awaits: string(live.GetUID()),
		Note: "is being deleted" + finalizersText(live) + ": is made anew when it is gone",
	}
}

// settle decides what becomes of the conflicts of an object, which may change
// what is sent.
func (p *planner) settle(change *Change, refusal error, live *unstructured.Unstructured) error {
	change.Conflicts = conflictsOf(change.send, refusal, live)
	if a := change.adopt; a != nil {
		change.Conflicts = slices.DeleteFunc(change.Conflicts, a.takesConflict)
	}
	change.takeBack()
	p.resolve(change)
	return change.yield()
}

// decide sets the action of a change from the live object and what a dry-run
// made of it.
func (p *planner) decide(change *Change, live, merged *unstructured.Unstructured) {
	key, manager := change.Object, p.engine.stack.Manager()
	merged = withoutDrawn(live, change.send, merged)
	change.live, change.merged = live, merged
	change.Fields = diff(key, live, merged, manager)
	before, after := ownEntry(live.GetManagedFields(), manager), ownEntry(merged.GetManagedFields(), manager)
	switch {
	case len(change.Fields) > 0:
		change.Action = ActionUpdate
		change.show(live, merged)
		change.template = isWorkload(key) && !reflect.DeepEqual(template(live), template(merged))
	case before != after:
		change.Action, change.OwnershipOnly = ActionUpdate, true
	default:
		change.Action = ActionUnchanged
		change.sent = sentFact{UID: string(live.GetUID()), Entry: before, Cause: causeOf(change.send)}
	}
}

func template(o *unstructured.Unstructured) any {
	t, _, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "template")
	return t
}

func causeOf(o *unstructured.Unstructured) string {
	if !isWorkload(keyOf(o)) {
		return ""
	}
	return o.GetAnnotations()[annotationCause]
}

// withUID returns the object as it is sent to update a live one: with its uid,
// so that the server refuses to create it anew if it is gone by then.
func withUID(o, live *unstructured.Unstructured) *unstructured.Unstructured {
	if live == nil {
		return o
	}
	o = o.DeepCopy()
	o.SetUID(live.GetUID())
	return o
}

// recreatedNote says what is not as before when a deleted object is made again.
func recreatedNote(key ObjectKey, o *unstructured.Unstructured) string {
	if key.Group != "" || key.Kind != "Service" {
		return ""
	}
	kind, _, _ := unstructured.NestedString(o.Object, "spec", "type")
	switch kind {
	case "NodePort", "LoadBalancer":
		return "gets a new clusterIP and new nodePorts"
	case "ExternalName":
		return ""
	}
	return "gets a new clusterIP"
}

func finalizersText(o metav1.Object) string {
	if f := o.GetFinalizers(); len(f) > 0 {
		return " (waiting for " + strings.Join(f, ", ") + ")"
	}
	return ""
}

// foreignOwner names who a live object belongs to, "" if to this stack: by its
// labels, or when they were removed, by the uid in the record and by what the
// stack applied to it. An object that was to be adopted is on record before it
// is touched.
func (p *planner) foreignOwner(live metav1.Object) string {
	labels := live.GetLabels()
	stack, namespace := labels[LabelStack], labels[LabelNamespace]
	if stack == p.engine.stack.Name && namespace == p.engine.stack.Namespace {
		return ""
	}
	for _, i := range p.base.inventory {
		if i.Name == live.GetName() && i.Namespace == live.GetNamespace() && i.UID != "" && i.UID == string(live.GetUID()) &&
			ownEntry(live.GetManagedFields(), p.engine.stack.Manager()) != "" &&
			(stack == "" || stack == p.engine.stack.Name) && (namespace == "" || namespace == p.engine.stack.Namespace) {
			return ""
		}
	}
	if stack != "" {
		return "stack " + namespace + "/" + stack
	}
	for _, f := range live.GetManagedFields() {
		if f.Subresource == "" {
			return fmt.Sprintf("no stack (made by %q)", f.Manager)
		}
	}
	return "no stack"
}

// dryRunError says why an object cannot be planned, and what to do about it.
func (p *planner) dryRunError(ctx context.Context, o, live *unstructured.Unstructured, err error) error {
	key := keyOf(o)
	if outdated := p.outdatedFields(ctx, o, live, err); outdated != nil {
		return outdated
	}
	if s := status(err); s != nil && apierrors.IsNotFound(err) && s.Details != nil && s.Details.Kind == "namespaces" {
		return fmt.Errorf("%s: namespace %q does not exist; create it or add it to the stack", key, key.Namespace)
	}
	if isUIDMismatch(err) {
		return &StalePlanError{Reasons: []string{key.String() + " was replaced while the plan was made"}}
	}
	return describe("dry-run", key, err)
}
