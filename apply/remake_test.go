package apply_test

import (
	"errors"
	"strings"
	"testing"

	"stackctl.dev/stackctl/apply"
)

// frozen returns a ConfigMap whose value cannot change.
func (s *story) frozen(name, value string) *obj {
	o := s.configMap(name, value)
	set(o, true, "immutable")
	return o
}

// TestAWorkloadMadeAnewKeepsItsReplicas: the number that somebody else decided
// does not go with the object that he decided about.
func TestAWorkloadMadeAnewKeepsItsReplicas(t *testing.T) {
	s := newStory(t)
	web := func(tier string, replicas int) *obj {
		o := s.selecting("web:v1", tier)
		delete(o.Object["spec"].(map[string]any), "replicas")
		if replicas > 0 {
			set(o, int64(replicas), "spec", "replicas")
		}
		return o
	}
	anew := []apply.ObjectPattern{{Kind: "Deployment", Name: "web"}}
	s.apply(web("a", 0))
	s.kubectl("scale", "deployment/web", "--replicas=4")
	p := s.recreate(anew, web("b", 0))
	s.want("note", p.Changes[0].Note, "its pods stop before new ones start; replicas stay at 4: the stack does not say how many")
	s.want("conflicts", conflicts(p), "")
	first, seen := s.uid("deployment", "web"), s.watchReplicas("web")
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	if s.uid("deployment", "web") == first {
		t.Error("the Deployment is the one from before")
	}
	s.want("all numbers", seen(), "4")
	if owners := s.managers("deployment/web"); !strings.HasPrefix(owners, "stackctl-handover stackctl/NS/shop ") {
		t.Errorf("owners: %s", owners)
	}
	s.want("plan after", actions(s.plan(web("b", 0))), "")

	// Who says how many takes it from who said so before: not without consent.
	s.kubectl("scale", "deployment/web", "--replicas=3")
	p = s.recreate(anew, web("c", 2))
	s.want("conflicts", conflicts(p), "Deployment/web spec.replicas kubectl (scale) 3→2")
	s.refused(p)
	_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{web("c", 2)},
		Consent: apply.Consent{Recreate: anew, Yield: fields(t, "spec.replicas")}})
	if err == nil || !strings.Contains(err.Error(), "spec.replicas cannot be left to kubectl (scale) where the object is deleted to be made anew") {
		t.Errorf("leaving it to them: %v", err)
	}
	s.applyWith(apply.Consent{Recreate: anew, Take: fields(t, "spec.replicas")}, web("c", 2))
	s.want("live", s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas} {.spec.selector.matchLabels.tier}"), "2 c")
}

// TestMakingAnewKeepsGoing: one that is stuck stops the others, unless the run
// goes on; what has nothing in its way is written in any case.
func TestMakingAnewKeepsGoing(t *testing.T) {
	s := newStory(t)
	s.apply(s.frozen("free", "1"), s.frozen("stuck", "1"), s.configMap("plain", "1"))
	s.kubectl("patch", "configmap", "stuck", "-p", `{"metadata":{"finalizers":["example.org/hold"]}}`)
	values := func() string {
		return s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "jsonpath={range .items[*]}{.metadata.name}={.data.key} {end}")
	}
	both := []apply.ObjectPattern{{Kind: "ConfigMap", Name: "free"}, {Kind: "ConfigMap", Name: "stuck"}}
	r := run
	r.Timeout = 1e9
	apply1 := func(value string) *apply.Result {
		t.Helper()
		p := s.recreate(both, s.frozen("free", value), s.frozen("stuck", value), s.configMap("plain", value))
		result, err := s.engine.Apply(t.Context(), p, r)
		var stuck *apply.NotReadyError
		if !errors.As(err, &stuck) || len(stuck.Health) != 1 || stuck.Health[0].Object.Name != "stuck" {
			t.Fatalf("apply: %v", err)
		}
		return result
	}
	result := apply1("2")
	s.want("what needs no way is written, what was deleted is not made", values(), "plain=2 stuck=1")
	said := map[string]string{}
	for _, o := range result.Outcomes {
		said[o.Object.Name] = o.Error
	}
	s.want("free", said["free"], "it was deleted to be made anew, and the run stopped before that; apply again")
	if !strings.Contains(said["stuck"], "is being deleted (waiting for example.org/hold)") || said["plain"] != "" {
		t.Errorf("outcomes: %v", said)
	}
	r.KeepGoing = true
	apply1("3") // free is made, though stuck is on its way out, by now of its own
	s.want("with --keep-going", values(), "free=3 plain=3 stuck=1")
	s.kubectl("patch", "configmap", "stuck", "--type=json", "-p", `[{"op":"remove","path":"/metadata/finalizers"}]`)
	s.apply(s.frozen("free", "3"), s.frozen("stuck", "3"), s.configMap("plain", "3"))
	s.want("at last", values(), "free=3 plain=3 stuck=3")
}

// TestWhatChangesDuringTheRunIsNotDeleted: an object is deleted only as the
// plan showed it.
func TestWhatChangesDuringTheRunIsNotDeleted(t *testing.T) {
	s := newStory(t)
	s.apply(s.frozen("web", "1"))
	p := s.recreate([]apply.ObjectPattern{{Kind: "ConfigMap", Name: "web"}}, s.frozen("web", "2"))
	r := run
	r.Events = func(e apply.Event) {
		if _, ok := e.(apply.Recorded); ok {
			s.kubectl("annotate", "configmap", "web", "precious=yes")
		}
	}
	if _, err := s.engine.Apply(t.Context(), p, r); err == nil || !strings.Contains(err.Error(), "it was changed during the run, so that it was not deleted") {
		t.Errorf("apply: %v", err)
	}
	s.want("live", s.kubectl("get", "configmap", "web", "-o", "jsonpath={.data.key} {.metadata.annotations.precious}"), "1 yes")
}
