package kubelet

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/stage"
)

func TestLogs(t *testing.T) {
	ended := &corev1.ContainerStateTerminated{ExitCode: 1}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	backOff := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	noImage := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}
	for _, tt := range []struct {
		reason   string
		state    corev1.ContainerState
		last     *corev1.ContainerStateTerminated
		previous bool
		text     string // the annotation
		want     string // the last line, or part of the error
	}{
		{"a running container", running, nil, false, "", "listening"},
		{"a running one has no earlier run", running, nil, true, "", "not found"},
		{"one that crashes says why", backOff, ended, false, "", "DATABASE_URL"},
		{"and said so before", backOff, ended, true, "", "DATABASE_URL"},
		{"a finished one", corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}, nil, false, "", "done"},
		{"one that never started", noImage, nil, false, "", "waiting to start: ImagePullBackOff"},
		{"the annotation knows better", running, nil, false, "one\ntwo\n", "two"},
	} {
		pod := &corev1.Pod{}
		pod.Annotations = map[string]string{stage.AnnotationLogs: tt.text}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", State: tt.state, LastTerminationState: corev1.ContainerState{Terminated: tt.last}}}
		lines, err := Logs(pod, "web", tt.previous)
		got := strings.Join(tail(lines, "1"), "\n")
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q in it", tt.reason, got, tt.want)
		}
	}
	if _, err := Logs(&corev1.Pod{}, "web", false); err == nil {
		t.Error("a container nobody knows has logs")
	}
}

func TestTail(t *testing.T) {
	lines := []string{"a", "b", "c"}
	for count, want := range map[string]string{"": "a b c", "2": "b c", "0": "", "9": "a b c", "-1": "a b c", "x": "a b c"} {
		if got := strings.Join(tail(lines, count), " "); got != want {
			t.Errorf("tail %q is %q, want %q", count, got, want)
		}
	}
}
