package apply

import (
	"context"
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// awaitHealth waits until every object of the plan is healthy. It ends early
// when one never will be.
func (x *execution) awaitHealth(ctx context.Context) error {
	var keys []ObjectKey
	for i := range x.plan.Changes {
		if c := &x.plan.Changes[i]; c.send != nil && takesTime(c.Object) {
			keys = append(keys, c.Object)
		}
	}
	return x.await(ctx, keys, verdict)
}

// awaitKinds waits until new kinds are established, and looks anew which kinds
// there are.
func (x *execution) awaitKinds(ctx context.Context, changes []*Change) error {
	keys := make([]ObjectKey, len(changes))
	for i, c := range changes {
		keys[i] = c.Object
	}
	err := x.await(ctx, keys, verdict)
	x.engine.cluster.kinds.forget()
	return err
}

// takesTime reports whether an object may be accepted long before it works.
// What is usable at once is not watched.
func takesTime(k ObjectKey) bool {
	switch k.Group + "/" + k.Kind {
	case "/Pod", "/PersistentVolumeClaim", "batch/Job", "apiextensions.k8s.io/CustomResourceDefinition":
		return true
	}
	return isWorkload(k) || !builtIn(k.Group)
}

// await looks at objects until decide has seen enough. All waits of a run
// together last no longer than its timeout.
func (x *execution) await(ctx context.Context, keys []ObjectKey, decide func([]Health) (done bool, err error)) error {
	if len(keys) == 0 {
		return nil
	}
	v := x.view
	if err := v.cover(keys); err != nil {
		return err
	}
	begun := time.Now()
	defer func() { x.patience -= time.Since(begun) }()
	deadline := time.NewTimer(x.patience)
	defer deadline.Stop()
	// Some verdicts come from time alone: a trouble that lasts becomes final.
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := make([]Health, len(keys))
	for {
		synced, err := v.ready()
		if err != nil {
			return err
		}
		if synced {
			last = x.assess(v, keys)
			if troubled(last) {
				x.diagnosis.troubles.cover(keys)
			}
			if failed(last) { // the wait ends, told with what crashed containers said
				x.diagnosis.logs.settle(ctx)
				last = x.assess(v, keys)
			}
			x.keepHealth(last)
			if done, err := decide(last); done {
				return err
			}
		}
		select {
		case <-v.changed:
			v.settle(ctx)
		case <-tick.C:
			if err := x.lock.failure(); err != nil {
				return err
			}
		case <-interruption(ctx):
			return context.Canceled
		case <-deadline.C:
			return &NotReadyError{Timeout: x.run.Timeout, Health: notReady(last, keys)}
		}
	}
}

func troubled(health []Health) bool {
	return slices.ContainsFunc(health, func(h Health) bool { return h.State != StateReady })
}

func failed(health []Health) bool {
	return slices.ContainsFunc(health, func(h Health) bool { return h.State == StateFailed })
}

// interruption returns the channel that closes when the run is interrupted.
func interruption(ctx context.Context) <-chan struct{} {
	if parent, ok := ctx.Value(graceKey{}).(context.Context); ok {
		return parent.Done()
	}
	return ctx.Done()
}

// verdict ends a wait when all is ready, or when something never will be and
// nothing else may still bring news within the same look.
func verdict(health []Health) (done bool, err error) {
	if failed(health) {
		return true, &NotReadyError{Health: notReady(health, nil)}
	}
	return !troubled(health), nil
}

func notReady(health []Health, keys []ObjectKey) []Health {
	var bad []Health
	for i, h := range health {
		if h.Object == (ObjectKey{}) { // the deadline came before the first look
			h = Health{Object: keys[i], State: StateProgressing, Message: "not seen yet"}
		}
		if h.State != StateReady {
			bad = append(bad, h)
		}
	}
	return bad
}

// keepHealth puts the latest health of objects into the result, tells what is
// new about it, and remembers the Jobs that succeeded.
func (x *execution) keepHealth(health []Health) {
	x.engine.cluster.redact.health(health)
	x.result.Health = health
	for _, h := range health {
		if !reflect.DeepEqual(h, x.seen[h.Object]) {
			x.seen[h.Object] = h
			x.run.send(Progress{Health: h})
		}
		if sent, ok := x.sent[h.Object]; ok && h.complete {
			sent.Complete = true
			x.sent[h.Object] = sent
		}
	}
}

// assess judges objects by what a view shows. An object whose view is older
// than what was written to it is not judged by it.
func (x *execution) assess(v *view, keys []ObjectKey) []Health {
	pods, replicaSets := map[string][]*unstructured.Unstructured{}, map[string][]*unstructured.Unstructured{}
	health := make([]Health, len(keys))
	for i, key := range keys {
		if x.changes[key].finished {
			health[i] = seenFinished(key)
			continue
		}
		o := v.last(key)
		if g, ok := x.generations[key]; ok && (o == nil || o.GetGeneration() < g || x.isReplaced(key, o)) {
			health[i] = Health{Object: key, State: StateProgressing, Message: "waiting for its controller"}
			continue
		}
		if c := x.changes[key]; o == nil && c.Action == ActionUnchanged && expires(c.send) {
			health[i] = goneJob(key, c.sent.Complete)
			continue
		}
		health[i] = judge(key, o)
		if !isWorkload(key) && key.Kind != "Job" {
			continue
		}
		ns := key.Namespace
		if _, ok := pods[ns]; !ok {
			pods[ns], replicaSets[ns] = v.list(podKind, ns), v.list(replicaSetKind, ns)
		}
		x.diagnosis.workload(&health[i], o, pods[ns], replicaSets[ns])
	}
	return health
}

// placesOf lists what must be watched to judge objects: their own kinds, and
// for workloads their pods.
func placesOf(keys []ObjectKey) []viewPlace {
	var places []viewPlace
	seen := map[viewPlace]bool{}
	add := func(gk schema.GroupKind, namespace string) {
		if p := (viewPlace{gk, namespace}); !seen[p] {
			seen[p] = true
			places = append(places, p)
		}
	}
	for _, k := range keys {
		add(k.groupKind(), k.Namespace)
		if isWorkload(k) || k.Kind == "Job" {
			add(podKind, k.Namespace)
		}
		if k.Kind == "Deployment" {
			add(replicaSetKind, k.Namespace)
		}
	}
	return places
}
