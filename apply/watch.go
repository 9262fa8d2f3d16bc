package apply

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// view is a live copy of the stack's objects of some kinds, kept by watches.
type view struct {
	engine  *Engine
	ctx     context.Context // that the watches end with
	changed chan struct{}   // receives after a change; never blocks a watch
	stores  map[viewPlace]cache.SharedInformer

	cancel map[viewPlace]context.CancelFunc

	mu       sync.Mutex
	moved    map[viewPlace]schema.GroupVersionResource // not served any more as they are watched
	ended    map[ObjectKey]*unstructured.Unstructured  // Jobs, as they were last seen
	err      error                                     // the first failure that no retry mends
	optional map[viewPlace]bool
}

// viewPlace is a kind in a namespace; no namespace for kinds that have none.
type viewPlace struct {
	gk        schema.GroupKind
	namespace string
}

var (
	podKind        = schema.GroupKind{Kind: "Pod"}
	replicaSetKind = schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}
)

// newView returns a view of nothing yet. Its watches end with ctx.
func (e *Engine) newView(ctx context.Context) *view {
	return &view{
		engine: e, ctx: ctx, changed: make(chan struct{}, 1), stores: map[viewPlace]cache.SharedInformer{},
		ended: map[ObjectKey]*unstructured.Unstructured{}, optional: map[viewPlace]bool{}, moved: map[viewPlace]schema.GroupVersionResource{},
		cancel: map[viewPlace]context.CancelFunc{},
	}
}

// cover makes the view show some objects of the stack and what it takes to
// judge them, filtered by the owner labels. A kind that may not be watched
// makes the view fail, but for pods and ReplicaSets: without them there is only
// less to say about causes.
func (v *view) cover(keys []ObjectKey) error {
	for _, place := range placesOf(keys) {
		if v.stores[place] != nil {
			continue
		}
		if err := v.watch(place); err != nil && !meta.IsNoMatchError(err) {
			return err
		}
	}
	return nil
}

// watch begins to watch one place.
func (v *view) watch(place viewPlace) error {
	e := v.engine
	m, err := e.cluster.mapping(place.gk, "")
	if err != nil {
		return err
	}
	watchSeconds := int64(watchLife / time.Second)
	resource := e.cluster.dynamic.Resource(m.Resource).Namespace(place.namespace)
	informer := cache.NewSharedInformer(cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector, o.TimeoutSeconds = e.stack.selector(), &watchSeconds
			return resource.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector, o.TimeoutSeconds = e.stack.selector(), &watchSeconds
			return resource.Watch(ctx, o)
		},
	}, e.cluster.dynamic), &unstructured.Unstructured{}, 0)
	// These fail only on an informer that runs already.
	_ = informer.SetTransform(withoutManagedFields)
	_ = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) { v.failed(place, m.Resource, err) })
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { v.wake() },
		UpdateFunc: func(any, any) { v.wake() },
		DeleteFunc: func(o any) { v.deleted(o); v.wake() },
	})
	ctx, cancel := context.WithCancel(v.ctx)
	v.stores[place], v.cancel[place] = informer, cancel
	go informer.RunWithContext(ctx)
	go func() { // an empty first list brings no event
		if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			v.wake()
		}
	}()
	return nil
}

// follow watches the places anew whose kind is no longer served in the version
// in which it was watched.
func (v *view) follow() error {
	v.mu.Lock()
	moved := v.moved
	v.moved = map[viewPlace]schema.GroupVersionResource{}
	v.mu.Unlock()
	for place, gone := range moved {
		v.engine.cluster.kinds.refute(gone)
		v.cancel[place]()
		if err := v.watch(place); meta.IsNoMatchError(err) {
			delete(v.stores, place)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// deleted remembers how a Job ended that is removed, which may happen as soon
// as it has.
func (v *view) deleted(o any) {
	if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = unknown.Obj
	}
	if u, ok := o.(*unstructured.Unstructured); ok && (state{u.Object}).ended(keyOf(u)) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.ended[keyOf(u)] = u
	}
}

// first waits for the first list of every place, but not for long: whoever
// judges objects waits for it anyway.
func (v *view) first(ctx context.Context) error {
	enough := time.After(v.engine.options.RequestTimeout)
	for {
		if ok, err := v.ready(); ok || err != nil {
			return err
		}
		select {
		case <-v.changed:
		case <-enough:
			return nil
		case <-interruption(ctx):
			return context.Canceled
		}
	}
}

// withoutManagedFields drops what is large and judges nothing.
func withoutManagedFields(o any) (any, error) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		u.SetManagedFields(nil)
	}
	return o, nil
}

func (v *view) wake() {
	select {
	case v.changed <- struct{}{}:
	default: // a wake-up is due already
	}
}

// settle lets the changes that belong together arrive: a pod that starts moves
// its ReplicaSet and its Deployment a moment later.
func (v *view) settle(ctx context.Context) {
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
	}
	select {
	case <-v.changed:
	default:
	}
}

const settleTime = 100 * time.Millisecond

// failed notes a failure of a list or watch. All but a refusal, and a path
// that is gone, is tried again by the informer itself.
func (v *view) failed(place viewPlace, resource schema.GroupVersionResource, err error) {
	if isPathGone(err) {
		v.mu.Lock()
		v.moved[place] = resource
		v.mu.Unlock()
		v.wake()
		return
	}
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		return
	}
	v.mu.Lock()
	if place.gk == podKind || place.gk == replicaSetKind {
		v.optional[place] = true
	} else if v.err == nil {
		v.err = forbidden(fmt.Errorf("watch %s: %w", place.gk.Kind, err))
	}
	v.mu.Unlock()
	v.wake()
}

// ready reports whether every place holds a first list, and the failure that
// keeps it from ever doing so.
func (v *view) ready() (bool, error) {
	if err := v.follow(); err != nil {
		return false, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		return false, v.err
	}
	for place, informer := range v.stores {
		if !v.optional[place] && !informer.HasSynced() {
			return false, nil
		}
	}
	return true, nil
}

// get returns an object of the view; nil when there is none.
func (v *view) get(key ObjectKey) *unstructured.Unstructured {
	informer, ok := v.stores[viewPlace{key.groupKind(), key.Namespace}]
	if !ok {
		return nil
	}
	id := key.Name
	if key.Namespace != "" {
		id = key.Namespace + "/" + key.Name
	}
	o, ok, err := informer.GetStore().GetByKey(id)
	if err != nil || !ok {
		return nil
	}
	return o.(*unstructured.Unstructured)
}

// last returns an object of the view, or how it ended: a Job that is done may
// be gone.
func (v *view) last(key ObjectKey) *unstructured.Unstructured {
	if o := v.get(key); o != nil {
		return o
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ended[key]
}

// list returns all objects of a kind in a namespace, in no order.
func (v *view) list(gk schema.GroupKind, namespace string) []*unstructured.Unstructured {
	informer, ok := v.stores[viewPlace{gk, namespace}]
	if !ok {
		return nil
	}
	items := informer.GetStore().List()
	objects := make([]*unstructured.Unstructured, len(items))
	for i, o := range items {
		objects[i] = o.(*unstructured.Unstructured)
	}
	return objects
}
