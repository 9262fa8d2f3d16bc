package apply

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
)

// warning is what the cluster last complained about an object in an event.
type warning struct {
	reason, message string
	at              time.Time
	// live marks one that came while somebody watched: it is no echo of an
	// earlier run.
	live bool
}

// troubles is what objects that are not ready yet are complained about, kept
// by watches of events, and the volume claims that pods wait for. Many reasons
// are nowhere else: a StatefulSet whose pods are refused has no condition that
// says so. Whoever may not read events only knows less.
type troubles struct {
	engine *Engine
	ctx    context.Context // that the watches end with
	wake   func()

	claims map[string]cache.SharedInformer // by namespace

	mu   sync.Mutex
	last map[string]warning // by uid of the object
}

func (e *Engine) newTroubles(ctx context.Context, wake func()) *troubles {
	return &troubles{engine: e, ctx: ctx, wake: wake, claims: map[string]cache.SharedInformer{}, last: map[string]warning{}}
}

// onlyWarnings selects the events worth reading.
var onlyWarnings = func(o *metav1.ListOptions) { o.FieldSelector = "type=" + v1.EventTypeWarning }

// cover watches the namespaces of some objects from now on.
func (t *troubles) cover(keys []ObjectKey) {
	for _, key := range keys {
		ns := key.Namespace
		if ns == "" || t.claims[ns] != nil || !hasPods(key) {
			continue
		}
		rest := t.engine.cluster.core.rest
		t.watch(cache.NewFilteredListWatchFromClient(rest, "events", ns, onlyWarnings), &v1.Event{}, cache.ResourceEventHandlerDetailedFuncs{
			AddFunc: func(o any, first bool) { t.note(o, !first) },
			UpdateFunc: func(before, o any) {
				if versionOf(before) != versionOf(o) { // else a new list only repeats it
					t.note(o, true)
				}
			},
		})
		t.claims[ns] = t.watch(cache.NewFilteredListWatchFromClient(rest, "persistentvolumeclaims", ns, func(*metav1.ListOptions) {}), &v1.PersistentVolumeClaim{}, nil)
	}
}

// hasPods reports whether an object is judged by its pods.
func hasPods(key ObjectKey) bool { return isWorkload(key) || key.isJob() }

func (t *troubles) watch(lw cache.ListerWatcher, of runtime.Object, handler cache.ResourceEventHandler) cache.SharedInformer {
	ctx, cancel := context.WithCancel(t.ctx)
	informer := cache.NewSharedInformer(lw, of, 0)
	// These fail only on an informer that runs already.
	_ = informer.SetTransform(func(o any) (any, error) {
		if m, ok := o.(metav1.Object); ok {
			m.SetManagedFields(nil)
		}
		return o, nil
	})
	_ = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
			cancel() // asking again would be refused again
		}
	})
	if handler != nil {
		_, _ = informer.AddEventHandler(handler)
	}
	go func() {
		defer cancel()
		informer.RunWithContext(ctx)
	}()
	return informer
}

// note remembers the last complaint about each object.
func (t *troubles) note(o any, live bool) {
	e, ok := o.(*v1.Event)
	if !ok || e.InvolvedObject.UID == "" {
		return
	}
	w := warningOf(e)
	w.live = live
	t.mu.Lock()
	news := !w.at.Before(t.last[string(e.InvolvedObject.UID)].at)
	if news {
		t.last[string(e.InvolvedObject.UID)] = w
	}
	t.mu.Unlock()
	if news {
		t.wake()
	}
}

func versionOf(o any) string {
	if m, ok := o.(metav1.Object); ok {
		return m.GetResourceVersion()
	}
	return ""
}

func warningOf(e *v1.Event) warning {
	at := e.LastTimestamp.Time
	if at.IsZero() {
		at = e.EventTime.Time
	}
	if e.Series != nil && e.Series.LastObservedTime.After(at) {
		at = e.Series.LastObservedTime.Time
	}
	return warning{reason: e.Reason, message: strings.TrimSpace(e.Message), at: at}
}

// about returns the last complaint about an object; none has no reason.
func (t *troubles) about(uid string) warning {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last[uid]
}

// writtenAt returns when a field manager wrote an object last, by the API
// server's clock.
func writtenAt(o metav1.Object, manager string) (at time.Time) {
	for _, f := range o.GetManagedFields() {
		if f.Manager == manager && f.Time != nil && f.Time.After(at) {
			at = f.Time.Time
		}
	}
	return at
}

// claim returns a volume claim, nil when it is not there or not known.
func (t *troubles) claim(namespace, name string) *v1.PersistentVolumeClaim {
	informer := t.claims[namespace]
	if informer == nil {
		return nil
	}
	o, ok, err := informer.GetStore().GetByKey(namespace + "/" + name)
	if err != nil || !ok {
		return nil
	}
	claim, _ := o.(*v1.PersistentVolumeClaim)
	return claim
}

// readTroubles reads once what a watch would have shown by now. What may not
// be read is not known.
func (e *Engine) readTroubles(ctx context.Context, keys []ObjectKey) *troubles {
	t := e.newTroubles(ctx, func() {})
	for _, key := range keys {
		ns := key.Namespace
		if ns == "" || t.claims[ns] != nil || !hasPods(key) {
			continue
		}
		t.claims[ns] = cache.NewSharedInformer(&cache.ListWatch{}, &v1.PersistentVolumeClaim{}, 0) // filled by hand, never run
		reqCtx, cancel := e.cluster.within(ctx)
		options := metav1.ListOptions{Limit: 2000}
		if claims, err := e.cluster.core.PersistentVolumeClaims(ns).List(reqCtx, options); err == nil {
			for i := range claims.Items {
				_ = t.claims[ns].GetStore().Add(&claims.Items[i])
			}
		}
		onlyWarnings(&options)
		if events, err := e.cluster.core.Events(ns).List(reqCtx, options); err == nil {
			for i := range events.Items {
				t.note(&events.Items[i], false)
			}
		}
		cancel()
	}
	return t
}

// ofWorkload returns what a workload is complained about as a cause: its pods
// are not even made. since is when this run wrote it, by the API server's
// clock; zero when it did not.
func (t *troubles) ofWorkload(o *unstructured.Unstructured, since time.Time) (cause *Cause, live bool) {
	w := t.about(string(o.GetUID()))
	if w.reason == "" {
		return nil, false
	}
	// Timestamps of events are whole seconds, as those of managed fields are.
	return &Cause{Reason: w.reason, Message: w.message, Field: fieldToBlame(w.reason, w.message)},
		w.live || !since.IsZero() && !w.at.Before(since)
}

// ofPod returns what a pod waits for where its status says nothing: a claim
// without a volume, or what the last event complains about.
func (t *troubles) ofPod(pod *unstructured.Unstructured) *Cause {
	if cause := t.pendingClaim(pod); cause != nil {
		return cause
	}
	w := t.about(string(pod.GetUID()))
	if w.reason == "" {
		return nil
	}
	return &Cause{Pod: pod.GetName(), Reason: w.reason, Message: w.message, Field: fieldToBlame(w.reason, w.message)}
}

// pendingClaim names a volume claim without a volume that a pod wants.
func (t *troubles) pendingClaim(pod *unstructured.Unstructured) *Cause {
	volumes, _ := state{pod.Object}.lookup("spec", "volumes")
	for _, v := range asList(volumes) {
		name := v.text("persistentVolumeClaim", "claimName")
		if name == "" {
			continue
		}
		claim := t.claim(pod.GetNamespace(), name)
		if claim == nil || claim.Status.Phase != v1.ClaimPending {
			continue
		}
		message := fmt.Sprintf("the volume claim %s is Pending", name)
		if class := claim.Spec.StorageClassName; class != nil && *class != "" {
			message += fmt.Sprintf(", of storage class %s", *class)
		}
		if w := t.about(string(claim.UID)); w.reason != "" {
			message += fmt.Sprintf(": %s: %s", w.reason, w.message)
		}
		return &Cause{Pod: pod.GetName(), Reason: cmp.Or(unschedulable(pod), "ClaimPending"), Message: message, Field: "volumes"}
	}
	return nil
}

// unschedulable returns why a pod has no node, "" when it has one.
func unschedulable(pod *unstructured.Unstructured) string {
	if status, why, _ := (state{pod.Object}).conditionOf("PodScheduled"); status == "False" {
		return cmp.Or(why, "Unschedulable")
	}
	return ""
}
