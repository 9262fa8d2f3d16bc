package apply_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// kindOf returns the definition of a kind in the story's own group, with a
// version for each text such as "v1 storage" or "v2".
func (s *story) kindOf(kind string, versions ...string) (group string, crd *obj) {
	group = strings.ReplaceAll(s.stack.Namespace, "-", "") + ".example.org"
	plural := strings.ToLower(kind) + "s"
	var list []string
	for _, v := range versions {
		name, storage := strings.CutSuffix(v, " storage")
		list = append(list, fmt.Sprintf(`{"name":%q,"served":true,"storage":%v,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}`, name, storage))
	}
	return group, s.object(fmt.Sprintf(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"%[1]s.%[2]s"},"spec":{
		"group":%[2]q,"scope":"Namespaced","names":{"kind":%[3]q,"plural":%[1]q},"versions":[%[4]s]}}`, plural, group, kind, strings.Join(list, ",")))
}

// TestKindsComeWithTheirObjects is the race of an object against the kind it
// is of, many times, and then once more with everything in place.
func TestKindsComeWithTheirObjects(t *testing.T) {
	s := newStory(t)
	for i := range 10 {
		kind := fmt.Sprintf("Backup%c", 'a'+i)
		group, crd := s.kindOf(kind, "v1 storage")
		name := crd.GetName()
		t.Cleanup(func() { s.plane.Kubectl(t, "delete", "crd", name, "--wait=false") })
		one := s.object(fmt.Sprintf(`{"apiVersion":"%s/v1","kind":%q,"metadata":{"name":"nightly"},"spec":{"every":"24h"}}`, group, kind))
		// The engine knows the cluster from before the kind was there.
		if _, err := s.engine.Apply(t.Context(), s.plan(crd, one, s.configMap("a", fmt.Sprint(i))), run); err != nil {
			t.Fatalf("trial %d: %v", i, err)
		}
		if p := s.plan(crd, one, s.configMap("a", fmt.Sprint(i))); !p.Empty() {
			t.Errorf("trial %d: the next plan: %s", i, actions(p))
		}
	}
}

// TestAKindMadeByOthersIsFound: the engine asked which kinds there are before
// somebody else made one.
func TestAKindMadeByOthersIsFound(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"))
	group, crd := s.kindOf("Backup", "v1 storage")
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "crd", crd.GetName(), "--wait=false") })
	text, err := crd.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	s.create(string(text))
	s.kubectl("wait", "--for=condition=Established", "crd/"+crd.GetName())
	one := s.object(`{"apiVersion":"` + group + `/v1","kind":"Backup","metadata":{"name":"nightly"}}`)
	s.until("the kind is found", func() bool {
		_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "1"), one}})
		return err == nil
	})
}

// TestARevisionInARemovedVersion: the cluster stopped to serve the version a
// revision is written in.
func TestARevisionInARemovedVersion(t *testing.T) {
	s := newStory(t)
	group, old := s.kindOf("Backup", "v1 storage", "v2")
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "crd", old.GetName(), "--wait=false", "--ignore-not-found") })
	backup := func(version, every string) *obj {
		return s.object(`{"apiVersion":"` + group + `/` + version + `","kind":"Backup","metadata":{"name":"nightly"},"spec":{"every":"` + every + `"}}`)
	}
	s.apply(old, backup("v1", "24h"))
	s.apply(old, backup("v2", "24h"), s.configMap("a", "1"))
	_, both := s.kindOf("Backup", "v1", "v2 storage")
	s.apply(both, backup("v2", "24h"), s.configMap("a", "2"))
	s.until("the object is stored in the new version", func() bool {
		s.kubectl("annotate", "--overwrite", "backups."+group, "nightly", "stored=again"+fmt.Sprint(time.Now().UnixNano()))
		return strings.Contains(s.kubectl("get", "--raw", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"+old.GetName()), `"storedVersions":["v1","v2"]`)
	})
	s.plane.Kubectl(t, "patch", "crd", old.GetName(), "--subresource=status", "--type=merge", "-p", `{"status":{"storedVersions":["v2"]}}`)
	_, only := s.kindOf("Backup", "v2 storage")
	s.apply(only, backup("v2", "24h"), s.configMap("a", "3"))

	rev, err := s.engine.Revision(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	// What the revision says about the kind would bring the version back; as it
	// is where others run the cluster, only the object is asked for.
	var unserved *apply.UnservedError
	s.until("the version is gone", func() bool {
		_, err = s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbRollback, Objects: rev.Objects[1:], RollbackTo: 1})
		return errors.As(err, &unserved)
	})
	s.want("text", err.Error(), "revision 1 cannot be applied to this cluster, nothing was written:\n"+
		"Backup/"+s.stack.Namespace+"/nightly: the cluster does not serve "+group+"/v1 any more; it has Backup in "+group+"/v2")
	s.want("history", s.history(), "1 superseded, 2 superseded, 3 superseded, 4 deployed")

	// And when the kind goes, there is nothing to delete, which the plan tells.
	s.plane.Kubectl(t, "delete", "crd", old.GetName())
	s.until("the kind is gone", func() bool {
		p, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "3")}})
		return err == nil && strings.Contains(strings.Join(p.Warnings, "\n"), "no longer has the kind Backup."+group)
	})
	s.apply(s.configMap("a", "4"))
}

// TestAnObjectOnItsWayOutIsMadeAnew: what is sent to an object that is being
// deleted vanishes with it.
func TestAnObjectOnItsWayOutIsMadeAnew(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"))
	s.kubectl("patch", "configmap", "a", "--type=merge", "-p", `{"metadata":{"finalizers":["example.org/hold"]}}`)
	uid := s.kubectl("get", "configmap", "a", "-o", "jsonpath={.metadata.uid}")
	s.kubectl("delete", "configmap", "a", "--wait=false")
	p := s.plan(s.configMap("a", "2"))
	if len(p.Changes) != 1 || p.Changes[0].Action != apply.ActionCreate || !strings.Contains(p.Changes[0].Note, "example.org/hold") {
		t.Fatalf("the plan: %+v", p.Changes)
	}
	short := run
	short.Timeout = time.Second
	var late *apply.NotReadyError
	if _, err := s.engine.Apply(t.Context(), p, short); !errors.As(err, &late) {
		t.Fatalf("while it is held: %v", err)
	}
	told := make(chan struct{}, 100)
	watched := run
	watched.Events = func(e apply.Event) {
		if p, ok := e.(apply.Progress); ok && strings.Contains(p.Health.Message, "is being deleted") {
			told <- struct{}{}
		}
	}
	go func() {
		<-told
		s.kubectl("patch", "configmap", "a", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	}()
	if _, err := s.engine.Apply(t.Context(), s.plan(s.configMap("a", "2")), watched); err != nil {
		t.Fatal(err)
	}
	if now := s.kubectl("get", "configmap", "a", "-o", "jsonpath={.metadata.uid}"); now == uid {
		t.Error("the object is the old one")
	}
	s.want("value", s.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.key}"), "2")
}

func TestANamespaceOnItsWayOut(t *testing.T) {
	s := newStory(t)
	s.stack.Namespace += "-out"
	s.engine = s.newEngine(apply.Options{})
	s.plane.Kubectl(t, "create", "namespace", s.stack.Namespace)
	s.kubectl("create", "configmap", "held")
	s.kubectl("patch", "configmap", "held", "--type=merge", "-p", `{"metadata":{"finalizers":["example.org/hold"]}}`)
	s.plane.Kubectl(t, "delete", "namespace", s.stack.Namespace, "--wait=false")
	defer s.kubectl("patch", "configmap", "held", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	var terminating *apply.TerminatingError
	_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "1")}})
	if !errors.As(err, &terminating) || terminating.Namespace != s.stack.Namespace {
		t.Errorf("the stack's namespace: %v", err)
	}
	// Another stack has an object in it.
	other := &story{TB: t, plane: s.plane, stack: apply.Stack{Namespace: s.plane.Namespace(t), Name: "other"}}
	other.engine = other.newEngine(apply.Options{})
	o := other.configMap("a", "1")
	o.SetNamespace(s.stack.Namespace)
	if _, err = other.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{o}}); !errors.As(err, &terminating) {
		t.Errorf("an object in it: %v", err)
	}
}

// TestManagedFieldsOfAnOldVersion: the server refuses a valid object because of
// what it has on record about the live one.
func TestManagedFieldsOfAnOldVersion(t *testing.T) {
	s := newStory(t)
	group, crd := s.kindOf("Backup", "v1 storage", "v2")
	t.Cleanup(func() { s.plane.Kubectl(t, "delete", "crd", crd.GetName(), "--wait=false") })
	backup := func(version string) *obj {
		return s.object(`{"apiVersion":"` + group + `/` + version + `","kind":"Backup","metadata":{"name":"nightly"},"spec":{"every":"24h"}}`)
	}
	s.apply(crd, backup("v1"))
	refusal := `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"failed to convert new object: .spec.every: field not declared in schema","code":500}`
	s.engine = s.through(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/backups/nightly") {
				return respond(r, 500, "application/json", refusal), nil
			}
			return next.RoundTrip(r)
		})
	}, apply.Options{})
	_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{crd, backup("v2")}})
	var outdated *apply.OutdatedFieldsError
	if !errors.As(err, &outdated) || !strings.Contains(err.Error(), "managed fields of "+group+"/v1") {
		t.Fatalf("the error: %v", err)
	}
	// The way out is one that kubectl takes.
	_, command, _ := strings.Cut(outdated.Hint(), "`kubectl ")
	command, _, _ = strings.Cut(command, "`")
	head, patch, _ := strings.Cut(command, " -p ")
	s.plane.Kubectl(t, append(strings.Fields(head), "-p", strings.Trim(patch, "'"))...)
	s.engine = s.newEngine(apply.Options{})
	s.apply(crd, backup("v2"))
	// A mistake is still the object's own.
	bad := backup("v2")
	bad.SetLabels(map[string]string{"stackctl.dev/stack": "shop", "stackctl.dev/namespace": s.stack.Namespace, "x": "not a label!"})
	if _, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{crd, bad}}); err == nil || errors.As(err, &outdated) {
		t.Errorf("a bad label: %v", err)
	}
}
