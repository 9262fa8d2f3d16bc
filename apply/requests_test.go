package apply_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// counter counts the requests that an engine makes of the API server.
type counter struct {
	next http.RoundTripper
	n    *atomic.Int64
}

func (c counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.next.RoundTrip(r)
}

// process is an engine as a new process has it, which knows nothing of the
// cluster, and the number of its requests so far.
func (s *story) process() *atomic.Int64 {
	n := &atomic.Int64{}
	config := s.plane.Config()
	config.WrapTransport = func(next http.RoundTripper) http.RoundTripper { return counter{next, n} }
	engine, err := apply.New(config, s.stack, apply.Options{LeaseDuration: time.Minute})
	if err != nil {
		s.Fatal(err)
	}
	s.engine = engine
	return n
}

// apps are n apps of two objects each; the first one has another value.
func (s *story) apps(n int, value string) []*obj {
	var all []*obj
	for i := range n {
		all = append(all, s.configMap(fmt.Sprintf("app-%d", i), value), s.deployment(fmt.Sprintf("app-%d", i), "ghcr.io/acme/app:1.4.2", 0, ""))
		value = "1"
	}
	return all
}

// requests are how many an operation may make, by the number of its objects.
// They are counted, since a clock shows only what else the machine does.
type requests struct{ first, unchanged, changed int64 }

// TestRequests: what a run asks of the API server follows what changed, not
// what exists, and the kinds of Kubernetes are not asked for. An operation that
// needs more than it did needs a reason.
func TestRequests(t *testing.T) {
	const n, many = 3, 12
	quick := run
	quick.Wait = false
	release := func(s *story, objects []*obj) int64 {
		count := s.process()
		if _, err := s.engine.Apply(t.Context(), s.plan(objects...), quick); err != nil {
			t.Fatal(err)
		}
		return count.Load()
	}
	life := func(s *story, n int) (r requests) {
		r.first = release(s, s.apps(n, "1"))
		count := s.process()
		if p := s.plan(s.apps(n, "1")...); !p.Empty() {
			t.Errorf("nothing changed, and the plan is %s", actions(p))
		}
		r.unchanged = count.Load()
		r.changed = release(s, s.apps(n, "2"))
		return r
	}
	few, large := life(newStory(t), n), life(newStoryOf(t), many)
	t.Logf("%d objects: %+v; %d objects: %+v", 2*n, few, 2*many, large)

	const first, unchangedAtMost, changedAtMost = 28, 7, 30
	if few.first > first+2*2*n || large.first > first+2*2*many {
		t.Errorf("a first apply took %d requests for %d objects and %d for %d: want at most %d and 2 for each object", few.first, 2*n, large.first, 2*many, first)
	}
	if few.unchanged != large.unchanged || large.unchanged > unchangedAtMost {
		t.Errorf("a plan without changes took %d requests for %d objects and %d for %d: want the same, at most %d", few.unchanged, 2*n, large.unchanged, 2*many, unchangedAtMost)
	}
	if large.changed > few.changed+2 || large.changed > changedAtMost {
		t.Errorf("one changed object took %d requests among %d objects and %d among %d: want the same, at most %d", few.changed, 2*n, large.changed, 2*many, changedAtMost)
	}
}
