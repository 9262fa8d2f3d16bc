package apply_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/apply/applytest"
)

// decoys returns uid and resourceVersion of every object named decoy-… in some
// namespaces, and of those without one.
func (s *story) decoys(namespaces ...string) map[string]string {
	s.Helper()
	found := map[string]string{}
	get := func(args ...string) {
		out := s.plane.Kubectl(s, append(args, "-o", `jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{"\n"}{end}`)...)
		for line := range strings.Lines(out) {
			if name, state, _ := strings.Cut(strings.TrimSpace(line), " "); strings.Contains(name, "/decoy-") {
				found[name] = state
			}
		}
	}
	for _, ns := range namespaces {
		get("-n", ns, "get", "configmap,secret,service,persistentvolumeclaim,role,rolebinding,serviceaccount,lease,networkpolicy,cronjob")
	}
	get("get", "namespace,priorityclass", "-l", "decoy-of="+s.stack.Namespace)
	return found
}

// TestDecoysAreNotTouched: what only looks like the stack's, or is protected,
// keeps its uid and its resourceVersion through prune, rollback and delete.
func TestDecoysAreNotTouched(t *testing.T) {
	s := newStory(t)
	elsewhere := s.plane.Namespace(t)
	ns, k := s.stack.Namespace, s.kubectl
	labels := "stackctl.dev/stack=shop,stackctl.dev/namespace=" + ns

	// In the inventory, until the third revision.
	config := func(name string) *obj { return s.configMap("decoy-"+name, "1") }
	annotated := func(o *obj) *obj {
		o.SetAnnotations(map[string]string{apply.AnnotationKeep: "true"})
		return o
	}
	claim := s.object(`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"decoy-claim"},"spec":{"storageClassName":"none","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`)
	space := s.object(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"decoy-` + ns + `","labels":{"decoy-of":"` + ns + `"}}}`)
	class := annotated(s.object(`{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":"decoy-` + ns + `","labels":{"decoy-of":"` + ns + `"}},"value":1}`))
	t.Cleanup(func() {
		s.plane.Kubectl(t, "delete", "namespace/decoy-"+ns, "priorityclass/decoy-"+ns, "--wait=false")
	})
	listed := []*obj{
		config("unlabelled"), config("no-stack-label"), config("no-namespace-label"), config("of-another-stack"), config("of-another-namespace"),
		config("made-anew"), config("made-anew-by-others"), config("kept-live"), annotated(config("kept-on-record")), annotated(config("kept")),
		annotated(s.secret("decoy-secret", "x")), annotated(s.service("decoy-service", 80)), config("controlled"), claim, space, class,
	}
	stay := s.configMap("stay", "1")
	s.apply(stay)
	s.apply(append(listed, stay, s.configMap("victim-a", "1"), s.secret("victim-b", "1"), s.service("victim-c", 80))...)
	k("label", "configmap", "decoy-unlabelled", "stackctl.dev/stack-", "stackctl.dev/namespace-")
	k("label", "configmap", "decoy-no-stack-label", "stackctl.dev/stack-")
	k("label", "configmap", "decoy-no-namespace-label", "stackctl.dev/namespace-")
	k("label", "configmap", "decoy-of-another-stack", "stackctl.dev/stack=other", "--overwrite")
	k("label", "configmap", "decoy-of-another-namespace", "stackctl.dev/namespace="+elsewhere, "--overwrite")
	k("delete", "configmap", "decoy-made-anew", "decoy-made-anew-by-others")
	k("create", "configmap", "decoy-made-anew")
	k("label", "configmap", "decoy-made-anew", "stackctl.dev/stack=shop", "stackctl.dev/namespace="+ns)
	k("create", "configmap", "decoy-made-anew-by-others")
	k("annotate", "configmap", "decoy-kept-live", "stackctl.dev/keep=true")
	k("annotate", "configmap", "decoy-kept-on-record", "stackctl.dev/keep-")
	k("create", "configmap", "owner")
	k("patch", "configmap", "decoy-controlled", "-p", fmt.Sprintf(
		`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":%q,"controller":true}]}}`, s.uid("configmap", "owner")))

	// Never in the inventory.
	for _, args := range []string{
		"configmap decoy-labelled", "secret generic decoy-labelled", "service clusterip decoy-labelled --tcp=80", "serviceaccount decoy-labelled",
		"role decoy-labelled --verb=get --resource=pods", "rolebinding decoy-labelled --clusterrole=view --serviceaccount=a:b",
		"cronjob decoy-labelled --image=a:1 --schedule=0_0_1_1_*",
	} {
		words := strings.Fields(args)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "_", " ")
		}
		k(append([]string{"create"}, words...)...)
	}
	k(append([]string{"label", "configmap/decoy-labelled", "secret/decoy-labelled", "service/decoy-labelled", "serviceaccount/decoy-labelled",
		"role/decoy-labelled", "rolebinding/decoy-labelled", "cronjob/decoy-labelled"}, strings.Split(labels, ",")...)...)
	k("create", "configmap", "decoy-managed-by")
	k("label", "configmap", "decoy-managed-by", "app.kubernetes.io/managed-by=stackctl")
	k("create", "configmap", "decoy-by-content")
	k(append([]string{"label", "configmap", "decoy-by-content", apply.LabelContent + "=abc"}, strings.Split(labels, ",")...)...)
	k("create", "secret", "generic", "decoy-plain")
	k("create", "configmap", "decoy-plain")
	s.create(asJSON(t, s.object(`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"decoy-other-claim"},"spec":{"storageClassName":"none","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`).Object))
	s.plane.Kubectl(t, "-n", elsewhere, "create", "configmap", "decoy-labelled")
	s.plane.Kubectl(t, append([]string{"-n", elsewhere, "label", "configmap", "decoy-labelled"}, strings.Split(labels, ",")...)...)
	for _, other := range []apply.Stack{{Namespace: ns, Name: "other"}, {Namespace: elsewhere, Name: "shop"}} {
		o := &story{TB: t, plane: s.plane, stack: other}
		o.engine = o.newEngine(apply.Options{})
		o.apply(o.configMap("decoy-theirs", "1"), o.configMap("decoy-more", "1"))
	}

	before := s.decoys(ns, elsewhere)
	if len(before) < 30 {
		t.Fatalf("only %d decoys: %v", len(before), before)
	}
	check := func(after string) {
		t.Helper()
		now := s.decoys(ns, elsewhere)
		for name, state := range before {
			if now[name] != state {
				t.Errorf("after %s: %s was %s, is %q", after, name, state, now[name])
			}
		}
	}
	p := s.plan(stay, s.configMap("new", "1"))
	notes := map[string]string{}
	for _, c := range p.Changes {
		if c.Action == apply.ActionKeep {
			notes[c.Object.Kind+" "+c.Object.Name] = c.Note
		}
	}
	for name, note := range map[string]string{
		"ConfigMap decoy-unlabelled": "lost its owner label", "ConfigMap decoy-of-another-stack": "belongs to stack " + ns + "/other by now",
		"ConfigMap decoy-made-anew": "was made anew by somebody else", "ConfigMap decoy-made-anew-by-others": "was made anew by somebody else",
		"ConfigMap decoy-kept-live":            "is annotated stackctl.dev/keep: left alone; only `kubectl -n " + ns + " delete ConfigMap decoy-kept-live` deletes it",
		"ConfigMap decoy-controlled":           "is controlled by ConfigMap/owner",
		"PersistentVolumeClaim decoy-claim":    "left alone without --prune PersistentVolumeClaim",
		"Namespace decoy-" + ns:                "left alone without --prune Namespace",
		"ConfigMap decoy-kept-on-record":       "is annotated stackctl.dev/keep",
		"ConfigMap decoy-no-namespace-label":   "lost its owner label",
		"ConfigMap decoy-no-stack-label":       "lost its owner label",
		"PriorityClass decoy-" + ns:            "is annotated stackctl.dev/keep",
		"ConfigMap decoy-of-another-namespace": "belongs to stack " + elsewhere + "/shop by now",
	} {
		if !strings.Contains(notes[name], note) {
			t.Errorf("the note about %s is %q, want %q", name, notes[name], note)
		}
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	check("prune")
	s.want("victims", k("get", "configmap/victim-a", "secret/victim-b", "service/victim-c", "--ignore-not-found", "-o", "name"), "")
	if p := s.plan(stay, s.configMap("new", "1")); !p.Empty() {
		t.Errorf("what is kept makes a difference: %s", actions(p))
	}
	s.rollback(1)
	check("rollback")
	s.want("added since", k("get", "configmap/new", "--ignore-not-found", "-o", "name"), "")
	s.delete(false)
	check("delete")
	s.want("the stack's own", k("get", "configmap/stay", "--ignore-not-found", "-o", "name"), "")
}

// TestProtectedKindsGoWithConsentOnly: with it, data and all.
func TestProtectedKindsGoWithConsentOnly(t *testing.T) {
	s := newStory(t)
	group := strings.ReplaceAll(s.stack.Namespace, "-", "") + ".example.org"
	second := s.stack.Namespace + "-b"
	stack := []*obj{
		s.configMap("a", "1"),
		s.object(`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data"},"spec":{"storageClassName":"none","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`),
		s.object(`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"` + second + `"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"storageClassName":"other","hostPath":{"path":"/a"}}}`),
		s.object(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + second + `"}}`),
		s.object(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + s.stack.Namespace + `"}}`),
		s.object(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"backups.` + group + `"},"spec":{
			"group":"` + group + `","scope":"Namespaced","names":{"kind":"Backup","plural":"backups"},"versions":[{"name":"v1","served":true,"storage":true,
			"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`),
	}
	s.kubectl("label", "namespace", s.stack.Namespace, "stackctl.dev/stack=shop", "stackctl.dev/namespace="+s.stack.Namespace)
	t.Cleanup(func() {
		s.plane.Kubectl(t, "delete", "namespace/"+second, "pv/"+second, "crd/backups."+group, "--wait=false", "--ignore-not-found")
	})
	s.apply(stack...)
	kept := "keep Namespace/" + s.stack.Namespace + "\nkeep Namespace/" + second + "\nkeep CustomResourceDefinition/backups." + group + "\nkeep PersistentVolume/" + second + "\nkeep PersistentVolumeClaim/data"
	s.want("plan", actions(s.plan(stack[0])), kept)
	consent := apply.Consent{Prune: []string{"Namespace", "PersistentVolume", "PersistentVolumeClaim", "CustomResourceDefinition"}}
	p, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: stack[:1], Consent: consent})
	if err != nil {
		t.Fatal(err)
	}
	s.want("plan with consent", actions(p), "keep Namespace/"+s.stack.Namespace+"\ndelete PersistentVolume/"+second+"\ndelete PersistentVolumeClaim/data\ndelete CustomResourceDefinition/backups."+group+"\ndelete Namespace/"+second)
	s.want("note", p.Changes[0].Note, "has the records of the stack in it: left alone")
	r := run
	r.Timeout = time.Minute
	if _, err := s.engine.Apply(t.Context(), p, r); err != nil {
		t.Fatal(err)
	}
	s.want("left", s.kubectl("get", "namespace/"+second, "pvc/data", "pv/"+second, "crd/backups."+group, "--ignore-not-found", "-o", "name"), "")
	s.want("history", s.history(), "1 superseded, 2 deployed") // what is only kept is no revision
	for text, want := range map[string]string{"pvc": "PersistentVolumeClaim", "namespace": "Namespace", "CustomResourceDefinition": "CustomResourceDefinition"} {
		if kind, err := apply.ParseProtectedKind(text); err != nil || kind != want {
			t.Errorf("%s is %q, %v", text, kind, err)
		}
	}
	if _, err := apply.ParseProtectedKind("Deployment"); err == nil || !strings.Contains(err.Error(), "Namespace, PersistentVolume, PersistentVolumeClaim, CustomResourceDefinition") {
		t.Errorf("Deployment: %v", err)
	}
}

// TestKeptDataSurvivesDelete: the annotation wins over the consent to delete data.
func TestKeptDataSurvivesDelete(t *testing.T) {
	s := newStory(t)
	claim := func(name string) *obj {
		return s.object(`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"` + name + `"},"spec":{"storageClassName":"none","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`)
	}
	s.apply(claim("kept"), claim("data"), s.configMap("a", "1"))
	// One that a StatefulSet made is in no record.
	made := claim("made")
	made.SetAnnotations(map[string]string{apply.AnnotationKeep: "true"})
	s.create(asJSON(t, made.Object))
	s.kubectl("annotate", "pvc", "kept", "stackctl.dev/keep=true")
	s.delete(true)
	s.want("left", s.kubectl("get", "pvc,configmap,secret", "-l", "stackctl.dev/stack", "-o", "name"), "persistentvolumeclaim/kept\npersistentvolumeclaim/made")
}

// TestADeniedDeleteIsTriedAgain: it fails the run, keeps no other object from
// being deleted, and stays on record.
func TestADeniedDeleteIsTriedAgain(t *testing.T) {
	s := newStory(t)
	held := s.configMap("held", "1")
	held.SetLabels(map[string]string{"denied": "yes"})
	for k, v := range s.stack.OwnerLabels() {
		set(held, v, "metadata", "labels", k)
	}
	s.apply(held, s.configMap("a", "1"), s.configMap("free", "1"))
	s.deny(t, "DELETE", held)
	eventually(t, func() error {
		err := s.plane.Client().CoreV1().ConfigMaps(s.stack.Namespace).Delete(t.Context(), "held", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil {
			return errors.New("deleting is not denied")
		}
		return nil
	})
	for i := range 2 {
		_, err := s.engine.Apply(t.Context(), s.plan(s.configMap("a", "1")), run)
		var left *apply.LeftoverError
		if !errors.As(err, &left) || !strings.Contains(err.Error(), "delete ConfigMap/"+s.stack.Namespace+"/held: ") || !strings.Contains(err.Error(), "not in this house") {
			t.Fatalf("apply %d: %v", i, err)
		}
	}
	s.want("history", s.history(), "1 deployed, 2 failed, 3 failed")
	s.want("left", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/a\nconfigmap/held")
	s.want("plan", actions(s.plan(s.configMap("a", "1"))), "delete ConfigMap/held")
	s.kubectl("label", "configmap", "held", "denied-")
	s.apply(s.configMap("a", "1"))
	s.want("left", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/a")
}

// TestAStuckDeleteIsNamed: a run waits no longer than it may for what others
// hold back, and the next plan says what that is.
func TestAStuckDeleteIsNamed(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("held", "1"), s.configMap("a", "1"))
	s.kubectl("patch", "configmap", "held", "-p", `{"metadata":{"finalizers":["example.org/hold"]}}`)
	r := run
	r.Timeout = time.Second
	_, err := s.engine.Apply(t.Context(), s.plan(s.configMap("a", "2")), r)
	var stuck *apply.NotReadyError
	if !errors.As(err, &stuck) || !strings.Contains(err.Error(), "held: not ready: is being deleted (waiting for example.org/hold)") {
		t.Fatalf("apply: %v", err)
	}
	p := s.plan(s.configMap("a", "2"))
	s.want("plan", actions(p), "keep ConfigMap/held")
	for _, c := range p.Changes {
		if c.Action == apply.ActionKeep && (c.Note != "is being deleted (waiting for example.org/hold)" || !c.Terminating || !p.Empty()) {
			t.Errorf("change: %+v", c)
		}
	}
	s.apply(s.configMap("a", "3"))
	s.want("still on record", actions(s.plan(s.configMap("a", "3"))), "keep ConfigMap/held")
	s.kubectl("patch", "configmap", "held", "--type=json", "-p", `[{"op":"remove","path":"/metadata/finalizers"}]`)
	s.want("plan when it is gone", actions(s.plan(s.configMap("a", "3"))), "")
}

// TestAKindThatIsGone: its objects went with it, in a new process and in one
// that knew the kind.
func TestAKindThatIsGone(t *testing.T) {
	s := newStory(t)
	group := strings.ReplaceAll(s.stack.Namespace, "-", "") + ".example.org"
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "crd", "backups."+group, "--ignore-not-found") })
	s.create(asJSON(t, map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "backups." + group},
		"spec": map[string]any{"group": group, "scope": "Namespaced", "names": map[string]any{"kind": "Backup", "plural": "backups"}, "versions": []any{map[string]any{
			"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
		}}},
	}))
	s.kubectl("wait", "--for=condition=Established", "crd/backups."+group)
	backup := s.object(`{"apiVersion":"` + group + `/v1","kind":"Backup","metadata":{"name":"nightly"}}`)
	eventually(t, func() error {
		_, err := s.newEngine(apply.Options{}).Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{backup}})
		return err
	})
	s.engine = s.newEngine(apply.Options{})
	s.apply(backup, s.configMap("a", "1"), s.configMap("b", "1"))
	p := s.plan(s.configMap("a", "1"))
	s.want("plan", actions(p), "delete Backup/nightly\ndelete ConfigMap/b")
	s.kubectl("delete", "crd", "backups."+group)
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Errorf("the kind went after the plan: %v", err)
	}
	s.want("history", s.history(), "1 superseded, 2 deployed")
	s.apply(s.configMap("a", "2"))
	s.engine = s.newEngine(apply.Options{})
	s.apply(s.configMap("a", "3"))
}

// TestOneObjectUnderTwoGroups: an Event of the core group and one of
// events.k8s.io may be the same; calling it by the other name deletes nothing.
func TestOneObjectUnderTwoGroups(t *testing.T) {
	s := newStory(t)
	old := s.object(`{"apiVersion":"v1","kind":"Event","metadata":{"name":"one"},"eventTime":"2026-01-01T00:00:00.000000Z",
		"action":"Start","reason":"Started","message":"it began","type":"Normal","reportingComponent":"example.org/a","reportingInstance":"a"}`)
	set(old, map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "name": "a", "namespace": s.stack.Namespace}, "involvedObject")
	renamed := s.object(`{"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"one"},"eventTime":"2026-01-01T00:00:00.000000Z",
		"action":"Start","reason":"Started","note":"it began","type":"Normal","reportingController":"example.org/a","reportingInstance":"a"}`)
	set(renamed, map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "name": "a", "namespace": s.stack.Namespace}, "regarding")
	s.apply(old, s.configMap("a", "1"))
	uid := s.uid("event", "one")
	p := s.plan(renamed, s.configMap("a", "1"), s.configMap("b", "1"))
	for _, c := range p.Changes {
		if c.Action == apply.ActionDelete {
			t.Errorf("%s %s is a victim", c.Object.Group, c.Object)
		}
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("uid", s.uid("event", "one"), uid)
	s.apply(s.configMap("a", "1"), s.configMap("b", "1"))
	s.want("when it left the stack", s.kubectl("get", "event", "one", "--ignore-not-found", "-o", "name"), "")
}

// TestMadeAnewBehindTheRun: between the plan and the delete, and while the run
// waits for health, somebody replaces or protects what is to be deleted. It is
// left alone and reported, and the rest goes on.
func TestMadeAnewBehindTheRun(t *testing.T) {
	for _, when := range []string{"before the lock", "while it waits"} {
		t.Run(when, func(t *testing.T) {
			s := newStory(t)
			s.apply(s.configMap("anew", "1"), s.configMap("kept", "1"), s.configMap("taken", "1"), s.configMap("victim", "1"), s.configMap("a", "1"))
			var uid string
			meddle := func() {
				s.kubectl("delete", "configmap", "anew")
				o := s.configMap("anew", "2")
				s.create(asJSON(t, o.Object))
				uid = s.uid("configmap", "anew")
				s.kubectl("annotate", "configmap", "kept", "stackctl.dev/keep=true")
				s.kubectl("label", "configmap", "taken", "stackctl.dev/stack=other", "--overwrite")
			}
			p := s.plan(s.configMap("a", "2"))
			r := run
			r.AllowPrune = 4
			if when == "before the lock" {
				meddle()
			} else {
				r.Events = func(e apply.Event) {
					if a, ok := e.(apply.Applied); ok && a.Object.Name == "a" {
						meddle()
					}
				}
			}
			result, err := s.engine.Apply(t.Context(), p, r)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range result.Outcomes {
				got = append(got, strings.TrimSpace(string(o.Action)+" "+o.Object.Name+" "+strings.SplitN(o.Note, ":", 2)[0]))
			}
			want := "update a\nkeep anew was made anew by somebody else\nkeep kept is annotated stackctl.dev/keep\nkeep taken belongs to stack " + s.stack.Namespace + "/other by now\ndelete victim"
			if when == "before the lock" { // then the run did not set out to delete them
				want = "update a\ndelete victim"
			}
			s.want("outcomes", strings.Join(got, "\n"), want)
			s.want("the new object", s.uid("configmap", "anew"), uid)
			s.want("left", s.kubectl("get", "configmap", "anew", "kept", "taken", "victim", "--ignore-not-found", "-o", "name"), "configmap/anew\nconfigmap/kept\nconfigmap/taken")
			s.want("history", s.history(), "1 superseded, 2 deployed")
			if p := s.plan(s.configMap("a", "2")); !p.Empty() {
				t.Errorf("plan after: %s", actions(p))
			}
		})
	}
}

// TestACopyOfTheLabelsIsNoProof: where the newest record cannot be read, only
// what the stack itself sent is taken for its own.
func TestACopyOfTheLabelsIsNoProof(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"))
	s.apply(s.configMap("a", "1"), s.configMap("b", "1"))
	s.create(asJSON(t, s.configMap("copy", "1").Object))
	secrets := s.plane.Client().CoreV1().Secrets(s.stack.Namespace)
	newest, err := secrets.Get(t.Context(), "stackctl.shop.v2", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	damaged := &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: newest.Name, Labels: newest.Labels, Annotations: newest.Annotations}, Type: newest.Type, Immutable: newest.Immutable, Data: newest.Data}
	damaged.Data["objects"][20] ^= 1
	if err := secrets.Delete(t.Context(), newest.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.Create(t.Context(), damaged, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.want("plan", actions(s.plan(s.configMap("a", "2"))), "update ConfigMap/a\n  set data.key\ndelete ConfigMap/b")
}

// TestAnAPIThatIsDownIsNotGone: the kinds of an API whose server does not
// answer are not known, which is no proof that there are no objects. It is not
// parallel: the API server's list of kinds is everybody's.
func TestAnAPIThatIsDownIsNotGone(t *testing.T) {
	plane := applytest.Start(t)
	s := &story{TB: t, plane: plane, stack: apply.Stack{Namespace: plane.Namespace(t), Name: "shop"}}
	s.engine = s.newEngine(apply.Options{})
	group := strings.ReplaceAll(s.stack.Namespace, "-", "") + ".example.org"
	crd := s.object(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"backups.` + group + `"},"spec":{
		"group":"` + group + `","scope":"Namespaced","names":{"kind":"Backup","plural":"backups"},"versions":[{"name":"v1","served":true,"storage":true,
		"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`)
	backup := s.object(`{"apiVersion":"` + group + `/v1","kind":"Backup","metadata":{"name":"nightly"}}`)
	s.apply(crd, backup)
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "crd", "backups."+group) })
	// The same group is now served by somebody who is not there.
	s.kubectl("patch", "apiservice", "v1."+group, "--type=merge", "-p",
		`{"metadata":{"labels":{"kube-aggregator.kubernetes.io/automanaged":"false"}},"spec":{"service":{"name":"nobody","namespace":"`+s.stack.Namespace+`","port":443},"insecureSkipTLSVerify":true}}`)
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "apiservice", "v1."+group) })
	eventually(t, func() error {
		_, err := s.newEngine(apply.Options{}).Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{crd}})
		if err == nil || !strings.Contains(err.Error(), "cannot say which kinds") {
			return fmt.Errorf("plan while the API is down: %v", err)
		}
		return nil
	})
}
