package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/apply/applytest"
)

// scene is a stack in a namespace of its own, driven by the engine in this
// process. Its methods end the trial where the engine fails and should not.
type scene struct {
	*testing.T
	plane  *applytest.Plane
	stack  apply.Stack
	engine *apply.Engine
	writes *atomic.Int64 // requests of the engine that could change something
	live   dynamic.Interface
	// meddle, if any, is called before each of these requests is sent; an answer
	// that it gives is the server's.
	meddle atomic.Pointer[func(r *http.Request) *http.Response]
}

func newScene(t *testing.T, o apply.Options) *scene {
	t.Helper()
	plane := applytest.Start(t)
	s := &scene{T: t, plane: plane, stack: apply.Stack{Namespace: plane.Namespace(t), Name: "shop"}, writes: &atomic.Int64{}}
	if o.LeaseDuration == 0 {
		o.LeaseDuration = 5 * time.Second
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = 30 * time.Second // a busy machine is no fault of the engine
	}
	config := plane.Config()
	config.UserAgent = "torture/" + s.stack.Namespace
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &meddler{next, s} })
	var err error
	if s.engine, err = apply.New(config, s.stack, o); err != nil {
		t.Fatal(err)
	}
	if s.live, err = dynamic.NewForConfig(plane.Config()); err != nil {
		t.Fatal(err)
	}
	return s
}

// meddler is the last to see what the engine sends.
type meddler struct {
	next  http.RoundTripper
	scene *scene
}

func (m *meddler) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && r.URL.Query().Get("dryRun") == "" {
		m.scene.writes.Add(1)
		if f := m.scene.meddle.Load(); f != nil {
			if answer := (*f)(r); answer != nil {
				return answer, nil
			}
		}
	}
	return m.next.RoundTrip(r)
}

// bold is a run with every consent: what that may lead to is what is judged.
var bold = apply.Run{
	Author: "torture", Holder: "torture@test", Wait: true, Timeout: 2 * time.Minute, LockTimeout: time.Minute,
	AllowPrune: 1 << 20,
}

func (s *scene) target(objects []*object) apply.Target {
	clones := make([]*object, len(objects))
	for i, o := range objects {
		clones[i] = o.DeepCopy()
	}
	return apply.Target{Verb: apply.VerbApply, Objects: clones, Source: []byte("name: shop\n"), Environment: "test", Consent: apply.Consent{Force: true}}
}

func (s *scene) plan(objects []*object) *apply.Plan {
	s.Helper()
	p, err := s.engine.Plan(s.Context(), s.target(objects))
	if err != nil {
		s.Fatalf("plan: %v", err)
	}
	return p
}

// carryOut applies a plan and returns how many writes that took.
func (s *scene) carryOut(p *apply.Plan) int64 {
	s.Helper()
	before := s.writes.Load()
	if _, err := s.engine.Apply(s.Context(), p, bold); err != nil {
		s.Fatalf("%s: %v\nplan:\n%s", p.Verb, err, planText(p))
	}
	return s.writes.Load() - before
}

func (s *scene) apply(objects []*object) {
	s.Helper()
	s.converge(bold, func() *apply.Plan { return s.plan(objects) })
}

func (s *scene) rollback(n int) *apply.Revision {
	s.Helper()
	rev, err := s.engine.Revision(s.Context(), n)
	if err != nil {
		s.Fatalf("revision %d: %v", n, err)
	}
	s.converge(bold, func() *apply.Plan {
		p, err := s.engine.Plan(s.Context(), apply.Target{Verb: apply.VerbRollback, Objects: rev.Objects, Source: rev.Source, RollbackTo: n, Consent: apply.Consent{Force: true}})
		if err != nil {
			s.Fatalf("plan the rollback to %d: %v", n, err)
		}
		return p
	})
	return rev
}

// converge carries a plan out and returns it. A Job may expire at any moment: the
// run that it surprises says so, and the next one goes on.
func (s *scene) converge(run apply.Run, plan func() *apply.Plan) *apply.Plan {
	s.Helper()
	for try := 1; ; try++ {
		p := plan()
		_, err := s.engine.Apply(s.Context(), p, run)
		if err == nil {
			return p
		}
		if try == 3 || !expired(err) {
			s.Fatalf("%s: %v\nplan:\n%s", p.Verb, err, planText(p))
		}
	}
}

// expired reports a run that ended because of a Job that was removed meanwhile.
func expired(err error) bool {
	text, stale := err.Error(), (*apply.StalePlanError)(nil)
	return strings.Contains(text, "Job/") && (errors.As(err, &stale) || strings.Contains(text, "nobody saw how it ended") || strings.Contains(text, "apply again when it is gone"))
}

// planText lists what a plan does, for the report of a failure.
func planText(p *apply.Plan) string {
	var lines []string
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Action == apply.ActionUnchanged {
			continue
		}
		line := fmt.Sprintf("%s %s %s", c.Action, c.Object, c.Note)
		for _, f := range c.Fields {
			line += fmt.Sprintf("\n  %s %s: %s → %s (%s)", f.Op, f.Path, apply.Text(f.Before), apply.Text(f.After), f.Manager)
		}
		for _, f := range c.Conflicts {
			line += fmt.Sprintf("\n  conflict %s with %s", f.Path, f.Manager)
		}
		if c.OwnershipOnly {
			line += " (ownership only)"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// resources are the kinds that the generator makes, as their API calls them.
var resources = map[string]schema.GroupVersionResource{
	"ConfigMap":               {Version: "v1", Resource: "configmaps"},
	"Secret":                  {Version: "v1", Resource: "secrets"},
	"Service":                 {Version: "v1", Resource: "services"},
	"ServiceAccount":          {Version: "v1", Resource: "serviceaccounts"},
	"PersistentVolumeClaim":   {Version: "v1", Resource: "persistentvolumeclaims"},
	"Deployment":              {Group: "apps", Version: "v1", Resource: "deployments"},
	"StatefulSet":             {Group: "apps", Version: "v1", Resource: "statefulsets"},
	"CronJob":                 {Group: "batch", Version: "v1", Resource: "cronjobs"},
	"Job":                     {Group: "batch", Version: "v1", Resource: "jobs"},
	"Ingress":                 {Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	"NetworkPolicy":           {Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	"HorizontalPodAutoscaler": {Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
	"PodDisruptionBudget":     {Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	"Role":                    {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	"RoleBinding":             {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
}

// id names an object within a trial.
type id struct{ kind, namespace, name string }

func (i id) String() string { return i.kind + "/" + i.namespace + "/" + i.name }

func idOf(o *object) id { return id{o.GetKind(), o.GetNamespace(), o.GetName()} }

func (s *scene) in(i id) dynamic.ResourceInterface {
	r, ok := resources[i.kind]
	if !ok {
		s.Fatalf("the rig does not know the kind %s", i.kind)
	}
	return s.live.Resource(r).Namespace(i.namespace)
}

// get reads an object, nil when there is none.
func (s *scene) get(i id) *object {
	s.Helper()
	o, err := s.in(i).Get(s.Context(), i.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.Fatal(err)
	}
	return o
}

// create makes an object as kubectl would.
func (s *scene) create(o *object) *object {
	s.Helper()
	got, err := s.in(idOf(o)).Create(s.Context(), o, metav1.CreateOptions{FieldManager: "kubectl-create"})
	if err != nil {
		s.Fatalf("create %s: %v", idOf(o), err)
	}
	return got
}

// remove deletes an object and waits until it is gone.
func (s *scene) remove(i id) {
	s.Helper()
	policy := metav1.DeletePropagationBackground
	if err := s.in(i).Delete(s.Context(), i.name, metav1.DeleteOptions{PropagationPolicy: &policy}); err != nil {
		s.Fatal(err)
	}
	s.await("the end of "+i.String(), func() bool { return s.get(i) == nil })
}

// edit changes a live object as `kubectl edit` would, again when somebody else
// was faster. The error is the server's refusal.
func (s *scene) edit(i id, change func(o *object)) error {
	s.Helper()
	var err error
	for range 10 {
		o := s.get(i)
		if o == nil {
			return fmt.Errorf("%s is not there", i)
		}
		change(o)
		_, err = s.in(i).Update(s.Context(), o, metav1.UpdateOptions{FieldManager: "kubectl-edit"})
		if !apierrors.IsConflict(err) {
			return err
		}
	}
	return err
}

func (s *scene) await(what string, done func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			s.Fatalf("waited in vain for %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// labelled lists what carries the owner labels of the stack and nobody controls.
func (s *scene) labelled() map[id]*object {
	s.Helper()
	all := map[id]*object{}
	for _, kind := range slices.Sorted(maps.Keys(resources)) {
		list, err := s.live.Resource(resources[kind]).Namespace(s.stack.Namespace).List(s.Context(), metav1.ListOptions{
			LabelSelector: apply.LabelStack + "=" + s.stack.Name + "," + apply.LabelNamespace + "=" + s.stack.Namespace,
		})
		if err != nil {
			s.Fatal(err)
		}
		for j := range list.Items {
			if o := &list.Items[j]; metav1.GetControllerOf(o) == nil {
				all[id{kind, o.GetNamespace(), o.GetName()}] = o
			}
		}
	}
	return all
}

// differences compares what the stack owns in the cluster with objects as they
// were sent: every field that they set must be ours and have that value, and no
// other may be ours. Who owns what is read from the managedFields of the API
// server. The change-cause is the engine's own.
func (s *scene) differences(objects []*object) []string {
	s.Helper()
	var bad []string
	for _, want := range objects {
		live := s.get(idOf(want))
		if live == nil {
			if !mayBeGone(want) {
				bad = append(bad, idOf(want).String()+" is not there")
			}
			continue
		}
		fields := ownFields(live, "stackctl/"+s.stack.Namespace+"/"+s.stack.Name)
		if fields == nil {
			bad = append(bad, idOf(want).String()+": the stack owns nothing of it")
			continue
		}
		for _, text := range ownedDifferences(fields, live.Object, want.Object, "") {
			bad = append(bad, idOf(want).String()+": "+text)
		}
		for _, text := range uncovered(fields, want.Object, "") {
			bad = append(bad, idOf(want).String()+": does not own "+text)
		}
	}
	return bad
}

// mayBeGone reports a Job that is removed when it is done.
func mayBeGone(o *object) bool {
	_, expires, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "ttlSecondsAfterFinished") // of a record it is no int64
	return expires
}

func ownFields(o *object, manager string) map[string]any {
	for _, f := range o.GetManagedFields() {
		if f.Manager == manager && f.Operation == metav1.ManagedFieldsOperationApply && f.Subresource == "" {
			var fields map[string]any
			if json.Unmarshal(f.FieldsV1.GetRawBytes(), &fields) == nil {
				return fields
			}
		}
	}
	return nil
}

// ownedDifferences walks a set of fields (FieldsV1) over two objects.
func ownedDifferences(fields map[string]any, live, want any, path string) []string {
	var bad []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		below, _ := fields[key].(map[string]any)
		where := path + "/" + key
		if key == "." || strings.HasSuffix(where, "/f:kubernetes.io/change-cause") {
			continue
		}
		l, w := at(live, key), at(want, key)
		switch {
		case w == nil:
			bad = append(bad, fmt.Sprintf("owns %s, which was not sent", where))
		case l == nil:
			bad = append(bad, fmt.Sprintf("%s is gone", where))
		case len(below) > 0:
			bad = append(bad, ownedDifferences(below, l, w, where)...)
		case !holds(l, w):
			bad = append(bad, fmt.Sprintf("%s is %s, was sent as %s", where, asJSON(l), asJSON(w)))
		}
	}
	return bad
}

// at returns what a key of FieldsV1 names in a value, nil when it is not there.
func at(v any, key string) any {
	kind, name, _ := strings.Cut(key, ":")
	switch kind {
	case "f":
		m, _ := v.(map[string]any)
		return m[name]
	case "k":
		var keys map[string]any
		if json.Unmarshal([]byte(name), &keys) != nil {
			return nil
		}
		list, _ := v.([]any)
		for _, item := range list {
			if m, ok := item.(map[string]any); ok && keyed(m, keys) {
				return m
			}
		}
	case "v":
		list, _ := v.([]any)
		for _, item := range list {
			if asJSON(item) == name {
				return item
			}
		}
	}
	return nil
}

// keyed reports whether the item of a list has these keys; one that it does not
// say is a default.
func keyed(item, keys map[string]any) bool {
	said := false
	for k, v := range keys {
		if have, ok := item[k]; ok {
			said = true
			if asJSON(have) != asJSON(v) {
				return false
			}
		}
	}
	return said
}

// holds reports whether a live value has all that was sent; the server may have
// added defaults to what is owned as a whole.
func holds(live, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return false
		}
		for k := range w {
			if !holds(l[k], w[k]) {
				return false
			}
		}
		return true
	case []any:
		l, ok := live.([]any)
		if !ok || len(l) != len(w) {
			return false
		}
		for i := range w {
			if !holds(l[i], w[i]) {
				return false
			}
		}
		return true
	}
	return asJSON(live) == asJSON(want)
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// uncovered lists fields of an object that a set does not hold.
func uncovered(fields map[string]any, want any, path string) []string {
	if len(fields) == 0 {
		return nil // owned as a whole
	}
	var bad []string
	switch w := want.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(w)) {
			where := path + "/" + k
			switch where {
			case "/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/metadata/annotations/kubernetes.io/change-cause":
				continue
			}
			below, ok := fields["f:"+k].(map[string]any)
			if !ok {
				bad = append(bad, where)
				continue
			}
			bad = append(bad, uncovered(below, w[k], where)...)
		}
	case []any:
		for i, item := range w {
			found := false
			for key, below := range fields {
				kind, name, _ := strings.Cut(key, ":")
				var keys map[string]any
				m, isMap := item.(map[string]any)
				switch {
				case kind == "k" && isMap && json.Unmarshal([]byte(name), &keys) == nil && keyed(m, keys):
					found = true
					bad = append(bad, uncovered(below.(map[string]any), item, fmt.Sprintf("%s[%d]", path, i))...)
				case kind == "v" && asJSON(item) == name:
					found = true
				}
			}
			if !found {
				bad = append(bad, fmt.Sprintf("%s[%d]", path, i))
			}
		}
	}
	return bad
}
