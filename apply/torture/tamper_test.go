package torture

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"stackctl.dev/stackctl/apply"
)

// TestTortureTamper changes the records of a stack as somebody could who may
// write Secrets. Each change must be found out, and none may be in the way of
// the next apply.
func TestTortureTamper(t *testing.T) {
	c := start(t, "tamper", len(tricks))
	c.each(4, func(t *testing.T, i int) {
		s := newScene(t, apply.Options{})
		p := &tampering{
			scene: s, c: c, trial: i, generator: &generator{Rand: c.Rand(i), stack: s.stack},
			secrets: s.plane.Client().CoreV1().Secrets(s.stack.Namespace),
		}
		p.run(tricks[i%len(tricks)])
	})
	c.done()
}

type tampering struct {
	*scene
	*generator
	c       *campaign
	trial   int
	secrets corev1.SecretInterface
	large   string // data that fill more than one Secret, if any
	touched string // what was done to what
}

// trick is one way to change records.
type trick struct {
	name string
	do   func(p *tampering)
}

var tricks = []trick{
	{"flip a bit of an index", func(p *tampering) { p.flip(p.record("revision")) }},
	{"flip a bit of a chunk", func(p *tampering) { p.flip(p.record("chunk")) }},
	{"flip a bit of the data of a Secret", func(p *tampering) { p.flip(p.record("value")) }},
	{"flip a bit of an outcome", func(p *tampering) { p.flip(p.record("outcome")) }},
	{"swap the data of two revisions", func(p *tampering) { p.swap("v1", "v2") }},
	{"swap the data of two outcomes", func(p *tampering) { p.swap("v1.outcome", "v3.outcome") }},
	{"cut the end off", func(p *tampering) { p.truncate(p.record("revision")) }},
	{"cut the end off a chunk", func(p *tampering) { p.truncate(p.record("chunk")) }},
	{"a value more", func(p *tampering) { p.add(p.record([]string{"revision", "outcome", "chunk"}[p.IntN(3)])) }},
	{"a value less", func(p *tampering) { p.drop(p.record("revision")) }},
	{"something else under the name", func(p *tampering) { p.foreign(fmt.Sprint("v", 1+p.IntN(3))) }},
	{"something else under the next name", func(p *tampering) { p.foreign("v4") }},
	{"an old copy under a new name", func(p *tampering) { p.copy("v1", "v4") }},
	{"an old copy in the place of the newest", func(p *tampering) { p.copy("v1", "v3") }},
	{"another status", (*tampering).relabel},
	{"another summary", (*tampering).rewrite},
	{"no summary", func(p *tampering) {
		p.edited(p.record("revision"), func(s *v1.Secret) { delete(s.Annotations, "stackctl.dev/summary") })
	}},
	{"no index", func(p *tampering) { p.gone(p.record("revision")) }},
	{"no outcome", func(p *tampering) { p.gone(p.record("outcome")) }},
	{"no chunk", func(p *tampering) { p.gone(p.record("chunk")) }},
	{"no data of a Secret", func(p *tampering) { p.gone(p.record("value")) }},
}

func (p *tampering) run(k trick) {
	if strings.Contains(k.name, "chunk") || p.IntN(20) == 0 {
		b := make([]byte, 400<<10) // hex that does not compress below half
		for i := range b {
			b[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"[p.IntN(64)]
		}
		p.large = string(b)
	}
	for v := 1; v <= 3; v++ {
		p.scene.apply(p.version(v))
	}
	if found := p.found(); found != "" {
		p.c.fail(p.trial, "%s: before anything was done: %s", k.name, found)
	}
	k.do(p)
	if p.touched == "" {
		p.Skip("the engine keeps no such record")
	}
	if p.found() == "" {
		p.c.fail(p.trial, "%s: %s: nothing shows it", k.name, p.touched)
	}
	next := p.version(4)
	plan, err := p.engine.Plan(p.Context(), p.target(next))
	if err == nil {
		_, err = p.engine.Apply(p.Context(), plan, bold)
	}
	if err != nil {
		p.c.fail(p.trial, "%s: %s: the next apply: %v", k.name, p.touched, err)
		return
	}
	all, err := p.engine.History(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	rev, err := p.engine.Revision(p.Context(), all[len(all)-1].Revision)
	if err != nil {
		p.c.fail(p.trial, "%s: %s: the revision after it cannot be read: %v", k.name, p.touched, err)
		return
	}
	if bad := p.differences(asSent(next, rev.Objects)); len(bad) > 0 {
		p.c.fail(p.trial, "%s: %s: after the next apply:\n%s", k.name, p.touched, strings.Join(bad, "\n"))
	}
	if plan := p.plan(next); !plan.Empty() || plan.Settle {
		p.c.fail(p.trial, "%s: %s: the apply after the next has to do:\n%s", k.name, p.touched, planText(plan))
	}
	if p.touched == "all of stackctl.shop.v3" && k.name == "no index" {
		return // only an outcome says that there was a newest revision
	}
	for i := range p.labelled() {
		if i.kind == "ConfigMap" && strings.HasPrefix(i.name, "only") && i.name != "only4" {
			p.c.fail(p.trial, "%s: %s: %s is left behind", k.name, p.touched, i)
		}
	}
}

// version is the stack of revision v: a value that changes, a Secret that does
// after the second, and an object that only this revision has.
func (p *tampering) version(v int) []*object {
	g := &generator{Rand: p.c.Rand(p.trial + 1<<20), stack: p.scene.stack}
	value := g.configMap("value", nil)
	set(value, map[string]any{"version": strconv.Itoa(v), "large": p.large}, "data")
	login, other := g.secret("login", nil), g.secret("other", nil)
	set(login, map[string]any{"password": strconv.Itoa(v / 2)}, "stringData")
	so := []*object{value, login, other, g.configMap(fmt.Sprint("only", v), nil), g.service("web", nil)}
	if p.large != "" {
		more := g.configMap("more", nil)
		set(more, map[string]any{"large": p.large[1000:] + strconv.Itoa(v)}, "data")
		so = append(so, more)
	}
	return so
}

// found says what a verification finds, "" if all is as it was written. What it
// blames on a revision must be in the way of going back to it, and nothing else.
func (p *tampering) found() string {
	p.Helper()
	v, err := p.engine.Verify(p.Context())
	if err != nil {
		p.Fatalf("verify: %v", err)
	}
	found := v.Problems
	for _, r := range v.Revisions {
		for _, problem := range r.Problems {
			found = append(found, fmt.Sprintf("revision %d: %s", r.Revision, problem))
		}
		// What the statuses say together is about none of them alone.
		alone := slices.ContainsFunc(r.Problems, func(p string) bool { return !strings.Contains(p, "no later revision ended well") })
		if _, err := p.engine.Revision(p.Context(), r.Revision); (err != nil) != alone {
			p.c.fail(p.trial, "%s: revision %d has the problems %q, but to read it: %v", p.touched, r.Revision, r.Problems, err)
		}
	}
	if v.OK() != (len(found) == 0) {
		p.c.fail(p.trial, "%s: verified as OK: %t, with the problems %q", p.touched, v.OK(), found)
	}
	return strings.Join(found, "; ")
}

// record draws a record of a kind, nil if there is none.
func (p *tampering) record(kind string) *v1.Secret {
	p.Helper()
	list, err := p.secrets.List(p.Context(), metav1.ListOptions{FieldSelector: "type=stackctl.dev/" + kind})
	if err != nil {
		p.Fatal(err)
	}
	if len(list.Items) == 0 {
		return nil
	}
	return &list.Items[p.IntN(len(list.Items))]
}

func (p *tampering) called(suffix string) *v1.Secret {
	p.Helper()
	s, err := p.secrets.Get(p.Context(), "stackctl.shop."+suffix, metav1.GetOptions{})
	if err != nil {
		p.Fatal(err)
	}
	return s
}

// replace puts a Secret in the place of another: they are immutable, but
// whoever may delete and create can do that.
func (p *tampering) replace(s *v1.Secret, what string) {
	p.Helper()
	if err := p.secrets.Delete(p.Context(), s.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		p.Fatal(err)
	}
	s.ResourceVersion, s.UID, s.ManagedFields = "", "", nil
	if _, err := p.secrets.Create(p.Context(), s, metav1.CreateOptions{FieldManager: "kubectl-create"}); err != nil {
		p.Fatal(err)
	}
	p.touched = what + " of " + s.Name
}

func (p *tampering) anyValue(s *v1.Secret) string {
	var keys []string
	for k, v := range s.Data {
		if len(v) > 0 {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys[p.IntN(len(keys))]
}

func (p *tampering) flip(s *v1.Secret) {
	if s == nil {
		return
	}
	k := p.anyValue(s)
	v := slices.Clone(s.Data[k])
	at, bit := p.IntN(len(v)), p.IntN(8)
	v[at] ^= 1 << bit
	s.Data[k] = v
	p.replace(s, fmt.Sprintf("bit %d of byte %d of %s", bit, at, k))
}

func (p *tampering) truncate(s *v1.Secret) {
	if s == nil {
		return
	}
	k := p.anyValue(s)
	s.Data[k] = s.Data[k][:p.IntN(len(s.Data[k]))]
	p.replace(s, "the end of "+k)
}

func (p *tampering) add(s *v1.Secret) {
	if s == nil {
		s = p.record("revision")
	}
	s.Data["more"] = []byte("x")
	p.replace(s, "one more value")
}

func (p *tampering) drop(s *v1.Secret) {
	k := p.anyValue(s)
	delete(s.Data, k)
	p.replace(s, "without "+k+": the data")
}

func (p *tampering) swap(one, two string) {
	a, b := p.called(one), p.called(two)
	a.Data, b.Data = b.Data, a.Data
	p.replace(a, "the data")
	p.replace(b, "the data of "+one+", and that")
}

func (p *tampering) foreign(suffix string) {
	s := &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "stackctl.shop." + suffix}, Data: map[string][]byte{"index": []byte("theirs")}}
	p.replace(s, "all")
}

func (p *tampering) copy(from, to string) {
	s := p.called(from)
	s.Name = "stackctl.shop." + to
	p.replace(s, "a copy of "+from+" in the place")
}

// edited changes what can be edited in place.
func (p *tampering) edited(s *v1.Secret, change func(*v1.Secret)) {
	p.Helper()
	change(s)
	if _, err := p.secrets.Update(p.Context(), s, metav1.UpdateOptions{FieldManager: "kubectl-edit"}); err != nil {
		p.Fatal(err)
	}
	p.touched = "labels and annotations of " + s.Name
}

func (p *tampering) relabel() {
	s := p.record("revision")
	was := s.Labels["stackctl.dev/status"]
	statuses := slices.DeleteFunc([]string{"pending", "deployed", "superseded", "failed", "interrupted", "nonsense"}, func(x string) bool { return x == was })
	status := statuses[p.IntN(len(statuses))]
	p.edited(s, func(s *v1.Secret) { s.Labels["stackctl.dev/status"] = status })
	p.touched += fmt.Sprintf(" (%s → %s)", was, status)
}

func (p *tampering) rewrite() {
	summary := map[string][2]string{
		"author": {`"author":"torture"`, `"author":"nobody"`}, "verb": {`"verb":"apply"`, `"verb":"rollback"`}, "cause": {`"cause":"`, `"cause":"not `},
	}
	field := slices.Sorted(maps.Keys(summary))[p.IntN(len(summary))]
	p.edited(p.record("revision"), func(s *v1.Secret) {
		was := s.Annotations["stackctl.dev/summary"]
		s.Annotations["stackctl.dev/summary"] = strings.Replace(was, summary[field][0], summary[field][1], 1)
		if was == s.Annotations["stackctl.dev/summary"] {
			p.Fatalf("the summary has no %s: %s", field, was)
		}
	})
	p.touched += " (" + field + ")"
}

func (p *tampering) gone(s *v1.Secret) {
	if s == nil {
		return
	}
	if err := p.secrets.Delete(p.Context(), s.Name, metav1.DeleteOptions{}); err != nil {
		p.Fatal(err)
	}
	p.touched = "all of " + s.Name
}
