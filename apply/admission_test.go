package apply_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stackctl.dev/stackctl/apply"
)

// hook makes the API server ask a webhook about the ConfigMaps of the story's
// namespace, and waits until it does. A nil decide is a webhook that is down.
func (s *story) hook(decide func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse) (name string) {
	s.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			s.Error(err)
		}
		uid := review.Request.UID
		review.Response = decide(review.Request)
		review.Response.UID, review.Request = uid, nil
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(review)
	}))
	s.Cleanup(server.Close)
	if decide == nil {
		server.Close()
	}
	name = s.stack.Namespace + ".example.org"
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	s.create(fmt.Sprintf(`{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration","metadata":{"name":%[1]q},
		"webhooks":[{"name":%[1]q,"clientConfig":{"url":"%[2]s/","caBundle":%[3]q},"sideEffects":"None","admissionReviewVersions":["v1"],"timeoutSeconds":2,
		"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":%[4]q}},
		"rules":[{"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"],"operations":["CREATE","UPDATE"]}]}]}`, name, server.URL, ca, s.stack.Namespace))
	s.Cleanup(func() { s.plane.Kubectl(s, "delete", "validatingwebhookconfiguration", name) })
	s.until("the webhook is asked", func() bool { return s.refuses(name) })
	return name
}

// create makes an object as its manifest says.
func (s *story) create(manifest string) {
	s.Helper()
	cmd := exec.Command(s.plane.Binary, "kubectl", "--kubeconfig", s.plane.Kubeconfig, "create", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("%v\n%s", err, out)
	}
}

// refuses reports whether a ConfigMap cannot be made, for a reason with a text.
func (s *story) refuses(text string) bool {
	out, _ := exec.Command(s.plane.Binary, "kubectl", "--kubeconfig", s.plane.Kubeconfig, "-n", s.stack.Namespace,
		"create", "configmap", "probe", "--from-literal=key=denied", "--dry-run=server").CombinedOutput()
	return strings.Contains(string(out), text)
}

func (s *story) until(what string, f func() bool) {
	s.Helper()
	for range 600 {
		if f() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.Fatalf("not in time: %s", what)
}

func denied(message string) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Result: &metav1.Status{Message: message, Code: 403}}
}

func TestADenialNamesItsWebhook(t *testing.T) {
	s := newStory(t)
	name := s.hook(func(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		if strings.Contains(string(r.Object.Raw), `"key":"denied"`) {
			return denied("keys are not wanted")
		}
		return &admissionv1.AdmissionResponse{Allowed: true}
	})
	_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "denied")}})
	var by *apply.AdmissionError
	if !errors.As(err, &by) || by.Name != name || !by.Denied {
		t.Fatalf("the error: %v", err)
	}
	s.want("text", err.Error(), "dry-run ConfigMap/"+s.stack.Namespace+"/a: denied by webhook \""+name+"\": keys are not wanted")
}

func TestADenialOfAPolicyNamesIt(t *testing.T) {
	s := newStory(t)
	name := s.stack.Namespace + ".example.org"
	s.create(fmt.Sprintf(`{"apiVersion":"v1","kind":"List","items":[
		{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":%[1]q},"spec":{
			"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"],"operations":["CREATE","UPDATE"]}]},
			"validations":[{"expression":"object.data.key != 'denied'","message":"keys are not wanted"}]}},
		{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":%[1]q},"spec":{
			"policyName":%[1]q,"validationActions":["Deny"],"matchResources":{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":%[2]q}}}}}]}`,
		name, s.stack.Namespace))
	t.Cleanup(func() {
		s.plane.Kubectl(t, "delete", "validatingadmissionpolicybinding", name)
		s.plane.Kubectl(t, "delete", "validatingadmissionpolicy", name)
	})
	s.until("the policy holds", func() bool { return s.refuses("denied request") })
	_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "denied")}})
	var by *apply.AdmissionError
	if !errors.As(err, &by) || by.Name != name || by.Kind != "policy" {
		t.Fatalf("the error: %v", err)
	}
	s.want("text", err.Error(), "dry-run ConfigMap/"+s.stack.Namespace+"/a: denied by policy \""+name+"\": keys are not wanted")
}

func TestAWebhookThatIsDownIsNamed(t *testing.T) {
	s := newStory(t)
	name := s.hook(nil)
	began := time.Now()
	_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "1")}})
	var by *apply.AdmissionError
	if !errors.As(err, &by) || by.Name != name || by.Denied || !strings.Contains(err.Error(), "cannot be called") {
		t.Fatalf("the error: %v", err)
	}
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("given up after %s: it might have come back", took)
	}
}

// TestWhatCannotBePreviewed: a webhook refuses dry-runs. The plan says so and
// goes on, the apply asks for consent before it writes anything.
func TestWhatCannotBePreviewed(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"), s.secret("login", "1"))
	name := s.hook(func(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		if r.DryRun != nil && *r.DryRun {
			return denied("dry-run is not supported")
		}
		return &admissionv1.AdmissionResponse{Allowed: true}
	})
	all := []*obj{s.configMap("a", "2"), s.configMap("b", "2"), s.secret("login", "2")}
	p := s.plan(all...)
	for _, c := range p.Changes {
		if want := c.Object.Kind == "ConfigMap"; (c.Unpreviewed != "") != want || want && !strings.Contains(c.Unpreviewed, name) {
			t.Errorf("%s: unpreviewed: %q", c.Object, c.Unpreviewed)
		}
	}
	writes := s.writes()
	var refused *apply.UnpreviewedError
	if _, err := s.engine.Apply(t.Context(), p, run); !errors.As(err, &refused) || len(refused.Objects) != 2 {
		t.Fatalf("without consent: %v", err)
	}
	if n := s.writes() - writes; n != 0 {
		t.Errorf("%d writes without consent", n)
	}
	p, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: all, Consent: apply.Consent{Unpreviewed: true}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	s.want("values", s.kubectl("get", "configmap", "a", "b", "-o", "jsonpath={.items[*].data.key}"), "2 2")
	if p := s.plan(all...); !p.Empty() {
		t.Errorf("the next plan: %s", actions(p))
	}
}

func TestAQuotaIsFoundByThePlan(t *testing.T) {
	s := newStory(t)
	s.kubectl("create", "quota", "few", "--hard=count/configmaps=1")
	s.until("the quota counts", func() bool {
		return s.kubectl("get", "quota", "few", "-o", `jsonpath={.status.used.count/configmaps}`) != ""
	})
	_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "1"), s.configMap("b", "1")}})
	if err == nil || !strings.Contains(err.Error(), `exceeds the quota "few": requested: count/configmaps=1, used: count/configmaps=`) {
		t.Errorf("the error: %v", err)
	}
	if s.history() != "" {
		t.Error("something was recorded")
	}
}

// TestKeepGoing: one object of a stage is denied when it is written, though not
// in the dry-run.
func TestKeepGoing(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("old", "1"))
	s.hook(func(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		dry := r.DryRun != nil && *r.DryRun
		if !dry && strings.HasPrefix(r.Name, "bad") || r.Name == "probe" {
			return denied("no: " + s.stack.Namespace + ".example.org")
		}
		return &admissionv1.AdmissionResponse{Allowed: true}
	})
	going := run
	going.KeepGoing = true
	// More good ones than are in flight at once come after the bad ones.
	all := []*obj{s.configMap("bad-1", "1"), s.configMap("bad-2", "1"), s.deployment("web", "web:v1", 1, "")}
	for i := range 20 {
		all = append(all, s.configMap(fmt.Sprintf("good-%02d", i), "1"))
	}
	r, err := s.engine.Apply(t.Context(), s.plan(all...), going)
	if err == nil || !strings.Contains(err.Error(), "bad-1") || !strings.Contains(err.Error(), "bad-2") {
		t.Fatalf("the error: %v", err)
	}
	if r.Changes.Created != 20 || r.Status != apply.StatusFailed {
		t.Errorf("created %d objects, %s", r.Changes.Created, r.Status)
	}
	s.want("of the next stage, and not pruned", s.kubectl("get", "deployment/web", "configmap/old", "--ignore-not-found", "-o", "name"), "configmap/old")
}
