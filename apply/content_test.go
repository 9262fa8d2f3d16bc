package apply_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/apply"
)

// named marks an object as named by its content.
func named(o *obj, by string) *obj {
	labels := o.GetLabels()
	labels[apply.LabelContent] = by
	o.SetLabels(labels)
	return o
}

// settings is a ConfigMap named by its content, as render makes it.
func (s *story) settings(value string) *obj {
	o := named(s.configMap("settings-"+value, value), value)
	o.Object["immutable"] = true
	return o
}

// using makes the pods of a Deployment use configuration.
func using(o *obj, volume string) *obj {
	set(o, []any{map[string]any{"name": "config", "configMap": map[string]any{"name": volume}}}, "spec", "template", "spec", "volumes")
	return o
}

// spare tells what a plan says about spare objects.
func spare(p *apply.Plan) string {
	var lines []string
	for _, c := range p.Changes {
		if c.Spare {
			lines = append(lines, fmt.Sprintf("%s %s: %s", c.Action, c.Object.Name, c.Note))
		}
	}
	return strings.Join(lines, "\n")
}

// TestConfigIsKeptWhileItIsUsed: what left the stack stays for the revisions
// and pods that use it, makes no difference, and goes with a later release.
func TestConfigIsKeptWhileItIsUsed(t *testing.T) {
	s := newStory(t)
	s.engine = s.newEngine(apply.Options{KeepRevisions: 1})
	release := func(v string) []*obj {
		return []*obj{s.settings(v), using(s.deployment("web", "web:v1", 1, ""), "settings-"+v)}
	}
	s.apply(release("a")...)
	s.apply(release("b")...)
	s.want("config maps", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/settings-a\nconfigmap/settings-b")
	p := s.plan(release("b")...)
	if !p.Empty() {
		t.Errorf("not empty: %s", actions(p))
	}
	s.want("in a plan of nothing", spare(p), "keep settings-a: older pods or revisions may use it")
	s.want("in a plan of something", spare(s.plan(append(release("b"), s.configMap("other", "1"))...)), "keep settings-a: used by revision 1")

	before := s.writes()
	s.rollback(1)
	for _, line := range s.plane.Requests(s, "/configmaps/settings-", `"verb":"create"`) {
		t.Errorf("the rollback made a ConfigMap: %s", line)
	}
	if s.writes() == before {
		t.Error("the rollback wrote nothing")
	}
	s.want("pods use", s.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.volumes[0].configMap.name}"), "settings-a")

	// Revisions go, but the Deployment's ReplicaSets still could be undone to.
	s.apply(release("c")...)
	s.apply(append(release("c"), s.configMap("other", "1"))...)
	s.apply(append(release("c"), s.configMap("other", "2"))...)
	p = s.plan(append(release("c"), s.configMap("other", "3"))...)
	if !strings.Contains(spare(p), "keep settings-b: used by ReplicaSet/web-") {
		t.Errorf("spare: %s", spare(p))
	}
	s.kubectl("delete", "replicaset", "--all")
	last := append(release("c"), s.configMap("other", "2"))
	if p := s.plan(last...); !p.Empty() || s.apply(last...).Revision != 0 {
		t.Errorf("unused config alone is a reason for a run: %s", actions(p))
	}
	s.want("collected", spare(s.plan(append(release("c"), s.configMap("other", "3"))...)), `delete settings-a: no pod and no revision uses it any more
delete settings-b: no pod and no revision uses it any more`)
	s.apply(append(release("c"), s.configMap("other", "3"))...)
	s.want("config maps", s.kubectl("get", "configmap", "-l", "stackctl.dev/content", "-o", "name"), "configmap/settings-c")
	s.delete(false)
	s.want("after the delete", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "")
}

// TestSpareConfigCountsForNoGuard: many files that change are no mass deletion.
func TestSpareConfigCountsForNoGuard(t *testing.T) {
	s := newStory(t)
	s.engine = s.newEngine(apply.Options{KeepRevisions: 1})
	var first []*obj
	for _, v := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		first = append(first, s.settings(v))
	}
	s.apply(first...)
	for i := range 3 {
		s.apply(s.configMap("other", fmt.Sprint(i)))
	}
	s.want("left", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/other")
}

// TestSpareConfigCostsNothing: a stack without it asks nobody who uses it, nor
// does a plan that changes nothing.
func TestSpareConfigCostsNothing(t *testing.T) {
	s := newStory(t)
	asked := func() int { return len(s.plane.Requests(s, "story/"+s.stack.Namespace, "controllerrevisions")) }
	s.apply(s.configMap("a", "1"), s.configMap("b", "1"))
	s.apply(s.configMap("b", "2"), s.settings("x"))
	s.apply(s.configMap("b", "2"), s.settings("y"))
	n := asked()
	if n == 0 {
		return
	}
	s.want("a plan of nothing", actions(s.plan(s.configMap("b", "2"), s.settings("y"))), "keep ConfigMap/settings-x")
	if asked() != n || n != 1 {
		t.Errorf("asked %d times, then %d", n, asked())
	}
}

// login is a Secret that the plan is to name, and web uses it in every way.
func (s *story) login(value string) *obj { return named(s.secret("login", value), apply.ContentKeyed) }

func (s *story) webWithLogin() *obj {
	web := s.deployment("web", "web:v1", 1, "")
	env := []any{map[string]any{"name": "PASSWORD", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "login", "key": "password"}}}}
	from := []any{map[string]any{"secretRef": map[string]any{"name": "login"}}}
	containers, _, _ := unstructured.NestedSlice(web.Object, "spec", "template", "spec", "containers")
	main := containers[0].(map[string]any)
	main["env"], main["envFrom"] = env, from
	set(web, containers, "spec", "template", "spec", "containers")
	set(web, []any{
		map[string]any{"name": "a", "secret": map[string]any{"secretName": "login"}},
		map[string]any{"name": "b", "projected": map[string]any{"sources": []any{map[string]any{"secret": map[string]any{"name": "login"}}}}},
		map[string]any{"name": "c", "secret": map[string]any{"secretName": "others", "optional": true}},
	}, "spec", "template", "spec", "volumes")
	return web
}

// uses lists the Secrets that web uses.
func (s *story) uses() string {
	s.Helper()
	const pod = "{.spec.template.spec"
	return s.kubectl("get", "deployment", "web", "-o", "jsonpath="+pod+".volumes[0].secret.secretName} "+pod+".volumes[1].projected.sources[0].secret.name} "+
		pod+".containers[0].env[0].valueFrom.secretKeyRef.name} "+pod+".containers[0].envFrom[0].secretRef.name} "+pod+".volumes[2].secret.secretName}")
}

// TestSecretsAreNamedByTheirContent: another value is another Secret, and the
// pods roll to it, and back.
func TestSecretsAreNamedByTheirContent(t *testing.T) {
	s := newStory(t)
	const first, second = "c4n4ry-one", "c4n4ry-two"
	name := func() string {
		return s.kubectl("get", "secret", "-l", "stackctl.dev/content", "--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[-1:].metadata.name}")
	}
	said := ""
	say := func(p *apply.Plan) *apply.Plan {
		b, _ := json.Marshal(p)
		said += string(b)
		return p
	}
	p := say(s.plan(s.login(first), s.webWithLogin()))
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	one := name()
	if p.Changes[0].Object.Name != one || !strings.HasPrefix(one, "login-") || len(one) != len("login-")+10 {
		t.Errorf("the plan said %s, the apply made %s", p.Changes[0].Object.Name, one)
	}
	s.want("web uses", s.uses(), strings.TrimSpace(strings.Repeat(one+" ", 4))+" others")
	s.want("the Secret", s.kubectl("get", "secret", one, "-o", `jsonpath={.immutable} {.metadata.labels.stackctl\.dev/content}`), "true "+one[len("login-"):])
	if p := say(s.plan(s.login(first), s.webWithLogin())); !p.Empty() {
		t.Errorf("the second plan: %s", actions(p))
	}

	p = say(s.plan(s.login(second), s.webWithLogin()))
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.apply(s.login(second), s.webWithLogin())
	two := strings.Fields(s.uses())[0]
	if one == two {
		t.Error("another value has the same name")
	}
	s.want("both are there", s.kubectl("get", "secret", one, two, "-o", "jsonpath={.items[*].metadata.name}"), one+" "+two)
	s.want("back", fmt.Sprint(s.rollback(1).Changes), "{0 1 0 1}")
	s.want("web uses", strings.Fields(s.uses())[0], one)
	if strings.Contains(said, "c4n4ry") || strings.Contains(said, "YzRuNHJ5") {
		t.Errorf("a plan holds a value: %s", said)
	}

	// The same value has another name in another stack: no name can be guessed.
	other := &story{TB: t, plane: s.plane, stack: apply.Stack{Namespace: s.stack.Namespace, Name: "other"}}
	other.engine = other.newEngine(apply.Options{})
	if got := other.plan(other.login(first)).Changes[0].Object.Name; got == one {
		t.Error("two stacks call the same value alike")
	}
}

// TestJobsAreNamedByWhatTheyDo: what can be changed in place is no reason to do
// it again.
func TestJobsAreNamedByWhatTheyDo(t *testing.T) {
	name := func(ttl int64, image string) string {
		job := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "batch/v1", "kind": "Job",
			"metadata": map[string]any{"name": "migrate", "namespace": "shop", "labels": map[string]any{apply.LabelContent: apply.ContentTemplate}},
			"spec": map[string]any{
				"ttlSecondsAfterFinished": ttl,
				"template":                map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "migrate", "image": image}}}},
			},
		}}
		named, err := apply.Named([]*unstructured.Unstructured{job}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return named[0].GetName()
	}
	if a, b := name(60, "a:1"), name(3600, "a:1"); a != b {
		t.Errorf("another ttl makes another job: %s and %s", a, b)
	}
	if a, b := name(60, "a:1"), name(60, "a:2"); a == b {
		t.Errorf("another image makes the same job: %s", a)
	}
}

// TestConfigReadsAsAnEdit: what is named by its content is another object, and
// is compared with the one it comes instead of all the same.
func TestConfigReadsAsAnEdit(t *testing.T) {
	s := newStory(t)
	release := func(v, password string) []*obj {
		return []*obj{s.settings(v), named(s.secret("login", password), apply.ContentKeyed)}
	}
	s.apply(release("a", "hunter2")...)
	p := s.plan(release("b", "tr0ub4dor")...)
	var got []string
	for _, c := range p.Changes {
		if c.Predecessor == nil {
			continue
		}
		name, was := strings.Split(c.Object.Name, "-")[0], strings.Split(c.Predecessor.Name, "-")[0]
		for _, f := range c.Fields {
			got = append(got, fmt.Sprintf("%s %s instead of %s: %s %s %v → %v, %s", c.Action, name, was, f.Op, f.Path, f.Before, f.After, f.Label))
		}
	}
	s.want("the edits", strings.Join(got, "\n"), "create settings instead of settings: set data.key a → b, you\n"+
		"create login instead of login: set data.password *** (before) → *** (after), you")
	if text, err := json.Marshal(p); err != nil || strings.Contains(string(text), "tr0ub") || strings.Contains(string(text), "aHVudGVyM") {
		t.Errorf("a secret shows: %v", err)
	}
	login := strings.TrimPrefix(s.kubectl("get", "secret", "-l", "stackctl.dev/content", "-o", "name"), "secret/")
	s.want("what becomes of the old ones", spare(p), "keep settings-a: used by revision 1\nkeep "+login+": used by revision 1")
	for _, c := range s.plan(release("a", "hunter2")...).Changes {
		if c.Predecessor != nil {
			t.Errorf("%s is there as it is, and comes instead of %s", c.Object, c.Predecessor)
		}
	}
}
