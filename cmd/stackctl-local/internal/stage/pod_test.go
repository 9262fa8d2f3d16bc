package stage

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kubelet "k8s.io/kubernetes/pkg/kubelet/status"
)

func withImage(pod *corev1.Pod, image string) *corev1.Pod {
	pod.Spec.Containers[0].Image = image
	return pod
}

func withSecond(pod *corev1.Pod, image string) *corev1.Pod {
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "second", Image: image})
	return pod
}

// withInit adds init containers; the one named proxy is a native sidecar.
func withInit(pod *corev1.Pod, names ...string) *corev1.Pod {
	always := corev1.ContainerRestartPolicyAlways
	for _, name := range names {
		container := corev1.Container{Name: name, Image: name + ":1"}
		if name == "proxy" {
			container.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, container)
	}
	return pod
}

func onContainer(pod *corev1.Pod, name string) *corev1.Pod {
	pod.Annotations[AnnotationContainer] = name
	return pod
}

func forJob(pod *corev1.Pod) *corev1.Pod {
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	return pod
}

func onFailure(pod *corev1.Pod) *corev1.Pod {
	pod.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	return pod
}

func unready(pod *corev1.Pod) *corev1.Pod {
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "NodeNotReady"}}
	return pod
}

// checkConditions compares the conditions of a pod with those that the code of
// the kubelet writes for the same containers.
func checkConditions(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	all := append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...)
	for _, want := range []corev1.PodCondition{
		kubelet.GeneratePodInitializedCondition(pod, &pod.Status, all, pod.Status.Phase),
		kubelet.GenerateContainersReadyCondition(pod, &pod.Status, all, pod.Status.Phase),
		kubelet.GeneratePodReadyCondition(pod, &pod.Status, pod.Status.Conditions, all, pod.Status.Phase),
	} {
		var got corev1.PodCondition
		for _, condition := range pod.Status.Conditions {
			if condition.Type == want.Type {
				got = condition
			}
		}
		if got.Status != want.Status || got.Reason != want.Reason || got.Message != want.Message {
			t.Errorf("%s is %s %s %q, a kubelet says %s %s %q", want.Type,
				got.Status, got.Reason, got.Message, want.Status, want.Reason, want.Message)
		}
	}
}

// describe writes a pod's status on one line.
func describe(pod *corev1.Pod) string {
	words := []string{string(pod.Status.Phase)}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			words = append(words, "ready")
		}
	}
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		words = append(words, status.Name+"="+describeContainer(status))
	}
	return strings.Join(words, " ")
}

func describeContainer(status corev1.ContainerStatus) string {
	var text string
	switch state := status.State; {
	case state.Running != nil:
		text = "running"
	case state.Waiting != nil:
		text = state.Waiting.Reason
	case state.Terminated != nil:
		text = fmt.Sprintf("exit%d", state.Terminated.ExitCode)
	}
	if last := status.LastTerminationState.Terminated; last != nil {
		text += fmt.Sprintf(",last%d", last.ExitCode)
	}
	if status.RestartCount > 0 {
		text += fmt.Sprintf(",restarts%d", status.RestartCount)
	}
	return text
}
