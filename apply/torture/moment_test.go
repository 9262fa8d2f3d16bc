package torture

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"stackctl.dev/stackctl/apply"
)

// TestTortureMoment lets somebody act at the last moment: after the engine has
// read and decided, and before its request reaches the server. Only what the
// request itself says can be a guard then.
func TestTortureMoment(t *testing.T) {
	c := start(t, "moment", len(moments))
	c.each(4, func(t *testing.T, i int) {
		k := moments[i%len(moments)]
		s := newScene(t, apply.Options{LeaseDuration: k.lease})
		m := &moment{scene: s, generator: &generator{Rand: c.Rand(i), stack: s.stack}}
		if wrong := k.trial(m); wrong != "" {
			c.fail(i, "%s: %s", k.name, wrong)
		}
	})
	c.done()
}

type moment struct {
	*scene
	*generator
}

var moments = []struct {
	name  string
	lease time.Duration
	trial func(m *moment) (wrong string)
}{
	{"what is to be deleted is made anew", 0, (*moment).recreatedBeforeDelete},
	{"what is to be updated is deleted", 0, (*moment).deletedBeforeUpdate},
	{"what is to be created is there", 0, (*moment).madeBeforeCreate},
	{"a field is taken", 0, (*moment).fieldTaken},
	{"a revision is marked", 0, (*moment).recordMarked},
	{"the lock is taken over", time.Second, (*moment).lockTaken},
	{"the server calls it invalid", 0, (*moment).calledInvalid},
	{"the server calls it malformed", 0, (*moment).calledMalformed},
}

// once calls f before the first request of a method to a path that ends so.
func (m *moment) once(method, path string, f func() *http.Response) {
	var first sync.Once
	meddle := func(r *http.Request) (answer *http.Response) {
		if r.Method == method && strings.HasSuffix(r.URL.Path, path) {
			first.Do(func() { answer = f() })
		}
		return answer
	}
	m.meddle.Store(&meddle)
}

func (m *moment) run(p *apply.Plan, run apply.Run) (*apply.Result, error) {
	defer m.meddle.Store(nil)
	return m.engine.Apply(m.Context(), p, run)
}

// modestPlan is a plan without consent.
func (m *moment) modestPlan(so ...*object) *apply.Plan {
	m.Helper()
	target := m.target(so)
	target.Consent = apply.Consent{}
	p, err := m.engine.Plan(m.Context(), target)
	if err != nil {
		m.Fatal(err)
	}
	return p
}

func (m *moment) recreatedBeforeDelete() string {
	stays, goes := m.configMap("stays", nil), m.configMap("goes", nil)
	m.scene.apply([]*object{stays, goes})
	var uid types.UID
	m.once("DELETE", "/configmaps/goes", func() *http.Response {
		m.remove(idOf(goes))
		uid = m.create(goes.DeepCopy()).GetUID()
		return nil
	})
	m.run(m.plan([]*object{stays}), bold) // a success or not
	switch o := m.get(idOf(goes)); {
	case uid == "":
		return "nothing was deleted"
	case o == nil || o.GetUID() != uid:
		return "deleted an object that somebody else had made"
	}
	return ""
}

func (m *moment) deletedBeforeUpdate() string {
	o := m.configMap("web", nil)
	m.scene.apply([]*object{o})
	m.changeData(o)
	m.once("PATCH", "/configmaps/web", func() *http.Response { m.remove(idOf(o)); return nil })
	if _, err := m.run(m.plan([]*object{o}), bold); err == nil && m.get(idOf(o)) != nil {
		return "made the object anew without a word"
	}
	m.scene.apply([]*object{o})
	return strings.Join(m.differences([]*object{o}), "\n")
}

func (m *moment) madeBeforeCreate() string {
	o := m.configMap("web", nil)
	m.once("PATCH", "/configmaps/web", func() *http.Response {
		theirs := m.configMap("web", nil)
		theirs.SetLabels(nil)
		set(theirs, map[string]any{"theirs": "x"}, "data")
		m.create(theirs)
		return nil
	})
	_, err := m.run(m.modestPlan(o), bold)
	live := m.get(idOf(o))
	if data := asJSON(live.Object["data"]); err == nil || data != `{"theirs":"x"}` {
		return "merged into an object that somebody else had made: " + data
	}
	return ""
}

func (m *moment) fieldTaken() string {
	o := m.configMap("web", nil)
	set(o, map[string]any{"a": "1", "b": "1"}, "data")
	m.scene.apply([]*object{o})
	set(o, map[string]any{"a": "2", "b": "1"}, "data")
	m.once("PATCH", "/configmaps/web", func() *http.Response {
		if err := m.edit(idOf(o), func(live *object) { set(live, "theirs", "data", "a") }); err != nil {
			m.Error(err)
		}
		return nil
	})
	_, err := m.run(m.modestPlan(o), bold)
	if data := asJSON(m.get(idOf(o)).Object["data"]); err == nil || data != `{"a":"theirs","b":"1"}` {
		return "took a field without consent: " + data
	}
	return ""
}

// recordMarked is another run that judged this one dead, and is no longer
// there to be asked.
func (m *moment) recordMarked() string {
	m.once("PATCH", "/secrets/stackctl.shop.v1", func() *http.Response {
		body := []byte(`{"metadata":{"labels":{"stackctl.dev/status":"interrupted"}}}`)
		if _, err := m.plane.Client().CoreV1().Secrets(m.scene.stack.Namespace).Patch(m.Context(), "stackctl.shop.v1", types.MergePatchType, body, metav1.PatchOptions{FieldManager: "another"}); err != nil {
			m.Error(err)
		}
		return nil
	})
	m.run(m.plan([]*object{m.configMap("web", nil)}), bold)
	s, err := m.plane.Client().CoreV1().Secrets(m.scene.stack.Namespace).Get(m.Context(), "stackctl.shop.v1", metav1.GetOptions{})
	if err != nil {
		m.Fatal(err)
	}
	if status := s.Labels["stackctl.dev/status"]; status != "interrupted" {
		return "overwrote the verdict of another run with " + status
	}
	return ""
}

func (m *moment) lockTaken() string {
	first, second := m.configMap("web", nil), m.service("web", nil)
	m.once("PATCH", "/configmaps/web", func() *http.Response {
		leases := m.plane.Client().CoordinationV1().Leases(m.scene.stack.Namespace)
		body := []byte(`{"metadata":{"annotations":{"stackctl.dev/holder":null}},"spec":{"holderIdentity":"another"}}`)
		if _, err := leases.Patch(m.Context(), "stackctl.shop", types.MergePatchType, body, metav1.PatchOptions{FieldManager: "another"}); err != nil {
			m.Error(err)
		}
		time.Sleep(1500 * time.Millisecond) // longer than the lease lasts: this is the pause under test
		return nil
	})
	_, err := m.run(m.plan([]*object{first, second}), bold)
	var lost *apply.LockLostError
	if !errors.As(err, &lost) {
		return "did not notice that its lock was taken over"
	}
	if m.get(idOf(second)) != nil {
		return "went on writing after its lock was taken over"
	}
	return ""
}

// answer is a refusal of the server's.
func answer(code int, reason metav1.StatusReason, message string) *http.Response {
	b, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	})
	if err != nil {
		panic(err)
	}
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(b)), ContentLength: int64(len(b)),
	}
}

func (m *moment) calledInvalid() string {
	o := m.configMap("web", nil)
	m.scene.apply([]*object{o})
	uid := m.get(idOf(o)).GetUID()
	m.changeData(o)
	m.once("PATCH", "/configmaps/web", func() *http.Response {
		return answer(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, `ConfigMap "web" is invalid: denied by a policy`)
	})
	_, err := m.run(m.plan([]*object{o}), bold)
	if live := m.get(idOf(o)); err == nil || live == nil || live.GetUID() != uid {
		return "deleted an object because the server called the new one invalid"
	}
	return ""
}

// calledMalformed: a mistake in an object is an answer 500, as if it might pass.
func (m *moment) calledMalformed() string {
	o := m.configMap("web", nil)
	m.scene.apply([]*object{o})
	m.changeData(o)
	p := m.plan([]*object{o})
	sent := 0
	meddle := func(r *http.Request) *http.Response {
		if r.Method == "PATCH" && strings.HasSuffix(r.URL.Path, "/configmaps/web") {
			sent++
			return answer(http.StatusInternalServerError, "", "failed to create typed patch object (web; /v1, Kind=ConfigMap): .data.x: field not declared in schema")
		}
		return nil
	}
	m.meddle.Store(&meddle)
	if _, err := m.run(p, bold); err == nil {
		return "took a refusal for a success"
	}
	if sent > 2 {
		return "sent what is malformed again and again"
	}
	return ""
}
