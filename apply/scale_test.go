package apply_test

import (
	"errors"
	"testing"

	"stackctl.dev/stackctl/apply"
)

// TestAScaleIsOfTheNewestRevision: it never undoes what was recorded since.
func TestAScaleIsOfTheNewestRevision(t *testing.T) {
	s := newStory(t)
	if _, err := s.engine.Newest(t.Context()); !errors.Is(err, apply.ErrNoStack) {
		t.Errorf("a stack without records: %v", err)
	}
	s.apply(s.deployment("web", "web:v1", 1, ""), s.secret("login", "hunter2"))
	rev, err := s.engine.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	scale := func(n int64) (*apply.Plan, error) {
		for _, o := range rev.Objects {
			if o.GetKind() == "Deployment" {
				set(o, n, "spec", "replicas")
			}
		}
		return s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbScale, Objects: rev.Objects, Source: rev.Source, ScaledFrom: rev.Revision})
	}
	p, err := scale(2)
	if err != nil {
		t.Fatal(err)
	}
	s.want("plan", actions(p), "update Deployment/web\n  set spec.replicas")
	s.apply(s.deployment("web", "web:v2", 1, ""), s.secret("login", "hunter3"))
	var stale *apply.StalePlanError
	if _, err := s.engine.Apply(t.Context(), p, run); !errors.As(err, &stale) {
		t.Errorf("a plan of an older revision: %v", err)
	}
	if _, err := scale(2); !errors.As(err, &stale) {
		t.Errorf("planning an older revision: %v", err)
	}
	if rev, err = s.engine.Newest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, err = scale(3); err != nil {
		t.Fatal(err)
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("live", s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}"), "3 web:v2")
	s.want("secret", s.kubectl("get", "secret/login", "-o", "jsonpath={.data.password}"), "aHVudGVyMw==")
}
