package apply_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stackctl.dev/stackctl/apply"
)

func writeFile(path string, text []byte) error { return os.WriteFile(path, text, 0o600) }

// allow lets n more requests through.
func (f *faulty) allow(n int) {
	f.mu.Lock()
	f.left = n
	f.mu.Unlock()
}

// unscaled returns a Deployment that says nothing of its replicas.
func (s *story) unscaled(name string) *obj {
	o := s.deployment(name, "web:v1", 1, "")
	delete(o.Object["spec"].(map[string]any), "replicas")
	return o
}

func (s *story) autoscaler(name string, least int) *obj {
	return s.object(fmt.Sprintf(`{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":%q},"spec":{"minReplicas":%d,"maxReplicas":9,
		"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":%q},"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}]}}`, name, least, name))
}

// watchReplicas collects the numbers of replicas that a Deployment ever has
// from now on, until the returned function is called.
func (s *story) watchReplicas(name string) func() string {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	w, err := s.plane.Client().AppsV1().Deployments(s.stack.Namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		s.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		var all []string
		for e := range w.ResultChan() {
			d, ok := e.Object.(*appsv1.Deployment)
			if !ok {
				continue
			}
			n := fmt.Sprint(*d.Spec.Replicas)
			if len(all) == 0 || all[len(all)-1] != n {
				all = append(all, n)
			}
		}
		lines <- strings.Join(all, " ")
	}()
	return func() string {
		// A last write of our own tells that the watch has seen all before it.
		s.kubectl("annotate", "deployment/"+name, "seen=yes", "--overwrite")
		s.kubectl("wait", "deployment/"+name, "--for=jsonpath={.metadata.annotations.seen}=yes")
		cancel()
		w.Stop()
		return <-lines
	}
}

func TestReplicasAreHandedOverToAnAutoscaler(t *testing.T) {
	s := newStory(t)
	s.apply(s.deployment("web", "web:v1", 3, ""))
	seen := s.watchReplicas("web")
	p := s.plan(s.unscaled("web"), s.autoscaler("web", 2))
	s.want("plan", actions(p), "update Deployment/web (ownership only)\ncreate HorizontalPodAutoscaler/web")
	if note := p.Changes[0].Note; note != "replicas stay at 3 until the autoscaler decides" {
		t.Errorf("note: %q", note)
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("owners", s.managers("deployment/web"), "stackctl-handover stackctl/NS/shop kube-controller-manager(status)")
	s.want("plan after", actions(s.plan(s.unscaled("web"), s.autoscaler("web", 2))), "")

	// The autoscaler decides: with at least 5 it sets 5, and the field is its.
	s.apply(s.unscaled("web"), s.autoscaler("web", 5))
	s.kubectl("wait", "deployment/web", "--for=jsonpath={.spec.replicas}=5", "--timeout=60s")
	s.want("owners", s.managers("deployment/web"), "stackctl/NS/shop kube-controller-manager(scale) kube-controller-manager(status)")
	s.want("all numbers", seen(), "3 5")

	// Back: who says how many again meets the autoscaler's number.
	p = s.plan(s.deployment("web", "web:v1", 4, ""))
	s.want("conflict", conflicts(p), "Deployment/web spec.replicas kube-controller-manager (scale) 5→4")
	s.refused(p)
	s.applyWith(apply.Consent{Take: fields(t, "spec.replicas")}, s.deployment("web", "web:v1", 4, ""))
	s.want("replicas", s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}"), "4")
	// The autoscaler goes first, or it would set its number again.
	writes := s.written()
	if gone := slices.Index(writes, "delete horizontalpodautoscalers/web"); gone < 0 || !slices.Contains(writes[gone:], "patch deployments/web") {
		t.Errorf("the autoscaler goes too late: %v", writes)
	}
}

// TestReplicasOfNobodyAreTakenBack: as long as nobody decided, the number that
// was handed over is in nobody's way.
func TestReplicasOfNobodyAreTakenBack(t *testing.T) {
	s := newStory(t)
	s.apply(s.deployment("web", "web:v1", 3, ""))
	p := s.plan(s.unscaled("web"))
	if note := p.Changes[0].Note; note != "replicas stay at 3: the stack does not say how many" {
		t.Errorf("note: %q", note)
	}
	s.apply(s.unscaled("web"))
	s.want("replicas", s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}"), "3")
	p = s.plan(s.deployment("web", "web:v1", 5, ""))
	s.want("plan", actions(p), "update Deployment/web\n  set spec.replicas")
	s.want("conflicts", conflicts(p), "")
	s.apply(s.deployment("web", "web:v1", 5, ""))
	s.want("replicas", s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}"), "5")
	s.want("owners", s.managers("deployment/web"), "stackctl/NS/shop kube-controller-manager(status)")
}

// TestAHandOverThatDiesIsFinished: killed at any request, the number stays.
func TestAHandOverThatDiesIsFinished(t *testing.T) {
	s := newStory(t)
	for n := 0; n < 60; n += 2 {
		name := fmt.Sprintf("web-%d", n)
		s.apply(s.deployment(name, "web:v1", 3, ""))
		seen := s.watchReplicas(name)
		dying, cut := s.dyingEngine(1000)
		p, err := dying.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.unscaled(name)}})
		if err != nil {
			t.Fatal(err)
		}
		cut.allow(n)
		quick := run
		quick.Wait = false
		_, err = dying.Apply(context.Background(), p, quick)
		s.apply(s.unscaled(name))
		s.want("numbers", seen(), "3")
		if err == nil {
			return
		}
	}
	t.Error("the hand-over never ended")
}

// TestAdoptedReplicasAreHandedOver: the number that kubectl set stays, too, when
// the stack that adopts the workload leaves it to an autoscaler.
func TestAdoptedReplicasAreHandedOver(t *testing.T) {
	s := newStory(t)
	s.kubectlApply(s.deployment("web", "web:v1", 3, ""))
	seen := s.watchReplicas("web")
	p := s.planWith(apply.Consent{Adopt: objects(t, "all")}, s.unscaled("web"), s.autoscaler("web", 2))
	if note := p.Changes[0].Note; note != "replicas stay at 3 until the autoscaler decides" {
		t.Errorf("note: %q", note)
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("all numbers", seen(), "3")
}

// TestReplicasOfAnotherStackAreHandedOver: also when that stack had handed them
// over itself.
func TestReplicasOfAnotherStackAreHandedOver(t *testing.T) {
	s := newStory(t)
	old := &story{TB: t, plane: s.plane, stack: apply.Stack{Namespace: s.stack.Namespace, Name: "old"}}
	old.engine = old.newEngine(apply.Options{})
	for _, before := range []string{"set", "handed-over"} {
		old.apply(old.deployment(before, "web:v1", 3, ""))
		if before == "handed-over" {
			old.apply(old.unscaled(before))
		}
		seen := s.watchReplicas(before)
		p := s.planWith(apply.Consent{Adopt: objects(t, "Deployment/"+before)}, s.unscaled(before))
		if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
			t.Fatalf("%s: %v", before, err)
		}
		s.want(before, seen(), "3")
		s.want("plan after", actions(s.plan(s.unscaled(before))), "")
	}
}
