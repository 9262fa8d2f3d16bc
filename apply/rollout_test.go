package apply_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// statefulSet returns a StatefulSet whose pods do as play says.
func (s *story) statefulSet(name, image string, replicas int, play string) *obj {
	o := s.deployment(name, image, replicas, play)
	o.SetKind("StatefulSet")
	set(o, name, "spec", "serviceName")
	return o
}

// stuck applies what never becomes ready, and returns its cause as soon as one
// was told, and the error that ended the run. The run is interrupted when the
// cause is not final.
func (s *story) stuck(is func(*apply.Cause) bool, objects ...*obj) (*apply.Cause, error) {
	s.Helper()
	ctx, interrupt := context.WithCancel(s.Context())
	defer interrupt()
	var named *apply.Cause
	r := run
	r.Timeout = 40 * time.Second
	r.Events = func(e apply.Event) {
		if p, ok := e.(apply.Progress); ok && p.Health.Cause != nil && is(p.Health.Cause) {
			named = p.Health.Cause
			if !named.Final {
				interrupt()
			}
		}
	}
	_, err := s.engine.Apply(ctx, s.plan(objects...), r)
	if err == nil {
		s.Fatal("what never becomes ready was called ready")
	}
	if named == nil {
		s.Fatalf("no cause was named: %v", err)
	}
	return named, err
}

func because(reason string, parts ...string) func(*apply.Cause) bool {
	return func(c *apply.Cause) bool {
		return c.Reason == reason && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(c.Message, p) })
	}
}

func isNotReady(err error) bool {
	var bad *apply.NotReadyError
	return errors.As(err, &bad) && bad.Timeout == 0
}

// TestRefusedPodsAreNamed: pods that are never made have no status; the events
// of what would make them tell. A quota may be freed, an admission that refuses
// a pod for what it is ends the wait.
func TestRefusedPodsAreNamed(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet", "Job"} {
		make := func(s *story, root bool) *obj {
			o := s.deployment("web", "web:v1", 1, "")
			switch kind {
			case "StatefulSet":
				o = s.statefulSet("web", "web:v1", 1, "")
			case "DaemonSet":
				o.SetKind(kind)
				delete(o.Object["spec"].(map[string]any), "replicas")
			case "Job":
				o = s.job("web", "web:v1", "", "")
			}
			if root { // what "restricted" refuses
				set(o, false, "spec", "template", "spec", "securityContext", "runAsNonRoot")
			}
			return o
		}
		t.Run(kind+" denied", func(t *testing.T) {
			s := newStory(t)
			cause, err := s.stuck(because("FailedCreate", "violates PodSecurity"), make(s, true))
			if !cause.Final || cause.Field != "security" || !isNotReady(err) {
				t.Errorf("%+v: %v", cause, err)
			}
			if kind == "Job" {
				s.kubectl("delete", "job", "web")
			}
			s.apply(make(s, false)) // an echo of the refusal does not end the next run
		})
		t.Run(kind+" over quota", func(t *testing.T) {
			s := newStory(t)
			s.kubectl("create", "quota", "small", "--hard=pods=0")
			s.kubectl("wait", "--for=jsonpath={.status.hard.pods}=0", "quota/small")
			cause, _ := s.stuck(because("FailedCreate", "exceeded quota"), make(s, false))
			if cause.Final || cause.Field != "resources" {
				t.Errorf("%+v", cause)
			}
			s.kubectl("delete", "quota", "small")
		})
	}
}

// TestAQuotaThatOnlyNewPodsMeetIsNamed: the old pods still serve.
func TestAQuotaThatOnlyNewPodsMeetIsNamed(t *testing.T) {
	s := newStory(t)
	s.apply(s.deployment("web", "web:v1", 2, ""))
	s.kubectl("create", "quota", "small", "--hard=pods=2")
	s.kubectl("wait", "--for=jsonpath={.status.used.pods}=2", "quota/small")
	web := s.deployment("web", "web:v2", 2, "")
	set(web, map[string]any{"maxUnavailable": int64(0), "maxSurge": int64(1)}, "spec", "strategy", "rollingUpdate")
	cause, _ := s.stuck(because("FailedCreate", "exceeded quota"), web)
	if cause.Final {
		t.Errorf("%+v", cause)
	}
	s.kubectl("delete", "quota", "small")
	s.apply(s.deployment("web", "web:v3", 2, ""))
}

// TestACrashIsToldWithItsLog: what the container said last, and none of the
// values of the stack's Secrets.
func TestACrashIsToldWithItsLog(t *testing.T) {
	s := newStory(t)
	web := s.deployment("web", "web:v1", 1, "crash")
	logs := "one\ntwo\nthree\nconnecting with s3cr3t-w0rd\x1b[2J\nfive\nsix\n"
	set(web, logs, "spec", "template", "metadata", "annotations", "local.stackctl.dev/logs")
	_, err := s.engine.Apply(t.Context(), s.plan(s.secret("login", "s3cr3t-w0rd"), web), run)
	var bad *apply.NotReadyError
	if !errors.As(err, &bad) || bad.Health[0].Cause == nil {
		t.Fatalf("apply: %v", err)
	}
	want := []string{"two", "three", "connecting with ***\x1b[2J", "five", "six"}
	if got := bad.Health[0].Cause.Log; !slices.Equal(got, want) {
		t.Errorf("log: %q", got)
	}
	if strings.Contains(err.Error(), "five") {
		t.Errorf("the error, which is recorded, holds the log: %v", err)
	}
	status, err := s.engine.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range status.Objects {
		if h.Cause != nil && !slices.Equal(h.Cause.Log, want) {
			t.Errorf("status: %q", h.Cause.Log)
		}
	}
}

// TestAProbeThatFailsIsNamed: the status of the pod says only that it runs.
func TestAProbeThatFailsIsNamed(t *testing.T) {
	s := newStory(t)
	cause, _ := s.stuck(because("Unhealthy", "statuscode: 503"), s.deployment("web", "web:v1", 1, "never-ready"))
	if cause.Pod == "" || cause.Field != "health" || cause.Final {
		t.Errorf("%+v", cause)
	}
	status, err := s.engine.Status(t.Context())
	if err != nil || status.Objects[0].Cause == nil || status.Objects[0].Cause.Reason != "Unhealthy" {
		t.Errorf("status: %+v, %v", status.Objects, err)
	}
}

// TestWhoMayNotReadEventsKnowsLess: what is read only to explain is no right
// that an apply needs.
func TestWhoMayNotReadEventsKnowsLess(t *testing.T) {
	s := newStory(t)
	s.kubectl("create", "role", "releaser", "--verb=*", "--resource=deployments.apps,secrets,leases.coordination.k8s.io")
	s.kubectl("create", "rolebinding", "releaser", "--role=releaser", "--user=releaser")
	config := s.plane.Config()
	config.Impersonate.UserName = "releaser"
	engine, err := apply.New(config, s.stack, apply.Options{LeaseDuration: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s.engine = engine
	r := run
	r.Timeout = 3 * time.Second
	var bad *apply.NotReadyError
	if _, err := s.engine.Apply(t.Context(), s.plan(s.deployment("web", "web:v1", 1, "crash")), r); !errors.As(err, &bad) || bad.Health[0].Cause != nil {
		t.Errorf("apply: %v", err)
	}
	s.apply(s.deployment("web", "web:v2", 1, ""))
}

// TestARollbackIsRefusedAsAWhole: a kind is gone, a field cannot change back.
// Nothing of the other objects is touched.
func TestARollbackIsRefusedAsAWhole(t *testing.T) {
	s := newStory(t)
	group := s.stack.Namespace + ".example"
	file := filepath.Join(t.TempDir(), "kind.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"ovens.%[1]s"},
		"spec":{"group":%[1]q,"scope":"Namespaced","names":{"plural":"ovens","kind":"Oven"},"versions":[{"name":"v1beta1","served":true,"storage":true,
		"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`, group), 0o600); err != nil {
		t.Fatal(err)
	}
	s.plane.Kubectl(t, "create", "-f", file)
	s.plane.Kubectl(t, "wait", "--for=condition=Established", "crd/ovens."+group)
	oven := s.object(fmt.Sprintf(`{"apiVersion":"%s/v1beta1","kind":"Oven","metadata":{"name":"big"},"spec":{"heat":200}}`, group))
	s.apply(s.configMap("a", "1"), oven)
	s.apply(s.configMap("a", "2"), s.job("migrate", "app:v1", "", ""))
	s.kubectl("delete", "job", "migrate")
	s.apply(s.configMap("a", "3"), s.job("migrate", "app:v2", "", ""))
	s.plane.Kubectl(t, "delete", "-f", file)
	s.engine = s.newEngine(apply.Options{})
	writes := s.writes()
	for n, want := range map[int]string{1: "the cluster has no kind Oven in " + group + "/v1beta1", 2: "cannot change while the object is there"} {
		rev, err := s.engine.Revision(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbRollback, Objects: rev.Objects, RollbackTo: n}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rollback to %d: %v", n, err)
		}
	}
	if n := s.writes(); n != writes {
		t.Errorf("%d writes", n-writes)
	}
	s.want("live", s.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.key}"), "3")
}

// TestAPodWithoutAPlaceIsNamed: a node may be on its way, so it is waited for.
func TestAPodWithoutAPlaceIsNamed(t *testing.T) {
	s := newStory(t)
	web := s.deployment("web", "web:v1", 1, "")
	set(web, map[string]any{"disk": "none-has-this"}, "spec", "template", "spec", "nodeSelector")
	cause, _ := s.stuck(because("Unschedulable", "selector"), web)
	if cause.Pod == "" || cause.Final {
		t.Errorf("%+v", cause)
	}
}

// TestAClaimWithoutAVolumeIsNamed: the pod waits, the claim is why.
func TestAClaimWithoutAVolumeIsNamed(t *testing.T) {
	s := newStory(t)
	db := s.statefulSet("db", "db:v1", 1, "")
	set(db, []any{map[string]any{"metadata": map[string]any{"name": "data"}, "spec": map[string]any{
		"accessModes": []any{"ReadWriteOnce"}, "storageClassName": "nobody-makes-these",
		"resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}},
	}}}, "spec", "volumeClaimTemplates")
	cause, _ := s.stuck(func(c *apply.Cause) bool {
		return strings.Contains(c.Message, "the volume claim data-db-0 is Pending, of storage class nobody-makes-these")
	}, db)
	if cause.Pod != "db-0" || cause.Field != "volumes" || cause.Final {
		t.Errorf("%+v", cause)
	}
}

// TestAStuckOrdinalIsNamed: a StatefulSet never replaces the broken pod of an
// earlier revision; the one command that helps is part of the cause, and helps.
func TestAStuckOrdinalIsNamed(t *testing.T) {
	s := newStory(t)
	s.apply(s.statefulSet("db", "db:v1", 2, ""))
	if cause, err := s.stuck(func(c *apply.Cause) bool { return c.Field == "image" }, s.statefulSet("db", "db:missing", 2, "image-missing")); cause.Pod != "db-1" || !isNotReady(err) {
		t.Errorf("%+v: %v", cause, err)
	}
	wayOut := because("StuckOrdinal", fmt.Sprintf("`kubectl -n %s delete pod db-1` ", s.stack.Namespace))
	cause, err := s.stuck(func(c *apply.Cause) bool { return c.Final && wayOut(c) }, s.statefulSet("db", "db:v2", 2, ""))
	if cause.Pod != "db-1" || !isNotReady(err) {
		t.Errorf("%+v: %v", cause, err)
	}
	s.kubectl("delete", "pod", "db-1")
	s.apply(s.statefulSet("db", "db:v2", 2, ""))
}

// TestAJobFailsWhenItsRetriesAreUsedUp: until then a pod that failed is named
// and another tries.
func TestAJobFailsWhenItsRetriesAreUsedUp(t *testing.T) {
	s := newStory(t)
	cause, err := s.stuck(func(c *apply.Cause) bool { return c.Final }, s.job("migrate", "app:v1", "fail", `"backoffLimit":1,`))
	if cause.Pod == "" || !strings.Contains(cause.Message, "BackoffLimitExceeded") || !strings.Contains(cause.Message, "exit code 1") || len(cause.Log) == 0 || !isNotReady(err) {
		t.Errorf("%+v: %v", cause, err)
	}
}

// TestWhatNeedsNoWaiting: no replicas, and a Service whose load balancer nobody
// makes.
func TestWhatNeedsNoWaiting(t *testing.T) {
	s := newStory(t)
	lb := s.service("web", 80)
	set(lb, "LoadBalancer", "spec", "type")
	s.apply(s.deployment("web", "web:v1", 0, "image-missing"), lb)
	s.want("history", s.history(), "1 deployed")
	paused := s.deployment("web", "web:v2", 1, "")
	set(paused, true, "spec", "paused")
	if _, err := s.engine.Apply(t.Context(), s.plan(paused, lb), run); !isNotReady(err) || !strings.Contains(err.Error(), "Paused") {
		t.Errorf("a paused Deployment: %v", err)
	}
}
