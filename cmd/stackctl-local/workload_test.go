package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// testWorkloads shows that what a stack may hold comes up as on a real cluster,
// in a namespace that enforces the strictest pod security.
func testWorkloads(t *testing.T, client kubernetes.Interface) {
	w := workloads{client: client, ns: namespace(t, client, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})}
	for name, test := range map[string]func(*testing.T){
		"claims": w.testClaims, "stateful set": w.testStatefulSet, "daemon set": w.testDaemonSet, "jobs": w.testJobs,
		"cron job": w.testCronJob, "init containers and sidecars": w.testInit, "pod security": w.testPodSecurity,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t) })
	}
}

type workloads struct {
	client kubernetes.Interface
	ns     string
}

func (w workloads) testStatefulSet(t *testing.T) {
	pod := labelled("db", safePod("postgres:17"))
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	replicas := int32(2)
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, ServiceName: "db", Selector: &metav1.LabelSelector{MatchLabels: pod.Labels}, Template: pod,
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{*newClaim("data", corev1.ReadWriteOnce)},
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: appsv1.DeletePersistentVolumeClaimRetentionPolicyType, WhenScaled: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
			},
		},
	}
	sets, claims, volumes := w.client.AppsV1().StatefulSets(w.ns), w.client.CoreV1().PersistentVolumeClaims(w.ns), w.client.CoreV1().PersistentVolumes()
	if _, err := sets.Create(t.Context(), set, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	follow(t, sets.Watch, named("db"), func(_ watch.EventType, s *appsv1.StatefulSet) bool { return s.Status.AvailableReplicas == 2 })
	claim, err := claims.Get(t.Context(), "data-db-1", metav1.GetOptions{})
	if err != nil || claim.Status.Phase != corev1.ClaimBound {
		t.Fatalf("the claim of a pod that is ready: %+v, %v", claim, err)
	}
	volume, err := volumes.Get(t.Context(), claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := sets.Delete(t.Context(), "db", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	since := named(volume.Name)
	since.ResourceVersion = volume.ResourceVersion // so that its end is not missed
	follow(t, volumes.Watch, since, func(event watch.EventType, _ *corev1.PersistentVolume) bool { return event == watch.Deleted })
}

func (w workloads) testClaims(t *testing.T) {
	claims := w.client.CoreV1().PersistentVolumeClaims(w.ns)
	for _, mode := range []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadWriteMany, corev1.ReadWriteOncePod, corev1.ReadOnlyMany} {
		claim, err := claims.Create(t.Context(), newClaim(strings.ToLower(string(mode)), mode), metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		bound := follow(t, claims.Watch, named(claim.Name), func(_ watch.EventType, c *corev1.PersistentVolumeClaim) bool {
			return c.Status.Phase == corev1.ClaimBound
		})
		if got := bound.Status; !slices.Equal(got.AccessModes, []corev1.PersistentVolumeAccessMode{mode}) || got.Capacity.Storage().String() != "1Gi" || *bound.Spec.StorageClassName != "standard" {
			t.Errorf("%s: the claim is %+v", mode, bound)
		}
	}

	never, class := newClaim("never", corev1.ReadWriteOnce), "never"
	never.Spec.StorageClassName = &class
	if _, err := claims.Create(t.Context(), never, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	refused := func(_ watch.EventType, e *corev1.Event) bool {
		return strings.Contains(e.Message, `"never" not found`)
	}
	follow(t, w.client.CoreV1().Events(w.ns).Watch, metav1.ListOptions{FieldSelector: "involvedObject.name=never"}, refused)
	got, err := claims.Get(t.Context(), "never", metav1.GetOptions{})
	if err != nil || got.Status.Phase != corev1.ClaimPending || got.Spec.VolumeName != "" {
		t.Errorf("a claim of an unknown class is %+v, %v", got, err)
	}
}

func (w workloads) testDaemonSet(t *testing.T) {
	pod := labelled("agent", safePod("agent:1"))
	set := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "agent"},
		Spec:       appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: pod.Labels}, Template: pod},
	}
	sets := w.client.AppsV1().DaemonSets(w.ns)
	if _, err := sets.Create(t.Context(), set, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	follow(t, sets.Watch, named("agent"), func(_ watch.EventType, s *appsv1.DaemonSet) bool {
		return s.Status.DesiredNumberScheduled == 2 && s.Status.NumberAvailable == 2
	})
	list := pods(t, w.client, w.ns, "agent")
	if len(list) != 2 || list[0].Spec.NodeName == list[1].Spec.NodeName {
		t.Errorf("not one pod a node: %v", list)
	}
}

func (w workloads) testJobs(t *testing.T) {
	sidecar := safePod("task:1")
	sidecar.InitContainers = []corev1.Container{newSidecar("proxy")}
	init := safePod("task:1")
	init.InitContainers = []corev1.Container{safeContainer("migrate", "migrate:fail")}
	restarted := safePod("task:fail")
	restarted.RestartPolicy = corev1.RestartPolicyOnFailure
	for _, tt := range []struct {
		name string
		pod  corev1.PodSpec
		want string // condition with its reason, and what the pods came to
	}{
		{"done", safePod("task:1"), "Complete CompletionsReached, Succeeded main=Completed"},
		{"sidecar", sidecar, "Complete CompletionsReached, Succeeded proxy=Completed main=Completed"},
		{"fails", safePod("task:fail"), "Failed BackoffLimitExceeded, Failed main=Error"},
		{"init-fails", init, "Failed BackoffLimitExceeded, Failed migrate=Error main=PodInitializing"},
		{"restarted", restarted, "Failed BackoffLimitExceeded"}, // the controller removes a pod that is restarted too often
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			none := int32(0)
			if tt.pod.RestartPolicy == "" {
				tt.pod.RestartPolicy = corev1.RestartPolicyNever
			}
			job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: tt.name}, Spec: batchv1.JobSpec{BackoffLimit: &none, Template: labelled(tt.name, tt.pod)}}
			jobs := w.client.BatchV1().Jobs(w.ns)
			if _, err := jobs.Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			var got string
			follow(t, jobs.Watch, named(tt.name), func(_ watch.EventType, j *batchv1.Job) bool {
				for _, c := range j.Status.Conditions {
					if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
						got = fmt.Sprintf("%s %s", c.Type, c.Reason)
					}
				}
				return got != ""
			})
			for _, pod := range pods(t, w.client, w.ns, tt.name) {
				got += ", " + describe(pod)
			}
			if got != tt.want {
				t.Errorf("came to %q, want %q", got, tt.want)
			}
		})
	}
}

// testCronJob does not wait for a minute to begin: that a CronJob makes Jobs is
// the work of the real controller.
func (w workloads) testCronJob(t *testing.T) {
	pod := safePod("report:1")
	pod.RestartPolicy = corev1.RestartPolicyNever
	cron := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "report"}, Spec: batchv1.CronJobSpec{Schedule: "* * * * *"}}
	cron.Spec.JobTemplate.Spec.Template.Spec = pod
	made, err := w.client.BatchV1().CronJobs(w.ns).Create(t.Context(), cron, metav1.CreateOptions{})
	if err != nil || made.Spec.ConcurrencyPolicy != batchv1.AllowConcurrent {
		t.Errorf("made %+v, %v", made, err)
	}
}

func (w workloads) testInit(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "init"}, Spec: safePod("web:1")}
	pod.Spec.InitContainers = []corev1.Container{newSidecar("proxy"), safeContainer("migrate", "migrate:1")}
	pods := w.client.CoreV1().Pods(w.ns)
	if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ready := follow(t, pods.Watch, named("init"), func(_ watch.EventType, p *corev1.Pod) bool {
		return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
	})
	if got, want := describe(*ready), "Running proxy=running,started,ready migrate=Completed,ready main=running,started,ready"; got != want {
		t.Errorf("came to %q, want %q", got, want)
	}
	for _, condition := range ready.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			t.Errorf("condition of a ready pod: %+v", condition)
		}
	}
}

// testPodSecurity shows that the namespace does enforce: a claim is mounted in
// it, and the directory of a node, which is what is behind the claim, is not.
func (w workloads) testPodSecurity(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "host"}, Spec: safePod("web:1")}
	pod.Spec.Volumes = []corev1.Volume{{Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
	if _, err := w.client.CoreV1().Pods(w.ns).Create(t.Context(), pod, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a pod that mounts the host: %v, want forbidden", err)
	}
}

// describe writes what became of a pod and its containers.
func describe(pod corev1.Pod) string {
	words := []string{string(pod.Status.Phase)}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		word := status.Name + "="
		switch state := status.State; {
		case state.Running != nil:
			word += "running"
		case state.Waiting != nil:
			word += state.Waiting.Reason
		case state.Terminated != nil:
			word += state.Terminated.Reason
		}
		if status.Started != nil && *status.Started {
			word += ",started"
		}
		if status.Ready {
			word += ",ready"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func labelled(name string, pod corev1.PodSpec) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}}, Spec: pod}
}

// safePod is a pod that pod security "restricted" admits.
func safePod(image string) corev1.PodSpec {
	yes := true
	return corev1.PodSpec{
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		Containers:      []corev1.Container{safeContainer("main", image)},
	}
}

func safeContainer(name, image string) corev1.Container {
	no := false
	return corev1.Container{Name: name, Image: image, SecurityContext: &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no,
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}}
}

// newSidecar is an init container that goes on beside the pod's own.
func newSidecar(name string) corev1.Container {
	always := corev1.ContainerRestartPolicyAlways
	sidecar := safeContainer(name, name+":1")
	sidecar.RestartPolicy = &always
	sidecar.StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}}
	return sidecar
}

func newClaim(name string, mode corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{mode},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

// follow watches until done says so, and returns the object as it was then. The
// watch begins with what exists, so it misses nothing.
func follow[T any](t *testing.T, open func(context.Context, metav1.ListOptions) (watch.Interface, error), options metav1.ListOptions, done func(watch.EventType, T) bool) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	watcher, err := open(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	var last T
	for event := range watcher.ResultChan() {
		if object, ok := event.Object.(T); ok {
			if last = object; done(event.Type, object) {
				return object
			}
		}
	}
	t.Fatalf("%s does not get there: %+v", options.FieldSelector, last)
	return last
}

func named(name string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: "metadata.name=" + name}
}
