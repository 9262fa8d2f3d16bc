package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stackctl.dev/stackctl/apply"
)

func TestLockedWhileAnotherRuns(t *testing.T) {
	s := newStory(t)
	s.engine = s.newEngine(apply.Options{LeaseDuration: time.Second})
	s.apply(s.configMap("a", "1"))
	ctx, interrupt := context.WithCancel(t.Context())
	first := make(chan error)
	recorded := make(chan bool)
	go func() { // waits for a Deployment that never becomes ready
		r := run
		r.Events = func(e apply.Event) {
			if _, ok := e.(apply.Recorded); ok {
				close(recorded)
			}
		}
		_, err := s.engine.Apply(ctx, s.plan(s.configMap("a", "1"), s.deployment("web", "web:v1", 1, "never-ready")), r)
		first <- err
	}()
	<-recorded

	p := s.plan(s.configMap("a", "2"))
	impatient := run
	impatient.LockTimeout = 0
	var locked *apply.LockedError
	if _, err := s.engine.Apply(t.Context(), p, impatient); !errors.As(err, &locked) || locked.Holder.Author != "ada@test" {
		t.Errorf("a second apply: %v", err)
	}
	impatient.LockTimeout = 3 * time.Second // longer than the lease: it must be renewed
	if _, err := s.engine.Apply(t.Context(), p, impatient); !errors.As(err, &locked) {
		t.Errorf("a patient second apply: %v", err)
	}
	interrupt()
	var interrupted *apply.InterruptedError
	if err := <-first; !errors.As(err, &interrupted) || interrupted.Revision != 2 {
		t.Errorf("the interrupted apply: %v", err)
	}
	s.want("history", s.history(), "1 deployed, 2 interrupted")
	s.apply(s.configMap("a", "2"))
	s.want("history", s.history(), "1 superseded, 2 interrupted, 3 deployed")
}

func TestParallelAppliesQueue(t *testing.T) {
	s := newStory(t)
	const n = 6
	errs := make(chan error, n)
	for i := range n {
		go func() {
			e := s.newEngine(apply.Options{})
			for { // a plan that another run made stale is made anew
				p, err := e.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", fmt.Sprint(i))}})
				if err == nil {
					_, err = e.Apply(t.Context(), p, run)
				}
				var stale *apply.StalePlanError
				if !errors.As(err, &stale) {
					errs <- err
					return
				}
			}
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	s.want("history", s.history(), "1 superseded, 2 superseded, 3 superseded, 4 superseded, 5 superseded, 6 deployed")
}

func TestStuckRolloutsAreNamed(t *testing.T) {
	for _, c := range []struct{ play, reason, field string }{
		{"image-missing", "ErrImagePull ImagePullBackOff", "image"},
		{"invalid-image", "InvalidImageName", "image"},
		{"config-error", "CreateContainerConfigError", "env"},
		{"run-as-root", "CreateContainerConfigError", "security"},
		{"crash", "CrashLoopBackOff", "command"},
	} {
		t.Run(c.play, func(t *testing.T) {
			s := newStory(t)
			begun := time.Now()
			_, err := s.engine.Apply(t.Context(), s.plan(s.deployment("web", "web:v1", 2, c.play)), run)
			var bad *apply.NotReadyError
			if !errors.As(err, &bad) {
				t.Fatalf("apply: %v", err)
			}
			if cause := bad.Health[0].Cause; cause == nil || !strings.Contains(c.reason, cause.Reason) || cause.Field != c.field || cause.Pod == "" || !cause.Final {
				t.Errorf("after %s: %+v, want %s by %s", time.Since(begun).Round(time.Second), cause, c.reason, c.field)
			}
			s.want("history", s.history(), "1 failed")
			s.apply(s.deployment("web", "web:v1", 2, ""))
			s.want("history", s.history(), "1 failed, 2 deployed")
		})
	}
}

func TestAFailedRunPrunesNothingAndSettlesLater(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("old", "1"))
	r := run
	r.Timeout = time.Second
	broken := func(play string) []*obj {
		return []*obj{s.configMap("new", "1"), s.deployment("web", "web:v1", 1, play)}
	}
	if _, err := s.engine.Apply(t.Context(), s.plan(broken("never-ready")...), r); err == nil {
		t.Fatal("a Deployment that is never ready was waited for with success")
	}
	s.want("config maps", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/new\nconfigmap/old")
	s.want("history", s.history(), "1 deployed, 2 failed")
	s.apply(broken("")...)
	s.want("config maps", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/new")

	// Everything is in place, only the wait was too short: nothing to write,
	// but one more revision says that it is well.
	if _, err := s.engine.Apply(t.Context(), s.plan(append(broken(""), s.deployment("slow", "web:v1", 1, "slow"))...), r); err == nil {
		t.Fatal("a slow Deployment was ready in a second")
	}
	p := s.plan(append(broken(""), s.deployment("slow", "web:v1", 1, "slow"))...)
	if !p.Empty() || !p.Settle {
		t.Fatalf("empty %v, settle %v: %s", p.Empty(), p.Settle, actions(p))
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("history", s.history(), "1 superseded, 2 failed, 3 superseded, 4 failed, 5 deployed")
}

// TestRolloutHistoryShowsTheSameCause: kubectl tells the cause of each revision
// that changed the pod template, and no other change touches an older line.
func TestRolloutHistoryShowsTheSameCause(t *testing.T) {
	s := newStory(t)
	release := func(cause string, objects ...*obj) {
		t.Helper()
		r := run
		r.Cause = cause
		if _, err := s.engine.Apply(t.Context(), s.plan(objects...), r); err != nil {
			t.Fatal(err)
		}
	}
	causes := func() string {
		return strings.Join(strings.Fields(s.kubectl("rollout", "history", "deployment/web")), " ")
	}
	release("first", s.deployment("web", "web:v1", 1, ""))
	release("second", s.deployment("web", "web:v2", 1, ""))
	release("more replicas", s.deployment("web", "web:v2", 3, ""))
	s.want("kubectl", causes(), "deployment.apps/web REVISION CHANGE-CAUSE 1 first 2 second")
	if p := s.plan(s.deployment("web", "web:v2", 3, "")); !p.Empty() {
		t.Errorf("the cause makes a difference by itself:\n%s", actions(p))
	}
	release("", s.deployment("web", "web:v3", 3, ""))
	s.want("kubectl", causes(), "deployment.apps/web REVISION CHANGE-CAUSE 1 first 2 second 3 stackctl apply #4")
	s.rollback(1)
	s.want("kubectl", causes(), "deployment.apps/web REVISION CHANGE-CAUSE 2 second 3 stackctl apply #4 4 stackctl rollback #5")
}

// TestSecretsStayWhereTheyAre scans all that the engine says and stores for a
// value that only Secrets may hold.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	s := newStory(t)
	const canary = "c4n4ry-v4lue"
	env := s.deployment("web", "web:v1", 1, "")
	var said strings.Builder
	r := run
	r.Events = func(e apply.Event) { fmt.Fprintf(&said, "%+v\n", e) }
	say := func(v any, err error) {
		b, _ := json.Marshal(v)
		fmt.Fprintf(&said, "%s %+v %v\n", b, v, err)
	}
	for i, value := range []string{canary, canary + "2"} {
		p, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{env, s.secret("login", value)}})
		say(p.Changes[0].New, err)
		b, _ := json.Marshal(p)
		said.Write(b)
		result, err := s.engine.Apply(t.Context(), p, r)
		say(result, err)
		if i == 1 {
			s.kubectl("patch", "secret", "login", "-p", `{"stringData":{"password":"`+canary+`3"}}`)
			p, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{env, s.secret("login", value)}})
			b, _ := json.Marshal(p)
			said.Write(b)
			_, err2 := s.engine.Apply(t.Context(), p, r)
			say(err, err2)
		}
	}
	bad := s.secret("login", canary)
	bad.Object["type"] = "kubernetes.io/tls" // immutable, and lacks its keys
	_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{env, bad}})
	if err == nil {
		t.Error("a Secret of another type was accepted")
	}
	say(nil, err)
	history, err := s.engine.History(t.Context())
	say(history, err)
	for _, form := range []string{canary, "YzRuNHJ5LXY0bHVl"} {
		if strings.Contains(said.String(), form) {
			t.Errorf("the engine said %q:\n%s", form, said.String())
		}
	}

	secrets, err := s.plane.Client().CoreV1().Secrets(s.stack.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	copies := 0
	for _, secret := range secrets.Items {
		b, _ := json.Marshal(secret)
		for _, data := range secret.Data {
			b = append(b, data...)
		}
		content := string(b) + inflated(secret)
		holds := strings.Contains(content, canary) || strings.Contains(content, "YzRuNHJ5LXY0bHVl") // as data has it
		if secret.Type == "stackctl.dev/value" && holds {
			copies++
		} else if holds && secret.Name != "login" {
			t.Errorf("Secret %s of type %s holds the value", secret.Name, secret.Type)
		}
	}
	if copies != 2 {
		t.Errorf("%d copies of the two values", copies)
	}
}

func inflated(secret v1.Secret) string { return apply.InflateAll(secret.Data) }

func TestDamagedRecordsAreShownAndSurvived(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"))
	s.apply(s.configMap("a", "2"))
	s.apply(s.configMap("a", "3"), s.configMap("b", "1"))
	// Immutable data cannot be edited, so somebody deletes and rewrites.
	rewrite := func(name string, change func(*v1.Secret)) {
		t.Helper()
		secrets := s.plane.Client().CoreV1().Secrets(s.stack.Namespace)
		secret, err := secrets.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := secrets.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		secret.ResourceVersion, secret.UID = "", ""
		change(secret)
		if _, err := secrets.Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	rewrite("stackctl.shop.v3", func(x *v1.Secret) { x.Data["objects"][20] ^= 1 })
	rewrite("stackctl.shop.v2", func(x *v1.Secret) { x.Annotations = nil })
	s.want("history", s.history(), "1 superseded, 2 corrupt, 3 deployed")
	if _, err := s.engine.Revision(t.Context(), 3); err == nil {
		t.Error("revision 3 was read")
	}
	if _, err := s.engine.Revision(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "summary") {
		t.Errorf("revision 2 lost its summary, but: %v", err)
	}
	if _, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbDelete}); err == nil {
		t.Error("a delete was planned while the newest record is not known")
	}
	p := s.plan(s.configMap("a", "4"))
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "revision 3 is corrupt") {
		t.Errorf("warnings: %q", p.Warnings)
	}
	s.apply(s.configMap("a", "4"))
	s.want("history", s.history(), "1 superseded, 2 corrupt, 3 superseded, 4 deployed")
	s.want("what only the corrupt record listed", s.kubectl("get", "configmap", "b", "--ignore-not-found", "-o", "name"), "")
	s.rollback(1)
	s.want("live", s.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.key}"), "1")
}

func TestRetentionKeepsWhatIsNeeded(t *testing.T) {
	s := newStory(t)
	s.engine = s.newEngine(apply.Options{KeepRevisions: 3})
	for i := range 6 {
		s.apply(s.secret("login", fmt.Sprint("pw", i)))
	}
	s.want("history", s.history(), "4 superseded, 5 superseded, 6 deployed")
	s.want("values", fmt.Sprint(len(strings.Fields(s.kubectl("get", "secret", "-l", "stackctl.dev/record=value", "-o", "name")))), "3")
	s.rollback(4)
	s.want("live", s.kubectl("get", "secret", "login", "-o", "jsonpath={.data.password}"), "cHcz")
}

func TestLargeStacksAreRecordedInChunks(t *testing.T) {
	s := newStory(t)
	var all []*obj
	noise := strings.Builder{}
	for x := uint32(1); noise.Len() < 700<<10; x = x*1664525 + 1013904223 {
		fmt.Fprintf(&noise, "%08x", x)
	}
	for i := range 4 {
		all = append(all, s.configMap(fmt.Sprint("big", i), fmt.Sprint(i)+noise.String()))
	}
	s.apply(all...)
	if n := len(strings.Fields(s.kubectl("get", "secret", "-l", "stackctl.dev/record=chunk", "-o", "name"))); n == 0 {
		t.Error("a stack of 2.8 MB fits one Secret?")
	}
	s.apply(s.configMap("small", "1"), all[0], all[1], all[2], all[3])
	s.rollback(1)
	s.want("plan of revision 1", actions(s.plan(all...)), "")
	s.delete(false)
	s.want("left", s.kubectl("get", "secret,lease,configmap", "-l", "app.kubernetes.io/managed-by=stackctl", "-o", "name"), "")
}

// TestLockLostWhileWaiting: a run that loses its lock while it only waits does
// not record, retire or forget anything any more.
func TestLockLostWhileWaiting(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"))
	recorded := make(chan bool)
	first := make(chan error)
	go func() {
		r := run
		r.Events = func(e apply.Event) {
			if a, ok := e.(apply.Applied); ok && a.Object.Kind == "Deployment" {
				close(recorded)
			}
		}
		_, err := s.engine.Apply(t.Context(), s.plan(s.configMap("a", "1"), s.deployment("web", "web:v1", 1, "never-ready")), r)
		first <- err
	}()
	<-recorded
	s.kubectl("delete", "lease", "stackctl.shop")
	other := s.newEngine(apply.Options{})
	p, err := other.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "2")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	var lost *apply.LockLostError
	if err := <-first; !errors.As(err, &lost) {
		t.Errorf("the run without a lock: %v", err)
	}
	s.want("history", s.history(), "1 superseded, 2 interrupted, 3 deployed")
}

// TestOwnNamespace: a stack may describe the namespace it lives in, and Secrets
// in it.
func TestOwnNamespace(t *testing.T) {
	s := newStory(t)
	s.stack.Namespace += "-own"
	s.engine = s.newEngine(apply.Options{})
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "namespace", s.stack.Namespace, "--wait=false") })
	ns := s.object(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + s.stack.Namespace + `","labels":{"team":"a"}}}`)
	stack := []*obj{ns, s.secret("login", "first")}
	s.apply(stack...)
	s.want("plan after", actions(s.plan(stack...)), "")
	s.apply(ns, s.secret("login", "second"))
	s.rollback(1)
	s.want("secret", s.kubectl("get", "secret", "login", "-o", "jsonpath={.data.password}"), "Zmlyc3Q=")
	s.delete(false)
	s.want("left", s.kubectl("get", "secret,lease", "-o", "name"), "")
}

// TestSecretsInNewNamespacesCanBeRolledBackTo: the copies of their data are
// kept, whoever made the namespace, and go with the stack.
func TestSecretsInNewNamespacesCanBeRolledBackTo(t *testing.T) {
	s := newStory(t)
	s.stack.Namespace += "-fresh"
	s.engine = s.newEngine(apply.Options{})
	second := s.stack.Namespace + "-b"
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "namespace", s.stack.Namespace, second, "--wait=false") })
	stack := func(value string) []*obj {
		there := s.secret("there", value)
		there.SetNamespace(second)
		return []*obj{s.object(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + second + `"}}`), s.secret("here", value), there}
	}
	s.apply(stack("first")...)
	s.apply(stack("second")...)
	s.rollback(1)
	s.want("here", s.kubectl("get", "secret", "here", "-o", "jsonpath={.data.password}"), "Zmlyc3Q=")
	s.want("there", s.plane.Kubectl(t, "-n", second, "get", "secret", "there", "-o", "jsonpath={.data.password}"), "Zmlyc3Q=")
	s.delete(false)
	s.want("left here", s.kubectl("get", "secret,lease", "-o", "name"), "")
	s.want("left there", s.plane.Kubectl(t, "-n", second, "get", "secret", "-o", "name"), "")
}

// TestSecretsInTheStacksNewNamespace: the same, where nothing of the stack
// describes the namespace.
func TestSecretsInTheStacksNewNamespace(t *testing.T) {
	s := newStory(t)
	s.stack.Namespace += "-fresh"
	s.engine = s.newEngine(apply.Options{})
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "namespace", s.stack.Namespace, "--wait=false") })
	s.apply(s.secret("login", "first"))
	s.apply(s.secret("login", "second"))
	s.rollback(1)
	s.want("secret", s.kubectl("get", "secret", "login", "-o", "jsonpath={.data.password}"), "Zmlyc3Q=")
}

// TestDeleteWaitsForWhatIsStuck: an object held by a finalizer is not forgotten.
func TestDeleteWaitsForWhatIsStuck(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"), s.configMap("b", "1"))
	s.kubectl("patch", "configmap", "a", "-p", `{"metadata":{"finalizers":["example.org/hold"]}}`)
	for range 2 {
		p, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbDelete})
		if err != nil {
			t.Fatal(err)
		}
		r := run
		r.Timeout = time.Second
		var stuck *apply.NotReadyError
		if _, err := s.engine.Apply(t.Context(), p, r); !errors.As(err, &stuck) || !strings.Contains(err.Error(), "example.org/hold") {
			t.Fatalf("delete: %v", err)
		}
	}
	s.kubectl("patch", "configmap", "a", "--type=json", "-p", `[{"op":"remove","path":"/metadata/finalizers"}]`)
	s.delete(false)
	s.want("left", s.kubectl("get", "secret,lease", "-o", "name"), "")
}

// TestAConfigThatMendsOldPods: the trouble of pods that were there before the
// run does not fail the run that mends it.
func TestAConfigThatMendsOldPods(t *testing.T) {
	s := newStory(t)
	broken := func() *obj { return s.deployment("web", "web:v1", 1, "config-error") }
	if _, err := s.engine.Apply(t.Context(), s.plan(broken()), run); err == nil {
		t.Fatal("a pod without its config became ready")
	}
	mended := make(chan bool)
	r := run
	r.Events = func(e apply.Event) {
		if a, ok := e.(apply.Applied); ok && a.Object.Kind == "ConfigMap" {
			close(mended)
		}
	}
	result := make(chan error)
	go func() {
		_, err := s.engine.Apply(t.Context(), s.plan(broken(), s.configMap("missing", "1")), r)
		result <- err
	}()
	<-mended
	s.kubectl("annotate", "pod", "-l", "app=web", "--overwrite", "local.stackctl.dev/play=ready")
	if err := <-result; err != nil {
		t.Errorf("apply: %v", err)
	}
}

// TestAnInterruptThatWasNotMarked: how the run ended is on record, but it is cut
// off before the revision is marked. The next run marks it, and it can be read.
func TestAnInterruptThatWasNotMarked(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"))
	cutOff := s.through(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, ".v2") {
				return nil, errors.New("cut off")
			}
			return next.RoundTrip(r)
		})
	}, apply.Options{LeaseDuration: 5 * time.Second})
	ctx, interrupt := context.WithCancel(t.Context())
	r := run
	r.Events = func(e apply.Event) {
		if _, ok := e.(apply.Recorded); ok {
			interrupt()
		}
	}
	var interrupted *apply.InterruptedError
	if _, err := cutOff.Apply(ctx, s.plan(s.configMap("a", "2")), r); !errors.As(err, &interrupted) || interrupted.Recorded {
		t.Fatal(err)
	}
	s.want("history", s.history(), "1 deployed, 2 pending")
	s.apply(s.configMap("a", "2"))
	s.want("history", s.history(), "1 superseded, 2 interrupted, 3 deployed")
	if _, err := s.engine.Revision(t.Context(), 2); err != nil {
		t.Error(err)
	}
}
