package apply_test

import (
	"errors"
	"strings"
	"testing"

	"stackctl.dev/stackctl/apply"
)

func TestSecondApplyWritesNothing(t *testing.T) {
	s := newStory(t)
	stack := func() []*obj {
		return []*obj{s.deployment("web", "web:v1", 2, ""), s.service("web", 80), s.configMap("settings", "a"), s.secret("login", "hunter2")}
	}
	s.want("first plan", actions(s.plan(stack()...)), "create ConfigMap/settings\ncreate Secret/login\ncreate Service/web\ncreate Deployment/web")
	if r := s.apply(stack()...); r.Revision != 1 || r.Status != apply.StatusDeployed {
		t.Fatalf("first apply: %+v", r)
	}
	before := s.writes()
	p := s.plan(stack()...)
	if !p.Empty() {
		t.Errorf("second plan is not empty: %s", actions(p))
	}
	if r := s.apply(stack()...); r.Revision != 0 {
		t.Errorf("second apply recorded revision %d", r.Revision)
	}
	if n := s.writes() - before; n != 0 {
		t.Errorf("second apply made %d writing requests", n)
	}
	s.want("history", s.history(), "1 deployed")
}

func TestForeignChangesAreConflictsUntilForced(t *testing.T) {
	s := newStory(t)
	s.apply(s.deployment("web", "web:v1", 2, ""), s.service("web", 80))
	s.kubectl("scale", "deployment/web", "--replicas=4")
	s.kubectl("patch", "deployment/web", "--field-manager=kubectl-edit", "-p", `{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"web:hack"}]}}}}`)

	p := s.plan(s.deployment("web", "web:v1", 2, ""), s.service("web", 80))
	s.want("plan", actions(p), `update Deployment/web
  set spec.replicas (kubectl (scale))
  set spec.template.spec.containers[name="main"].image (kubectl-edit)`)
	var got []string
	for _, c := range p.Conflicts() {
		got = append(got, c.Path+" "+c.Manager+" "+apply.Text(c.Live)+" "+apply.Text(c.Want))
	}
	s.want("conflicts", strings.Join(got, "\n"), `spec.replicas kubectl (scale) 4 2
spec.template.spec.containers[name="main"].image kubectl-edit "web:hack" "web:v1"`)

	before := s.writes()
	var conflict *apply.ConflictError
	if _, err := s.engine.Apply(t.Context(), p, run); !errors.As(err, &conflict) || len(conflict.Conflicts) != 2 {
		t.Errorf("plain apply: %v", err)
	}
	if n := s.writes() - before; n != 0 {
		t.Errorf("the refused apply made %d writing requests", n)
	}
	p = s.planWith(apply.Consent{Force: true}, s.deployment("web", "web:v1", 2, ""), s.service("web", 80))
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("live", s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}"), "2 web:v1")
	s.want("plan after force", actions(s.plan(s.deployment("web", "web:v1", 2, ""), s.service("web", 80))), "")
}

func TestDriftIsMended(t *testing.T) {
	s := newStory(t)
	stack := func() []*obj {
		return []*obj{s.deployment("web", "web:v1", 1, ""), s.service("web", 80, 81), s.service("api", 80)}
	}
	s.apply(stack()...)
	s.kubectl("delete", "service", "api")
	s.kubectl("label", "service", "web", "tier-")
	s.kubectl("patch", "service", "web", "--type=json", "-p", `[{"op":"remove","path":"/spec/ports/1"}]`)
	s.kubectl("annotate", "deployment", "web", "note=mine")
	s.kubectl("patch", "deployment", "web", "-p", `{"spec":{"minReadySeconds":1}}`)

	p := s.plan(stack()...)
	s.want("plan", actions(p), `create Service/api
update Service/web
  add metadata.labels.tier
  add spec.ports[name="p81"]`)
	if c := p.Changes[0]; !c.Recreated || !strings.Contains(c.Note, "new nodePorts") {
		t.Errorf("the note of the deleted Service says %q", c.Note)
	}
	s.apply(stack()...)
	s.want("ports", s.kubectl("get", "service", "web", "-o", "jsonpath={.spec.ports[*].port} {.metadata.labels.tier}"), "80 81 web")
	s.want("left alone", s.kubectl("get", "deployment", "web", "-o", "jsonpath={.metadata.annotations.note} {.spec.minReadySeconds}"), "mine 1")
	s.want("plan after", actions(s.plan(stack()...)), "")
}

func TestOwnerLabelRemovedIsMendedToo(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"), s.configMap("b", "1"))
	s.kubectl("label", "configmap", "a", "stackctl.dev/stack-", "stackctl.dev/namespace-")
	p := s.plan(s.configMap("a", "1"), s.configMap("b", "1"))
	s.want("plan", actions(p), "update ConfigMap/a\n  add metadata.labels[\"stackctl.dev/namespace\"]\n  add metadata.labels[\"stackctl.dev/stack\"]")
	s.apply(s.configMap("a", "1"), s.configMap("b", "1"))

	s.kubectl("label", "configmap", "b", "stackctl.dev/stack-")
	p = s.plan(s.configMap("a", "1"))
	s.want("an unlabelled object is not pruned", actions(p), "keep ConfigMap/b")
}

func TestValueGivenBackAfterAnEditIsOwnedAgain(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"))
	s.kubectl("patch", "configmap", "a", "-p", `{"data":{"key":"2"}}`)
	s.kubectl("patch", "configmap", "a", "-p", `{"data":{"key":"1"}}`)
	s.want("plan", actions(s.plan(s.configMap("a", "1"))), "update ConfigMap/a (ownership only)")
	s.apply(s.configMap("a", "1"))
	s.want("plan after", actions(s.plan(s.configMap("a", "1"))), "")
}

func TestRollbackRestoresAndRemoves(t *testing.T) {
	s := newStory(t)
	web := func(v string) *obj { return s.deployment("web", "web:"+v, 1, "") }
	s.apply(web("v1"), s.configMap("old", "1"), s.secret("login", "first"))
	s.apply(web("v2"), s.configMap("new", "1"), s.secret("login", "second"))
	s.apply(web("v3"), s.configMap("new", "2"), s.secret("login", "third"))
	s.rollback(1)
	s.want("history", s.history(), "1 superseded, 2 superseded, 3 superseded, 4 deployed")
	s.want("config maps", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/old")
	s.want("image", s.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}"), "web:v1")
	s.want("secret", s.kubectl("get", "secret", "login", "-o", "jsonpath={.data.password}"), "Zmlyc3Q=")
	s.want("plan of revision 1", actions(s.plan(web("v1"), s.configMap("old", "1"), s.secret("login", "first"))), "")
}

func TestPruneGuard(t *testing.T) {
	s := newStory(t)
	var all []*obj
	for _, n := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		all = append(all, s.configMap(n, "1"))
	}
	s.apply(all...)
	p := s.plan(all[0])
	var guard *apply.PruneError
	if _, err := s.engine.Apply(t.Context(), p, run); !errors.As(err, &guard) || guard.Deletes != 6 {
		t.Fatalf("losing 6 of 7 objects: %v", err)
	}
	p = s.plan()
	if _, err := s.engine.Apply(t.Context(), p, run); !errors.As(err, &guard) {
		t.Fatalf("losing all objects: %v", err)
	}
	allowed := run
	allowed.AllowPrune = 6
	if _, err := s.engine.Apply(t.Context(), s.plan(all[0]), allowed); err != nil {
		t.Fatal(err)
	}
	s.want("left", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/a")
}

func TestDelete(t *testing.T) {
	s := newStory(t)
	claim := s.object(`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`)
	stack := []*obj{s.deployment("web", "web:v1", 2, ""), s.service("web", 80), s.secret("login", "x"), claim}
	s.apply(stack...)
	s.kubectl("create", "configmap", "theirs")
	r := s.delete(false)
	if r.Changes.Deleted != 3 {
		t.Errorf("deleted %d objects, want 3", r.Changes.Deleted)
	}
	s.want("left", s.kubectl("get", "deployment,replicaset,pod,service,secret,pvc,lease", "-o", "name"), "persistentvolumeclaim/data")
	if _, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbDelete}); !errors.Is(err, apply.ErrNoStack) {
		t.Errorf("deleting again: %v", err)
	}
	s.apply(stack...)
	s.delete(true)
	s.want("left after deleting data", s.kubectl("get", "pvc,secret,lease", "-o", "name"), "")
	s.want("others", s.kubectl("get", "configmap", "theirs", "-o", "name"), "configmap/theirs")
}

func TestObjectsOfOthersAreRefused(t *testing.T) {
	s := newStory(t)
	s.kubectl("create", "configmap", "a", "--from-literal=key=theirs")
	p := s.plan(s.configMap("a", "1"))
	if c := p.Conflicts(); len(c) != 1 || !c[0].Foreign() || !strings.Contains(c[0].Manager, "kubectl-create") {
		t.Fatalf("conflicts: %+v", c)
	}
	var conflict *apply.ConflictError
	if _, err := s.engine.Apply(t.Context(), s.planWith(apply.Consent{Force: true}, s.configMap("a", "1")), run); !errors.As(err, &conflict) {
		t.Errorf("forcing fields took a whole object over: %v", err)
	}

	other := &story{TB: t, plane: s.plane, stack: apply.Stack{Namespace: s.stack.Namespace, Name: "other"}}
	other.engine = other.newEngine(apply.Options{})
	other.apply(other.configMap("b", "1"))
	p = s.plan(s.configMap("b", "2"))
	if c := p.Conflicts(); len(c) != 1 || c[0].Manager != "stack "+other.stack.String() {
		t.Errorf("conflicts: %+v", c)
	}
	s.want("theirs", s.kubectl("get", "configmap", "a", "b", "-o", "jsonpath={.items[*].data.key}"), "theirs 1")
}

func TestNamespaceAndKindsComeWithTheStack(t *testing.T) {
	s := newStory(t)
	s.stack.Namespace += "-new"
	s.engine = s.newEngine(apply.Options{})
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "namespace", s.stack.Namespace, "--wait=false") })
	group := strings.ReplaceAll(s.stack.Namespace, "-", "") + ".example.org"
	crd := s.object(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"backups.` + group + `"},"spec":{
		"group":"` + group + `","scope":"Namespaced","names":{"kind":"Backup","plural":"backups"},"versions":[{"name":"v1","served":true,"storage":true,
		"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"every":{"type":"string"}}}}}}}]}}`)
	backup := s.object(`{"apiVersion":"` + group + `/v1","kind":"Backup","metadata":{"name":"nightly"},"spec":{"every":"24h"}}`)
	p := s.plan(crd, backup, s.configMap("a", "1"))
	if !p.CreateNamespace {
		t.Error("the plan does not create the namespace")
	}
	for _, c := range p.Changes {
		if want := c.Object.Kind != "CustomResourceDefinition"; c.Deferred != want {
			t.Errorf("%s: deferred is %v", c.Object, c.Deferred)
		}
	}
	s.apply(crd, backup, s.configMap("a", "1"))
	s.want("plan after", actions(s.plan(crd, backup, s.configMap("a", "1"))), "")
	s.delete(false)
	s.want("the kind stays", s.kubectl("get", "crd", "backups."+group, "-o", "name"), "customresourcedefinition.apiextensions.k8s.io/backups."+group)
	s.plane.Kubectl(t, "delete", "crd", "backups."+group)
}

func TestStalePlan(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"), s.configMap("b", "1"))
	p := s.plan(s.configMap("a", "2"), s.configMap("b", "1"))
	s.kubectl("annotate", "configmap", "a", "harmless=yes")
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Errorf("an edit that changes nothing about the plan made it stale: %v", err)
	}
	p = s.plan(s.configMap("a", "3"), s.configMap("b", "1"))
	s.kubectl("delete", "configmap", "a")
	var stale *apply.StalePlanError
	if _, err := s.engine.Apply(t.Context(), p, run); !errors.As(err, &stale) {
		t.Errorf("the object was deleted: %v", err)
	}
	p = s.plan(s.configMap("a", "4"), s.configMap("b", "1"))
	s.apply(s.configMap("a", "5"), s.configMap("b", "1"))
	if _, err := s.engine.Apply(t.Context(), p, run); !errors.As(err, &stale) {
		t.Errorf("another revision was recorded: %v", err)
	}
	s.want("history", s.history(), "1 superseded, 2 superseded, 3 deployed")
}

// TestANewVersionOfAKindTakesNothingOver: a stack brings a new version of a
// kind. Objects that exist in the old one are updates, or somebody else's.
func TestANewVersionOfAKindTakesNothingOver(t *testing.T) {
	s := newStory(t)
	group := strings.ReplaceAll(s.stack.Namespace, "-", "") + ".example.org"
	version := func(name string, storage string) string {
		return `{"name":"` + name + `","served":true,"storage":` + storage + `,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}`
	}
	crd := func(versions string) *obj {
		return s.object(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"backups.` + group + `"},"spec":{
			"group":"` + group + `","scope":"Namespaced","names":{"kind":"Backup","plural":"backups"},"versions":[` + versions + `]}}`)
	}
	backup := func(version, name string) *obj {
		return s.object(`{"apiVersion":"` + group + `/` + version + `","kind":"Backup","metadata":{"name":"` + name + `"},"spec":{"every":"24h"}}`)
	}
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "crd", "backups."+group, "--wait=false") })
	s.apply(crd(version("v1", "true")), backup("v1", "ours"))
	theirs := &story{TB: t, plane: s.plane, stack: apply.Stack{Namespace: s.stack.Namespace, Name: "other"}}
	theirs.engine = theirs.newEngine(apply.Options{})
	theirs.apply(theirs.object(`{"apiVersion":"` + group + `/v1","kind":"Backup","metadata":{"name":"theirs"}}`))

	both := crd(version("v1", "true") + "," + version("v2", "false"))
	p := s.plan(both, backup("v2", "ours"), backup("v2", "theirs"))
	if c := p.Conflicts(); len(c) != 1 || !c[0].Foreign() || c[0].Object.Name != "theirs" {
		t.Errorf("conflicts: %+v", c)
	}
	for _, c := range p.Changes {
		if c.Object.Name == "ours" && c.Action != apply.ActionUpdate {
			t.Errorf("our object is to be %sd", c.Action)
		}
	}
	owners := func() string {
		return s.kubectl("get", "backups."+group, "-o", `jsonpath={range .items[*]}{.metadata.name}={.metadata.labels.stackctl\.dev/stack} {end}`)
	}
	s.want("owners", owners(), "ours=shop theirs=other")

	// With consent they are adopted, though no dry-run can show what becomes of them.
	byHand := backup("v1", "by-hand")
	set(byHand, "mine", "spec", "note")
	s.kubectlApply(byHand)
	p = s.planWith(apply.Consent{Adopt: objects(t, "Backup/theirs", "Backup/by-hand")}, both, backup("v2", "ours"), backup("v2", "theirs"), backup("v2", "by-hand"))
	for _, c := range p.Changes {
		if foreign := c.Object.Name == "theirs" || c.Object.Name == "by-hand"; foreign && (c.Adopted == "" || !c.Deferred || c.Action != apply.ActionUpdate) {
			t.Errorf("%s: adopted %q, deferred %v: %s", c.Object, c.Adopted, c.Deferred, c.Action)
		}
	}
	s.want("conflicts", conflicts(p), "")
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("owners", owners(), "by-hand=shop ours=shop theirs=shop")
	s.want("what kubectl had set", s.kubectl("get", "backups."+group, "by-hand", "-o", "jsonpath={.spec.every} {.spec.note}"), "24h")
	s.want("plan after", actions(s.plan(both, backup("v2", "ours"), backup("v2", "theirs"), backup("v2", "by-hand"))), "")
}

// TestKindsThatLeaveTheStackStay: deleting one would delete the objects of
// others too.
func TestKindsThatLeaveTheStackStay(t *testing.T) {
	s := newStory(t)
	group := strings.ReplaceAll(s.stack.Namespace, "-", "") + ".example.org"
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "crd", "backups."+group, "--wait=false") })
	crd := s.object(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"backups.` + group + `"},"spec":{
		"group":"` + group + `","scope":"Namespaced","names":{"kind":"Backup","plural":"backups"},"versions":[{"name":"v1","served":true,"storage":true,
		"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`)
	backup := s.object(`{"apiVersion":"` + group + `/v1","kind":"Backup","metadata":{"name":"nightly"},"spec":{"every":"24h"}}`)
	s.apply(crd, backup)
	if p := s.plan(crd, backup); !p.Empty() {
		t.Errorf("the second plan: %s", actions(p))
	}
	s.want("plan", actions(s.plan(s.configMap("a", "1"))), "keep CustomResourceDefinition/backups."+group+"\ncreate ConfigMap/a\ndelete Backup/nightly")
	s.apply(s.configMap("a", "1"))
	s.want("the kind", s.kubectl("get", "crd", "backups."+group, "-o", "name"), "customresourcedefinition.apiextensions.k8s.io/backups."+group)
	if p := s.plan(s.configMap("a", "1")); !p.Empty() {
		t.Errorf("a kept kind makes a difference: %s", actions(p))
	}
}
