package apply

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// AnnotationKeep set to "true" on an object keeps it from being deleted when it
// leaves the stack, and when the stack is deleted, whatever consent is given.
// It counts on the live object and on the one that the stack wanted last, so
// that neither losing it in the cluster nor leaving it out of the file is
// enough.
const AnnotationKeep = "stackctl.dev/keep"

const noteReplaced = "was made anew by somebody else: left alone"

func saysKeep(o metav1.Object) bool { return o.GetAnnotations()[AnnotationKeep] == "true" }

// leftovers lists what may have to go: the last inventory, and when a newer one
// cannot be read, all that carries the owner labels and was sent by the stack.
func (p *planner) leftovers() []item {
	items := slices.Clone(p.base.inventory)
	if p.incomplete {
		for _, key := range sortedKeys(p.live) {
			if !slices.ContainsFunc(items, func(i item) bool { return i.ObjectKey == key }) {
				items = append(items, item{ObjectKey: key})
			}
		}
	}
	kept := map[ObjectKey]bool{}
	for _, o := range p.base.Objects {
		kept[keyOf(o)] = saysKeep(o)
	}
	for i := range items {
		items[i].Keep = items[i].Keep || kept[items[i].ObjectKey]
	}
	return items
}

// planLeftovers decides about objects that the last record lists and the
// target does not.
func (p *planner) planLeftovers(ctx context.Context) error {
	// A record was planned once; what it needs is only the order to delete in.
	order, _ := newNeedGraph(p.base.Objects)
	p.taken = takenBy(p.plan.Changes)
	var spare []Change
	for _, i := range p.leftovers() {
		live := p.live[i.ObjectKey]
		if p.wanted[i.ObjectKey] || live == nil {
			continue // still wanted, or gone
		}
		change, ours := p.leftover(i, live)
		if !ours {
			continue
		}
		change.depth = order.depth[i.ObjectKey]
		if change.Action == ActionDelete && p.target.Verb != VerbDelete && isNamedByContent(i.ObjectKey, live) {
			spare = append(spare, change)
			continue
		}
		p.plan.Changes = append(p.plan.Changes, change)
	}
	if p.target.Verb == VerbDelete && p.target.DeleteData {
		return p.planClaims(ctx)
	}
	return p.planSpare(ctx, spare)
}

// takenBy lists the uids of live objects that changes set or leave as they are.
// One object may be reachable as several kinds.
func takenBy(changes []Change) map[string]bool {
	taken := map[string]bool{}
	for i := range changes {
		if c := &changes[i]; c.send != nil {
			taken[c.pin.uid], taken[c.sent.UID] = true, true
		}
	}
	delete(taken, "")
	return taken
}

// leftover decides about one object that is not part of the target, from what
// the last record says about it and how it is now: it is deleted only if both
// confirm that it is the stack's and nothing protects it. ours is false for
// one that never was. The same decision is made when the plan is made, under
// the lock, and right before the object is deleted.
func (p *planner) leftover(i item, live *metav1.PartialObjectMetadata) (change Change, ours bool) {
	change = Change{Object: i.ObjectKey, Action: ActionKeep, pin: pin{uid: string(live.UID)}, keep: i.Keep}
	stack, namespace := live.Labels[LabelStack], live.Labels[LabelNamespace]
	self := p.engine.stack
	switch {
	case p.taken[string(live.UID)]:
		return change, false // the target has it under another kind
	case i.UID != "" && i.UID != string(live.UID):
		change.Note, change.forget = noteReplaced, true
	case stack != "" && namespace != "" && (stack != self.Name || namespace != self.Namespace):
		change.Note, change.forget = "belongs to stack "+namespace+"/"+stack+" by now: left alone", true
	case i.UID == "" && ownEntry(live.ManagedFields, self.Manager()) == "":
		return change, false // nothing says that the stack ever made it
	case live.DeletionTimestamp != nil && p.target.Verb == VerbDelete:
		change.Action, change.Note = ActionDelete, "is being deleted already" // and is waited for
	case live.DeletionTimestamp != nil:
		change.Note, change.Terminating = "is being deleted"+finalizersText(live), true
	case stack == "" || namespace == "":
		change.Note = "lost its owner label: left alone"
	case i.Keep || saysKeep(live):
		change.Note = "is annotated " + AnnotationKeep + ": left alone; only `" + kubectlDelete(i.ObjectKey) + "` deletes it"
	case i.ObjectKey == ObjectKey{Kind: "Namespace", Name: self.Namespace}:
		change.Note = "has the records of the stack in it: left alone"
	case goesWith(i.ObjectKey) != "":
		p.protect(&change)
	case p.controlled(i.ObjectKey, live) != "":
		change.Note = "is controlled by " + p.controlled(i.ObjectKey, live) + ": left alone"
	default:
		change.Action = ActionDelete
	}
	return change, true
}

// protect decides about an object of a protected kind.
func (p *planner) protect(change *Change) {
	key, with := change.Object, goesWith(change.Object)
	switch {
	case slices.Contains(p.target.Consent.Prune, key.Kind):
		change.Action, change.Note = ActionDelete, "and "+with
	case p.target.Verb == VerbDelete && p.target.DeleteData && holdsData(key):
		change.Action, change.Note = ActionDelete, "and "+with
	case p.target.Verb == VerbDelete && holdsData(key):
		change.Note = "holds data: left alone without --delete-data"
	case p.target.Verb == VerbDelete:
		change.Note = "deleting it would delete " + with + ": left alone; only `" + kubectlDelete(key) + "` deletes it"
	default:
		change.Note = "deleting it would delete " + with + ": left alone without --prune " + key.Kind
	}
}

// controlled names the controller that an object has got since the stack made
// it, "" when there is none: what a controller owns is its to delete.
func (p *planner) controlled(key ObjectKey, live metav1.Object) string {
	owner := metav1.GetControllerOf(live)
	if owner == nil {
		return ""
	}
	ours := func(o *unstructured.Unstructured) bool { return keyOf(o) == key && metav1.GetControllerOf(o) != nil }
	if slices.ContainsFunc(p.base.Objects, ours) {
		return "" // the stack itself said so
	}
	return owner.Kind + "/" + owner.Name
}

// kubectlDelete is the command that deletes an object by hand.
func kubectlDelete(key ObjectKey) string {
	kind := key.Kind
	if key.Group != "" {
		kind += "." + key.Group
	}
	if key.Namespace == "" {
		return fmt.Sprintf("kubectl delete %s %s", kind, key.Name)
	}
	return fmt.Sprintf("kubectl -n %s delete %s %s", key.Namespace, kind, key.Name)
}

// planClaims adds the volume claims that StatefulSets made for the stack's
// pods: no record lists them, their labels do.
func (p *planner) planClaims(ctx context.Context) error {
	namespaces := map[string]bool{p.engine.stack.Namespace: true}
	for _, i := range p.base.inventory {
		if i.Namespace != "" {
			namespaces[i.Namespace] = true
		}
	}
	claims := schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
	for ns := range namespaces {
		list, err := p.engine.cluster.listMetadata(ctx, claims, ns, labelled(p.engine.stack.selector()))
		if err != nil {
			return forbidden(fmt.Errorf("list volume claims: %w", err))
		}
		for j := range list {
			key := KeyOf(&list[j], schema.GroupVersionKind{Kind: "PersistentVolumeClaim"})
			if slices.ContainsFunc(p.plan.Changes, func(c Change) bool { return c.Object == key }) {
				continue
			}
			if change, ours := p.leftover(item{ObjectKey: key, UID: string(list[j].UID)}, &list[j]); ours {
				p.plan.Changes = append(p.plan.Changes, change)
			}
		}
	}
	return nil
}
