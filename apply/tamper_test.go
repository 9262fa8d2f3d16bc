package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"stackctl.dev/stackctl/apply"
)

// ledger is every record of a stack, by name, to tamper with and to put back.
type ledger struct {
	*story
	was map[string]v1.Secret
}

func (s *story) ledger() *ledger {
	l := &ledger{story: s}
	l.was = l.read()
	return l
}

func (l *ledger) read() map[string]v1.Secret {
	l.Helper()
	list, err := l.plane.Client().CoreV1().Secrets(l.stack.Namespace).List(l.Context(), metav1.ListOptions{})
	if err != nil {
		l.Fatal(err)
	}
	all := map[string]v1.Secret{}
	for _, secret := range list.Items {
		if strings.HasPrefix(secret.Name, "stackctl.shop.") {
			all[secret.Name] = secret
		}
	}
	return all
}

func (l *ledger) delete(name string) {
	l.Helper()
	err := l.plane.Client().CoreV1().Secrets(l.stack.Namespace).Delete(l.Context(), name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		l.Fatal(err)
	}
}

func (l *ledger) create(secret v1.Secret) {
	l.Helper()
	secret.ResourceVersion, secret.UID = "", ""
	if _, err := l.plane.Client().CoreV1().Secrets(l.stack.Namespace).Create(l.Context(), &secret, metav1.CreateOptions{}); err != nil {
		l.Fatal(err)
	}
}

// rewrite makes a record anew, since immutable data cannot be edited.
func (l *ledger) rewrite(name string, change func(*v1.Secret)) {
	l.Helper()
	secret, ok := l.was[name]
	if !ok {
		l.Fatalf("there is no %s", name)
	}
	l.delete(name)
	changed := secret.DeepCopy()
	change(changed)
	l.create(*changed)
}

// copyTo makes a copy of a record under another name.
func (l *ledger) copyTo(from, to string, change func(*v1.Secret)) {
	l.Helper()
	was := l.was[from]
	secret := was.DeepCopy()
	secret.Name = to
	if change != nil {
		change(secret)
	}
	l.create(*secret)
}

// edit changes a label or an annotation, in the words of kubectl: key=value, or
// key- to take it away.
func (l *ledger) edit(what, name, change string) {
	l.Helper()
	field, value := "annotations", any(nil)
	if what == "label" {
		field = "labels"
	}
	key, text, set := strings.Cut(change, "=")
	if set {
		value = text
	} else {
		key = strings.TrimSuffix(change, "-")
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{field: map[string]any{key: value}}})
	if err == nil {
		_, err = l.plane.Client().CoreV1().Secrets(l.stack.Namespace).Patch(l.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if err != nil {
		l.Fatal(err)
	}
}

// restore puts everything back as it was.
func (l *ledger) restore() {
	l.Helper()
	now := l.read()
	for name := range now {
		if was, ok := l.was[name]; !ok || !sameRecord(was, now[name]) {
			l.delete(name)
			delete(now, name)
		}
	}
	for name, was := range l.was {
		if _, ok := now[name]; !ok {
			l.create(was)
		}
	}
}

func sameRecord(a, b v1.Secret) bool {
	return a.Type == b.Type && maps.EqualFunc(a.Data, b.Data, func(x, y []byte) bool { return string(x) == string(y) }) &&
		maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations)
}

// named returns the records whose name has a part, sorted.
func (l *ledger) named(part string) []string {
	var names []string
	for name := range l.was {
		if strings.Contains(name, part) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// checkFound says whether a change of the records is found, and what is the
// same after any: history answers, a revision that is blamed is not gone back
// to, and an apply works and records the next number.
func (l *ledger) checkFound(what string) {
	l.Helper()
	v, err := l.engine.Verify(l.Context())
	if err != nil {
		l.Errorf("%s: verify: %v", what, err)
		return
	}
	if v.OK() {
		l.Errorf("%s: was not found", what)
	}
	if _, err := l.engine.History(l.Context()); err != nil {
		l.Errorf("%s: history: %v", what, err)
	}
	last := 0
	for _, r := range v.Revisions {
		last = r.Revision
		_, err := l.engine.Revision(l.Context(), r.Revision)
		// The statuses of several revisions together say nothing about one.
		together := len(r.Problems) == 1 && strings.Contains(r.Problems[0], "later revision")
		if len(r.Problems) > 0 && err == nil && !together {
			l.Errorf("%s: revision %d can be gone back to, although %q", what, r.Revision, r.Problems)
		}
		if len(r.Problems) == 0 && err != nil {
			l.Errorf("%s: revision %d: %v", what, r.Revision, err)
		}
	}
	result, err := l.engine.Apply(l.Context(), l.plan(l.configMap("a", "after "+what), l.secret("login", "three")), run)
	if err != nil {
		l.Errorf("%s: apply: %v", what, err)
		return
	}
	if result.Revision <= last {
		l.Errorf("%s: revision %d came after %d", what, result.Revision, last)
	}
	if _, err := l.engine.Revision(l.Context(), result.Revision); err != nil {
		l.Errorf("%s: the new revision: %v", what, err)
	}
}

// tampered is a stack with three revisions, whose records are about to be
// tampered with. Its config is too large for the index.
func tampered(t *testing.T) *ledger {
	s := newStory(t)
	big := strings.Builder{}
	for x := uint32(1); big.Len() < 300<<10; x = x*1664525 + 1013904223 {
		fmt.Fprintf(&big, "%08x", x)
	}
	for i, password := range []string{"one", "two", "three"} {
		s.apply(s.configMap("a", fmt.Sprint(i)), s.configMap("big", big.String()), s.secret("login", password))
	}
	l := s.ledger()
	if len(l.named(".c-")) < 2 || len(l.named(".s-")) != 3 || len(l.named(".outcome")) != 3 {
		t.Fatalf("the records are %q", slices.Sorted(maps.Keys(l.was)))
	}
	if v, err := s.engine.Verify(t.Context()); err != nil || !v.OK() {
		t.Fatalf("%v %+v", err, v)
	}
	return l
}

// TestTamperedRecords: every way to change the records that we could think of
// is found, and none is in the way.
func TestTamperedRecords(t *testing.T) {
	l := tampered(t)
	const v1Name, v2Name, v3Name = "stackctl.shop.v1", "stackctl.shop.v2", "stackctl.shop.v3"
	chunk, other, value := l.named(".c-")[0], l.named(".c-")[1], l.named(".s-")[0]
	flip := func(name, key string) func() {
		return func() {
			l.rewrite(name, func(s *v1.Secret) { s.Data[key] = slices.Clone(s.Data[key]); s.Data[key][len(s.Data[key])/2] ^= 1 })
		}
	}
	for _, c := range []struct {
		what string
		do   func()
	}{
		{"a bit of an index", flip(v3Name, "index")},
		{"a bit of a part", flip(v2Name, "source")},
		{"a bit of the random key", flip(v3Name, "key")},
		{"a bit of an outcome", flip(v2Name+".outcome", "outcome")},
		{"a bit of an outcome's index", flip(v3Name+".outcome", "index")},
		{"a bit of a chunk", flip(chunk, "chunk")},
		{"a bit of a value", flip(value, "password")},
		{"a chunk cut short", func() {
			l.rewrite(chunk, func(s *v1.Secret) { s.Data["chunk"] = s.Data["chunk"][:100] })
		}},
		{"two chunks swapped", func() {
			a, b := l.was[chunk].Data["chunk"], l.was[other].Data["chunk"]
			l.rewrite(chunk, func(s *v1.Secret) { s.Data["chunk"] = b })
			l.rewrite(other, func(s *v1.Secret) { s.Data["chunk"] = a })
		}},
		{"the source of another revision", func() {
			l.rewrite(v2Name, func(s *v1.Secret) { s.Data["inventory"] = l.was[v3Name].Data["source"] })
		}},
		{"a part taken out", func() { l.rewrite(v2Name, func(s *v1.Secret) { delete(s.Data, "values") }) }},
		{"data put in", func() { l.rewrite(v2Name, func(s *v1.Secret) { s.Data["more"] = []byte("x") }) }},
		{"no data at all", func() { l.rewrite(v3Name, func(s *v1.Secret) { s.Data = nil }) }},
		{"the format", func() {
			l.rewrite(v3Name, func(s *v1.Secret) {
				s.Data["index"] = []byte(strings.Replace(string(s.Data["index"]), `"format":2`, `"format":3`, 1))
			})
		}},
		{"the whole content of another revision", func() {
			l.rewrite(v3Name, func(s *v1.Secret) { s.Data = l.was[v2Name].Data })
		}},
		{"the outcome of another revision", func() {
			l.rewrite(v3Name+".outcome", func(s *v1.Secret) { s.Data = l.was[v2Name+".outcome"].Data })
		}},
		{"a foreign Secret for an index", func() {
			l.rewrite(v2Name, func(s *v1.Secret) { s.Type, s.Data = v1.SecretTypeOpaque, map[string][]byte{"a": []byte("b")} })
		}},
		{"a foreign Secret without our labels for an index", func() {
			l.rewrite(v2Name, func(s *v1.Secret) { s.Type, s.Labels, s.Annotations = v1.SecretTypeOpaque, nil, nil })
		}},
		{"a foreign Secret where the next index goes", func() {
			l.copyTo(v2Name, "stackctl.shop.v4", func(s *v1.Secret) { s.Type, s.Labels, s.Annotations = v1.SecretTypeOpaque, nil, nil })
		}},
		{"an outcome of another type", func() { l.rewrite(v2Name+".outcome", func(s *v1.Secret) { s.Type = "stackctl.dev/revision" }) }},
		{"a chunk of another type", func() { l.rewrite(chunk, func(s *v1.Secret) { s.Type = v1.SecretTypeOpaque }) }},
		{"a value of another type", func() { l.rewrite(value, func(s *v1.Secret) { s.Type = v1.SecretTypeOpaque }) }},
		{"an older revision under a new name", func() { l.copyTo(v2Name, "stackctl.shop.v9", nil) }},
		{"an older revision under a new name and number", func() {
			l.copyTo(v2Name, "stackctl.shop.v9", func(s *v1.Secret) { s.Labels["stackctl.dev/revision"] = "9" })
		}},
		{"a number nobody writes", func() { l.copyTo(v2Name, "stackctl.shop.v07", nil) }},
		{"a chunk missing", func() { l.delete(chunk) }},
		{"an outcome missing", func() { l.delete(v3Name + ".outcome") }},
		{"a value missing", func() { l.delete(value) }},
		{"an index is gone, its outcome is there", func() { l.delete(v1Name) }},
		{"the newest index is gone", func() { l.delete(v3Name) }},
		{"a success marked a failure", func() { l.edit("label", v2Name, "stackctl.dev/status=failed") }},
		{"the live one marked superseded", func() { l.edit("label", v3Name, "stackctl.dev/status=superseded") }},
		{"an old one marked deployed", func() { l.edit("label", v2Name, "stackctl.dev/status=deployed") }},
		{"a status that there is not", func() { l.edit("label", v2Name, "stackctl.dev/status=fine") }},
		{"no status", func() { l.edit("label", v2Name, "stackctl.dev/status-") }},
		{"another number", func() { l.edit("label", v2Name, "stackctl.dev/revision=7") }},
		{"another stack", func() { l.edit("label", v2Name, "stackctl.dev/record-of=other") }},
		{"a newer format by its label", func() { l.edit("label", v2Name, "stackctl.dev/format=3") }},
		{"a chunk of another stack", func() { l.edit("label", chunk, "stackctl.dev/record-of=other") }},
		{"a value without its label", func() { l.edit("label", value, "stackctl.dev/record-") }},
		{"another cause", func() { l.summary(v2Name, `"author":"ada"`, `"author":"eve"`) }},
		{"other counts", func() { l.summary(v3Name, `"updated":2`, `"updated":1`) }},
		{"another time", func() { l.summary(v3Name, `"createdAt":"2`, `"createdAt":"3`) }},
		{"the summary of another", func() {
			l.edit("annotate", v2Name, "stackctl.dev/summary="+l.was[v3Name].Annotations["stackctl.dev/summary"])
		}},
		{"no summary", func() { l.edit("annotate", v3Name, "stackctl.dev/summary-") }},
		{"no digest of the summary", func() { l.edit("annotate", v3Name, "stackctl.dev/summary-digest-") }},
	} {
		if !t.Run(c.what, func(t *testing.T) {
			outer := l.TB
			defer func() { l.TB = outer }()
			l.TB = t
			c.do()
			l.checkFound(c.what)
			l.restore()
		}) && t.Context().Err() != nil {
			return
		}
	}
	if v, err := l.engine.Verify(t.Context()); err != nil || !v.OK() {
		t.Errorf("after putting everything back: %v %+v", err, v)
	}
}

// summary edits the summary of a revision in its annotation.
func (l *ledger) summary(name, before, after string) {
	l.Helper()
	text := l.was[name].Annotations["stackctl.dev/summary"]
	if !strings.Contains(text, before) {
		l.Fatalf("the summary is %s", text)
	}
	l.edit("annotate", name, "stackctl.dev/summary="+strings.Replace(text, before, after, 1))
}

// TestRandomDamage flips bits of records anywhere. The seed is printed.
func TestRandomDamage(t *testing.T) {
	l := tampered(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	names := slices.Sorted(maps.Keys(l.was))
	for i := range 12 {
		name := names[random.IntN(len(names))]
		keys := slices.Sorted(maps.Keys(l.was[name].Data))
		key := keys[random.IntN(len(keys))]
		bit := random.IntN(8 * len(l.was[name].Data[key]))
		l.rewrite(name, func(s *v1.Secret) {
			s.Data[key] = slices.Clone(s.Data[key])
			s.Data[key][bit/8] ^= 1 << (bit % 8)
		})
		l.checkFound(fmt.Sprintf("damage %d, bit %d of %s in %s", i, bit, key, name))
		l.restore()
	}
}

// TestANewerStackctlIsNotPassedOver: its records may say what this one cannot
// read, so nothing is planned.
func TestANewerStackctlIsNotPassedOver(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"))
	l := s.ledger()
	l.copyTo("stackctl.shop.v1", "stackctl.shop.v2", func(x *v1.Secret) {
		x.Data = map[string][]byte{"index": []byte(`{"format":3}`)}
		x.Labels["stackctl.dev/format"], x.Labels["stackctl.dev/revision"] = "3", "2"
	})
	s.want("history", s.history(), "1 deployed, 2 newer")
	var newer *apply.NewerRecordError
	if _, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "2")}}); !errors.As(err, &newer) {
		t.Errorf("plan: %v", err)
	}
	if v, err := s.engine.Verify(t.Context()); err != nil || v.OK() {
		t.Errorf("%v %+v", err, v)
	}
}

// TestRecordsAreSecrets of types of their own: who reads ConfigMaps sees none.
func TestRecordsAreSecrets(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"), s.secret("login", "one"))
	for name, secret := range s.ledger().was {
		if !strings.HasPrefix(string(secret.Type), "stackctl.dev/") || secret.Immutable == nil || !*secret.Immutable {
			t.Errorf("%s is of type %s, immutable %v", name, secret.Type, secret.Immutable)
		}
	}
	s.want("config maps", s.kubectl("get", "configmap", "-l", "app.kubernetes.io/managed-by", "-o", "name"), "")
	s.want("of the stack", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/a")
}

// TestARollbackKeepsItsTarget: applies that retire revisions run beside
// rollbacks. A rollback gets there, or says why not before it writes; it never
// finds half of what it goes back to.
func TestARollbackKeepsItsTarget(t *testing.T) {
	s := newStory(t)
	s.engine = s.newEngine(apply.Options{KeepRevisions: 3})
	for i := range 3 {
		s.apply(s.configMap("a", fmt.Sprint(i)), s.secret("login", fmt.Sprint("pw", i)))
	}
	forward := func(ctx context.Context, i int) error {
		p, err := s.newEngine(apply.Options{KeepRevisions: 3}).Plan(ctx, apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", fmt.Sprint("next", i)), s.secret("login", fmt.Sprint("next", i))}})
		if err != nil {
			return err
		}
		_, err = s.engine.Apply(ctx, p, run)
		return err
	}
	back := func(ctx context.Context, to int) error {
		rev, err := s.engine.Revision(ctx, to)
		if err != nil {
			return err
		}
		p, err := s.engine.Plan(ctx, apply.Target{Verb: apply.VerbRollback, Objects: rev.Objects, RollbackTo: to})
		if err != nil {
			return err
		}
		_, err = s.engine.Apply(ctx, p, run)
		return err
	}
	done := 0
	for i := range 8 {
		all, err := s.engine.History(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		results := make(chan error, 2)
		go func() { results <- forward(t.Context(), i) }()
		go func() { results <- back(t.Context(), all[0].Revision) }()
		for range 2 {
			var stale *apply.StalePlanError
			switch err := <-results; {
			case err == nil:
				done++
			case errors.As(err, &stale), strings.Contains(err.Error(), "no longer kept"):
			default:
				t.Errorf("round %d: %v", i, err)
			}
		}
		if v, err := s.engine.Verify(t.Context()); err != nil || !v.OK() || v.Garbage != 0 {
			t.Errorf("round %d: %v %+v", i, err, v)
		}
	}
	if done < 8 {
		t.Errorf("%d of 16 runs got through", done)
	}
}

// TestADeletedIndexIsNotForgotten: whoever deletes the newest record neither
// brings its number back nor hides what only it listed.
func TestADeletedIndexIsNotForgotten(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"))
	s.apply(s.configMap("a", "1"), s.service("only", 80))
	l := s.ledger()
	l.delete("stackctl.shop.v2")
	s.want("history", s.history(), "1 superseded, 2 corrupt")
	stacks, err := apply.Stacks(t.Context(), s.plane.Config(), s.stack.Namespace)
	if err != nil || len(stacks) != 1 || stacks[0].Latest.Revision != 2 || stacks[0].Latest.Status != apply.StatusCorrupt {
		t.Errorf("list: %+v, %v", stacks, err)
	}
	if _, err := s.engine.Revision(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "revision 2") || !strings.Contains(err.Error(), "its index was deleted") {
		t.Errorf("revision 2: %v", err)
	}
	p := s.plan(s.configMap("a", "1"))
	s.want("plan", actions(p), "delete Service/only")
	s.want("warnings", strings.Join(p.Warnings, "\n"), "the record of revision 2 is corrupt and was passed over")
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("history", s.history(), "1 superseded, 2 corrupt, 3 deployed")
	s.want("left", s.kubectl("get", "service", "-o", "name"), "")
	// With its outcome gone too there is nothing left to tell of it.
	l.delete("stackctl.shop.v2.outcome")
	s.want("history", s.history(), "1 superseded, 3 deployed")
}
