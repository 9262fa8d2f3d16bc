package apply_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// TestABrokenLockStopsItsHolder breaks the lock of a run that is at work: it
// writes nothing more, and once unlocking has ended it has noticed.
func TestABrokenLockStopsItsHolder(t *testing.T) {
	s := newStory(t)
	if lock, err := s.engine.Lock(t.Context()); lock != nil || err != nil {
		t.Fatalf("a stack that never was is locked by %+v, %v", lock, err)
	}
	s.apply(s.configMap("old", "1"))
	waiting := make(chan bool)
	first := make(chan error)
	go func() { // would delete "old" at its end
		r := run
		r.CI = "https://ci.example/1"
		r.Events = func(e apply.Event) {
			if a, ok := e.(apply.Applied); ok && a.Object.Kind == "Deployment" {
				close(waiting)
			}
		}
		_, err := s.engine.Apply(t.Context(), s.plan(s.deployment("web", "web:v1", 1, "slow")), r)
		first <- err
	}()
	<-waiting
	other := s.newEngine(apply.Options{})
	found, err := other.Lock(t.Context())
	if err != nil || found == nil {
		t.Fatalf("the lock: %+v, %v", found, err)
	}
	if found.Holder.Author != "ada@test" || found.Holder.CI != "https://ci.example/1" || found.Process != apply.ProcessAlive || found.PID == 0 || time.Since(found.Renewed) > time.Minute {
		t.Errorf("the lock: %+v", found)
	}
	if err := other.Unlock(t.Context(), found, apply.Run{Holder: "bob@test"}); err != nil {
		t.Fatal(err)
	}
	writes := s.writes()
	if lock, err := other.Lock(t.Context()); lock != nil || err != nil {
		t.Errorf("locked after unlocking by %+v, %v", lock, err)
	}
	var lost *apply.LockLostError
	if err := <-first; !errors.As(err, &lost) {
		t.Errorf("the run whose lock was broken: %v", err)
	}
	if n := s.writes(); n != writes {
		t.Errorf("%d writes after the lock was broken", n-writes)
	}
	s.want("history", s.history(), "1 deployed, 2 pending")
	s.want("what it would have deleted", s.kubectl("get", "configmap", "old", "-o", "name"), "configmap/old")
	s.apply(s.deployment("web", "web:v1", 1, ""))
	s.want("history", s.history(), "1 superseded, 2 interrupted, 3 deployed")

	// What was looked at is gone: another run must not lose its lock for it.
	if err := other.Unlock(t.Context(), found, apply.Run{}); err != nil {
		t.Errorf("a lock that is free already: %v", err)
	}
}

// TestOnlyTheLockThatWasSeenIsBroken: by the time somebody says yes, another
// run may hold it.
func TestOnlyTheLockThatWasSeenIsBroken(t *testing.T) {
	s := newStory(t)
	file := filepath.Join(t.TempDir(), "lease.json")
	lease := `{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"stackctl.shop"},
		"spec":{"holderIdentity":"one","leaseDurationSeconds":3600,"renewTime":"2026-01-01T00:00:00.000000Z"}}`
	if err := os.WriteFile(file, []byte(lease), 0o600); err != nil {
		t.Fatal(err)
	}
	s.kubectl("create", "-f", file)
	found, err := s.engine.Lock(t.Context())
	if err != nil || found.Process != apply.ProcessUnknown {
		t.Fatalf("%+v, %v", found, err)
	}
	s.kubectl("patch", "lease", "stackctl.shop", "--type=merge", "-p", `{"spec":{"holderIdentity":"two"}}`)
	if err := s.engine.Unlock(t.Context(), found, apply.Run{}); err == nil {
		t.Error("the lock of another run was broken")
	}
	s.want("holder", s.kubectl("get", "lease", "stackctl.shop", "-o", "jsonpath={.spec.holderIdentity}"), "two")
}

// unanswered loses the answer to one request in the middle of a run: a renewal
// of the lock, which the server stored.
type unanswered struct {
	next http.RoundTripper
	lose chan bool // receives when the next renewal is to get no answer
	lost chan bool // closed when it got none
}

func (u *unanswered) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := u.next.RoundTrip(r)
	if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/leases/") && err == nil {
		select {
		case <-u.lose:
			resp.Body.Close()
			close(u.lost)
			return nil, io.ErrUnexpectedEOF
		default:
		}
	}
	return resp, err
}

// TestALockIsFreeAfterALostRenewal: the run knows an older version of its Lease
// than the one it is to give back.
func TestALockIsFreeAfterALostRenewal(t *testing.T) {
	s := newStory(t)
	u := &unanswered{lose: make(chan bool, 1), lost: make(chan bool)}
	config := s.plane.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { u.next = next; return u })
	engine, err := apply.New(config, s.stack, apply.Options{LeaseDuration: 6 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	p, err := engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "1")}})
	if err != nil {
		t.Fatal(err)
	}
	r := run
	r.Events = func(e apply.Event) {
		if _, ok := e.(apply.Recorded); ok {
			u.lose <- true
			<-u.lost // the next renewal is two seconds later
		}
	}
	if _, err := engine.Apply(t.Context(), p, r); err != nil {
		t.Fatal(err)
	}
	if lock, err := s.engine.Lock(t.Context()); lock != nil || err != nil {
		t.Errorf("locked by %+v, %v", lock, err)
	}
}
