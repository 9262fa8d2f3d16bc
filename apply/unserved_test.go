package apply_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// older is an API server that does not have one version of an API group, as one
// from before it came or after it went.
type older struct {
	next           http.RoundTripper
	group, version string
	asked          atomic.Int64 // how often it was asked for its kinds
}

func (o *older) RoundTrip(r *http.Request) (*http.Response, error) {
	path := "/apis/" + o.group + "/" + o.version
	switch {
	case r.URL.Path == path || strings.HasPrefix(r.URL.Path, path+"/"):
		return o.missing(r), nil
	case r.URL.Path == "/apis":
		o.asked.Add(1)
		resp, err := o.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		return o.without(resp)
	}
	return o.next.RoundTrip(r)
}

// missing is how an API server of Kubernetes 1.36 answers: for a version that a
// group does not have with a Status, for a group that it does not have in text.
func (o *older) missing(r *http.Request) *http.Response {
	if o.group == "autoscaling" { // has a v1
		return respond(r, 404, "application/json", `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}`)
	}
	return respond(r, 404, "text/plain; charset=utf-8", "404 page not found\n")
}

// without takes the version out of the list of all kinds.
func (o *older) without(resp *http.Response) (*http.Response, error) {
	var list struct {
		Kind       string           `json:"kind"`
		APIVersion string           `json:"apiVersion"`
		Metadata   any              `json:"metadata"`
		Items      []map[string]any `json:"items"`
	}
	err := json.NewDecoder(resp.Body).Decode(&list)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	list.Items = slices.DeleteFunc(list.Items, func(group map[string]any) bool {
		if group["metadata"].(map[string]any)["name"] != o.group {
			return false
		}
		versions := slices.DeleteFunc(group["versions"].([]any), func(v any) bool { return v.(map[string]any)["version"] == o.version })
		group["versions"] = versions
		return len(versions) == 0
	})
	text, err := json.Marshal(list)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, err
}

// olderServer makes the engine of the story a new process that meets an API
// server without a version of a group.
func (s *story) olderServer(group, version string) *older {
	s.Helper()
	o := &older{group: group, version: version}
	s.engine = s.through(func(next http.RoundTripper) http.RoundTripper { o.next = next; return o }, apply.Options{})
	return o
}

const (
	scaler = `{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web"},"spec":{
		"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"minReplicas":2,"maxReplicas":3}}`
	budget = `{"apiVersion":"policy/v1","kind":"PodDisruptionBudget","metadata":{"name":"web"},"spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"web"}}}}`
)

// TestAServerRefutesWhatIsKnown: a kind of Kubernetes itself is not served in
// the version in which it is taken for known. The server is asked once, the
// object is named, and nothing is written; also when the first that is heard of
// the kind is not a list, since the namespace comes with the run.
func TestAServerRefutesWhatIsKnown(t *testing.T) {
	s := newStory(t)
	for _, c := range []struct{ group, version, object, want, hint string }{
		{"autoscaling", "v2", scaler, "HorizontalPodAutoscaler/NS/web: the cluster does not serve autoscaling/v2; it has HorizontalPodAutoscaler in autoscaling/v1",
			"write the objects in the version that is served"},
		{"policy", "v1", budget, "PodDisruptionBudget/NS/web: the cluster has no kind PodDisruptionBudget in policy/v1",
			"install what the kind comes with, or put its CustomResourceDefinition into the stack"},
	} {
		for _, namespace := range []string{s.stack.Namespace, s.stack.Namespace + "-new"} {
			at := &story{TB: t, plane: s.plane, stack: apply.Stack{Namespace: namespace, Name: "shop"}}
			server := at.olderServer(c.group, c.version)
			began := time.Now()
			_, err := at.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{
				at.configMap("a", "1"), at.deployment("web", "web:v1", 1, ""), at.object(c.object),
			}})
			// That a kind does not exist is believed for two seconds.
			if asked := server.asked.Load(); asked < 1 || asked > 1+int64(time.Since(began)/(2*time.Second)) {
				t.Errorf("%s in %s: the server was asked %d times for its kinds", c.group, namespace, asked)
			}
			var unserved *apply.UnservedError
			if !errors.As(err, &unserved) {
				t.Errorf("%s in %s: %v", c.group, namespace, err)
				continue
			}
			at.want("the error", err.Error(), strings.ReplaceAll(c.want, "NS", namespace))
			at.want("the way out", unserved.Hint(), c.hint)
			at.want("written", strings.Join(at.written(), "\n"), "")
		}
	}
}

// TestAKindLivesOnInAnotherVersion: what was applied in a version that is gone
// is still seen, and deleted when it leaves the stack.
func TestAKindLivesOnInAnotherVersion(t *testing.T) {
	s := newStory(t)
	web := func(replicas int) *obj { return s.deployment("web", "web:v1", replicas, "") }
	s.apply(web(0), s.object(scaler))
	s.olderServer("autoscaling", "v2")
	status, err := s.engine.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range status.Objects {
		if o.Object.Kind == "HorizontalPodAutoscaler" {
			s.want("its status", string(o.State)+" "+o.Message, "ready ready")
		}
	}
	server := s.olderServer("autoscaling", "v2")
	p := s.plan(web(1))
	s.want("the plan", actions(p), "update Deployment/web\n  set spec.replicas\ndelete HorizontalPodAutoscaler/web")
	if server.asked.Load() == 0 {
		t.Error("the server was not asked")
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("what is left", s.kubectl("get", "horizontalpodautoscalers", "-o", "name"), "")
}
