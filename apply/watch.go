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
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// view is a live copy of the stack's objects of some kinds, kept by watches.
type view struct {
	changed chan struct{} // receives after a change; never blocks a watch
	stores  map[viewPlace]cache.SharedIndexInformer

	mu       sync.Mutex
	err      error // the first failure that no retry mends
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

// watch opens a view on the stack's objects at some places, filtered by the
// owner labels. It ends with ctx. A kind that may not be watched makes the
// view fail, but for pods and ReplicaSets: without them there is only less to
// say about causes.
func (e *Engine) watch(ctx context.Context, places []viewPlace) (*view, error) {
	v := &view{changed: make(chan struct{}, 1), stores: map[viewPlace]cache.SharedIndexInformer{}, optional: map[viewPlace]bool{}}
	for _, place := range places {
		if _, ok := v.stores[place]; ok {
			continue
		}
		m, err := e.cluster.mapping(place.gk, "")
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		informer := dynamicinformer.NewFilteredDynamicInformer(e.cluster.dynamic, m.Resource, place.namespace, 0, cache.Indexers{},
			func(o *metav1.ListOptions) { o.LabelSelector = e.stack.selector() }).Informer()
		// These fail only on an informer that runs already.
		_ = informer.SetTransform(withoutManagedFields)
		_ = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) { v.failed(place, err) })
		_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { v.wake() },
			UpdateFunc: func(any, any) { v.wake() },
			DeleteFunc: func(any) { v.wake() },
		})
		v.stores[place] = informer
		go informer.RunWithContext(ctx)
		go func() { // an empty first list brings no event
			if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
				v.wake()
			}
		}()
	}
	return v, nil
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

// failed notes a failure of a list or watch. All but a refusal is tried again
// by the informer itself.
func (v *view) failed(place viewPlace, err error) {
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
