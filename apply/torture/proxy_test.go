package torture

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"stackctl.dev/stackctl/apply/applytest"
)

// through returns a client that goes through a proxy.
func through(t *testing.T, p *Proxy, namespace string) *kubernetes.Clientset {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := p.WriteKubeconfig(path, namespace); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	config.Timeout = 2 * SlowAnswer
	config.UserAgent = "stackctl/test run=PROXYTEST"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestEveryFaultIsWhatItSays creates an object through a proxy with each kind
// of fault: what the client sees, and whether the object is there.
func TestEveryFaultIsWhatItSays(t *testing.T) {
	plane := applytest.Start(t)
	namespace := plane.Namespace(t)
	is := func(reason metav1.StatusReason) func(error) bool {
		return func(err error) bool { return apierrors.ReasonForError(err) == reason }
	}
	lost := func(err error) bool {
		return err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown
	}
	for name, want := range map[string]struct {
		seen   func(error) bool
		exists bool
	}{
		"reset before":         {lost, false},
		"reset after commit":   {lost, true},
		"429":                  {apierrors.IsTooManyRequests, false},
		"429 with Retry-After": {func(err error) bool { return err == nil }, true}, // the library waits and tries again
		"500 with a reason":    {is(metav1.StatusReasonInternalError), false},
		"500 without reason":   {is(metav1.StatusReasonUnknown), false},
		"502 HTML":             {func(err error) bool { return err != nil }, false},
		"503":                  {apierrors.IsServiceUnavailable, false},
		"504":                  {apierrors.IsTimeout, false},
		"401":                  {apierrors.IsUnauthorized, false},
		"403":                  {apierrors.IsForbidden, false},
		"409":                  {apierrors.IsConflict, false},
		"410":                  {apierrors.IsResourceExpired, false},
		"slow":                 {func(err error) bool { return err == nil }, true},
		"freeze":               {func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, false},
		"truncated":            {lost, true},
		"garbage":              {lost, true},
		"broken gzip":          {lost, true},
		"delivered twice":      {apierrors.IsAlreadyExists, true},
		"wrong certificate":    {lost, false},
	} {
		for _, http2 := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/http2=%v", name, http2), func(t *testing.T) {
				t.Parallel()
				p, err := NewProxy(plane.Config(), &Memory{}, http2)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				p.Disturb(&Trouble{At: 1, Fault: faultNamed(t, name)})
				object := "fault-" + strings.ToLower(strings.NewReplacer(" ", "-").Replace(name)) + fmt.Sprint("-", http2)
				_, err = through(t, p, namespace).CoreV1().ConfigMaps(namespace).Create(t.Context(), &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: object}}, metav1.CreateOptions{})
				if !want.seen(err) {
					t.Errorf("the client sees: %v", err)
				}
				p.Settle()
				_, err = plane.Client().CoreV1().ConfigMaps(namespace).Get(t.Context(), object, metav1.GetOptions{})
				if exists := err == nil; exists != want.exists {
					t.Errorf("the object exists: %v, want %v (%v)", exists, want.exists, err)
				}
				if all := p.Requests(); len(all) == 0 || all[0].Fault != name || p.Run() != "PROXYTEST" {
					t.Errorf("the proxy's log: %+v", all)
				}
			})
		}
	}
}

func faultNamed(t *testing.T, name string) *fault {
	t.Helper()
	for _, f := range faults {
		if f.name == name {
			return f
		}
	}
	t.Fatalf("there is no fault %q", name)
	return nil
}

// TestStaleListsAndDroppedWatches: the faults that are for reads only.
func TestStaleListsAndDroppedWatches(t *testing.T) {
	plane := applytest.Start(t)
	namespace := plane.Namespace(t)
	p, err := NewProxy(plane.Config(), &Memory{}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	client := through(t, p, namespace).CoreV1().ConfigMaps(namespace)
	list := func() int {
		t.Helper()
		all, err := client.List(t.Context(), metav1.ListOptions{LabelSelector: "who=me"})
		if err != nil {
			t.Fatal(err)
		}
		return len(all.Items)
	}
	before := list()
	if _, err := client.Create(t.Context(), &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "new", Labels: map[string]string{"who": "me"}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	stale, dropped := faultNamed(t, "stale list"), faultNamed(t, "watch dropped")
	p.Disturb(&Trouble{At: 1, Match: stale.on, Fault: stale}, &Trouble{At: 1, Match: dropped.on, Fault: dropped})
	if got := list(); got != before {
		t.Errorf("a stale list has %d objects, want %d", got, before)
	}
	if got := list(); got != before+1 {
		t.Errorf("the next list has %d objects, want %d", got, before+1)
	}
	for i, wantEvents := range []bool{false, true} {
		w, err := client.Watch(t.Context(), metav1.ListOptions{LabelSelector: "who=me"})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-w.ResultChan(): // a break is the end, or an event that tells of it
			if added := e.Type == watch.Added; added != wantEvents {
				t.Errorf("watch %d: has events: %v, want %v", i, added, wantEvents)
			}
		case <-time.After(30 * time.Second):
			t.Error(errors.New("a watch tells nothing and does not end"))
		}
		w.Stop()
	}
}
