package torture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	admission "k8s.io/api/admissionregistration/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"stackctl.dev/stackctl/apply"
)

// nameWithin is how soon after it can be seen a cause has to be named.
const nameWithin = 15 * time.Second

// TestTortureRollout rolls out what works and what does not, each in its own
// way: a verdict must be right, and the cause be named soon. Each trial is a
// round of all scenarios.
func TestTortureRollout(t *testing.T) {
	c := start(t, "rollout", 1)
	var mu sync.Mutex
	var latencies []time.Duration
	verdicts := 0
	c.each(1, func(t *testing.T, i int) {
		gate := make(chan struct{}, 6) // they wait more than they work
		var all sync.WaitGroup
		for _, k := range scenarios {
			all.Go(func() {
				gate <- struct{}{}
				defer func() { <-gate }()
				t.Run(k.name, func(t *testing.T) {
					r := &rollout{scene: newScene(t, apply.Options{}), scenario: k, c: c, trial: i}
					r.run()
					mu.Lock()
					defer mu.Unlock()
					verdicts++
					if !r.named.IsZero() && r.shows != "" {
						latencies = append(latencies, r.latency())
					}
				})
			})
		}
		all.Wait()
	})
	slices.Sort(latencies)
	if n := len(latencies); n > 0 {
		c.figure("%d verdicts, %d causes named, half within %s, 95 %% within %s, all within %s", verdicts, n, round(latencies[n/2]), round(latencies[n*95/100]), round(latencies[n-1]))
		if c.full() && latencies[n-1] > nameWithin {
			t.Errorf("a cause was named after %s", latencies[n-1])
		}
	}
	c.done()
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

// scenario is a rollout and the verdict it deserves.
type scenario struct {
	name string
	// before is applied first, and must become ready; nil for nothing.
	before func(r *rollout) []*object
	// prepare changes the namespace.
	prepare func(r *rollout)
	objects func(r *rollout) []*object
	timeout time.Duration // 0 where the verdict must not need one
	// cause is a text of the verdict; empty for what becomes ready.
	cause string
	// shows reports whether a pod, or a condition or event of another object,
	// shows the cause.
	shows string
}

// short is for what would heal if it could: the verdict comes with the deadline.
const short = 6 * time.Second

var scenarios = []scenario{
	{name: "ready", objects: one("Deployment", 2, "ready")},
	{name: "slow", objects: one("Deployment", 1, "slow")},
	{name: "StatefulSet ready", objects: one("StatefulSet", 2, "ready")},
	{name: "nothing wanted", objects: one("Deployment", 0, "crash")},
	{name: "Job", objects: job("", `"backoffLimit":0`)},
	{name: "Job that is removed at once", objects: job("", `"ttlSecondsAfterFinished":0`)},

	{name: "never ready", objects: one("Deployment", 1, "never-ready"), timeout: short, cause: "not ready"},
	{name: "image missing", objects: one("Deployment", 1, "image-missing"), cause: "manifest unknown", shows: "manifest unknown"},
	{name: "image not allowed", objects: one("Deployment", 1, "image-pull"), timeout: short, cause: "ErrImagePull|ImagePullBackOff", shows: "ErrImagePull"},
	{name: "invalid image", objects: one("Deployment", 1, "invalid-image"), cause: "InvalidImageName", shows: "InvalidImageName"},
	{name: "config error", objects: one("Deployment", 1, "config-error"), cause: "CreateContainerConfigError", shows: "CreateContainerConfigError"},
	{name: "run as root", objects: one("Deployment", 1, "run-as-root"), cause: "runAsNonRoot", shows: "runAsNonRoot"},
	{name: "crash", objects: one("Deployment", 1, "crash"), timeout: 2 * short, cause: "CrashLoopBackOff", shows: "CrashLoopBackOff"},
	{name: "crash that says why", objects: one("Deployment", 1, "crash"), timeout: 2 * short, cause: "boom: no database", shows: "CrashLoopBackOff"},
	{name: "quota", prepare: (*rollout).quota, objects: one("Deployment", 2, "ready"), timeout: short, cause: "exceeded quota", shows: "exceeded quota"},
	{name: "quota of a StatefulSet", prepare: (*rollout).quota, objects: one("StatefulSet", 2, "ready"), timeout: 2 * short, cause: "exceeded quota", shows: "exceeded quota"},
	{name: "quota of a Job", prepare: (*rollout).noPods, objects: job("", `"backoffLimit":0`), timeout: 2 * short, cause: "exceeded quota", shows: "exceeded quota"},
	{name: "denied by a policy", prepare: (*rollout).deny, objects: one("Deployment", 1, "ready"), cause: "no pods here", shows: "no pods here"},
	{name: "denied by pod security", objects: (*rollout).insecure, cause: "violates PodSecurity", shows: "violates PodSecurity"},
	{name: "paused", before: one("Deployment", 1, "ready"), objects: (*rollout).paused, cause: "paused"},
	{name: "old generation", before: one("Deployment", 2, "ready"), objects: one("Deployment", 2, "never-ready"), timeout: short, cause: "not ready"},
	{name: "second image missing", before: one("Deployment", 2, "ready"), objects: one("Deployment", 2, "image-missing"), cause: "manifest unknown", shows: "manifest unknown"},
	{name: "stuck at an ordinal", before: one("StatefulSet", 2, "ready"), objects: one("StatefulSet", 2, "image-missing"), cause: "web-1", shows: "manifest unknown"},
	{name: "Job that fails", objects: job("fail", `"backoffLimit":0`), cause: "BackoffLimitExceeded", shows: "BackoffLimitExceeded"},
	{name: "unschedulable", objects: (*rollout).nowhere, timeout: short, cause: "Unschedulable", shows: "Unschedulable"},
}

// rollout is one scenario in one round.
type rollout struct {
	*scene
	scenario
	c     *campaign
	trial int

	mu           sync.Mutex
	shown, named time.Time // when the cause could first be seen, and was told
}

func (r *rollout) fail(format string, args ...any) {
	r.Helper()
	r.c.fail(r.trial, "%s: %s", r.name, fmt.Sprintf(format, args...))
}

func (r *rollout) run() {
	if r.before != nil {
		r.apply(r.before(r))
	}
	if r.prepare != nil {
		r.prepare(r)
	}
	run := bold
	if r.timeout > 0 {
		run.Timeout = r.timeout
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	watches := &sync.WaitGroup{}
	if r.shows != "" {
		watches = r.watch(ctx)
	}
	run.Events = func(e apply.Event) {
		if p, ok := e.(apply.Progress); ok {
			r.told(asJSON(p.Health))
		}
	}
	plan := r.plan(r.objects(r))
	begun := time.Now()
	_, err := r.engine.Apply(r.Context(), plan, run)
	took := time.Since(begun)
	if r.shows != "" {
		r.await("the cluster to show "+r.shows, func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return !r.shown.IsZero()
		})
	}
	cancel()
	watches.Wait()
	var bad *apply.NotReadyError
	switch {
	case r.cause == "" && err != nil:
		r.fail("%v", err)
	case r.cause == "":
		r.ready()
	case err == nil:
		r.fail("is called ready")
	case !errors.As(err, &bad):
		r.fail("%v", err)
	default:
		if r.told(asJSON(bad.Health)); r.named.IsZero() {
			r.fail("the verdict does not name %s:\n%v", r.cause, err)
		}
		if r.timeout == 0 && bad.Timeout > 0 {
			r.fail("took its whole time (%s) for what cannot heal:\n%v", took, err)
		}
	}
}

// told notes when a text of the engine first names the cause.
func (r *rollout) told(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cause != "" && r.named.IsZero() && containsAny(text, r.cause) {
		r.named = time.Now()
	}
}

func containsAny(text, words string) bool {
	for word := range strings.SplitSeq(words, "|") {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// latency is how long after it could be seen the cause was named.
func (r *rollout) latency() time.Duration {
	return max(0, r.named.Sub(r.shown)) // below 0 where this watch was behind the engine's
}

// watch notes when the cause can first be seen in the cluster: in the status of
// a pod or of a workload, or in an event.
func (r *rollout) watch(ctx context.Context) *sync.WaitGroup {
	r.Helper()
	all := &sync.WaitGroup{}
	for _, kind := range []string{"Pod", "Event", "Deployment", "StatefulSet", "Job"} {
		w, err := r.live.Resource(shows[kind]).Namespace(r.stack.Namespace).Watch(ctx, metav1.ListOptions{})
		if err != nil {
			r.Fatal(err)
		}
		all.Go(func() {
			defer w.Stop()
			for e := range w.ResultChan() {
				o, ok := e.Object.(*object)
				if !ok {
					continue
				}
				what := o.Object["status"]
				if kind == "Event" {
					what = o.Object
				}
				r.mu.Lock()
				if r.shown.IsZero() && strings.Contains(asJSON(what), r.shows) {
					r.shown = time.Now()
				}
				r.mu.Unlock()
			}
		})
	}
	return all
}

var shows = map[string]schema.GroupVersionResource{
	"Pod": {Version: "v1", Resource: "pods"}, "Event": {Version: "v1", Resource: "events"},
	"Deployment": resources["Deployment"], "StatefulSet": resources["StatefulSet"], "Job": resources["Job"],
}

// ready asks the cluster whether what was called ready is: every pod that is
// wanted is there, made from the newest template, and Ready.
func (r *rollout) ready() {
	r.Helper()
	for i, o := range r.labelled() {
		if i.kind != "Deployment" && i.kind != "StatefulSet" {
			continue
		}
		want, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
		play, _, _ := unstructured.NestedString(o.Object, "spec", "template", "metadata", "annotations", playAnnotation)
		pods, err := r.plane.Client().CoreV1().Pods(r.stack.Namespace).List(r.Context(), metav1.ListOptions{LabelSelector: "app=" + i.name})
		if err != nil {
			r.Fatal(err)
		}
		ready := int64(0)
		for _, p := range pods.Items {
			if p.Annotations[playAnnotation] == play && slices.ContainsFunc(p.Status.Conditions, func(c v1.PodCondition) bool {
				return c.Type == v1.PodReady && c.Status == v1.ConditionTrue
			}) {
				ready++
			}
		}
		if ready < want {
			r.fail("false ready: %d of %d pods are", ready, want)
		}
	}
}

const playAnnotation = "local.stackctl.dev/play"

// one makes scenarios of one workload called web whose pods play something.
func one(kind string, replicas int, play string) func(*rollout) []*object {
	return func(r *rollout) []*object { return []*object{r.workload(kind, replicas, play)} }
}

func (r *rollout) workload(kind string, replicas int, play string) *object {
	serviceName := ""
	if kind == "StatefulSet" {
		serviceName = `"serviceName":"web",`
	}
	return r.object("apps/v1", kind, fmt.Sprintf(`"spec":{"replicas":%d,%s"selector":{"matchLabels":{"app":"web"}},"template":%s}`, replicas, serviceName, r.template(play, "Always")))
}

func (r *rollout) object(apiVersion, kind, body string) *object {
	o := parse(fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":"web","namespace":%q},%s}`, apiVersion, kind, r.stack.Namespace, body))
	o.SetLabels(r.stack.OwnerLabels())
	return o
}

func (r *rollout) template(play, restart string) string {
	owner := strings.Trim(asJSON(r.stack.OwnerLabels()), "{}")
	return fmt.Sprintf(`{"metadata":{"labels":{"app":"web",%s},"annotations":{%q:%q,"local.stackctl.dev/delay":"3s","local.stackctl.dev/logs":"starting\nboom: no database"}},
		"spec":{"restartPolicy":%q,"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},
		"containers":[{"name":"main","image":"example.com/web:v1","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}`, owner, playAnnotation, play, restart)
}

func job(play, fields string) func(*rollout) []*object {
	return func(r *rollout) []*object {
		if play == "" {
			play = "ready"
		}
		return []*object{r.object("batch/v1", "Job", fmt.Sprintf(`"spec":{%s,"template":%s}`, fields, r.template(play, "Never")))}
	}
}

func (r *rollout) insecure() []*object {
	o := r.workload("Deployment", 1, "ready")
	unstructured.RemoveNestedField(o.Object, "spec", "template", "spec", "securityContext")
	return []*object{o}
}

func (r *rollout) paused() []*object {
	o := r.workload("Deployment", 1, "slow")
	set(o, true, "spec", "paused")
	return []*object{o}
}

func (r *rollout) nowhere() []*object {
	o := r.workload("Deployment", 1, "ready")
	set(o, map[string]any{"example.com/disk": "none"}, "spec", "template", "spec", "nodeSelector")
	return []*object{o}
}

func (r *rollout) quota()  { r.limit("1") }
func (r *rollout) noPods() { r.limit("0") }

func (r *rollout) limit(pods string) {
	r.Helper()
	quotas := r.plane.Client().CoreV1().ResourceQuotas(r.stack.Namespace)
	q := &v1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "few"}, Spec: v1.ResourceQuotaSpec{Hard: v1.ResourceList{v1.ResourcePods: resource.MustParse(pods)}}}
	if _, err := quotas.Create(r.Context(), q, metav1.CreateOptions{}); err != nil {
		r.Fatal(err)
	}
	r.await("the quota to be counted", func() bool {
		q, err := quotas.Get(r.Context(), "few", metav1.GetOptions{})
		return err == nil && len(q.Status.Hard) > 0
	})
}

// deny makes the API server refuse every pod of the namespace.
func (r *rollout) deny() {
	r.Helper()
	api := r.plane.Client().AdmissionregistrationV1()
	name := "torture-" + r.stack.Namespace
	always, rules := admission.Fail, []admission.NamedRuleWithOperations{{RuleWithOperations: admission.RuleWithOperations{
		Operations: []admission.OperationType{admission.Create},
		Rule:       admission.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
	}}}
	_, err := api.ValidatingAdmissionPolicies().Create(r.Context(), &admission.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admission.ValidatingAdmissionPolicySpec{
		FailurePolicy: &always, MatchConstraints: &admission.MatchResources{ResourceRules: rules},
		Validations: []admission.Validation{{Expression: "false", Message: "no pods here"}},
	}}, metav1.CreateOptions{})
	if err != nil {
		r.Fatal(err)
	}
	_, err = api.ValidatingAdmissionPolicyBindings().Create(r.Context(), &admission.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admission.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: name, ValidationActions: []admission.ValidationAction{admission.Deny},
		MatchResources: &admission.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": r.stack.Namespace}}},
	}}, metav1.CreateOptions{})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		ctx := context.WithoutCancel(r.Context())
		if err := errors.Join(api.ValidatingAdmissionPolicyBindings().Delete(ctx, name, metav1.DeleteOptions{}), api.ValidatingAdmissionPolicies().Delete(ctx, name, metav1.DeleteOptions{})); err != nil {
			r.Error(err)
		}
	})
	no, yes := false, true
	probe := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Spec: v1.PodSpec{
		SecurityContext: &v1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &v1.SeccompProfile{Type: v1.SeccompProfileTypeRuntimeDefault}},
		Containers: []v1.Container{{Name: "main", Image: "example.com/web:v1", SecurityContext: &v1.SecurityContext{
			AllowPrivilegeEscalation: &no, Capabilities: &v1.Capabilities{Drop: []v1.Capability{"ALL"}},
		}}},
	}}
	r.await("the policy to be in force", func() bool {
		_, err := r.plane.Client().CoreV1().Pods(r.stack.Namespace).Create(r.Context(), probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), "no pods here")
	})
}
