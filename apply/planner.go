package apply

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Plan finds out what it takes to make the stack what the target says. It
// only reads (and sends dry-runs). Any failure to find out is an error: a plan
// never takes an object it could not read for one that is in order.
func (e *Engine) Plan(ctx context.Context, target Target) (_ *Plan, err error) {
	defer e.cluster.redact.leaving(&err)
	e.cluster.redact.learn(target.Objects...)
	before := e.cluster.kinds.refuted()
	plan, err := e.plan(ctx, target)
	if !before && e.cluster.kinds.refuted() {
		plan, err = e.plan(ctx, target) // the first one took kinds to be served that are not
	}
	if err != nil {
		return nil, err
	}
	e.cluster.redact.plan(plan)
	return plan, nil
}

func (e *Engine) plan(ctx context.Context, target Target) (*Plan, error) {
	e.cluster.warnings.take() // those of an earlier run are not about this plan
	history, err := e.records.list(ctx)
	if err != nil {
		return nil, err
	}
	p := &planner{
		engine: e, target: target,
		plan: &Plan{Stack: e.stack, Verb: target.Verb, Server: e.cluster.server, RollbackTo: target.RollbackTo, target: target},
		base: &Revision{}, history: history,
	}
	if err := p.load(ctx); err != nil {
		return nil, err
	}
	if target.Verb == VerbDelete && p.plan.Base == 0 {
		return nil, fmt.Errorf("%s: %w", e.stack, ErrNoStack)
	}
	if target.Verb == VerbDelete && p.incomplete {
		return nil, fmt.Errorf("the record of revision %d of %s is corrupt, so that not all of its objects may be known; apply once more, then delete", p.plan.Base, e.stack)
	}
	if target.Verb == VerbScale && target.ScaledFrom != p.base.Revision {
		return nil, &StalePlanError{Reasons: []string{fmt.Sprintf("revision %d was recorded meanwhile", p.base.Revision)}}
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	if err := p.observe(ctx); err != nil {
		return nil, err
	}
	if err := p.recallFinished(ctx); err != nil {
		return nil, err
	}
	if err := p.planObjects(ctx); err != nil {
		return nil, err
	}
	if err := p.lookAtJobs(ctx); err != nil {
		return nil, err
	}
	if err := p.planLeftovers(ctx); err != nil {
		return nil, err
	}
	if err := p.checkRecreate(); err != nil {
		return nil, err
	}
	if err := p.findPredecessors(ctx); err != nil {
		return nil, err
	}
	sortChanges(p.plan.Changes)
	if err := p.attribute(); err != nil {
		return nil, err
	}
	if err := p.addImpacts(ctx); err != nil {
		return nil, err
	}
	p.showLeaving()
	p.noteUnused()
	p.plan.base, p.plan.inventory = p.base, p.alive()-p.spares()
	p.plan.Warnings = append(p.plan.Warnings, e.cluster.warnings.take()...)
	slices.Sort(p.plan.Warnings)
	last := newest(history)
	p.plan.Settle = p.plan.Empty() && last != nil && last.Status != StatusDeployed && target.Verb != VerbDelete
	return p.plan, nil
}

// planner is a plan in the making.
type planner struct {
	engine  *Engine
	target  Target
	plan    *Plan
	base    *Revision // the newest readable revision; empty when there is none
	history []Summary // all revisions, oldest first

	needs         needGraph
	objects       []*unstructured.Unstructured // the target's, with the cluster's idea of their scope
	wanted        map[ObjectKey]bool
	newNamespaces map[string]bool             // that come with this run
	newKinds      map[schema.GroupKind]string // that come with this run, and their scope
	incomplete    bool                        // the newest record cannot be read
	live          map[ObjectKey]*metav1.PartialObjectMetadata
	taken         map[string]bool // uids of what the target sets, by whatever kind it is called
}

// load finds the newest revision that can be read. A corrupt one is passed
// over: its number counts, its content is as if it had never been written, so
// that every object is compared in full. Only what its outcome says was sent is
// remembered, since it may have to go.
func (p *planner) load(ctx context.Context) error {
	if last := newest(p.history); last != nil {
		p.plan.Base = last.Revision
	}
	base, corrupt, err := p.engine.records.newestReadable(ctx, p.history)
	if err != nil {
		return err
	}
	for _, n := range slices.Backward(corrupt) { // oldest first
		p.plan.Warnings = append(p.plan.Warnings, fmt.Sprintf("the record of revision %d is corrupt and was passed over", n))
		sent, err := p.engine.records.sentBy(ctx, n)
		if err != nil {
			return err
		}
		base.remember(sent)
	}
	p.base, p.incomplete = base, len(corrupt) > 0
	if p.plan.key = base.key; len(p.plan.key) == 0 {
		p.plan.key = newKey()
	}
	return nil
}

// prepare checks and names the target's objects, and finds what comes with the
// run.
func (p *planner) prepare(ctx context.Context) (err error) {
	p.wanted, p.newNamespaces, p.newKinds = map[ObjectKey]bool{}, map[string]bool{}, map[schema.GroupKind]string{}
	if p.plan.Base == 0 {
		exists, err := p.namespaceExists(ctx, p.engine.stack.Namespace)
		if err != nil {
			return err
		}
		if !exists {
			p.plan.CreateNamespace = true
			p.newNamespaces[p.engine.stack.Namespace] = true
		}
	}
	for _, o := range p.target.Objects {
		switch key := keyOf(o); {
		case key.groupKind() == schema.GroupKind{Kind: "Namespace"}:
			exists, err := p.namespaceExists(ctx, key.Name)
			if err != nil {
				return err
			}
			p.newNamespaces[key.Name] = !exists
		case key.groupKind() == schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}:
			group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
			kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
			scope, _, _ := unstructured.NestedString(o.Object, "spec", "scope")
			p.newKinds[schema.GroupKind{Group: group, Kind: kind}] = scope
		}
	}
	if p.objects, err = Named(p.target.Objects, p.plan.key); err != nil {
		return err
	}
	unserved := &UnservedError{}
	if p.target.Verb == VerbRollback {
		unserved.Revision = p.target.RollbackTo
	}
	for _, o := range p.objects {
		if one := p.unserved(o); one != nil {
			unserved.Objects = append(unserved.Objects, *one)
			continue
		}
		if err := p.check(o); err != nil {
			return err
		}
		p.wanted[keyOf(o)] = true
	}
	if len(unserved.Objects) > 0 {
		return unserved
	}
	p.needs, err = newNeedGraph(p.objects)
	return err
}

func (p *planner) namespaceExists(ctx context.Context, name string) (bool, error) {
	ctx, cancel := p.engine.cluster.within(ctx)
	defer cancel()
	ns, err := p.engine.cluster.core.Namespaces().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err == nil && ns.DeletionTimestamp != nil && p.target.Verb != VerbDelete {
		return false, &TerminatingError{Namespace: name}
	}
	if apierrors.IsForbidden(err) {
		return true, nil // who may not look works in a namespace that others made
	}
	return err == nil, err
}

// check refuses an object the engine could not keep its promises for, and
// gives it the scope the cluster knows its kind to have.
func (p *planner) check(o *unstructured.Unstructured) error {
	key := keyOf(o)
	for label, want := range p.engine.stack.OwnerLabels() {
		if o.GetLabels()[label] != want {
			return fmt.Errorf("%s: lacks the owner label %s=%s", key, label, want)
		}
	}
	if key.isSecret() {
		if err := normalizeSecret(o); err != nil {
			return err
		}
	}
	scope, err := p.scope(o)
	if err != nil {
		return err
	}
	if scope == "Cluster" {
		o.SetNamespace("")
		key.Namespace = ""
	} else if key.Namespace == "" {
		return fmt.Errorf("%s: has no namespace", key)
	}
	if p.wanted[key] {
		return fmt.Errorf("%s: is in the stack twice", key)
	}
	return nil
}

// scope tells whether objects of a kind are in a namespace: "Namespaced" or
// "Cluster". A kind that comes with this run has the scope its definition says.
func (p *planner) scope(o *unstructured.Unstructured) (string, error) {
	key := keyOf(o)
	m, err := p.engine.cluster.mapping(key.groupKind(), o.GroupVersionKind().Version)
	scope, comes := p.newKinds[key.groupKind()]
	switch {
	case meta.IsNoMatchError(err) && comes:
		return scope, nil
	case err != nil:
		return "", err
	case m.Scope.Name() == meta.RESTScopeNameRoot:
		return "Cluster", nil
	}
	return "Namespaced", nil
}

// unserved reports an object in a version that the cluster neither serves nor
// gets with this run.
func (p *planner) unserved(o *unstructured.Unstructured) *UnservedObject {
	key := keyOf(o)
	if _, comes := p.newKinds[key.groupKind()]; comes {
		return nil
	}
	if _, err := p.engine.cluster.mapping(key.groupKind(), o.GroupVersionKind().Version); !meta.IsNoMatchError(err) {
		return nil
	}
	one := &UnservedObject{Object: key, APIVersion: o.GetAPIVersion()}
	if m, err := p.engine.cluster.mapping(key.groupKind(), ""); err == nil {
		one.Served = m.GroupVersionKind.GroupVersion().String()
	}
	return one
}

// served reports whether the cluster knows the kind of an object in the
// version it is written in.
func (p *planner) served(o *unstructured.Unstructured) (bool, error) {
	_, err := p.engine.cluster.mapping(keyOf(o).groupKind(), o.GroupVersionKind().Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	return err == nil, err
}

// alive counts the objects of the last record that are there.
func (p *planner) alive() int {
	n := 0
	for _, i := range p.base.inventory {
		if live := p.live[i.ObjectKey]; live != nil && (i.UID == "" || i.UID == string(live.UID)) {
			n++
		}
	}
	return n
}

// observe reads the metadata of the stack's objects: one list for each kind
// and namespace. What the lists do not return is read one by one where
// somebody may have removed the label they select by.
func (p *planner) observe(ctx context.Context) error {
	type place struct {
		resource  schema.GroupVersionResource
		gk        schema.GroupKind
		namespace string
	}
	places := map[place]bool{}
	add := func(key ObjectKey, version string) error {
		m, err := p.engine.cluster.mapping(key.groupKind(), version)
		if meta.IsNoMatchError(err) { // objects of a new version may be there in another
			m, err = p.engine.cluster.mapping(key.groupKind(), "")
		}
		if meta.IsNoMatchError(err) {
			return nil
		}
		if err != nil {
			return err
		}
		places[place{m.Resource, key.groupKind(), key.Namespace}] = true
		return nil
	}
	for _, o := range p.objects {
		if err := add(keyOf(o), o.GroupVersionKind().Version); err != nil {
			return err
		}
	}
	gone := map[schema.GroupKind]int{}
	for _, i := range p.base.inventory {
		if !p.wanted[i.ObjectKey] {
			if err := add(i.ObjectKey, ""); err != nil {
				return err
			}
			if _, err := p.engine.cluster.mapping(i.groupKind(), ""); meta.IsNoMatchError(err) {
				gone[i.groupKind()]++
			}
		}
	}
	todo := make([]place, 0, len(places))
	for pl := range places {
		if !p.newNamespaces[pl.namespace] {
			todo = append(todo, pl)
		}
	}
	lists := make([][]metav1.PartialObjectMetadata, len(todo))
	err := p.engine.cluster.each(ctx, len(todo), func(ctx context.Context, i int) error {
		list, err := p.engine.cluster.listMetadata(ctx, todo[i].resource, todo[i].namespace, labelled(p.engine.stack.selector()))
		lists[i] = list
		if apierrors.IsNotFound(err) { // its kind went, or moved to another version: what is on record is read one by one
			p.engine.cluster.kinds.refute(todo[i].resource)
			return nil
		}
		if err != nil {
			return forbidden(fmt.Errorf("list %s: %w", todo[i].resource.Resource, err))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for gk, n := range gone {
		p.plan.Warnings = append(p.plan.Warnings, fmt.Sprintf("the cluster no longer has the kind %s; the stack's objects of it (%d) are gone with it", gk, n))
	}
	p.live = map[ObjectKey]*metav1.PartialObjectMetadata{}
	for i, list := range lists {
		for j := range list {
			o := &list[j]
			p.live[KeyOf(o, todo[i].gk.WithVersion(""))] = o
		}
	}
	return p.lookForUnlabelled(ctx)
}

func (p *planner) lookForUnlabelled(ctx context.Context) error {
	var missing []ObjectKey
	for _, i := range p.base.inventory {
		if p.live[i.ObjectKey] == nil {
			missing = append(missing, i.ObjectKey)
		}
	}
	found := make([]*metav1.PartialObjectMetadata, len(missing))
	err := p.engine.cluster.each(ctx, len(missing), func(ctx context.Context, i int) (err error) {
		found[i], err = p.engine.cluster.getMetadata(ctx, missing[i])
		if err != nil {
			return forbidden(fmt.Errorf("read %s: %w", missing[i], err))
		}
		return nil
	})
	for i, o := range found {
		if o != nil {
			p.live[missing[i]] = o
		}
	}
	return err
}

// planObjects decides what happens to each object of the target.
func (p *planner) planObjects(ctx context.Context) error {
	changes := make([]Change, len(p.objects))
	err := p.engine.cluster.each(ctx, len(p.objects), func(ctx context.Context, i int) (err error) {
		changes[i], err = p.planObject(ctx, p.objects[i])
		key := keyOf(p.objects[i])
		changes[i].needs, changes[i].depth = p.needs.edges[key], p.needs.depth[key]
		return err
	})
	p.plan.Changes = append(p.plan.Changes, changes...)
	return err
}

func (p *planner) planObject(ctx context.Context, o *unstructured.Unstructured) (Change, error) {
	key := keyOf(o)
	live := p.live[key]
	sent, recorded := p.base.sent[key]
	o = p.withLastCause(o, live)
	if recorded && p.isFinished(o, live, sent) {
		return Change{Object: key, Action: ActionUnchanged, Note: noteFinished, send: o, sent: sent, finished: true}, nil
	}
	if recorded && live != nil && p.provablyUnchanged(o, live, sent) {
		return Change{Object: key, Action: ActionUnchanged, send: o, sent: sent}, nil
	}
	served, err := p.served(o)
	if err != nil {
		return Change{}, err
	}
	if !served || p.newNamespaces[key.Namespace] {
		return p.deferred(ctx, o)
	}
	return p.compare(ctx, o, live != nil)
}

// deferred plans an object that cannot be sent for a dry-run yet, because its
// namespace or its kind, in this version, comes with the run. An object of
// that name may exist in another version.
func (p *planner) deferred(ctx context.Context, o *unstructured.Unstructured) (Change, error) {
	key := keyOf(o)
	change := Change{Object: key, Action: ActionCreate, Deferred: true, send: o, template: isWorkload(key)}
	live, err := p.engine.cluster.getMetadata(ctx, key)
	if err != nil {
		return Change{}, forbidden(describe("read", key, err))
	}
	if live == nil {
		change.New = maskObject(key, o.Object)
		return change, nil
	}
	change.Action, change.pin = ActionUpdate, pin{uid: string(live.UID)}
	if owner := p.foreignOwner(live); owner != "" && !p.halfAdopted(live) {
		if change.adopt = p.adoption(key, owner); change.adopt == nil {
			change.Conflicts = []Conflict{{Object: key, Manager: owner}}
			return change, nil
		}
		change.Adopted = owner
		change.Note = "what its adoption changes is not known before its kind is there; fields that only its makers set go"
	}
	return change, nil
}

// provablyUnchanged is the shortcut that makes the cost of a plan follow what
// changed. Whoever changes or removes a value of ours takes its path out of
// our managedFields entry, so an entry that is what the server answered to the
// very same request proves that applying it again would change nothing.
func (p *planner) provablyUnchanged(o *unstructured.Unstructured, live *metav1.PartialObjectMetadata, sent sentFact) bool {
	return string(live.UID) == sent.UID && live.DeletionTimestamp == nil &&
		ownEntry(live.ManagedFields, p.engine.stack.Manager()) == sent.Entry &&
		p.sameAsSent(o, sent)
}

// sameAsSent reports whether an object is to the byte what was sent before.
func (p *planner) sameAsSent(o *unstructured.Unstructured, sent sentFact) bool {
	return keyed(p.plan.key, canonical(o.Object)) == sent.Digest
}

// withLastCause gives a workload the change-cause it was sent before, so that
// the cause never makes a difference by itself: a cause sent with a change of
// replicas or labels would overwrite the line of the existing ReplicaSet.
func (p *planner) withLastCause(o *unstructured.Unstructured, live *metav1.PartialObjectMetadata) *unstructured.Unstructured {
	key := keyOf(o)
	if !isWorkload(key) {
		return o
	}
	cause := p.base.sent[key].Cause
	if cause == "" && live != nil {
		cause = live.Annotations[annotationCause]
	}
	return withCause(o, cause)
}

// withCause returns a copy of a workload with another change-cause, "" for none.
func withCause(o *unstructured.Unstructured, cause string) *unstructured.Unstructured {
	o = o.DeepCopy()
	annotations := o.GetAnnotations()
	delete(annotations, annotationCause)
	if cause != "" {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[annotationCause] = cause
	}
	if len(annotations) == 0 {
		unstructured.RemoveNestedField(o.Object, "metadata", "annotations")
	} else {
		o.SetAnnotations(annotations)
	}
	return o
}
