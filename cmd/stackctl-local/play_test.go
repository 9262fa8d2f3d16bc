package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/stage"
)

// testPlays applies a Deployment for each play and looks at what its pod comes
// to. What the stages do in detail is tested without a cluster in package stage;
// here the question is whether a cluster and its controllers follow.
func testPlays(t *testing.T, client kubernetes.Interface) {
	ns := namespace(t, client, nil)
	for _, tt := range []struct {
		name string
		pod  corev1.PodTemplateSpec
		want string // reason of the container, and readiness of the Deployment
	}{
		{"none", template("", "web:1"), "running, ready"},
		{"slow", delayed(template("slow", "web:1"), "2s"), "running, ready"},
		{"never-ready", template("never-ready", "web:1"), "running"},
		{"image-pull", template("image-pull", "web:1"), "ImagePullBackOff"},
		{"image-missing", template("image-missing", "web:1"), "ImagePullBackOff"},
		{"image-tag", template("", "web:missing"), "ImagePullBackOff"},
		{"invalid-image", template("invalid-image", "web:1"), "InvalidImageName"},
		{"config-error", template("config-error", "web:1"), "CreateContainerConfigError"},
		{"run-as-root", template("run-as-root", "web:1"), "CreateContainerConfigError"},
		{"crash", template("crash", "web:1"), "CrashLoopBackOff, restarts 2"},
		{"crash-tag", template("", "web:crash"), "CrashLoopBackOff, restarts 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			deploy(t, client, ns, tt.name, tt.pod)
			var got string
			if !within(30*time.Second, func() bool { got = outcome(t, client, ns, tt.name); return got == tt.want }) {
				t.Errorf("came to %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("deletion does not wait for the grace period", func(t *testing.T) {
		t.Parallel()
		pod := template("", "web:1")
		grace := int64(600)
		pod.Spec.TerminationGracePeriodSeconds = &grace
		deploy(t, client, ns, "grace", pod)
		if !within(20*time.Second, func() bool { return outcome(t, client, ns, "grace") == "running, ready" }) {
			t.Fatal("not ready")
		}
		options := metav1.DeleteOptions{}
		if err := client.AppsV1().Deployments(ns).Delete(t.Context(), "grace", options); err != nil {
			t.Fatal(err)
		}
		if !within(20*time.Second, func() bool { return len(pods(t, client, ns, "grace")) == 0 }) {
			t.Error("its pod is still there")
		}
	})
}

// outcome describes the one pod of a Deployment.
func outcome(t *testing.T, client kubernetes.Interface, ns, name string) string {
	t.Helper()
	list := pods(t, client, ns, name)
	if len(list) == 0 || len(list[0].Status.ContainerStatuses) == 0 {
		return "nothing"
	}
	var words []string
	status := list[0].Status.ContainerStatuses[0]
	switch {
	case status.State.Running != nil:
		words = append(words, "running")
	case status.State.Waiting != nil:
		words = append(words, status.State.Waiting.Reason)
	case status.State.Terminated != nil:
		words = append(words, status.State.Terminated.Reason)
	}
	if status.RestartCount > 0 {
		words = append(words, fmt.Sprintf("restarts %d", status.RestartCount))
	}
	deployment, err := client.AppsV1().Deployments(ns).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if deployment.Status.ReadyReplicas == 1 {
		words = append(words, "ready")
	}
	return strings.Join(words, ", ")
}

func testLogs(t *testing.T, client kubernetes.Interface) {
	ns := namespace(t, client, nil)
	deploy(t, client, ns, "broken", template("crash", "web:1"))
	deploy(t, client, ns, "fine", template("", "web:1"))
	if !within(30*time.Second, func() bool {
		return strings.Contains(outcome(t, client, ns, "broken"), "CrashLoopBackOff") && strings.Contains(outcome(t, client, ns, "fine"), "ready")
	}) {
		t.Fatal("the pods do not get there")
	}
	one := int64(1)
	for _, tt := range []struct {
		name    string
		options corev1.PodLogOptions
		want    string
	}{
		{"broken", corev1.PodLogOptions{Previous: true}, "starting web\nerror: required setting DATABASE_URL is not set\n"},
		{"broken", corev1.PodLogOptions{TailLines: &one}, "error: required setting DATABASE_URL is not set\n"},
		{"fine", corev1.PodLogOptions{}, "starting web\nlistening\n"},
	} {
		pod := pods(t, client, ns, tt.name)[0]
		got, err := client.CoreV1().Pods(ns).GetLogs(pod.Name, &tt.options).DoRaw(t.Context())
		if err != nil || string(got) != tt.want {
			t.Errorf("logs of %s are %q (%v), want %q", tt.name, got, err, tt.want)
		}
	}
	pod := pods(t, client, ns, "fine")[0]
	if _, err := client.CoreV1().Pods(ns).GetLogs(pod.Name, &corev1.PodLogOptions{Previous: true}).DoRaw(t.Context()); err == nil {
		t.Error("a container that never ended has previous logs")
	}
}

func template(play, image string) corev1.PodTemplateSpec {
	pod := corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: image}}}}
	if play != "" {
		pod.Annotations = map[string]string{stage.AnnotationPlay: play}
	}
	return pod
}

func delayed(pod corev1.PodTemplateSpec, delay string) corev1.PodTemplateSpec {
	pod.Annotations[stage.AnnotationDelay] = delay
	return pod
}

func deploy(t *testing.T, client kubernetes.Interface, ns, name string, pod corev1.PodTemplateSpec) {
	t.Helper()
	pod.Labels = map[string]string{"app": name}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: pod.Labels}, Template: pod},
	}
	if _, err := client.AppsV1().Deployments(ns).Create(t.Context(), deployment, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func pods(t *testing.T, client kubernetes.Interface, ns, app string) []corev1.Pod {
	t.Helper()
	list, err := client.CoreV1().Pods(ns).List(context.Background(), metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}
