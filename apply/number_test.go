package apply_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"stackctl.dev/stackctl/apply"
)

// foreign puts a Secret of somebody else under the name of a revision, and
// returns what says later that nobody touched it.
func (s *story) foreign(n int) (untouched func(when string)) {
	s.Helper()
	name := fmt.Sprint("stackctl.shop.v", n)
	s.kubectl("create", "secret", "generic", name, "--from-literal=index=theirs")
	version := func() string {
		return s.kubectl("get", "secret", name, "--ignore-not-found", "-o", "jsonpath={.metadata.uid} {.metadata.resourceVersion}")
	}
	was := version()
	return func(when string) {
		s.Helper()
		s.want("their Secret "+when, version(), was)
		s.want("an outcome without a revision, "+when, s.kubectl("get", "secret", name+".outcome", "--ignore-not-found", "-o", "name"), "")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestALostRaceForANumberTouchesNothing: a run that finds its number taken
// leaves the record of the other alone, whether it finds out when it looks for
// the last time or when it writes its own.
func TestALostRaceForANumberTouchesNothing(t *testing.T) {
	for _, when := range []string{"before it looks", "before it writes"} {
		t.Run(when, func(t *testing.T) {
			s := newStory(t)
			s.apply(s.configMap("a", "1"))
			p := s.plan(s.configMap("a", "2"))
			var untouched func(string)
			engine := s.through(func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(r *http.Request) (*http.Response, error) {
					if untouched == nil && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/secrets") {
						untouched = s.foreign(2)
					}
					return next.RoundTrip(r)
				})
			}, apply.Options{})
			if when == "before it looks" {
				untouched = s.foreign(2)
			}
			var stale *apply.StalePlanError
			if r, err := engine.Apply(t.Context(), p, run); !errors.As(err, &stale) || r.Revision != 0 {
				t.Errorf("apply: revision %d, %v", r.Revision, err)
			}
			untouched("after the race")
			s.want("live", s.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.key}"), "1")
			s.want("history", s.history(), "1 deployed, 2 corrupt")
			s.apply(s.configMap("a", "2"))
			s.want("history", s.history(), "1 superseded, 3 deployed")
			untouched("in the end")
		})
	}
}

// TestTheNewestIndexIsReplaced by something that is no record: its number
// counts, and what only it listed is found by its labels. What was put there is
// not the stack's, and stays.
func TestTheNewestIndexIsReplaced(t *testing.T) {
	s := newStory(t)
	s.engine = s.newEngine(apply.Options{KeepRevisions: 2})
	s.apply(s.configMap("a", "1"))
	s.apply(s.configMap("a", "2"), s.configMap("only", "2"))
	s.kubectl("delete", "secret", "stackctl.shop.v2")
	s.kubectl("create", "secret", "generic", "stackctl.shop.v2", "--from-literal=index=theirs")
	second := s.kubectl("get", "secret", "stackctl.shop.v2", "-o", "jsonpath={.metadata.resourceVersion}")
	third := s.foreign(3)
	s.want("history", s.history(), "1 superseded, 2 corrupt, 3 corrupt")
	if _, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbDelete}); err == nil {
		t.Error("a delete was planned while the newest record is not known")
	}
	p := s.plan(s.configMap("a", "2"))
	s.want("plan", actions(p), "delete ConfigMap/only")
	if len(p.Warnings) != 2 || !strings.Contains(p.Warnings[0], "revision 2 is corrupt") || !strings.Contains(p.Warnings[1], "revision 3 is corrupt") {
		t.Errorf("warnings: %q", p.Warnings)
	}
	s.apply(s.configMap("a", "2"))
	s.want("history", s.history(), "1 superseded, 4 deployed")
	s.want("what only the replaced record listed", s.kubectl("get", "configmap", "only", "--ignore-not-found", "-o", "name"), "")

	sixth := s.foreign(6) // is next when revision 5 retires the first
	s.apply(s.configMap("a", "5"))
	s.want("history", s.history(), "4 superseded, 5 deployed, 6 corrupt")
	s.apply(s.configMap("a", "7"))
	s.want("history", s.history(), "5 superseded, 7 deployed")
	s.delete(false)
	s.want("history", s.history(), "")
	s.want("their Secret", s.kubectl("get", "secret", "stackctl.shop.v2", "-o", "jsonpath={.metadata.resourceVersion}"), second)
	third("in the end")
	sixth("in the end")
}

// TestTheFirstNameIsTaken: a stack without revisions begins with the number
// after what is there, and leaves it alone when it goes.
func TestTheFirstNameIsTaken(t *testing.T) {
	s := newStory(t)
	first, second := s.foreign(1), s.foreign(2)
	s.want("history", s.history(), "1 corrupt, 2 corrupt")
	if r := s.apply(s.configMap("a", "1")); r.Revision != 3 {
		t.Errorf("recorded as revision %d", r.Revision)
	}
	s.want("history", s.history(), "3 deployed")
	next := s.foreign(4)
	s.want("history", s.history(), "3 deployed, 4 corrupt")
	s.apply(s.configMap("a", "1")) // nothing to do but to go past it
	s.want("history", s.history(), "3 superseded, 5 deployed")
	after := s.foreign(7)
	s.delete(false)
	s.want("records", s.kubectl("get", "secret", "-l", "app.kubernetes.io/managed-by=stackctl", "-o", "name"), "")
	first("in the end")
	second("in the end")
	next("in the end")
	after("in the end")
}
