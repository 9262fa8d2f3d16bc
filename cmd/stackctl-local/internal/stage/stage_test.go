package stage

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/utils/gotpl"
	"sigs.k8s.io/kwok/pkg/utils/lifecycle"
)

// TestPlay runs the stages on pods without a cluster, the way kwok does, until
// none matches or the steps run out.
func TestPlay(t *testing.T) {
	stages := stagesOf(t, "Pod")
	for _, tt := range []struct {
		reason string
		pod    *corev1.Pod
		stages string // those played, in order
		want   string // phase, readiness, then state of each container
	}{
		{"no play is ready", newPod(""), "ready", "Running ready web=running"},
		{"the word for it", newPod("ready"), "ready", "Running ready web=running"},
		{"init containers and sidecars do not block", withInit(newPod(""), "db", "proxy"), "ready",
			"Running ready db=exit0 proxy=running web=running"},
		{"a job's pod ends", forJob(newPod("")), "ready complete", "Succeeded web=exit0"},
		{"slow begins unready", newPod("slow"), "never-ready slow", "Running ready web=running"},
		{"a slow job ends too", forJob(newPod("slow")), "never-ready slow complete", "Succeeded web=exit0"},
		{"never ready", newPod("never-ready"), "never-ready", "Running web=running"},
		{"image refused", newPod("image-pull"), "image-pull image-back-off", "Pending web=ImagePullBackOff"},
		{"tag not there", newPod("image-missing"), "image-missing image-back-off", "Pending web=ImagePullBackOff"},
		{"bad image name", newPod("invalid-image"), "invalid-image", "Pending web=InvalidImageName"},
		{"config", newPod("config-error"), "config-error", "Pending web=CreateContainerConfigError"},
		{"root", newPod("run-as-root"), "run-as-root", "Pending web=CreateContainerConfigError"},
		{"crash counts up", newPod("crash"), "crash crash-back-off crash crash-back-off crash",
			"Running web=exit1,last1,restarts2"},
		{"a slow init container ends", onContainer(withInit(newPod("slow"), "proxy", "db"), "db"), "never-ready slow",
			"Running ready proxy=running db=exit0 web=running"},
		{"one that never ends", onContainer(withInit(newPod("never-ready"), "proxy", "db", "late"), "db"), "never-ready",
			"Pending proxy=running db=running late=PodInitializing web=PodInitializing"},
		{"a sidecar that is not ready", onContainer(withInit(newPod("never-ready"), "proxy", "db"), "proxy"), "never-ready",
			"Running proxy=running db=exit0 web=running"},
		{"a sidecar without an image", onContainer(withInit(newPod("invalid-image"), "proxy", "db"), "proxy"), "invalid-image",
			"Pending proxy=InvalidImageName db=PodInitializing web=PodInitializing"},
		{"a job's sidecar ends with it", forJob(withInit(newPod(""), "proxy")), "ready complete", "Succeeded proxy=exit0 web=exit0"},
		{"a failing job's pod", forJob(newPod("fail")), "fail", "Failed web=exit1"},
		{"a crash where nothing is restarted", forJob(newPod("crash")), "fail", "Failed web=exit1"},
		{"a job's init container fails", onContainer(forJob(withInit(newPod("fail"), "db")), "db"), "fail",
			"Failed db=exit1 web=PodInitializing"},
		{"a job's sidecar is restarted", onContainer(forJob(withInit(newPod("fail"), "proxy")), "proxy"),
			"crash crash-back-off crash crash-back-off crash", "Pending proxy=exit1,last1,restarts2 web=PodInitializing"},
		{"a job's pod may be restarted", onFailure(newPod("fail")), "crash crash-back-off crash crash-back-off crash",
			"Running web=exit1,last1,restarts2"},
		{"fail on a pod that goes on is a crash", newPod("fail"), "crash crash-back-off crash crash-back-off crash",
			"Running web=exit1,last1,restarts2"},
		{"a misspelt play is not ready", newPod("crsh"), "unknown", "Pending web=UnknownPlay"},
		{"the tag chooses", withImage(newPod(""), "example.com/web:missing"), "choose image-missing image-back-off",
			"Pending web=ImagePullBackOff"},
		{"the annotation wins over the tag", withImage(newPod("ready"), "example.com/web:crash"), "ready",
			"Running ready web=running"},
		{"the container beside the bad one runs", withSecond(newPod(""), "log:image-pull"), "choose image-pull image-back-off",
			"Pending second=ImagePullBackOff web=running"},
		{"an init container that crashes holds the rest", onContainer(withInit(newPod("crash"), "db"), "db"),
			"crash crash-back-off crash crash-back-off crash", "Pending db=exit1,last1,restarts2 web=PodInitializing"},
		{"a node that was lost comes back", unready(newPod("")), "ready", "Running ready web=running"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			played, pod := play(t, stages, tt.pod, 5)
			if got := strings.Join(played, " "); got != tt.stages {
				t.Errorf("played %q, want %q", got, tt.stages)
			}
			if got := describe(pod); got != tt.want {
				t.Errorf("pod is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDeletedPodThatIsHeldHasFailed(t *testing.T) {
	now := metav1.Now()
	pod := forJob(newPod("never-ready"))
	pod.DeletionTimestamp, pod.Finalizers = &now, []string{"batch.kubernetes.io/job-tracking"}
	played, pod := playOn(t, stagesOf(t, "Pod"), pod)
	if got, want := strings.Join(played, " ")+": "+describe(pod), "stopped: Failed web=exit137"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMessages(t *testing.T) {
	stages := stagesOf(t, "Pod")
	for play, want := range map[string]string{
		"run-as-root":   `container has runAsNonRoot and image will run as root (pod: "web-1_shop(uid-1)", container: web)`,
		"image-missing": "manifest unknown",
		"config-error":  `secret "web-env" not found`,
	} {
		_, pod := playOn(t, stages, newPod(play))
		if got := pod.Status.ContainerStatuses[0].State.Waiting.Message; !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q in it", play, got, want)
		}
	}
	pod := newPod("config-error")
	pod.Annotations[AnnotationMessage] = "configmap \"x\" not found"
	_, pod = playOn(t, stages, pod)
	if got := pod.Status.ContainerStatuses[0].State.Waiting.Message; got != "configmap \"x\" not found" {
		t.Errorf("the message annotation is not used: %q", got)
	}
}

func TestDelay(t *testing.T) {
	lc, err := lifecycle.NewLifecycle(stagesOf(t, "Pod"))
	if err != nil {
		t.Fatal(err)
	}
	pod := newPod("slow")
	pod.Status.Phase = corev1.PodRunning
	for annotation, want := range map[string]time.Duration{"": 5 * time.Second, "8s": 8 * time.Second, "nonsense": 5 * time.Second} {
		if delete(pod.Annotations, AnnotationDelay); annotation != "" {
			pod.Annotations[AnnotationDelay] = annotation
		}
		event := &lifecycle.Event{Annotations: pod.Annotations, Data: pod}
		stage, err := lc.Match(context.Background(), event)
		if err != nil || stage == nil {
			t.Fatalf("no stage for a slow pod: %v", err)
		}
		if got, _, err := stage.Delay(context.Background(), event, time.Now()); err != nil || got != want {
			t.Errorf("delay %q is %v (%v), want %v", annotation, got, err, want)
		}
	}
}

// TestEveryPlayIsKnown keeps the three places that list the plays together.
func TestEveryPlayIsKnown(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Plays {
		played, _ := playOn(t, stagesOf(t, "Pod"), newPod(name))
		if len(played) == 0 || slices.Contains(played, "unknown") {
			t.Errorf("%s: played %v", name, played)
		}
		if !strings.Contains(string(readme), "| `"+name+"` |") {
			t.Errorf("README.md has no row for the play %s", name)
		}
	}
}

func stagesOf(t *testing.T, kind string) []*internalversion.Stage {
	t.Helper()
	text, err := Config()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stages.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	objects, err := config.Load(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := filepath.Glob("*.yaml"); len(objects) != len(want)+len(preset) {
		t.Fatalf("loaded %d stages from %d files", len(objects), len(want))
	}
	var stages []*internalversion.Stage
	for _, object := range objects {
		if stage, ok := object.(*internalversion.Stage); ok && stage.Spec.ResourceRef.Kind == kind {
			stages = append(stages, stage)
		}
	}
	return stages
}

func playOn(t *testing.T, stages []*internalversion.Stage, pod *corev1.Pod) ([]string, *corev1.Pod) {
	t.Helper()
	return play(t, stages, pod, 1)
}

func play(t *testing.T, stages []*internalversion.Stage, pod *corev1.Pod, limit int) ([]string, *corev1.Pod) {
	t.Helper()
	lc, err := lifecycle.NewLifecycle(stages)
	if err != nil {
		t.Fatal(err)
	}
	renderer := gotpl.NewRenderer(gotpl.FuncMap{
		"NodeIPsWith": func(string) []string { return []string{"127.0.0.1"} },
		"PodIPsWith":  func(string, bool, string, string, string) []string { return []string{"10.0.0.2"} },
	})
	var played []string
	for range limit {
		stage, err := lc.Match(context.Background(), &lifecycle.Event{Labels: pod.Labels, Annotations: pod.Annotations, Data: pod})
		if err != nil {
			t.Fatal(err)
		}
		if stage == nil {
			break
		}
		played = append(played, stage.Name())
		_, err = stage.DoSteps(0, nil, pod, renderer,
			func(*internalversion.StageEvent) error { return nil },
			func() error { t.Fatal("a stage deletes the pod"); return nil },
			func(patch *lifecycle.Patch) error {
				if pod = patched(t, pod, patch.Data); patch.Subresource == "status" {
					checkConditions(t, pod)
				}
				return nil
			},
			func(*lifecycle.Apply) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	return played, pod
}

func patched(t *testing.T, pod *corev1.Pod, patch []byte) *corev1.Pod {
	t.Helper()
	before, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch, corev1.Pod{})
	if err != nil {
		t.Fatalf("patch %s: %v", patch, err)
	}
	result := &corev1.Pod{}
	if err := json.Unmarshal(after, result); err != nil {
		t.Fatal(err)
	}
	return result
}

func newPod(play string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "shop", UID: "uid-1"},
		Spec: corev1.PodSpec{
			NodeName:      "node-1",
			RestartPolicy: corev1.RestartPolicyAlways,
			Containers:    []corev1.Container{{Name: "web", Image: "web:1"}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	if play != "" {
		pod.Annotations = map[string]string{AnnotationPlay: play}
	}
	return pod
}
