package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"stackctl.dev/stackctl/apply"
)

func objects(t *testing.T, patterns ...string) (all []apply.ObjectPattern) {
	t.Helper()
	for _, text := range patterns {
		p, err := apply.ParseObjectPattern(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

// make makes an object as somebody else does: by a plain create under a field
// manager, or by server-side apply.
func (s *story) make(resource schema.GroupVersionResource, o *obj, manager string, applied bool) {
	s.Helper()
	client, err := dynamic.NewForConfig(s.plane.Config())
	if err != nil {
		s.Fatal(err)
	}
	o = o.DeepCopy()
	labels := o.GetLabels()
	delete(labels, apply.LabelStack)
	delete(labels, apply.LabelNamespace)
	o.SetLabels(labels)
	r := client.Resource(resource).Namespace(s.stack.Namespace)
	if applied {
		body, _ := json.Marshal(o)
		force := true
		_, err = r.Patch(s.Context(), o.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: manager, Force: &force})
	} else {
		_, err = r.Create(s.Context(), o, metav1.CreateOptions{FieldManager: manager})
	}
	if err != nil {
		s.Fatal(err)
	}
}

// managers lists who owns something of an object, sorted, once each.
func (s *story) managers(object string) string {
	s.Helper()
	var o obj
	if err := json.Unmarshal([]byte(s.kubectl("get", object, "--show-managed-fields", "-o", "json")), &o.Object); err != nil {
		s.Fatal(err)
	}
	var all []string
	for _, f := range o.GetManagedFields() {
		name := strings.ReplaceAll(f.Manager, s.stack.Namespace, "NS")
		if f.Subresource != "" {
			name += "(" + f.Subresource + ")"
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

// TestObjectsOfKubectlAreAdopted: what client-side apply set and the stack does
// not is removed, the last-applied annotation too, and the diff showed it.
func TestObjectsOfKubectlAreAdopted(t *testing.T) {
	s := newStory(t)
	made := s.deployment("web", "web:v0", 3, "")
	set(made, int64(7), "spec", "minReadySeconds")
	set(made, "old", "metadata", "annotations", "note")
	set(made, "kept", "metadata", "labels", "tier")
	made.SetLabels(map[string]string{"tier": "old"})
	s.kubectlApply(made)
	s.kubectl("annotate", "deployment/web", "--field-manager=sidecar", "theirs=yes")

	web := func() *obj { return s.deployment("web", "web:v1", 3, "") }
	s.want("conflict", conflicts(s.plan(web())), `Deployment/web  no stack (made by "kubectl-client-side-apply") <none>→<none>`)
	s.refused(s.plan(web()))
	p := s.planWith(apply.Consent{Adopt: objects(t, "Deployment/web")}, web())
	if p.Changes[0].Adopted == "" || len(p.Refused()) != 0 {
		t.Fatalf("%+v", p.Changes[0])
	}
	want := `update Deployment/web
  remove metadata.annotations.note (kubectl-client-side-apply)
  remove metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] (kubectl-client-side-apply)
  remove metadata.labels.tier (kubectl-client-side-apply)
  add metadata.labels["stackctl.dev/namespace"]
  add metadata.labels["stackctl.dev/stack"]
  remove spec.minReadySeconds (kubectl-client-side-apply)
  set spec.template.spec.containers[name="main"].image (kubectl-client-side-apply)`
	s.want("plan", withoutTemplateLabels(actions(p)), want)
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("live", s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.minReadySeconds}|{.metadata.annotations.note}|{.metadata.labels.tier}|{.metadata.annotations.theirs}|{.spec.replicas}|{.spec.template.spec.containers[0].image}"), "|||yes|3|web:v1")
	s.want("owners", s.managers("deployment/web"), "stackctl/NS/shop sidecar kube-controller-manager(status)")
	if left := s.kubectl("get", "deployment/web", "-o", "yaml"); strings.Contains(left, "last-applied") {
		t.Error("the last-applied annotation is still there")
	}
	s.want("plan after", actions(s.plan(web())), "")
	s.apply(s.configMap("other", "1"))
	s.want("and it is deleted with the stack", s.kubectl("get", "deployment", "-o", "name"), "")
}

// withoutTemplateLabels drops what the test's pod labels come to.
func withoutTemplateLabels(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "spec.template.metadata.labels") {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, ""))
}

func (s *story) kubectlApply(o *obj) {
	s.Helper()
	o = o.DeepCopy()
	labels := o.GetLabels()
	delete(labels, apply.LabelStack)
	delete(labels, apply.LabelNamespace)
	o.SetLabels(labels)
	text, _ := json.Marshal(o)
	path := s.TempDir() + "/object.json"
	if err := writeFile(path, text); err != nil {
		s.Fatal(err)
	}
	s.kubectl("apply", "-f", path)
}

func TestObjectsOfHelmAreAdopted(t *testing.T) {
	for _, applied := range []bool{false, true} { // Helm 3 and Helm 4
		s := newStoryOf(t)
		made := s.configMap("settings", "a")
		made.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "web-1"})
		made.SetAnnotations(map[string]string{"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": s.stack.Namespace})
		set(made, "gone", "data", "other")
		s.make(configMaps, made, "helm", applied)
		want := func() *obj {
			o := s.configMap("settings", "b")
			set(o, "stackctl", "metadata", "labels", "app.kubernetes.io/managed-by")
			return o
		}
		p := s.planWith(apply.Consent{Adopt: objects(t, "all")}, want())
		if note := p.Changes[0].Note; !strings.Contains(note, "helm uninstall web") || !strings.Contains(note, "owner=helm,name=web") {
			t.Errorf("note: %q", note)
		}
		s.want("plan", actions(p), `update ConfigMap/settings
  set data.key (helm)
  remove data.other (helm)
  remove metadata.annotations["meta.helm.sh/release-name"] (helm)
  remove metadata.annotations["meta.helm.sh/release-namespace"] (helm)
  set metadata.labels["app.kubernetes.io/managed-by"] (helm)
  remove metadata.labels["helm.sh/chart"] (helm)
  add metadata.labels["stackctl.dev/namespace"]
  add metadata.labels["stackctl.dev/stack"]`)
		if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
			t.Fatal(err)
		}
		s.want("owners", s.managers("configmap/settings"), "stackctl/NS/shop")
		s.want("plan after", actions(s.plan(want())), "")
	}
}

// TestFieldsOfOthersStayConflictsOfAnAdoption: only kubectl and Helm give way.
func TestFieldsOfOthersStayConflictsOfAnAdoption(t *testing.T) {
	s := newStory(t)
	s.make(configMaps, s.configMap("a", "theirs"), "operator", false)
	adopt := apply.Consent{Adopt: objects(t, "ConfigMap")}
	p := s.planWith(adopt, s.configMap("a", "1"))
	s.want("conflicts", conflicts(p), `ConfigMap/a data.key operator "theirs"→"1"`)
	s.refused(p)
	adopt.Yield = fields(t, "data.key")
	s.applyWith(adopt, s.configMap("a", "1"))
	s.want("live", s.kubectl("get", "configmap/a", "-o", "jsonpath={.data.key} {.metadata.labels.stackctl\\.dev/stack}"), "theirs shop")
	s.applyWith(apply.Consent{Take: fields(t, "data.key")}, s.configMap("a", "1"))
	s.want("live", s.kubectl("get", "configmap/a", "-o", "jsonpath={.data.key}"), "1")
}

// TestAnObjectOfAnotherStackIsAdoptedByNameOnly is the story of a renamed stack.
func TestAnObjectOfAnotherStackIsAdoptedByNameOnly(t *testing.T) {
	s := newStory(t)
	old := &story{TB: t, plane: s.plane, stack: apply.Stack{Namespace: s.stack.Namespace, Name: "old"}}
	old.engine = old.newEngine(apply.Options{})
	was := old.configMap("a", "1")
	set(was, "gone", "data", "other")
	old.apply(was, old.configMap("stays", "1"))

	s.refused(s.planWith(apply.Consent{Adopt: objects(t, "all", "ConfigMap"), Force: true}, s.configMap("a", "2")))
	p := s.planWith(apply.Consent{Adopt: objects(t, "ConfigMap/a")}, s.configMap("a", "2"))
	if p.Changes[0].Adopted != "stack "+s.stack.Namespace+"/old" {
		t.Errorf("adopted from %q", p.Changes[0].Adopted)
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("live", s.kubectl("get", "configmap/a", "-o", "jsonpath={.data}"), `{"key":"2"}`)
	s.want("owners", s.managers("configmap/a"), "stackctl/NS/shop")
	old.delete(false)
	s.want("what is left", s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "name"), "configmap/a")
}

// TestAnAdoptionThatDiesIsFinished: killed at any request, the next apply goes
// on without being told to adopt.
func TestAnAdoptionThatDiesIsFinished(t *testing.T) {
	for n := 0; n < 60; n++ {
		s := newStoryOf(t)
		made := s.configMap("a", "theirs")
		set(made, "gone", "data", "other")
		s.kubectlApply(made)
		dying, cut := s.dyingEngine(1000)
		p, err := dying.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "1")}, Consent: apply.Consent{Adopt: objects(t, "all")}})
		if err != nil {
			t.Fatal(err)
		}
		cut.allow(n)
		_, err = dying.Apply(context.Background(), p, run)
		done := err == nil
		consent := apply.Consent{}
		if !strings.Contains(s.managers("configmap/a"), "stackctl/") { // it died before the first step
			consent.Adopt = objects(t, "all")
		}
		s.applyWith(consent, s.configMap("a", "1"))
		s.want("live", s.kubectl("get", "configmap/a", "-o", "jsonpath={.data}"), `{"key":"1"}`)
		s.want("owners", s.managers("configmap/a"), "stackctl/NS/shop")
		if done {
			return
		}
	}
	t.Error("the adoption never ended")
}

// TestAClaimIsAdopted: its spec cannot change, so what kubectl set there stays.
func TestAClaimIsAdopted(t *testing.T) {
	s := newStory(t)
	claim := func() *obj {
		return s.object(`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`)
	}
	made := claim()
	made.SetLabels(map[string]string{"tier": "old"})
	set(made, "local", "spec", "storageClassName")
	s.kubectlApply(made)
	s.applyWith(apply.Consent{Adopt: objects(t, "all")}, claim())
	s.want("live", s.kubectl("get", "pvc/data", "-o", `jsonpath={.spec.storageClassName}|{.metadata.labels.tier}|{.metadata.labels.stackctl\.dev/stack}`), "local||shop")
	s.want("plan after", actions(s.plan(claim())), "")
}

// TestTwoStacksRaceForOneObject: exactly one makes it, the other meets a
// conflict, and nothing of it is on the object.
func TestTwoStacksRaceForOneObject(t *testing.T) {
	s := newStory(t)
	for round := range 20 {
		var stacks [2]*story
		var plans [2]*apply.Plan
		var errs [2]error
		name := "raced-" + string(rune('a'+round))
		for i := range stacks {
			one := &story{TB: t, plane: s.plane, stack: apply.Stack{Namespace: s.stack.Namespace, Name: name + string(rune('0'+i))}}
			one.engine = one.newEngine(apply.Options{})
			o := one.configMap(name, one.stack.Name)
			set(o, "1", "data", one.stack.Name)
			stacks[i], plans[i] = one, one.plan(o)
		}
		done := make(chan bool)
		for i := range stacks {
			go func() {
				_, errs[i] = stacks[i].engine.Apply(context.Background(), plans[i], run)
				done <- true
			}()
		}
		<-done
		<-done
		won := 0
		if errs[0] != nil {
			won = 1
		}
		if errs[won] != nil || errs[1-won] == nil {
			t.Fatalf("round %d: %v and %v", round, errs[0], errs[1])
		}
		winner := stacks[won].stack.Name
		s.want("live", s.kubectl("get", "configmap/"+name, "-o", `jsonpath={.data.key} {.metadata.labels.stackctl\.dev/stack}`), winner+" "+winner)
		s.want("owners", s.managers("configmap/"+name), "stackctl/NS/"+winner)
		loser := stacks[1-won]
		var conflict *apply.ConflictError
		p := loser.plan(loser.configMap(name, "x"))
		if _, err := loser.engine.Apply(t.Context(), p, run); !errors.As(err, &conflict) || !conflict.Conflicts[0].Foreign() {
			t.Errorf("round %d: the loser then: %v", round, err)
		}
	}
}

// TestWhatIsAdoptedCanBeMadeAnew: the plan says both.
func TestWhatIsAdoptedCanBeMadeAnew(t *testing.T) {
	s := newStory(t)
	s.kubectlApply(s.selecting("web:v1", "a"))
	consent := apply.Consent{Adopt: objects(t, "Deployment/web"), Recreate: objects(t, "Deployment/web")}
	p := s.planWith(consent, s.selecting("web:v1", "b"))
	if c := p.Changes[0]; c.Adopted == "" || len(c.Replace) == 0 || len(p.Notices) > 0 {
		t.Errorf("%+v, notices %q", c, p.Notices)
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("owners", s.managers("deployment/web"), "stackctl/NS/shop kube-controller-manager(status)")
}
