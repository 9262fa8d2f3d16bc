package apply

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// leftovers lists what may have to go: the last inventory, and when a newer one
// cannot be read, all that carries the owner labels.
func (p *planner) leftovers() []item {
	if !p.incomplete {
		return p.base.inventory
	}
	items := slices.Clone(p.base.inventory)
	for _, key := range sortedKeys(p.live) {
		if metav1.GetControllerOf(p.live[key]) != nil {
			continue // what a controller made, such as a run of a CronJob, is not the stack's to delete
		}
		if !slices.ContainsFunc(items, func(i item) bool { return i.ObjectKey == key }) {
			items = append(items, item{ObjectKey: key})
		}
	}
	return items
}

// planLeftovers decides about objects that the last record lists and the
// target does not. Only what the live label and the uid confirm is deleted.
func (p *planner) planLeftovers(ctx context.Context) error {
	// A record was planned once; what it needs is only the order to delete in.
	order, _ := newNeedGraph(p.base.Objects)
	var spare []Change
	for _, i := range p.leftovers() {
		live := p.live[i.ObjectKey]
		if p.wanted[i.ObjectKey] || live == nil || i.UID != "" && i.UID != string(live.UID) {
			continue // still wanted, gone, or somebody else's by now
		}
		change := Change{Object: i.ObjectKey, Action: ActionKeep, pin: pin{uid: string(live.UID)}, depth: order.depth[i.ObjectKey]}
		switch {
		case live.DeletionTimestamp != nil && p.target.Verb == VerbDelete:
			change.Action, change.Note = ActionDelete, "is being deleted already" // and is waited for
		case live.DeletionTimestamp != nil:
			change.Note = "is being deleted"
		case p.foreignOwner(live) != "":
			continue
		case live.Labels[LabelStack] == "" || live.Labels[LabelNamespace] == "":
			change.Note = "lost its owner label: left alone"
		case holdsData(i.ObjectKey) && !(p.target.Verb == VerbDelete && p.target.DeleteData):
			change.Note = "holds data: left alone"
		case holdsOthers(i.ObjectKey):
			change.Note = "deleting it would delete all that is in it: left alone"
		case p.target.Verb != VerbDelete && isNamedByContent(i.ObjectKey, live):
			spare = append(spare, change)
			continue
		default:
			change.Action = ActionDelete
		}
		p.plan.Changes = append(p.plan.Changes, change)
	}
	if p.target.Verb == VerbDelete && p.target.DeleteData {
		return p.planClaims(ctx)
	}
	return p.planSpare(ctx, spare)
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
			if !slices.ContainsFunc(p.plan.Changes, func(c Change) bool { return c.Object == key }) {
				p.plan.Changes = append(p.plan.Changes, Change{Object: key, Action: ActionDelete, pin: pin{uid: string(list[j].UID)}})
			}
		}
	}
	return nil
}
