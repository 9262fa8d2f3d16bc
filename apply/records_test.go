package apply

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/apply/applytest"
)

// These tests write records as a run does, but apply no object: what a large
// stack costs is then what its records cost.

// ledger is the records of a stack in a namespace of the test plane, and what
// they ask the API server for.
type ledger struct {
	testing.TB
	engine *Engine
	key    []byte

	mu       sync.Mutex
	requests []string // "POST /api/v1/…/secrets/name?…"
	refuse   string   // fails requests whose body or URL has it
}

func newLedger(t testing.TB) *ledger {
	plane := applytest.Start(t)
	l := &ledger{TB: t, key: newKey()}
	config := plane.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &spy{l, next} })
	engine, err := New(config, Stack{Namespace: plane.Namespace(t), Name: "shop"}, Options{RequestTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	l.engine = engine
	return l
}

// spy notes the requests, and refuses some.
type spy struct {
	l    *ledger
	next http.RoundTripper
}

func (s *spy) RoundTrip(r *http.Request) (*http.Response, error) {
	s.l.mu.Lock()
	s.l.requests = append(s.l.requests, r.Method+" "+r.URL.RequestURI())
	refused := s.l.refuse != "" && r.Method+" "+r.URL.Path == s.l.refuse
	s.l.mu.Unlock()
	if refused {
		return nil, errors.New("refused by the test")
	}
	return s.next.RoundTrip(r)
}

// asked returns the requests since it was last called.
func (l *ledger) asked() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.requests
	l.requests = nil
	return all
}

// objects makes a stack of n objects of a size; the one that changed has another
// value.
func (l *ledger) objects(n, size, changed int, value string) []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	random := fmt.Sprintf("%x", noise(n*size/2))
	for i := range n {
		data := map[string]any{"key": random[i*size : (i+1)*size], "value": "a usual value, as most have it"}
		if i == changed {
			data["value"] = value
		}
		all = append(all, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "data": data,
			"metadata": map[string]any{"name": fmt.Sprint("object-", i), "namespace": l.engine.stack.Namespace, "labels": map[string]any{LabelStack: "shop"}},
		}})
	}
	return all
}

func (l *ledger) draft(n int, objects []*unstructured.Unstructured) *draft {
	d := &draft{
		summary: Summary{Revision: n, Status: StatusPending, Verb: VerbApply, Cause: fmt.Sprint("change ", n), Author: "ann", CreatedAt: time.Now().UTC().Truncate(time.Second), Images: []string{}},
		objects: objects, source: []byte("name: shop\n"), key: l.key, run: fmt.Sprint("run-", n),
	}
	for _, o := range objects {
		d.inventory = append(d.inventory, item{ObjectKey: keyOf(o), UID: keyed(l.key, []byte(o.GetName()))})
	}
	return d
}

// release records a revision that ends well, as a run does. base are the chunks
// that its plan has proven.
func (l *ledger) release(n int, objects []*unstructured.Unstructured, base map[string]bool) {
	l.Helper()
	ctx := l.Context()
	r := *l.engine.records
	r.known = base
	d := l.draft(n, objects)
	if err := r.create(ctx, d); err != nil {
		l.Fatalf("revision %d: %v", n, err)
	}
	all, err := r.list(ctx)
	if err != nil {
		l.Fatal(err)
	}
	end := d.summary
	end.Status, end.Duration = StatusDeployed, Seconds(time.Second)
	o := outcome{Outcomes: []Outcome{{Object: keyOf(objects[0]), Action: ActionUpdate}}}
	for _, obj := range objects {
		o.Sent = append(o.Sent, sentObject{keyOf(obj), sentFact{UID: keyed(l.key, []byte(obj.GetName())), Digest: keyed(l.key, canonical(obj.Object))}})
	}
	if err := r.finish(ctx, end, d.run, o); err != nil {
		l.Fatalf("revision %d: %v", n, err)
	}
	for _, s := range all {
		if s.Status == StatusDeployed {
			s.Status = StatusSuperseded
			if err := r.setStatus(ctx, s, StatusDeployed); err != nil {
				l.Fatal(err)
			}
		}
	}
}

func (l *ledger) chunks() []string {
	l.Helper()
	list, err := l.engine.cluster.listMetadata(l.Context(), secretsResource, l.engine.stack.Namespace, metav1.ListOptions{FieldSelector: "type=" + typeChunk})
	if err != nil {
		l.Fatal(err)
	}
	var names []string
	for i := range list {
		names = append(names, list[i].Name)
	}
	return names
}

func (l *ledger) verified() *Verification {
	l.Helper()
	v, err := l.engine.Verify(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	return v
}

// TestALargeStackIsNoBurden: a small change writes little, a history reads
// metadata only, and what goes takes its chunks along without reading any.
func TestALargeStackIsNoBurden(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const objects, size, revisions = 1200, 3000, 3
	l.release(1, l.objects(objects, size, -1, ""), nil)
	first := len(l.chunks())
	rev, err := l.engine.records.read(t.Context(), 1)
	if err != nil || len(rev.Objects) != objects || rev.flaw != nil {
		t.Fatalf("%v, %v", err, rev.flaw)
	}
	if rev.Size < 1<<20 || first < 8 {
		t.Fatalf("not large: %d bytes in %d chunks", rev.Size, first)
	}
	for n := 2; n <= revisions; n++ {
		l.asked()
		l.release(n, l.objects(objects, size, n*300, fmt.Sprint("value ", n)), rev.chunks)
		posts := 0
		for _, a := range l.asked() {
			if strings.HasPrefix(a, "POST") {
				posts++
			}
		}
		if posts > 2+3+3 { // index, outcome, and the chunks around the change and the one undone, in both
			t.Errorf("revision %d: %d Secrets were written", n, posts)
		}
		if rev, err = l.engine.records.read(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if rev.Written*4 > rev.Size {
			t.Errorf("revision %d wrote %d of %d bytes", n, rev.Written, rev.Size)
		}
	}

	l.asked()
	all, err := l.engine.History(t.Context())
	if asked := l.asked(); err != nil || len(all) != revisions || len(asked) != 3 {
		t.Errorf("%d revisions, %v, asked %q", len(all), err, asked)
	}
	if v := l.verified(); !v.OK() || v.Garbage != 0 {
		t.Errorf("%+v", v)
	}

	// A run that is killed between chunks and index leaves garbage only.
	l.refuse = "POST /api/v1/namespaces/" + l.engine.stack.Namespace + "/secrets"
	if err := l.engine.records.create(t.Context(), l.draft(revisions+1, l.objects(objects, size, 1, "x"))); err == nil {
		t.Error("the record was written")
	}
	l.refuse = ""
	orphan := l.engine.records.secret(l.engine.records.prefix()+"c-"+strings.Repeat("0", 40), "chunk", typeChunk)
	orphan.Data[keyChunk] = []byte("left behind")
	if err := l.engine.records.post(t.Context(), orphan); err != nil {
		t.Fatal(err)
	}
	if v := l.verified(); !v.OK() || v.Garbage != 1 {
		t.Errorf("%+v", v)
	}

	l.asked()
	if err := l.engine.records.retire(t.Context(), Options{KeepRevisions: revisions, KeepBytes: 1 << 40}, 0); err != nil {
		t.Fatal(err)
	}
	if asked := l.asked(); len(asked) != 3 {
		t.Errorf("nothing was to be retired, asked %q", asked)
	}
	if err := l.engine.records.retire(t.Context(), Options{KeepRevisions: 2, KeepBytes: 1 << 40}, 0); err != nil {
		t.Fatal(err)
	}
	for _, a := range l.asked() {
		if strings.HasPrefix(a, "GET") && strings.Contains(a, ".c-") {
			t.Errorf("retention read a chunk: %s", a)
		}
	}
	if v := l.verified(); !v.OK() || v.Garbage != 0 || len(v.Revisions) != 2 {
		t.Errorf("%+v", v)
	}
	if rev, err = l.engine.records.read(t.Context(), revisions); err != nil || len(rev.Objects) != objects {
		t.Errorf("the newest: %v", err)
	}
	// Bytes that revisions share count once.
	if err := l.engine.records.retire(t.Context(), Options{KeepRevisions: 2, KeepBytes: 2 * rev.Size}, 0); err != nil || len(l.verified().Revisions) != 2 {
		t.Errorf("%v", err)
	}
}

// TestRandomDataIsRecorded: what does not compress needs many chunks.
func TestRandomDataIsRecorded(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	var objects []*unstructured.Unstructured
	for i := range 8 {
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": fmt.Sprint("big-", i), "namespace": l.engine.stack.Namespace}}}
		o.Object["data"] = map[string]any{"key": fmt.Sprintf("%x", noise((i + 1) * 340 << 10)[i*340<<10:])}
		objects = append(objects, o)
	}
	l.release(1, objects, nil)
	rev, err := l.engine.records.read(t.Context(), 1)
	if err != nil || len(rev.Objects) != len(objects) {
		t.Fatal(err)
	}
	for i, o := range rev.Objects {
		if string(canonical(o.Object)) != string(canonical(objects[i].Object)) {
			t.Errorf("object %d is another", i)
		}
	}
}

// TestOneOfManyWinsANumber: 32 runs that want the same one, then 32 that take
// the next until they have one.
func TestOneOfManyWinsANumber(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const runs = 32
	objects := l.objects(1, 600, -1, "")
	race := func(try func(i int) error) (won int) {
		var wait sync.WaitGroup
		var mu sync.Mutex
		for i := range runs {
			wait.Go(func() {
				err := try(i)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !apierrors.IsAlreadyExists(err) {
					t.Errorf("run %d: %v", i, err)
				}
			})
		}
		wait.Wait()
		return won
	}
	create := func(n, run int) error {
		d := l.draft(n, objects)
		d.run = fmt.Sprint("racer-", run)
		return l.engine.records.create(t.Context(), d)
	}
	if won := race(func(i int) error { return create(1, i) }); won != 1 {
		t.Errorf("%d of %d won", won, runs)
	}
	won := race(func(i int) error {
		for {
			all, err := l.engine.History(context.Background())
			if err != nil {
				return err
			}
			if err := create(newest(all).Revision+1, i); !apierrors.IsAlreadyExists(err) {
				return err
			}
		}
	})
	all, err := l.engine.History(t.Context())
	if err != nil || won != runs || len(all) != runs+1 {
		t.Fatalf("%d revisions, %d won, %v", len(all), won, err)
	}
	for i, s := range all {
		if s.Revision != i+1 {
			t.Fatalf("place %d has revision %d", i, s.Revision)
		}
	}
}

// TestOrderIsByNumber, whatever the clocks of those who released say.
func TestOrderIsByNumber(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	year := 365 * 24 * time.Hour
	for i, skew := range []time.Duration{year, -year, 0, year, -year} {
		d := l.draft(i+1, l.objects(1, 600, 0, fmt.Sprint(i)))
		d.summary.CreatedAt = d.summary.CreatedAt.Add(skew)
		if err := l.engine.records.create(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		end := d.summary
		end.Status = StatusSuperseded
		if i == 4 {
			end.Status = StatusDeployed
		}
		sealed := end
		sealed.Status = StatusDeployed
		if err := l.engine.records.finish(t.Context(), sealed, d.run, outcome{}); err != nil {
			t.Fatal(err)
		}
		if err := l.engine.records.setStatus(t.Context(), end, StatusDeployed); err != nil {
			t.Fatal(err)
		}
	}
	all, err := l.engine.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, s := range all {
		numbers = append(numbers, s.Revision)
	}
	if !slices.Equal(numbers, []int{1, 2, 3, 4, 5}) || deployed(all) != 5 {
		t.Errorf("%v, live is %d", numbers, deployed(all))
	}
	if to, err := l.engine.RollbackTarget(t.Context()); err != nil || to != 4 {
		t.Errorf("back to %d, %v", to, err)
	}
	if err := l.engine.records.retire(t.Context(), Options{KeepRevisions: 2, KeepBytes: 1 << 40}, 0); err != nil {
		t.Fatal(err)
	}
	if v := l.verified(); !v.OK() || len(v.Revisions) != 2 || v.Revisions[0].Revision != 4 {
		t.Errorf("%+v", v)
	}
}
