package apply_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/apply"
)

// mutate makes an admission policy set an annotation of the Deployments of the
// story's namespace, and waits until it does.
func (s *story) mutate(annotation string) {
	s.Helper()
	name := s.stack.Namespace + "." + annotation
	s.create(fmt.Sprintf(`{"apiVersion":"v1","kind":"List","items":[
		{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingAdmissionPolicy","metadata":{"name":%[1]q},"spec":{
			"matchConstraints":{"resourceRules":[{"apiGroups":["apps"],"apiVersions":["v1"],"resources":["deployments"],"operations":["CREATE","UPDATE"]}]},
			"reinvocationPolicy":"Never","failurePolicy":"Fail",
			"mutations":[{"patchType":"ApplyConfiguration","applyConfiguration":{"expression":"Object{metadata: Object.metadata{annotations: {\"%[2]s\": \"set\"}}}"}}]}},
		{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingAdmissionPolicyBinding","metadata":{"name":%[1]q},"spec":{
			"policyName":%[1]q,"matchResources":{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":%[3]q}}}}}]}`,
		name, annotation, s.stack.Namespace))
	s.Cleanup(func() {
		s.plane.Kubectl(s, "delete", "mutatingadmissionpolicybinding", name)
		s.plane.Kubectl(s, "delete", "mutatingadmissionpolicy", name)
	})
	s.until("the policy holds", func() bool {
		return strings.Contains(s.kubectl("create", "deployment", "probe", "--image=probe", "--dry-run=server", "-o", "yaml"), annotation)
	})
}

// labels tells the differences of a plan and whose they are.
func labels(p *apply.Plan) string {
	var lines []string
	for _, c := range p.Changes {
		name := c.Object.Kind + "/" + c.Object.Name
		if c.Label != "" {
			lines = append(lines, fmt.Sprintf("%s %s: %s", c.Action, name, c.Label))
		}
		for _, f := range c.Fields {
			line := fmt.Sprintf("%s %s %s: %s", name, f.Op, f.Path, f.Label)
			if f.Manager != "" {
				line += " " + f.Manager
			}
			if f.Spec != nil {
				line += fmt.Sprintf(" %s:%d", f.Spec.File, f.Spec.Line)
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// asked lists the requests of the story's engine since a mark: verbs and what
// they are about.
func (s *story) asked(since int) (all []string) {
	s.Helper()
	for _, line := range s.plane.Requests(s)[since:] {
		var e struct {
			Verb, UserAgent, Stage string
			ObjectRef              struct{ Resource string }
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.Stage == "ResponseComplete" && e.UserAgent == "story/"+s.stack.Namespace {
			all = append(all, e.Verb+" "+e.ObjectRef.Resource)
		}
	}
	return all
}

// TestWhoseDifference disturbs a stack in every way: after an apply there is no
// difference, and after each disturbance it is known whose it is.
func TestWhoseDifference(t *testing.T) {
	s := newStory(t)
	env := func(names ...string) []any {
		var list []any
		for _, n := range names {
			list = append(list, map[string]any{"name": n, "value": "1"})
		}
		return list
	}
	stack := func(image string, vars ...string) []*obj {
		web := s.deployment("web", image, 1, "")
		unstructured.RemoveNestedField(web.Object, "spec", "replicas")
		containers, _, _ := unstructured.NestedSlice(web.Object, "spec", "template", "spec", "containers")
		containers[0].(map[string]any)["env"] = env(vars...)
		set(web, containers, "spec", "template", "spec", "containers")
		hpa := s.object(`{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web"},"spec":{
			"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"minReplicas":2,"maxReplicas":3}}`)
		return []*obj{web, hpa, s.configMap("files", "1"), s.service("web", 80), s.secret("login", "hunter2")}
	}
	s.mutate("first")
	s.apply(stack("web:v1", "A", "B", "C")...)
	none := func(when string, objects []*obj) {
		t.Helper()
		if p := s.plan(objects...); !p.Empty() {
			t.Errorf("%s: %s", when, labels(p))
		}
	}
	none("after the apply", stack("web:v1", "A", "B", "C"))
	s.until("the autoscaler scales", func() bool {
		return s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}") == "2"
	})
	none("after the autoscaler", stack("web:v1", "A", "B", "C"))
	fixed := stack("web:v1", "A", "B", "C")
	set(fixed[0], int64(1), "spec", "replicas")
	p := s.plan(fixed...)
	s.want("a number beside the autoscaler", labels(p), "Deployment/web set spec.replicas: you")
	s.want("what comes of it", impacts(p), "Deployment/web autoscaler 0 spec.replicas: HorizontalPodAutoscaler/web decides about the replicas, and sets them again")
	mark := len(s.plane.Requests(t))
	s.plan(stack("web:v1", "A", "B", "C")...)
	asked := s.asked(mark)
	for _, request := range asked {
		if !strings.HasPrefix(request, "list ") && request != "get secrets" && request != "get namespaces" {
			t.Errorf("a plan of unchanged objects asks for %s", request)
		}
	}
	if n := len(slices.DeleteFunc(asked, func(r string) bool { return r != "get secrets" })); n > 2 {
		t.Errorf("a plan of unchanged objects reads %d Secrets: the index and the outcome of one revision were enough", n)
	}

	// Others: an edit, a value that goes, an object that goes, and Helm.
	patch := func(manager, kind, object, body string) {
		t.Helper()
		s.kubectl("patch", object, "--type="+kind, "--field-manager="+manager, "-p", body)
	}
	patch("kubectl-edit", "strategic", "deployment/web", `{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"web:edited"}]}}}}`)
	patch("helm", "merge", "service/web", `{"metadata":{"labels":{"tier":"back"}}}`)
	patch("anybody", "json", "configmap/files", `[{"op":"remove","path":"/data/key"}]`)
	patch("anybody", "json", "secret/login", `[{"op":"replace","path":"/data/password","value":"b3RoZXI="}]`)
	s.want("drift", labels(s.plan(stack("web:v1", "A", "B", "C")...)), strings.Join([]string{
		"ConfigMap/files add data.key: drift",
		"Secret/login set data.password: drift anybody",
		"Service/web set metadata.labels.tier: drift helm",
		`Deployment/web set spec.template.spec.containers[name="main"].image: drift kubectl-edit`,
	}, "\n"))
	s.kubectl("delete", "configmap/files")
	patch("anybody", "json", "secret/login", `[{"op":"replace","path":"/data/password","value":"aHVudGVyMg=="}]`)
	patch("helm", "merge", "service/web", `{"metadata":{"labels":{"tier":"web"}}}`)
	s.want("what is gone, and what only lost its owner", labels(s.plan(stack("web:v1", "A", "B", "C")...)), strings.Join([]string{
		"create ConfigMap/files: drift",
		"update Secret/login: drift",
		"update Service/web: drift",
		`Deployment/web set spec.template.spec.containers[name="main"].image: drift kubectl-edit`,
	}, "\n"))
	patch("kubectl-edit", "strategic", "deployment/web", `{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"web:v1"}]}}}}`)

	patch("anybody", "json", "deployment/web", `[{"op":"add","path":"/spec/template/spec/containers/0/env/0","value":{"name":"K","value":"1"}}]`)

	// The stack: an image and an order; and a policy that is new.
	s.mutate("second")
	target := apply.Target{Verb: apply.VerbApply, Objects: stack("web:v2", "C", "A", "B"), Source: []byte("name: shop # v2\n"), Tool: "newer",
		Consent: apply.Consent{Force: true},
		Origin: func(key apply.ObjectKey, path string) (apply.SpecPlace, bool, bool) {
			return apply.SpecPlace{File: "stack.yaml", Line: 7}, strings.HasSuffix(path, ".image"), true
		},
		OriginOf: func([]byte, string) apply.Origin {
			return func(apply.ObjectKey, string) (apply.SpecPlace, bool, bool) { return apply.SpecPlace{}, false, true }
		}}
	var err error
	if p, err = s.engine.Plan(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	s.want("intent", labels(p), strings.Join([]string{
		"create ConfigMap/files: drift",
		"update Secret/login: drift",
		"update Service/web: drift",
		"Deployment/web add metadata.annotations.second: server",
		`Deployment/web move spec.template.spec.containers[name="main"].env[name="C"]: default stack.yaml:7`,
		`Deployment/web set spec.template.spec.containers[name="main"].image: you kubectl-edit stack.yaml:7`, // who owns it still
	}, "\n"))
	s.want("only drift", labels(p.Only(apply.LabelDrift)), "create ConfigMap/files: drift\nupdate Secret/login: drift\nupdate Service/web: drift")
	s.want("impacts", impacts(p), "Deployment/web restart 2 spec.template.spec.containers[name=\"main\"].env[name=\"C\"]: 2 pods are replaced")
	var hit *apply.ImpactError
	if err := p.FailOn(apply.ImpactRestart); !errors.As(err, &hit) || len(hit.Objects) != 1 || p.FailOn(apply.ImpactDataLoss) != nil {
		t.Errorf("failing on a restart: %v", err)
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	none("after that", stack("web:v2", "C", "A", "B"))
	s.want("order", s.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.template.spec.containers[0].env[*].name}"), "K C A B")

	// What Helm made is the stack's to want, and Helm's until it is adopted.
	s.kubectl("create", "configmap", "chart", "--from-literal=key=old", "--field-manager=helm")
	target = apply.Target{Verb: apply.VerbApply, Objects: append(stack("web:v2", "C", "A", "B"), s.configMap("chart", "new"))}
	if p, err = s.engine.Plan(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	s.want("Helm's", labels(p)+" "+p.Conflicts()[0].Manager, `update ConfigMap/chart: you no stack (made by "helm")`)
	target.Consent.Adopt = []apply.ObjectPattern{{Kind: "ConfigMap", Name: "chart"}}
	if p, err = s.engine.Plan(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Changes {
		for _, f := range c.Fields {
			if f.Label != apply.LabelYou {
				t.Errorf("adopting: %s is %s", f.Path, f.Label)
			}
		}
	}
}

func impacts(p *apply.Plan) string {
	var lines []string
	for _, c := range p.Changes {
		for _, i := range c.Impacts {
			lines = append(lines, fmt.Sprintf("%s/%s %s %d %s: %s", c.Object.Kind, c.Object.Name, i.Kind, i.Pods, i.Field, i.Message))
		}
	}
	return strings.Join(lines, "\n")
}
