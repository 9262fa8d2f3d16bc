package apply_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// release is a Job that the plan is to name.
func (s *story) release(image, play, fields string) *obj {
	return named(s.job("migrate", image, play, fields), apply.ContentTemplate)
}

func (s *story) jobs() string {
	return s.kubectl("get", "jobs", "-o", `jsonpath={range .items[*]}{.spec.template.spec.containers[0].image} {.status.succeeded}{"\n"}{end}`)
}

// note returns what a plan says about its only Job.
func note(p *apply.Plan) string {
	for _, c := range p.Changes {
		if c.Object.Kind == "Job" {
			return string(c.Action) + ": " + c.Note
		}
	}
	return "no Job"
}

// TestAnotherTemplateIsAnotherJob: templates of Jobs cannot change, so a new
// image is a new Job, and the old one goes after the new one has succeeded.
func TestAnotherTemplateIsAnotherJob(t *testing.T) {
	s := newStory(t)
	s.apply(s.release("app:v1", "", ""))
	s.want("jobs", s.jobs(), "app:v1 1")
	if p := s.plan(s.release("app:v1", "", "")); !p.Empty() {
		t.Errorf("the second plan: %s", actions(p))
	}
	labelled := s.release("app:v1", "", "")
	labelled.SetLabels(map[string]string{"stackctl.dev/content": "template", "stackctl.dev/stack": s.stack.Name, "stackctl.dev/namespace": s.stack.Namespace, "team": "a"})
	if c := s.plan(labelled).Changes[0]; c.Action != apply.ActionUpdate {
		t.Errorf("a label makes it %s", c.Action)
	}
	s.apply(s.release("app:v2", "", ""))
	s.want("jobs", s.jobs(), "app:v2 1")

	// A Job whose Secret changes runs anew too.
	withLogin := func(value string) []*obj {
		job := s.release("app:v2", "", "")
		set(job, []any{map[string]any{"name": "login", "secret": map[string]any{"secretName": "login"}}}, "spec", "template", "spec", "volumes")
		return []*obj{s.login(value), job}
	}
	s.apply(withLogin("one")...)
	before := s.kubectl("get", "jobs", "-o", "name")
	if p := s.plan(withLogin("one")...); !p.Empty() {
		t.Errorf("the same Secret: %s", actions(p))
	}
	s.apply(withLogin("two")...)
	if after := s.kubectl("get", "jobs", "-o", "name"); after == before || strings.Contains(after, "\n") {
		t.Errorf("jobs before: %s, after: %s", before, after)
	}
}

// TestAFinishedJobThatIsGoneStaysFinished: the API server removes a Job after
// its ttlSecondsAfterFinished; that is no reason to run it again.
func TestAFinishedJobThatIsGoneStaysFinished(t *testing.T) {
	s := newStory(t)
	job := func(image string) *obj {
		return app(s.release(image, "", `"ttlSecondsAfterFinished":0,`), "migrate", "")
	}
	web := func(version string) *obj {
		return app(s.deployment("web", "web:"+version, 1, ""), "web", "migrate=complete")
	}
	// The Job is gone before the run looks at it: it waits for db first.
	s.apply(job("app:v1"), app(s.slow("db", "db:v1"), "db", ""), app(web("v0"), "web", "db=healthy"))
	s.apply(job("app:v1"), web("v1"))
	s.kubectl("wait", "--for=delete", "jobs", "--all")
	p := s.plan(job("app:v1"), web("v1"))
	if !p.Empty() || !strings.Contains(note(p), "unchanged: complete") {
		t.Errorf("%s, %s", actions(p), note(p))
	}
	status, err := s.engine.Status(t.Context())
	if err != nil || !status.Ready() {
		t.Errorf("status: %+v %v", status, err)
	}

	s.apply(job("app:v1"), web("v2"))
	s.want("jobs", s.jobs(), "")
	engine, connection := s.dyingEngine(1000)
	r := run
	r.Timeout = time.Second
	r.Events = func(e apply.Event) {
		if _, ok := e.(apply.Recorded); ok {
			connection.cut()
		}
	}
	p, err = engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{job("app:v1"), web("v3")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = engine.Apply(t.Context(), p, r); err == nil {
		t.Error("the run that was killed claims success")
	}
	s.want("history", s.history(), "1 superseded, 2 superseded, 3 deployed, 4 pending")
	s.want("after a run that died", note(s.plan(job("app:v1"), web("v3"))), "unchanged: complete; removed since, as its ttlSecondsAfterFinished says")
	s.apply(job("app:v1"), web("v3"))
	s.want("another image", note(s.plan(job("app:v2"), web("v3"))), "create: ")
}

// TestAJobMayGoAfterThePlan: what the API server removes between a plan and its
// run is done if its end was seen. Else there is no telling, and no wait brings it
// back.
func TestAJobMayGoAfterThePlan(t *testing.T) {
	gone := func(t *testing.T, play string, wait bool) (next string, err error) {
		s := newStory(t)
		all := func(version string) []*obj {
			return []*obj{
				s.job("migrate", "app:v1", play, `"ttlSecondsAfterFinished":3600,`),
				app(s.deployment("web", "web:"+version, 1, ""), "web", ""),
			}
		}
		first := run
		first.Wait = wait
		if _, err := s.engine.Apply(t.Context(), s.plan(all("v1")...), first); err != nil {
			t.Fatal(err)
		}
		p := s.plan(all("v2")...)
		s.want("while it is there", note(p), "unchanged: ")
		s.kubectl("delete", "job", "migrate") // as when its time is over
		_, err = s.engine.Apply(t.Context(), p, run)
		return note(s.plan(all("v2")...)), err
	}
	t.Run("seen", func(t *testing.T) {
		next, err := gone(t, "", true)
		if err != nil || next != "unchanged: complete; removed since, as its ttlSecondsAfterFinished says" {
			t.Errorf("%v; the next plan: %s", err, next)
		}
	})
	t.Run("unseen", func(t *testing.T) {
		next, err := gone(t, "never-ready", false)
		var bad *apply.NotReadyError
		if !errors.As(err, &bad) || bad.Timeout != 0 || !strings.Contains(err.Error(), "nobody saw how it ended") || next != "create: " {
			t.Errorf("%v; the next plan: %s", err, next)
		}
	})
}

// TestAFailedJobSaysHowToRunItAgain: nothing about it changes, so nothing
// would be written, and the run cannot end well.
func TestAFailedJobSaysHowToRunItAgain(t *testing.T) {
	s := newStory(t)
	job := s.release("app:v1", "fail", "")
	for i := range 2 {
		p := s.plan(job)
		var bad *apply.NotReadyError
		if _, err := s.engine.Apply(t.Context(), p, run); !errors.As(err, &bad) || !strings.Contains(err.Error(), "delete job migrate-") {
			t.Errorf("apply %d: %v", i, err)
		}
		if p := s.plan(job); !p.Empty() || !p.Settle || !strings.Contains(note(p), "unchanged: failed; `kubectl -n "+s.stack.Namespace+" delete job migrate-") {
			t.Errorf("plan %d: empty %v, settle %v, %s", i, p.Empty(), p.Settle, note(p))
		}
	}
	s.kubectl("delete", "jobs", "--all")
	s.want("deleted", note(s.plan(job)), "create: ")
}

// TestASuspendedJobIsNotComplete: nothing waits for its health, but what needs
// it complete does.
func TestASuspendedJobIsNotComplete(t *testing.T) {
	s := newStory(t)
	job := app(s.job("migrate", "app:v1", "", `"suspend":true,`), "migrate", "")
	s.apply(job)
	waits := make(chan bool, 1)
	r := run
	r.Events = func(e apply.Event) {
		if _, ok := e.(apply.NeedWait); ok {
			waits <- true
		}
	}
	result := make(chan error, 1)
	go func() {
		_, err := s.engine.Apply(t.Context(), s.plan(job, app(s.deployment("web", "web:v1", 1, ""), "web", "migrate=complete")), r)
		result <- err
	}()
	select {
	case <-waits:
	case err := <-result:
		t.Fatalf("a suspended Job was taken for complete: %v", err)
	}
	s.kubectl("patch", "job", "migrate", "-p", `{"spec":{"suspend":false}}`)
	if err := <-result; err != nil {
		t.Error(err)
	}
}
