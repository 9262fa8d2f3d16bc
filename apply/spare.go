package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Spare objects are configuration named by its content that left the stack.
// Pods of an older template start from it again, and a rollback refers to it,
// so it stays until nothing does.

// isNamedByContent reports configuration that pods find by a name of its own.
func isNamedByContent(key ObjectKey, live metav1.Object) bool {
	return key.Group == "" && (key.Kind == "ConfigMap" || key.Kind == "Secret") && live.GetLabels()[LabelContent] != ""
}

// spares counts the spare objects of the plan.
func (p *planner) spares() int {
	n := 0
	for i := range p.plan.Changes {
		if p.plan.Changes[i].Spare {
			n++
		}
	}
	return n
}

// planSpare decides which spare objects stay. They alone are never a reason
// for a run, and a plan without one asks nobody who uses them.
func (p *planner) planSpare(ctx context.Context, spare []Change) error {
	if len(spare) == 0 {
		return nil
	}
	u := &uses{by: map[ObjectKey]string{}, unknown: map[string]bool{}}
	collect := !p.plan.Empty()
	if collect {
		if err := p.findUses(ctx, spare, u); err != nil {
			return err
		}
	}
	for _, c := range spare {
		user, used := u.by[c.Object]
		c.Spare, c.Action = true, ActionKeep
		switch {
		case used:
			c.Note = "used by " + user
		case !collect || u.unknown[c.Object.Namespace]:
			c.Note = "older pods or revisions may use it"
		default:
			c.Action, c.Note = ActionDelete, "no pod and no revision uses it any more"
		}
		p.plan.Changes = append(p.plan.Changes, c)
	}
	return nil
}

// uses tells what configuration is used by.
type uses struct {
	mu sync.Mutex
	by map[ObjectKey]string
	// unknown holds namespaces whose pods may not be looked at.
	unknown map[string]bool
}

func (u *uses) add(user string, keys []ObjectKey) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, k := range keys {
		u.by[k] = user
	}
}

// templateKinds keep the pod templates that a workload had, or are made from one.
var templateKinds = []schema.GroupKind{replicaSetKind, {Group: "apps", Kind: "ControllerRevision"}, podKind}

// findUses looks for users of spare objects: what runs or may run again, then
// the kept revisions, which say more to a reader.
func (p *planner) findUses(ctx context.Context, spare []Change, u *uses) error {
	for _, o := range p.objects {
		u.add(keyOf(o).String(), references(o))
	}
	var places []viewPlace
	namespaces := map[string]bool{}
	for i := range spare {
		if ns := spare[i].Object.Namespace; !namespaces[ns] {
			namespaces[ns] = true
			for _, gk := range templateKinds {
				places = append(places, viewPlace{gk, ns})
			}
		}
	}
	c := p.engine.cluster
	err := c.each(ctx, len(places), func(ctx context.Context, i int) error {
		list, err := c.list(ctx, places[i], p.engine.stack.selector())
		if apierrors.IsForbidden(err) {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.unknown[places[i].namespace] = true
			return nil
		}
		for _, o := range list {
			u.add(ObjectKey{Kind: places[i].gk.Kind, Name: o.GetName()}.String(), references(o))
		}
		return err
	})
	if err != nil {
		return err
	}
	records := p.engine.records.caching()
	return c.each(ctx, len(p.history), func(ctx context.Context, i int) error {
		rev, err := records.read(ctx, p.history[i].Revision)
		if errors.Is(err, errCorrupt) {
			return nil // nobody can go back to it
		}
		if err != nil {
			return err
		}
		keys := make([]ObjectKey, len(rev.Objects))
		for j, o := range rev.Objects {
			keys[j] = keyOf(o)
		}
		u.add(fmt.Sprintf("revision %d", rev.Revision), keys)
		return nil
	})
}
