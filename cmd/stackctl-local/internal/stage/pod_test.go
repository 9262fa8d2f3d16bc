package stage

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
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

func unready(pod *corev1.Pod) *corev1.Pod {
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "NodeNotReady"}}
	return pod
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
