package torture

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"stackctl.dev/stackctl/apply"
)

// TestTortureProperties holds the engine to what it says of itself, on stacks
// drawn at random: an apply after an apply writes nothing; a plan is empty
// exactly when an apply of it writes nothing, and exactly when nobody touched
// what the stack owns; a rollback to n leads to what n was; and a revision that
// is read is the one that was written.
func TestTortureProperties(t *testing.T) {
	c := start(t, "properties", 3)
	c.each(4, func(t *testing.T, i int) {
		s := newScene(t, apply.Options{})
		p := &properties{scene: s, c: c, trial: i, generator: &generator{Rand: c.Rand(i), stack: s.stack}}
		p.run()
	})
	c.done()
}

type properties struct {
	*scene
	*generator
	c     *campaign
	trial int
	// reset and unlabelled are what was done to objects since the last apply.
	// Both together make an object nobody's, which is refused.
	reset, unlabelled map[id]bool
}

func (p *properties) fail(format string, args ...any) {
	p.Helper()
	p.c.fail(p.trial, format, args...)
}

func (p *properties) run() {
	a := p.objects(1 + p.IntN(15))
	p.scene.apply(a)
	p.revisionIs(1, a)
	p.settled(a, "the first apply")

	for range 3 {
		p.disturb(a)
		if p.Failed() {
			return
		}
	}
	b := p.mutate(a)
	before := p.newest()
	p.scene.apply(b)
	if n := p.newest(); n != before {
		p.revisionIs(n, b)
	}
	p.settled(b, "the second stack")
	rev := p.rollback(1)
	if bad := p.differences(rev.Objects); len(bad) > 0 {
		p.fail("the rollback did not lead back to revision 1:\n%s", strings.Join(bad, "\n"))
	}
	p.settled(a, "the rollback")
}

func (p *properties) newest() int {
	p.Helper()
	all, err := p.engine.History(p.Context())
	if err != nil || len(all) == 0 {
		p.Fatalf("history: %v, %v", all, err)
	}
	return all[len(all)-1].Revision
}

// settled checks that nothing is left to do: an apply writes nothing.
func (p *properties) settled(so []*object, after string) {
	p.Helper()
	plan := p.plan(so)
	if !plan.Empty() || plan.Settle {
		p.fail("after %s there is something to do:\n%s", after, planText(plan))
	}
	if n := p.carryOut(plan); n > 0 && plan.Empty() {
		p.fail("after %s an apply of an empty plan made %d writes", after, n)
	}
}

// revisionIs checks that a revision holds what was applied, and that the
// cluster has it.
func (p *properties) revisionIs(n int, so []*object) {
	p.Helper()
	rev, err := p.engine.Revision(p.Context(), n)
	if err != nil {
		p.Fatalf("revision %d: %v", n, err)
	}
	if string(rev.Source) != "name: shop\n" || rev.Environment != "test" || rev.Status != apply.StatusDeployed {
		p.fail("revision %d: source %q, environment %q, status %s", n, rev.Source, rev.Environment, rev.Status)
	}
	got := map[id]string{}
	for _, o := range rev.Objects {
		got[idOf(o)] = comparable(o)
	}
	for _, o := range asSent(so, rev.Objects) {
		if want := comparable(o); got[idOf(o)] != want {
			p.fail("revision %d does not hold %s as it was applied:\n%s\nwant:\n%s", n, idOf(o), got[idOf(o)], want)
		}
		delete(got, idOf(o))
	}
	for i := range got {
		p.fail("revision %d holds %s, which was not applied", n, i)
	}
	if bad := p.differences(rev.Objects); len(bad) > 0 {
		p.fail("the cluster is not what revision %d says:\n%s", n, strings.Join(bad, "\n"))
	}
}

// comparable is an object as JSON, without the engine's change-cause.
func comparable(o *object) string {
	o = o.DeepCopy()
	a := o.GetAnnotations()
	delete(a, "kubernetes.io/change-cause")
	o.SetAnnotations(a)
	return asJSON(o.Object)
}

// asSent returns objects as the engine sends them: the values of Secrets as
// data, and final names. The key of a stack is its own, so that the names of
// Secrets are taken from the revision.
func asSent(so, recorded []*object) []*object {
	names := map[string]string{}
	sent := make([]*object, len(so))
	for i, o := range so {
		o = o.DeepCopy()
		sent[i] = o
		if values, ok, _ := unstructured.NestedStringMap(o.Object, "stringData"); ok {
			delete(o.Object, "stringData")
			for k, v := range values {
				set(o, base64.StdEncoding.EncodeToString([]byte(v)), "data", k)
			}
		}
		switch o.GetLabels()[apply.LabelContent] {
		case apply.ContentKeyed:
			o.Object["immutable"] = true
		case apply.ContentTemplate:
		default:
			continue
		}
		for _, r := range recorded {
			hash, ok := strings.CutPrefix(r.GetName(), o.GetName()+"-")
			if ok && r.GetKind() == o.GetKind() && hash == r.GetLabels()[apply.LabelContent] {
				if o.GetKind() == "Secret" {
					names[o.GetName()] = r.GetName()
				}
				o.SetName(r.GetName())
				label(o, apply.LabelContent, hash)
			}
		}
	}
	for i, o := range sent {
		kept := o.GetLabels()["app.kubernetes.io/name"] // a word that is the name too
		sent[i] = replaced(o, names)
		label(sent[i], "app.kubernetes.io/name", kept)
	}
	return sent
}

// disturbance is something that somebody does to an object behind the stack's
// back. It reports whether it could be done, and whether it touched what the
// stack owns.
type disturbance struct {
	name string
	do   func(p *properties, o *object) (done, touched bool)
}

var disturbances = []disturbance{
	{"change a value", (*properties).changeValue},
	{"change a value", (*properties).changeValue},
	{"change a value and back", (*properties).changeAndRevert},
	{"remove a value", (*properties).removeValue},
	{"remove an owner label", (*properties).removeOwnerLabel},
	{"delete", (*properties).deleteObject},
	{"add a label", (*properties).addLabel},
	{"add an annotation", (*properties).addAnnotation},
	{"add data", (*properties).addData},
	{"restart", (*properties).restart},
	{"scale", (*properties).scale},
	{"reset the managed fields", (*properties).resetManagedFields},
	{"nothing", func(*properties, *object) (bool, bool) { return true, false }},
}

// disturb disturbs objects at random, compares what the plan finds, and mends.
func (p *properties) disturb(so []*object) {
	p.Helper()
	current := p.current(so)
	p.reset, p.unlabelled = map[id]bool{}, map[id]bool{}
	var what []string
	touched := false
	var jobs []*object // that were touched, and may expire before they are looked at
	for range 1 + p.IntN(3) {
		d, o := disturbances[p.IntN(len(disturbances))], current[p.IntN(len(current))]
		if p.get(idOf(o)) == nil {
			continue // a Job that is gone, or the second disturbance of the same
		}
		if done, t := d.do(p, o); done {
			if touched = touched || t; t && mayBeGone(o) {
				jobs = append(jobs, o)
			}
			what = append(what, fmt.Sprintf("%s of %s (touches: %t)", d.name, idOf(o), t))
		}
	}
	plan := p.plan(so)
	expired := slices.ContainsFunc(jobs, func(o *object) bool { return p.get(idOf(o)) == nil })
	if plan.Empty() == touched && !expired {
		p.fail("after %s the plan is:\n%s", strings.Join(what, ", "), planText(plan))
	}
	if writes := p.carryOut(plan); (writes == 0) != plan.Empty() {
		p.fail("after %s the plan is empty: %t, but carrying it out made %d writes:\n%s", strings.Join(what, ", "), plan.Empty(), writes, planText(plan))
	}
	if bad := p.differences(current); len(bad) > 0 {
		p.fail("after %s and an apply:\n%s", strings.Join(what, ", "), strings.Join(bad, "\n"))
	}
	p.settled(so, "mending "+strings.Join(what, ", "))
}

// current returns objects as the newest revision has them.
func (p *properties) current(so []*object) []*object {
	p.Helper()
	rev, err := p.engine.Revision(p.Context(), p.newest())
	if err != nil {
		p.Fatal(err)
	}
	return asSent(so, rev.Objects)
}

// leaf is a scalar of an object, by the keys and indexes that lead to it.
type leaf struct {
	path  []any
	value any
}

func (l leaf) String() string { return fmt.Sprint(l.path...) }

func leaves(v any, path []any) []leaf {
	var all []leaf
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			all = append(all, leaves(v[k], append(slices.Clone(path), k))...)
		}
	case []any:
		for i := range v {
			all = append(all, leaves(v[i], append(slices.Clone(path), i))...)
		}
	default:
		all = append(all, leaf{path, v})
	}
	return all
}

func (l leaf) in(v any) any {
	for _, step := range l.path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

// put sets the leaf in an object, nil removes it.
func (l leaf) put(o map[string]any, value any) {
	last := len(l.path) - 1
	holder, ok := leaf{path: l.path[:last]}.in(o).(map[string]any)
	if !ok {
		return
	}
	key, ok := l.path[last].(string)
	switch {
	case !ok:
	case value == nil:
		delete(holder, key)
	default:
		holder[key] = value
	}
}

// anyLeaf draws a value that the stack owns in an object and may be edited:
// not its identity, nor who it belongs to.
func (p *properties) anyLeaf(o *object) (leaf, bool) {
	var some []leaf
	for _, l := range leaves(o.Object, nil) {
		switch text := l.String(); {
		case len(l.path) == 1 && text != "automountServiceAccountToken", strings.HasPrefix(text, "metadata name"), strings.HasPrefix(text, "metadata namespace"):
		case strings.Contains(text, "stackctl.dev/"):
		case isMergeKey(l): // another item then, beside which the server may not take ours
		default:
			some = append(some, l)
		}
	}
	if len(some) == 0 {
		return leaf{}, false
	}
	return some[p.IntN(len(some))], true
}

// isMergeKey reports what tells the items of a list apart.
func isMergeKey(l leaf) bool {
	n := len(l.path)
	if n < 2 {
		return false
	}
	_, item := l.path[n-2].(int)
	return item && slices.Contains([]any{"name", "port", "protocol"}, l.path[n-1])
}

func (p *properties) changed(o *object, l leaf) any {
	if o.GetKind() == "Secret" && l.path[0] == "data" {
		return base64.StdEncoding.EncodeToString([]byte(p.other("")))
	}
	switch v := l.value.(type) {
	case string:
		return p.other(v)
	case int64:
		return v + 1 + int64(p.IntN(3))
	case bool:
		return !v
	}
	return l.value
}

// owned reports whether an object is still wholly as the stack sent it.
func (p *properties) owned(o *object) bool {
	p.Helper()
	return len(p.differences([]*object{o})) == 0
}

func (p *properties) changeValue(o *object) (bool, bool) {
	for range 8 { // until the server takes one
		l, ok := p.anyLeaf(o)
		if !ok {
			return false, false
		}
		value := p.changed(o, l)
		if p.edit(idOf(o), func(live *object) { l.put(live.Object, value) }) == nil {
			return true, !p.owned(o)
		}
	}
	return false, false
}

func (p *properties) removeValue(o *object) (bool, bool) {
	for range 8 {
		l, ok := p.anyLeaf(o)
		if !ok {
			return false, false
		}
		if p.edit(idOf(o), func(live *object) { l.put(live.Object, nil) }) == nil {
			return true, !p.owned(o)
		}
	}
	return false, false
}

// changeAndRevert leaves all values as they are, and takes one of them away
// from the stack.
func (p *properties) changeAndRevert(o *object) (bool, bool) {
	for range 8 {
		l, ok := p.anyLeaf(o)
		if !ok {
			return false, false
		}
		value := p.changed(o, l)
		if p.edit(idOf(o), func(live *object) { l.put(live.Object, value) }) != nil {
			continue
		}
		_ = p.edit(idOf(o), func(live *object) { l.put(live.Object, l.value) }) // a refusal leaves the change
		return true, !p.owned(o)
	}
	return false, false
}

func (p *properties) removeOwnerLabel(o *object) (bool, bool) {
	key := []string{apply.LabelStack, apply.LabelNamespace}[p.IntN(2)]
	if p.reset[idOf(o)] {
		return false, false
	}
	p.unlabelled[idOf(o)] = true
	err := p.edit(idOf(o), func(live *object) {
		l := live.GetLabels()
		delete(l, key)
		live.SetLabels(l)
	})
	return err == nil, true
}

func (p *properties) deleteObject(o *object) (bool, bool) {
	if mayBeGone(o) || o.GetKind() == "PersistentVolumeClaim" { // whose end takes as long as its pods
		return false, false
	}
	p.remove(idOf(o))
	return true, true
}

func (p *properties) addLabel(o *object) (bool, bool) {
	return p.edit(idOf(o), func(live *object) { label(live, "example.com/theirs", fmt.Sprint("v", p.IntN(1e6))) }) == nil, false
}

func (p *properties) addAnnotation(o *object) (bool, bool) {
	return p.edit(idOf(o), func(live *object) { annotate(live, "example.com/theirs", p.text()) }) == nil, false
}

func (p *properties) addData(o *object) (bool, bool) {
	if o.GetKind() != "ConfigMap" && o.GetKind() != "Secret" {
		return false, false
	}
	return p.edit(idOf(o), func(live *object) { set(live, "dGhlaXJz", "data", "theirs") }) == nil, false
}

// restart does what `kubectl rollout restart` does.
func (p *properties) restart(o *object) (bool, bool) {
	if o.GetKind() != "Deployment" && o.GetKind() != "StatefulSet" {
		return false, false
	}
	return p.edit(idOf(o), func(live *object) {
		set(live, fmt.Sprint("at ", p.IntN(1e6)), "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
	}) == nil, false
}

func (p *properties) scale(o *object) (bool, bool) {
	if o.GetKind() != "Deployment" && o.GetKind() != "StatefulSet" {
		return false, false
	}
	body := fmt.Sprintf(`{"spec":{"replicas":%d}}`, p.IntN(4))
	if _, err := p.in(idOf(o)).Patch(p.Context(), o.GetName(), types.MergePatchType, []byte(body), metav1.PatchOptions{FieldManager: "kubectl"}, "scale"); err != nil {
		p.Fatal(err)
	}
	return true, !p.owned(o)
}

// resetManagedFields takes everything away from everybody. What the stack no
// longer wants then stays, as nobody's: beside one limit of a budget the server
// takes no other, and the plan says that the object must be made anew.
func (p *properties) resetManagedFields(o *object) (bool, bool) {
	if p.unlabelled[idOf(o)] || o.GetKind() == "PodDisruptionBudget" {
		return false, false
	}
	p.reset[idOf(o)] = true
	return p.edit(idOf(o), func(live *object) { live.SetManagedFields([]metav1.ManagedFieldsEntry{{}}) }) == nil, true
}
