package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// History returns the summaries of all revisions, oldest first; none is no
// error. It reads metadata only, so its cost does not depend on payloads.
//
// A run that died at its very end may have left two revisions marked as
// deployed: the higher one is what is live, and what is shown.
func (e *Engine) History(ctx context.Context) (_ []Summary, err error) {
	defer e.cluster.redact.leaving(&err)
	all, err := e.records.list(ctx)
	live := deployed(all)
	for i := range all {
		if all[i].Status == StatusDeployed && all[i].Revision != live {
			all[i].Status = StatusSuperseded
		}
	}
	return all, err
}

// Revision returns a revision with all that it wanted, the data of Secrets
// included. A record that was damaged or tampered with is an error.
func (e *Engine) Revision(ctx context.Context, n int) (_ *Revision, err error) {
	defer e.cluster.redact.leaving(&err)
	rev, err := e.records.read(ctx, n)
	if err != nil {
		return nil, err
	}
	if rev.flaw != nil {
		return nil, fmt.Errorf("revision %d: %w", n, rev.flaw)
	}
	return rev, e.records.restore(ctx, rev)
}

// RollbackTarget returns the revision to go back to when none is named: the
// last good one that is not what is live now. If the newest run failed, that
// is the one whose success it followed.
func (e *Engine) RollbackTarget(ctx context.Context) (_ int, err error) {
	defer e.cluster.redact.leaving(&err)
	all, err := e.records.list(ctx)
	if err != nil {
		return 0, err
	}
	last := newest(all)
	if last == nil {
		return 0, fmt.Errorf("%s: %w", e.stack, ErrNoStack)
	}
	for _, s := range slices.Backward(all) {
		if s.good() && s.Revision != last.Revision {
			return s.Revision, nil
		}
	}
	return 0, fmt.Errorf("%s has no earlier revision that ended well", e.stack)
}

// Stacks lists the stacks that have records in a namespace, "" for all
// namespaces, sorted.
func Stacks(ctx context.Context, config *rest.Config, namespace string) ([]StackSummary, error) {
	c, err := newCluster(config, "stackctl", Options{}.withDefaults())
	if err != nil {
		return nil, err
	}
	secrets, err := c.listMetadata(ctx, secretsResource, namespace, revisions)
	if err != nil {
		return nil, forbidden(fmt.Errorf("list stacks: %w", err))
	}
	outcomes, err := c.listMetadata(ctx, secretsResource, namespace, metav1.ListOptions{FieldSelector: "type=" + typeOutcome})
	if err != nil {
		return nil, forbidden(fmt.Errorf("list stacks: %w", err))
	}
	found := map[Stack][]Summary{}
	for i := range secrets {
		s := &secrets[i]
		if name, n, ok := parseIndexName(s.Name); ok {
			stack := Stack{Namespace: s.Namespace, Name: name}
			found[stack] = append(found[stack], summaryOf(stack, n, s))
		}
	}
	for i := range outcomes {
		o := &outcomes[i]
		name, n, ok := parseIndexName(strings.TrimSuffix(o.Name, outcomeSuffix))
		stack := Stack{Namespace: o.Namespace, Name: name}
		if ok && !slices.ContainsFunc(found[stack], func(s Summary) bool { return s.Revision == n }) {
			// An index that was deleted, or a run between the two lists: look closer.
			if found[stack], err = (&records{stack: stack, cluster: c}).list(ctx); err != nil {
				return nil, err
			}
		}
	}
	stacks := make([]StackSummary, 0, len(found))
	for stack, all := range found {
		if len(all) == 0 {
			continue
		}
		slices.SortFunc(all, func(a, b Summary) int { return a.Revision - b.Revision })
		stacks = append(stacks, StackSummary{Stack: stack, Latest: *newest(all), Deployed: deployed(all)})
	}
	slices.SortFunc(stacks, func(a, b StackSummary) int { return strings.Compare(a.String(), b.String()) })
	return stacks, nil
}

// Status tells how the stack is doing: its objects by their live state, and
// the ways from the world to its pods. A stack without records is ErrNoStack.
func (e *Engine) Status(ctx context.Context) (_ *Status, err error) {
	defer e.cluster.redact.leaving(&err)
	history, err := e.records.list(ctx)
	if err != nil {
		return nil, err
	}
	if len(history) == 0 {
		return nil, fmt.Errorf("%s: %w", e.stack, ErrNoStack)
	}
	s := &Status{Stack: e.stack, Revision: newest(history), Deployed: deployed(history)}
	lease, err := e.readLease(ctx)
	if err != nil {
		return nil, err
	}
	if lease != nil && !free(lease) {
		holder := holderOf(lease)
		s.Lock = &holder
	}
	rev, _, err := e.records.newestReadable(ctx, history)
	if err != nil {
		return nil, err
	}
	live, pods, replicaSets, err := e.readAll(ctx, rev.inventory)
	if err != nil {
		return nil, err
	}
	wanted := map[ObjectKey]*unstructured.Unstructured{}
	for _, o := range rev.Objects {
		wanted[keyOf(o)] = o
	}
	d := newDiagnosis()
	look := func() {
		s.Objects = nil
		for _, i := range rev.inventory {
			if wanted[i.ObjectKey] == nil {
				continue // pruned, or kept on purpose
			}
			h := judge(i.ObjectKey, live[i.ObjectKey])
			if o := live[i.ObjectKey]; o == nil && rev.sent[i.ObjectKey].Complete && expires(wanted[i.ObjectKey]) {
				h = seenFinished(i.ObjectKey)
			}
			if hasPods(i.ObjectKey) {
				d.workload(&h, live[i.ObjectKey], pods[i.Namespace], replicaSets[i.Namespace])
			}
			s.Objects = append(s.Objects, h)
		}
	}
	if look(); !s.Ready() { // look again at what is not, with all that can be known
		d.troubles = e.readTroubles(ctx, sortedKeys(wanted))
		d.logs = e.newPodLogs(ctx, func() {})
		look()
		d.logs.settle(ctx)
		look()
	}
	s.Routes = routesOf(live, pods)
	e.cluster.redact.health(s.Objects)
	return s, nil
}

type byNamespace map[string][]*unstructured.Unstructured

// readAll reads the objects of an inventory in full, and the stack's pods and
// ReplicaSets: one list for each kind and namespace.
func (e *Engine) readAll(ctx context.Context, inventory []item) (live map[ObjectKey]*unstructured.Unstructured, pods, replicaSets byNamespace, err error) {
	keys := make([]ObjectKey, len(inventory))
	for i := range inventory {
		keys[i] = inventory[i].ObjectKey
	}
	places := placesOf(keys)
	lists := make([][]*unstructured.Unstructured, len(places))
	err = e.cluster.each(ctx, len(places), func(ctx context.Context, i int) (err error) {
		lists[i], err = e.cluster.list(ctx, places[i], e.stack.selector())
		return err
	})
	if err != nil {
		return nil, nil, nil, forbidden(err)
	}
	live, pods, replicaSets = map[ObjectKey]*unstructured.Unstructured{}, byNamespace{}, byNamespace{}
	for i, place := range places {
		switch place.gk {
		case podKind:
			pods[place.namespace] = lists[i]
		case replicaSetKind:
			replicaSets[place.namespace] = lists[i]
		}
		for _, o := range lists[i] {
			key := ObjectKey{place.gk.Group, place.gk.Kind, o.GetNamespace(), o.GetName()}
			live[key] = o
		}
	}
	for _, i := range inventory { // whose label somebody removed
		if live[i.ObjectKey] == nil {
			o, err := e.cluster.get(ctx, i.ObjectKey, "")
			if err != nil {
				return nil, nil, nil, forbidden(describe("read", i.ObjectKey, err))
			}
			if o != nil {
				live[i.ObjectKey] = o
			}
		}
	}
	return live, pods, replicaSets, nil
}
