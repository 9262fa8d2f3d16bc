package apply_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"stackctl.dev/stackctl/apply"
)

// planWith plans with consent.
func (s *story) planWith(consent apply.Consent, objects ...*obj) *apply.Plan {
	s.Helper()
	p, err := s.engine.Plan(s.Context(), apply.Target{Verb: apply.VerbApply, Objects: objects, Source: []byte("name: shop\n"), Consent: consent})
	if err != nil {
		s.Fatalf("plan: %v", err)
	}
	return p
}

// applyWith plans with consent, applies, and must succeed.
func (s *story) applyWith(consent apply.Consent, objects ...*obj) *apply.Result {
	s.Helper()
	r, err := s.engine.Apply(s.Context(), s.planWith(consent, objects...), run)
	if err != nil {
		s.Fatalf("apply: %v", err)
	}
	return r
}

// refused plans with consent, and the apply must stop before its first write.
func (s *story) refused(p *apply.Plan) *apply.ConflictError {
	s.Helper()
	before := s.writes()
	var conflict *apply.ConflictError
	if _, err := s.engine.Apply(s.Context(), p, run); !errors.As(err, &conflict) {
		s.Fatalf("the apply was not refused: %v", err)
	}
	if n := s.writes() - before; n != 0 {
		s.Errorf("the refused apply made %d writing requests", n)
	}
	return conflict
}

// conflicts describes the conflicts of a plan.
func conflicts(p *apply.Plan) string {
	var lines []string
	for _, c := range p.Conflicts() {
		line := fmt.Sprintf("%s/%s %s %s %s→%s", c.Object.Kind, c.Object.Name, c.Path, c.Manager, apply.Text(c.Live), apply.Text(c.Want))
		if c.Resolution != "" {
			line += " " + string(c.Resolution)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func fields(t *testing.T, patterns ...string) (all []apply.FieldPattern) {
	t.Helper()
	for _, text := range patterns {
		p, err := apply.ParseFieldPattern(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestFieldsAreTakenAndYieldedOneByOne(t *testing.T) {
	s := newStory(t)
	web := func() *obj { return s.deployment("web", "web:v1", 2, "") }
	s.apply(web(), s.service("web", 80))
	s.kubectl("scale", "deployment/web", "--replicas=4")
	s.kubectl("patch", "deployment/web", "--field-manager=kubectl-edit", "-p", `{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"web:hack"}]}}}}`)

	some := apply.Consent{Yield: fields(t, "spec.replicas")}
	p := s.planWith(some, web(), s.service("web", 80))
	s.want("conflicts", conflicts(p), `Deployment/web spec.replicas kubectl (scale) 4→2 yielded
Deployment/web spec.template.spec.containers[name="main"].image kubectl-edit "web:hack"→"web:v1"`)
	if refused := s.refused(p); len(refused.Conflicts) != 1 {
		t.Errorf("refused for %v", refused.Conflicts)
	}

	all := apply.Consent{Yield: fields(t, "spec.replicas"), Take: fields(t, `Deployment/web:spec.template.spec.containers[name="main"]`)}
	p = s.planWith(all, web(), s.service("web", 80))
	s.want("plan", actions(p), `update Deployment/web
  set spec.template.spec.containers[name="main"].image (kubectl-edit)`)
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("live", s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}"), "4 web:v1")
	rev, err := s.engine.Revision(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range rev.Objects {
		if spec := o.Object["spec"].(map[string]any); o.GetKind() == "Deployment" && spec["replicas"] != nil {
			t.Errorf("the record has the replicas that were left out: %v", spec["replicas"])
		}
	}

	// Yielding again changes nothing, and so writes nothing.
	before := s.writes()
	p = s.planWith(some, web(), s.service("web", 80))
	if !p.Empty() || len(p.Notices) != 0 {
		t.Errorf("not empty: %s, %v", actions(p), p.Notices)
	}
	s.applyWith(some, web(), s.service("web", 80))
	if n := s.writes() - before; n != 0 {
		t.Errorf("%d writing requests", n)
	}
	// Without the word it is a conflict again, and with force the stack's.
	s.refused(s.plan(web(), s.service("web", 80)))
	s.applyWith(apply.Consent{Force: true}, web(), s.service("web", 80))
	s.want("replicas", s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}"), "2")
	// What nobody else owns is not left out.
	p = s.planWith(some, web(), s.service("web", 80))
	if !p.Empty() || len(p.Notices) != 1 || !strings.Contains(p.Notices[0], "no conflict is about spec.replicas") {
		t.Errorf("%s, notices %q", actions(p), p.Notices)
	}
}

func TestAtomicListsAndQuotedFieldsAreYieldedWhole(t *testing.T) {
	s := newStory(t)
	web := func() *obj {
		o := s.deployment("web", "web:v1", 1, "")
		containers := o.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)
		containers[0].(map[string]any)["args"] = []any{"-a", "-b"}
		o.SetAnnotations(map[string]string{"shop.example/colour": "red"})
		return o
	}
	s.apply(web())
	s.kubectl("patch", "deployment/web", "--field-manager=injector", "-p", `{"metadata":{"annotations":{"shop.example/colour":"blue"}},"spec":{"template":{"spec":{"containers":[{"name":"main","args":["-c"]}]}}}}`)
	s.want("conflicts", conflicts(s.plan(web())), `Deployment/web metadata.annotations["shop.example/colour"] injector "blue"→"red"
Deployment/web spec.template.spec.containers[name="main"].args injector ["-c"]→["-a","-b"]`)
	s.applyWith(apply.Consent{Yield: fields(t, "metadata.annotations.shop.example/colour", `spec.template.spec.containers[name="main"].args`)}, web())
	s.want("live", s.kubectl("get", "deployment/web", "-o", `jsonpath={.metadata.annotations.shop\.example/colour} {.spec.template.spec.containers[0].args}`), `blue ["-c"]`)
	s.refused(s.plan(web()))
	s.applyWith(apply.Consent{Take: fields(t, "spec", `metadata.annotations["shop.example/colour"]`)}, web())
	s.want("live", s.kubectl("get", "deployment/web", "-o", `jsonpath={.metadata.annotations.shop\.example/colour} {.spec.template.spec.containers[0].args}`), `red ["-a","-b"]`)
}

func TestValuesOfSecretsInConflictAreMasked(t *testing.T) {
	s := newStory(t)
	s.apply(s.secret("login", "hunter2"))
	s.kubectl("patch", "secret/login", "-p", `{"stringData":{"password":"theirs"}}`)
	p := s.plan(s.secret("login", "hunter2"))
	s.want("conflicts", conflicts(p), `Secret/login data.password kubectl-patch "*** (before)"→"*** (after)"`)
	s.applyWith(apply.Consent{Yield: fields(t, "Secret/login:data.password")}, s.secret("login", "hunter2"))
	s.want("theirs", s.kubectl("get", "secret/login", "-o", "jsonpath={.data.password}"), "dGhlaXJz")
}

// TestForceTakesOnlyWhatWasShown: another field that changes after the plan is
// not taken along.
func TestForceTakesOnlyWhatWasShown(t *testing.T) {
	s := newStory(t)
	o := func() *obj {
		o := s.configMap("a", "1")
		set(o, "1", "data", "other")
		return o
	}
	s.apply(o())
	s.kubectl("patch", "configmap/a", "-p", `{"data":{"key":"2"}}`)
	p := s.planWith(apply.Consent{Force: true}, o())
	s.kubectl("patch", "configmap/a", "-p", `{"data":{"other":"2"}}`)
	var stale *apply.StalePlanError
	if _, err := s.engine.Apply(t.Context(), p, run); !errors.As(err, &stale) {
		t.Errorf("got %v", err)
	}
	s.want("live", s.kubectl("get", "configmap/a", "-o", "jsonpath={.data.key}{.data.other}"), "22")
}

// TestAYieldedFieldMovesNoPlan: what its owner and others do to the object
// between the plan and the lock is nothing to approve again.
func TestAYieldedFieldMovesNoPlan(t *testing.T) {
	s := newStory(t)
	o := func(value string) *obj {
		o := s.configMap("a", "1")
		set(o, value, "data", "other")
		return o
	}
	s.apply(o("1"))
	s.kubectl("patch", "configmap/a", "-p", `{"data":{"key":"2"}}`)
	p := s.planWith(apply.Consent{Yield: fields(t, "data.key")}, o("2"))
	s.kubectl("patch", "configmap/a", "-p", `{"data":{"key":"3"}}`)
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("live", s.kubectl("get", "configmap/a", "-o", "jsonpath={.data.key}{.data.other}"), "32")
}

// TestARollbackLeavesWhatWasLeft: a revision that left a field to others is gone
// back to as it was sent, without the field.
func TestARollbackLeavesWhatWasLeft(t *testing.T) {
	s := newStory(t)
	web := func(v string) *obj { return s.deployment("web", "web:"+v, 2, "") }
	state := func() string {
		return s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}")
	}
	yield := apply.Consent{Yield: fields(t, "spec.replicas")}
	s.apply(web("v1"))
	s.kubectl("scale", "deployment/web", "--replicas=4")
	s.applyWith(yield, web("v2"))
	s.applyWith(yield, web("v3"))
	s.rollback(2)
	s.want("still theirs", state(), "4 web:v2")
	p := s.plan(web("v2"))
	s.want("conflicts", conflicts(p), "Deployment/web spec.replicas kubectl (scale) 4→2")

	// What the stack has taken since is left again: replicas as they are.
	s.applyWith(apply.Consent{Take: fields(t, "spec.replicas")}, web("v4"))
	s.rollback(2)
	s.want("left again", state(), "2 web:v2")
	s.kubectl("scale", "deployment/web", "--replicas=3")
	s.rollback(2)
	s.want("anybody may decide", state(), "3 web:v2")
}
