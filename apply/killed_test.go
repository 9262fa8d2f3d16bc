package apply_test

import (
	"errors"
	"fmt"
	"testing"

	"stackctl.dev/stackctl/apply"
)

// TestKilledAnywhere cuts the connection of an apply after each number of
// requests in turn, as a kill would. Whatever is left behind, the next apply
// succeeds without help, and the history is gapless.
func TestKilledAnywhere(t *testing.T) {
	const stories = 6 // share the points among them
	for first := range stories {
		t.Run(fmt.Sprint("from", first), func(t *testing.T) {
			s := newStory(t)
			s.engine = s.newEngine(apply.Options{KeepRevisions: 1000})
			for cut := 1 + first; s.killedAfter(cut); cut += stories {
			}
			s.checkHistory()
		})
	}
}

// killedAfter applies a change with a connection that is cut after a number of
// requests, and then mends it. It reports false when that was too many to
// disturb the apply.
func (s *story) killedAfter(cut int) bool {
	s.Helper()
	stack := func(v int) []*obj {
		return []*obj{s.configMap("a", fmt.Sprint(v)), s.configMap(fmt.Sprint("b", v%2), "x"), s.secret("login", fmt.Sprint("pw", v)), s.service("web", 80+v%2)}
	}
	s.apply(stack(cut - 1)...)
	engine, connection := s.dyingEngine(cut)
	p, err := engine.Plan(s.Context(), apply.Target{Verb: apply.VerbApply, Objects: stack(cut)})
	if err == nil {
		_, err = engine.Apply(s.Context(), p, run)
	}
	if err == nil && connection.left < 0 {
		s.Errorf("cut %d: the apply claims success without a connection", cut)
	}
	s.apply(stack(cut)...)
	if p := s.plan(stack(cut)...); !p.Empty() || p.Settle {
		s.Errorf("cut %d: still to do after the next apply:\n%s", cut, actions(p))
	}
	s.want("config maps", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), fmt.Sprintf("configmap/a\nconfigmap/b%d", cut%2))
	return err != nil
}

func (s *story) checkHistory() {
	s.Helper()
	all, err := s.engine.History(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	live := 0
	for i, r := range all {
		if i > 0 && r.Revision != all[i-1].Revision+1 {
			s.Errorf("a gap between revisions %d and %d", all[i-1].Revision, r.Revision)
		}
		switch r.Status {
		case apply.StatusDeployed:
			live++
		case apply.StatusPending:
			s.Errorf("revision %d is pending for ever", r.Revision)
		}
	}
	if live != 1 || all[len(all)-1].Status != apply.StatusDeployed {
		s.Errorf("history: %s", s.history())
	}
}

// TestAKilledDeleteIsFinishedByTheNext cuts a delete after each number of
// requests in turn.
func TestAKilledDeleteIsFinishedByTheNext(t *testing.T) {
	s := newStory(t)
	for cut := 8; ; cut += 3 {
		s.apply(s.configMap("a", "1"), s.secret("login", "x"))
		engine, _ := s.dyingEngine(cut)
		p, err := engine.Plan(t.Context(), apply.Target{Verb: apply.VerbDelete})
		if err == nil {
			_, err = engine.Apply(t.Context(), p, run)
		}
		survived := err == nil
		p, err = s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbDelete})
		if err == nil {
			_, err = s.engine.Apply(t.Context(), p, run)
		}
		if err != nil && !errors.Is(err, apply.ErrNoStack) {
			t.Fatalf("cut %d: delete again: %v", cut, err)
		}
		left := s.kubectl("get", "secret,configmap", "-l", "app.kubernetes.io/managed-by=stackctl", "-o", "name") + s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name")
		s.want(fmt.Sprintf("left after cut %d", cut), left, "")
		if survived {
			return
		}
	}
}
