package apply_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"stackctl.dev/stackctl/apply"
)

// recreate plans with the consent to make objects anew.
func (s *story) recreate(patterns []apply.ObjectPattern, objects ...*obj) *apply.Plan {
	s.Helper()
	p, err := s.engine.Plan(s.Context(), apply.Target{Verb: apply.VerbApply, Objects: objects, Consent: apply.Consent{Recreate: patterns}})
	if err != nil {
		s.Fatalf("plan: %v", err)
	}
	return p
}

func (s *story) uid(kind, name string) string {
	s.Helper()
	return s.kubectl("get", kind, name, "-o", "jsonpath={.metadata.uid}")
}

// selecting returns a Deployment that selects its pods by one more label.
func (s *story) selecting(image, tier string) *obj {
	o := s.deployment("web", image, 2, "")
	set(o, tier, "spec", "selector", "matchLabels", "tier")
	set(o, tier, "spec", "template", "metadata", "labels", "tier")
	return o
}

func TestAWorkloadIsMadeAnewWithConsent(t *testing.T) {
	s := newStory(t)
	web := []apply.ObjectPattern{{Kind: "deployment", Name: "web"}, {Kind: "Service", Name: "none"}, {Kind: "ConfigMap", Name: "a"}}
	s.apply(s.selecting("web:v1", "a"), s.configMap("a", "1"))
	first := s.uid("deployment", "web")
	p := s.recreate(web, s.selecting("web:v2", "b"), s.configMap("a", "1"))
	s.want("plan", actions(p), `update Deployment/web
  set spec.selector.matchLabels.tier
  set spec.template.metadata.labels.tier
  set spec.template.spec.containers[name="main"].image`)
	c := p.Changes[len(p.Changes)-1]
	s.want("replaced for", strings.Join(c.Replace, ","), "spec.selector.matchLabels.tier")
	s.want("note", c.Note, "its pods stop before new ones start")
	s.want("remarks", strings.Join(p.Notices, "\n"), "--recreate Service/none: there is no such object in the stack\n"+
		"--recreate ConfigMap/a: no field of it changes that cannot, so it is not recreated")
	r, err := s.engine.Apply(t.Context(), p, run)
	if err != nil {
		t.Fatal(err)
	}
	if r.Changes.Updated != 1 || r.Health[0].State != apply.StateReady {
		t.Errorf("result: %+v", r)
	}
	if s.uid("deployment", "web") == first {
		t.Error("the Deployment is the one from before")
	}
	s.want("pods", s.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.labels.tier}"), "b b")
	s.want("plan after", actions(s.plan(s.selecting("web:v2", "b"), s.configMap("a", "1"))), "")
	// The record knows the new object as its own.
	s.apply(s.configMap("a", "1"))
	s.want("after it left the stack", s.kubectl("get", "deployment", "--ignore-not-found", "-o", "name"), "")
}

// TestAStatefulSetMadeAnewKeepsPodsAndClaims: deleting it must not take along
// what holds data.
func TestAStatefulSetMadeAnewKeepsPodsAndClaims(t *testing.T) {
	s := newStory(t)
	r := run
	r.Wait = false // nothing provisions volumes here
	if _, err := s.engine.Apply(t.Context(), s.plan(s.stateful("db", "db:v1", "1Gi")), r); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if got := s.kubectl("get", "pod,pvc", "-o", "name"); !strings.Contains(got, "pod/db-0") || !strings.Contains(got, "data-db-0") {
			return fmt.Errorf("there is %s", got)
		}
		return nil
	})
	set0, pod, claim := s.uid("statefulset", "db"), s.uid("pod", "db-0"), s.uid("pvc", "data-db-0")
	bigger := s.stateful("db", "db:v1", "2Gi")
	var immutable *apply.ImmutableError
	_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{bigger}})
	if !errors.As(err, &immutable) || immutable.Field != "volumes" || immutable.Fields[0].Path != "spec.volumeClaimTemplates" ||
		!strings.Contains(immutable.Hint(), "--recreate StatefulSet/db (its pods and claims stay and are taken over; a claim that is there keeps its size and class)") {
		t.Fatalf("another size: %v, hint: %v", err, immutable)
	}
	p := s.recreate([]apply.ObjectPattern{{Kind: "StatefulSet", Name: "db"}}, bigger)
	if _, err := s.engine.Apply(t.Context(), p, r); err != nil {
		t.Fatal(err)
	}
	if s.uid("statefulset", "db") == set0 {
		t.Error("the StatefulSet is the one from before")
	}
	s.want("pod", s.uid("pod", "db-0"), pod)
	s.want("claim", s.uid("pvc", "data-db-0"), claim)
	eventually(t, func() error {
		if owner := s.kubectl("get", "pod", "db-0", "-o", "jsonpath={.metadata.ownerReferences[0].uid}"); owner != s.uid("statefulset", "db") {
			return fmt.Errorf("the pod belongs to %q", owner)
		}
		return nil
	})
	s.want("plan after", actions(s.plan(bigger)), "")
}

// TestAStatefulSetWhoseClaimsWouldGoIsNotMadeAnew: it selects other pods, so
// that the old ones must go, and with them by its own policy the claims.
func TestAStatefulSetWhoseClaimsWouldGoIsNotMadeAnew(t *testing.T) {
	s := newStory(t)
	db := func(tier string) *obj {
		o := s.stateful("db", "db:v1", "1Gi")
		set(o, tier, "spec", "selector", "matchLabels", "tier")
		set(o, tier, "spec", "template", "metadata", "labels", "tier")
		set(o, "Delete", "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
		return o
	}
	r := run
	r.Wait = false
	if _, err := s.engine.Apply(t.Context(), s.plan(db("a")), r); err != nil {
		t.Fatal(err)
	}
	var immutable *apply.ImmutableError
	_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{db("b")},
		Consent: apply.Consent{Recreate: []apply.ObjectPattern{{Kind: "StatefulSet", Name: "db"}}}})
	if !errors.As(err, &immutable) || !strings.Contains(immutable.Hint(), "its claims and the data in them would go with it") {
		t.Errorf("plan: %v, hint %v", err, immutable)
	}
}

func TestAServiceMadeAnewGetsAnotherAddress(t *testing.T) {
	s := newStory(t)
	s.apply(s.service("web", 80))
	s.kubectl("create", "service", "clusterip", "free", "--tcp=80")
	free := s.kubectl("get", "service", "free", "-o", "jsonpath={.spec.clusterIP}")
	s.kubectl("delete", "service", "free")
	moved := s.service("web", 80)
	set(moved, free, "spec", "clusterIP")
	p := s.recreate([]apply.ObjectPattern{{Kind: "Service", Name: "web"}}, moved)
	s.want("note", p.Changes[0].Note, "gets another clusterIP, and new nodePorts where the stack sets none")
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("address", s.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"), free)
}

// TestKilledBetweenDeleteAndCreate: what was deleted to be made anew is on
// record, and the next apply makes it, with or without the consent.
func TestKilledBetweenDeleteAndCreate(t *testing.T) {
	s := newStory(t)
	web := []apply.ObjectPattern{{Kind: "ConfigMap", Name: "web"}}
	config := func(v string) *obj {
		o := s.configMap("web", v)
		set(o, true, "immutable")
		return o
	}
	gone := func() bool { return s.kubectl("get", "configmap", "web", "--ignore-not-found", "-o", "name") == "" }
	seen := 0
	for cut := 1; ; cut++ {
		s.apply(config(fmt.Sprint(cut)))
		engine, connection := s.dyingEngine(cut)
		target := apply.Target{Verb: apply.VerbApply, Objects: []*obj{config(fmt.Sprint(cut + 1))}, Consent: apply.Consent{Recreate: web}}
		p, err := engine.Plan(t.Context(), target)
		if err == nil {
			_, err = engine.Apply(t.Context(), p, run)
		}
		if err == nil && connection.left < 0 {
			t.Errorf("cut %d: the apply claims success without a connection", cut)
		}
		switch {
		case gone():
			seen++
			if cut%2 == 0 { // the stack no longer wants it: nothing must be left
				s.apply(s.configMap("other", "1"))
				s.want("left", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/other")
			}
			s.apply(config(fmt.Sprint(cut + 1)))
		case err != nil:
			p, err := s.engine.Plan(t.Context(), target)
			if err != nil {
				t.Fatalf("cut %d: %v", cut, err)
			}
			if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
				t.Fatalf("cut %d: %v", cut, err)
			}
		}
		s.want("live", s.kubectl("get", "configmap", "web", "-o", "jsonpath={.data.key}"), fmt.Sprint(cut+1))
		if p := s.plan(config(fmt.Sprint(cut + 1))); !p.Empty() || p.Settle {
			t.Errorf("cut %d: still to do: %s", cut, actions(p))
		}
		if err == nil {
			break
		}
	}
	if seen == 0 {
		t.Error("no run died between delete and create")
	}
	// The record knows the object as its own, whoever made it last.
	s.apply(s.configMap("other", "1"))
	s.want("left", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/other")
}

// TestWhatIsStuckIsNotMadeAnew: the wait for the old object ends with the
// run's time, and names who holds it back.
func TestWhatIsStuckIsNotMadeAnew(t *testing.T) {
	s := newStory(t)
	config := func(v string) *obj {
		o := s.configMap("web", v)
		set(o, true, "immutable")
		return o
	}
	s.apply(config("1"))
	s.kubectl("patch", "configmap", "web", "-p", `{"metadata":{"finalizers":["example.org/hold"]}}`)
	r := run
	r.Timeout = 1e9
	p := s.recreate([]apply.ObjectPattern{{Kind: "ConfigMap", Name: "web"}}, config("2"))
	var stuck *apply.NotReadyError
	if _, err := s.engine.Apply(t.Context(), p, r); !errors.As(err, &stuck) || !strings.Contains(err.Error(), "is being deleted (waiting for example.org/hold)") {
		t.Fatalf("apply: %v", err)
	}
	s.want("history", s.history(), "1 deployed, 2 failed")
	s.kubectl("patch", "configmap", "web", "--type=json", "-p", `[{"op":"remove","path":"/metadata/finalizers"}]`)
	s.apply(config("2"))
	s.want("live", s.kubectl("get", "configmap", "web", "-o", "jsonpath={.data.key}"), "2")
}

func TestWhatIsNeverMadeAnew(t *testing.T) {
	for _, text := range []string{"PersistentVolumeClaim/data", "persistentvolume/a", "Namespace/shop", "CustomResourceDefinition/a.b", "Deployment", "all"} {
		pattern, err := apply.ParseObjectPattern(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := apply.CheckRecreate(pattern); err == nil {
			t.Errorf("%s may be made anew", text)
		}
	}
	s := newStory(t)
	kept := s.configMap("kept", "1")
	set(kept, true, "immutable")
	kept.SetAnnotations(map[string]string{apply.AnnotationKeep: "true"})
	s.apply(kept)
	set(kept, "2", "data", "key")
	var immutable *apply.ImmutableError
	_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{kept},
		Consent: apply.Consent{Recreate: []apply.ObjectPattern{{Kind: "ConfigMap", Name: "kept"}}}})
	if !errors.As(err, &immutable) || !strings.Contains(immutable.Hint(), "is annotated stackctl.dev/keep") {
		t.Errorf("plan: %v, hint: %v", err, immutable)
	}
}

// TestRollbackMakesAnewWithConsent: an older revision may have what cannot
// change back.
func TestRollbackMakesAnewWithConsent(t *testing.T) {
	s := newStory(t)
	web := []apply.ObjectPattern{{Kind: "Deployment", Name: "web"}}
	s.apply(s.selecting("web:v1", "a"))
	if _, err := s.engine.Apply(t.Context(), s.recreate(web, s.selecting("web:v1", "b")), run); err != nil {
		t.Fatal(err)
	}
	rev, err := s.engine.Revision(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	target := apply.Target{Verb: apply.VerbRollback, Objects: rev.Objects, RollbackTo: 1}
	var immutable *apply.ImmutableError
	if _, err := s.engine.Plan(t.Context(), target); !errors.As(err, &immutable) {
		t.Errorf("rollback without consent: %v", err)
	}
	target.Consent.Recreate = web
	p, err := s.engine.Plan(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("selector", s.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.selector.matchLabels.tier}"), "a")
}
