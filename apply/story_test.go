package apply_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/apply/applytest"
)

// A test of the engine is a story: what the stack says, what others do to the
// cluster, and what must be true then. All of them run against a real API
// server, in a namespace of their own.

// story is a stack in a namespace of the test plane.
type story struct {
	testing.TB
	plane  *applytest.Plane
	stack  apply.Stack
	engine *apply.Engine
}

func newStory(t *testing.T) *story {
	t.Parallel()
	return newStoryOf(t)
}

// newStoryOf is a story within a test that tells several.
func newStoryOf(t testing.TB) *story {
	plane := applytest.Start(t)
	s := &story{TB: t, plane: plane, stack: apply.Stack{Namespace: plane.Namespace(t), Name: "shop"}}
	s.engine = s.newEngine(apply.Options{})
	return s
}

func (s *story) newEngine(o apply.Options) *apply.Engine {
	s.Helper()
	if o.LeaseDuration == 0 {
		o.LeaseDuration = 5 * time.Second // a busy machine must not look like a dead one
	}
	config := s.plane.Config()
	config.UserAgent = "story/" + s.stack.Namespace
	e, err := apply.New(config, s.stack, o)
	if err != nil {
		s.Fatal(err)
	}
	return e
}

// object parses a manifest and gives it the stack's labels and namespace.
func (s *story) object(manifest string) *unstructured.Unstructured {
	s.Helper()
	o := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(manifest), &o.Object); err != nil {
		s.Fatalf("%v in %s", err, manifest)
	}
	labels := o.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	for k, v := range s.stack.OwnerLabels() {
		labels[k] = v
	}
	o.SetLabels(labels)
	o.SetNamespace(s.stack.Namespace)
	return o
}

func (s *story) configMap(name, value string) *unstructured.Unstructured {
	return s.object(fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q},"data":{"key":%q}}`, name, value))
}

func (s *story) secret(name, value string) *unstructured.Unstructured {
	return s.object(fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":%q},"stringData":{"password":%q}}`, name, value))
}

func (s *story) service(name string, ports ...int) *unstructured.Unstructured {
	var list []string
	for _, p := range ports {
		list = append(list, fmt.Sprintf(`{"name":"p%d","port":%d,"protocol":"TCP","targetPort":%d}`, p, p, p))
	}
	return s.object(fmt.Sprintf(`{"apiVersion":"v1","kind":"Service","metadata":{"name":%q,"labels":{"tier":"web"}},
		"spec":{"type":"NodePort","selector":{"app":%q},"ports":[%s]}}`, name, name, strings.Join(list, ",")))
}

// deployment returns a Deployment whose pods do as play says ("" = become ready).
func (s *story) deployment(name, image string, replicas int, play string) *unstructured.Unstructured {
	if play != "" {
		play = fmt.Sprintf(`"local.stackctl.dev/play":%q`, play)
	}
	return s.object(fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":%[1]q},"spec":{
		"replicas":%[2]d,"selector":{"matchLabels":{"app":%[1]q}},"template":{
		"metadata":{"labels":{"app":%[1]q,"stackctl.dev/stack":%[3]q,"stackctl.dev/namespace":%[4]q},"annotations":{%[5]s}},
		"spec":{"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},
		"containers":[{"name":"main","image":%[6]q,"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}}}`,
		name, replicas, s.stack.Name, s.stack.Namespace, play, image))
}

func (s *story) plan(objects ...*unstructured.Unstructured) *apply.Plan {
	s.Helper()
	p, err := s.engine.Plan(s.Context(), apply.Target{Verb: apply.VerbApply, Objects: objects, Source: []byte("name: shop\n")})
	if err != nil {
		s.Fatalf("plan: %v", err)
	}
	return p
}

var run = apply.Run{Author: "ada", Holder: "ada@test", Wait: true, Timeout: 30 * time.Second, LockTimeout: 20 * time.Second}

// apply plans and applies, and must succeed.
func (s *story) apply(objects ...*unstructured.Unstructured) *apply.Result {
	s.Helper()
	r, err := s.engine.Apply(s.Context(), s.plan(objects...), run)
	if err != nil {
		s.Fatalf("apply: %v", err)
	}
	return r
}

func (s *story) rollback(n int) *apply.Result {
	s.Helper()
	rev, err := s.engine.Revision(s.Context(), n)
	if err != nil {
		s.Fatalf("revision %d: %v", n, err)
	}
	p, err := s.engine.Plan(s.Context(), apply.Target{Verb: apply.VerbRollback, Objects: rev.Objects, Source: rev.Source, RollbackTo: n})
	if err != nil {
		s.Fatalf("plan rollback: %v", err)
	}
	r, err := s.engine.Apply(s.Context(), p, run)
	if err != nil {
		s.Fatalf("rollback: %v", err)
	}
	return r
}

func (s *story) delete(data bool) *apply.Result {
	s.Helper()
	p, err := s.engine.Plan(s.Context(), apply.Target{Verb: apply.VerbDelete, DeleteData: data})
	if err != nil {
		s.Fatalf("plan delete: %v", err)
	}
	r, err := s.engine.Apply(s.Context(), p, run)
	if err != nil {
		s.Fatalf("delete: %v", err)
	}
	return r
}

// kubectl does something to the cluster behind the stack's back, or looks.
func (s *story) kubectl(args ...string) string {
	s.Helper()
	return strings.TrimSpace(s.plane.Kubectl(s, append([]string{"-n", s.stack.Namespace}, args...)...))
}

// history returns "number status" of each revision.
func (s *story) history() string {
	s.Helper()
	all, err := s.engine.History(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	var lines []string
	for _, r := range all {
		lines = append(lines, fmt.Sprintf("%d %s", r.Revision, r.Status))
	}
	return strings.Join(lines, ", ")
}

// actions describes a plan: the changes that are not "unchanged", in order.
func actions(p *apply.Plan) string {
	var lines []string
	for _, c := range p.Changes {
		if c.Action == apply.ActionUnchanged {
			continue
		}
		line := string(c.Action) + " " + c.Object.Kind + "/" + c.Object.Name
		for _, f := range c.Fields {
			line += fmt.Sprintf("\n  %s %s", f.Op, f.Path)
			if f.Manager != "" {
				line += " (" + f.Manager + ")"
			}
		}
		if c.OwnershipOnly {
			line += " (ownership only)"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (s *story) want(what, got, want string) {
	s.Helper()
	if got != want {
		s.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

// writes counts the requests of this story's engine that changed something.
func (s *story) writes() int {
	s.Helper()
	return len(s.written())
}

// written are the requests of this story's engine that changed something, in
// their order, as "patch deployments/web".
func (s *story) written() (all []string) {
	s.Helper()
	for _, line := range s.plane.Requests(s, `"story/`+s.stack.Namespace+`"`) {
		var e struct {
			Verb, UserAgent, RequestURI, Stage string
			ObjectRef                          struct{ Resource, Name string }
		}
		if json.Unmarshal([]byte(line), &e) != nil || e.Stage != "ResponseComplete" || e.UserAgent != "story/"+s.stack.Namespace {
			continue
		}
		switch e.Verb {
		case "create", "update", "patch", "delete":
			if !strings.Contains(e.RequestURI, "dryRun=All") {
				all = append(all, e.Verb+" "+e.ObjectRef.Resource+"/"+e.ObjectRef.Name)
			}
		}
	}
	return all
}

// faulty is a transport that lets n requests through and then fails all, as
// when the process had been killed there.
type faulty struct {
	mu   sync.Mutex
	left int
	next http.RoundTripper
}

var errKilled = fmt.Errorf("killed")

func (f *faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.left--
	dead := f.left < 0
	f.mu.Unlock()
	if dead {
		return nil, errKilled
	}
	return f.next.RoundTrip(r)
}

// cut lets no further request through.
func (f *faulty) cut() {
	f.mu.Lock()
	f.left = 0
	f.mu.Unlock()
}

// dyingEngine returns an engine of the story's stack whose connection is cut
// after n requests.
func (s *story) dyingEngine(n int) (*apply.Engine, *faulty) {
	s.Helper()
	f := &faulty{left: n}
	config := s.plane.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { f.next = next; return f })
	e, err := apply.New(config, s.stack, apply.Options{LeaseDuration: time.Second, KeepRevisions: 1000})
	if err != nil {
		s.Fatal(err)
	}
	return e, f
}

type obj = unstructured.Unstructured

// set gives a field of an object a value.
func set(o *obj, value any, path ...string) {
	if err := unstructured.SetNestedField(o.Object, value, path...); err != nil {
		panic(err)
	}
}
