package apply_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// frozenCase is a field that the API server does not let change.
type frozenCase struct {
	name    string
	object  string // as JSON; NAME stands for a name of the test's own
	cluster bool   // the kind has no namespace
	path    []string
	change  any // what the field becomes
	invalid any // a value that no object may have; nil for a field without one
	at      []string
	want    string // the path in the error
	values  string // both values in the error
	hint    string // part of the way out
}

const (
	podTemplate = `{"metadata":{"labels":{"app":"a","b":"b"}},"spec":{"restartPolicy":"%s","containers":[{"name":"main","image":"a:1"}]}}`
	recreates   = "--recreate "
	never       = "is never deleted"
)

var frozenCases = []frozenCase{
	{
		name: "Deployment selector", object: `{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":0,"selector":{"matchLabels":{"app":"a"}},"template":` + fmt.Sprintf(podTemplate, "Always") + `}}`,
		path: []string{"spec", "selector", "matchLabels"}, change: map[string]any{"b": "b"},
		at: []string{"spec", "replicas"}, invalid: int64(-1),
		want: "spec.selector.matchLabels.app, spec.selector.matchLabels.b", values: `spec.selector.matchLabels.app: "a" → <none>`, hint: recreates + "Deployment/NAME (its pods stop before new ones start)",
	},
	{
		name: "DaemonSet selector", object: `{"apiVersion":"apps/v1","kind":"DaemonSet","spec":{"selector":{"matchLabels":{"app":"a"}},"template":` + fmt.Sprintf(podTemplate, "Always") + `}}`,
		path: []string{"spec", "selector", "matchLabels", "b"}, change: "b",
		at: []string{"spec", "minReadySeconds"}, invalid: int64(-1),
		want: "spec.selector.matchLabels.b", values: `<none> → "b"`, hint: recreates + "DaemonSet/NAME",
	},
	{
		name: "StatefulSet service", object: `{"apiVersion":"apps/v1","kind":"StatefulSet","spec":{"replicas":0,"serviceName":"a","selector":{"matchLabels":{"app":"a"}},"template":` + fmt.Sprintf(podTemplate, "Always") + `}}`,
		path: []string{"spec", "serviceName"}, change: "b",
		at: []string{"spec", "replicas"}, invalid: int64(-1),
		want: "spec.serviceName", values: `"a" → "b"`, hint: "its pods and claims stay",
	},
	{
		name: "StatefulSet selector", object: `{"apiVersion":"apps/v1","kind":"StatefulSet","spec":{"replicas":0,"serviceName":"a","selector":{"matchLabels":{"app":"a"}},"template":` + fmt.Sprintf(podTemplate, "Always") + `}}`,
		path: []string{"spec", "selector", "matchLabels", "b"}, change: "b",
		at: []string{"spec", "serviceName"}, invalid: "NOT_a_name",
		want: "spec.selector.matchLabels.b", values: `<none> → "b"`, hint: "its pods stop before new ones start; its claims stay",
	},
	{
		name: "Job template", object: `{"apiVersion":"batch/v1","kind":"Job","spec":{"suspend":false,"template":` + fmt.Sprintf(podTemplate, "Never") + `}}`,
		path: []string{"spec", "template", "spec", "containers"}, change: []any{map[string]any{"name": "main", "image": "a:2"}},
		at: []string{"spec", "parallelism"}, invalid: int64(-1),
		want: `spec.template.spec.containers[name="main"].image`, values: `"a:1" → "a:2"`, hint: "it runs again",
	},
	{
		name: "Job completions", object: `{"apiVersion":"batch/v1","kind":"Job","spec":{"completions":1,"template":` + fmt.Sprintf(podTemplate, "Never") + `}}`,
		path: []string{"spec", "completions"}, change: int64(2), at: []string{"spec", "completions"}, invalid: int64(-2),
		want: "spec.completions", values: "1 → 2", hint: recreates + "Job/NAME",
	},
	{
		name: "Service clusterIP", object: `{"apiVersion":"v1","kind":"Service","spec":{"type":"NodePort","selector":{"app":"a"},"ports":[{"port":80}]}}`,
		path: []string{"spec", "clusterIP"}, change: "CLUSTERIP", at: []string{"spec", "sessionAffinity"}, invalid: "Sometimes",
		want: "spec.clusterIP", values: "→", hint: "gets another clusterIP",
	},
	{
		name: "PersistentVolumeClaim class", object: `{"apiVersion":"v1","kind":"PersistentVolumeClaim","spec":{"storageClassName":"a","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2Gi"}}}}`,
		path: []string{"spec", "storageClassName"}, change: "b", at: []string{"spec", "volumeMode"}, invalid: "Cube",
		want: "spec.storageClassName", values: `"a" → "b"`, hint: never,
	},
	{
		name: "PersistentVolumeClaim size", object: `{"apiVersion":"v1","kind":"PersistentVolumeClaim","spec":{"storageClassName":"a","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2Gi"}}}}`,
		path: []string{"spec", "resources", "requests", "storage"}, change: "1Gi", at: []string{"spec", "resources", "requests", "storage"}, invalid: "-1Gi",
		want: "spec.resources.requests.storage", values: `"2Gi" → "1Gi"`, hint: never,
	},
	{
		name: "RoleBinding role", object: `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},"subjects":[{"kind":"ServiceAccount","name":"a","namespace":"default"}]}`,
		path: []string{"roleRef", "name"}, change: "edit", at: []string{"roleRef", "name"}, invalid: "",
		want: "roleRef.name", values: `"view" → "edit"`, hint: recreates + "RoleBinding/NAME (it is gone for a moment)",
	},
	{
		name: "ClusterRoleBinding role", cluster: true, object: `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"}}`,
		path: []string{"roleRef", "name"}, change: "edit", at: []string{"roleRef", "kind"}, invalid: "Owner",
		want: "roleRef.name", values: `"view" → "edit"`, hint: recreates,
	},
	{
		name: "Secret type", object: `{"apiVersion":"v1","kind":"Secret","type":"example.org/a","data":{"password":"aHVudGVyMg=="}}`,
		path: []string{"type"}, change: "example.org/b", at: []string{"data", "not a key"}, invalid: "eA==",
		want: "type", values: `"example.org/a" → "example.org/b"`, hint: recreates + "Secret/NAME",
	},
	{
		name: "immutable Secret", object: `{"apiVersion":"v1","kind":"Secret","immutable":true,"data":{"password":"aHVudGVyMg=="}}`,
		path: []string{"data", "password"}, change: "aHVudGVyMw==", at: []string{"data", "not a key"}, invalid: "eA==",
		want: "data.password", values: `"*** (before)" → "*** (after)"`, hint: recreates + "Secret/NAME",
	},
	{
		name: "immutable ConfigMap", object: `{"apiVersion":"v1","kind":"ConfigMap","immutable":true,"data":{"a":"1","b":"1"}}`,
		path: []string{"data"}, change: map[string]any{"a": "1"}, at: []string{"data", "not a key"}, invalid: "x",
		want: "data.b", values: `"1" → <none>`, hint: recreates + "ConfigMap/NAME",
	},
	{
		name: "StorageClass provisioner", cluster: true, object: `{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","provisioner":"example.org/a","parameters":{"a":"1"}}`,
		path: []string{"provisioner"}, change: "example.org/b", at: []string{"reclaimPolicy"}, invalid: "Sell",
		want: "provisioner", values: `"example.org/a" → "example.org/b"`, hint: recreates,
	},
	{
		name: "StorageClass parameters", cluster: true, object: `{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","provisioner":"example.org/a","parameters":{"a":"1"}}`,
		path: []string{"parameters", "a"}, change: "2", at: []string{"volumeBindingMode"}, invalid: "Never",
		want: "parameters.a", values: `"1" → "2"`, hint: recreates,
	},
	{
		name: "IngressClass controller", cluster: true, object: `{"apiVersion":"networking.k8s.io/v1","kind":"IngressClass","spec":{"controller":"example.org/a"}}`,
		path: []string{"spec", "controller"}, change: "example.org/b", at: []string{"spec", "controller"}, invalid: "no domain",
		want: "spec.controller", values: `"example.org/a" → "example.org/b"`, hint: recreates,
	},
	{
		name: "PriorityClass value", cluster: true, object: `{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","value":1,"description":"a"}`,
		path: []string{"value"}, change: int64(2), at: []string{"preemptionPolicy"}, invalid: "Maybe",
		want: "value", values: "1 → 2", hint: recreates,
	},
	{
		name: "CustomResourceDefinition scope", cluster: true, object: `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"things.GROUP"},"spec":{
			"group":"GROUP","scope":"Namespaced","names":{"kind":"Thing","plural":"things"},"versions":[{"name":"v1","served":true,"storage":true,
			"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`,
		path: []string{"spec", "scope"}, change: "Cluster", at: []string{"spec", "scope"}, invalid: "Galaxy",
		want: "spec.scope", values: `"Namespaced" → "Cluster"`, hint: never,
	},
	{
		name: "PersistentVolume source", cluster: true, object: `{"apiVersion":"v1","kind":"PersistentVolume","spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"storageClassName":"none","hostPath":{"path":"/a"}}}`,
		path: []string{"spec", "hostPath", "path"}, change: "/b", at: []string{"spec", "capacity", "storage"}, invalid: "-1Gi",
		want: "spec.hostPath.path", values: `"/a" → "/b"`, hint: never,
	},
}

// TestWhatCannotChangeIsToldFromWhatIsWrong: a field that cannot change, a value
// that is wrong, and the denial of a policy all are answered with 422. Only the
// first is called immutable, with both values and the ways out.
func TestWhatCannotChangeIsToldFromWhatIsWrong(t *testing.T) {
	for i, c := range frozenCases {
		t.Run(c.name, func(t *testing.T) {
			s := newStory(t)
			name := fmt.Sprintf("%s-%d", s.stack.Namespace, i)
			group := strings.ReplaceAll(name, "-", "") + ".example.org"
			text := strings.ReplaceAll(c.object, "GROUP", group)
			object := func() *obj {
				o := s.object(text)
				if o.GetName() == "" {
					o.SetName(name)
				}
				return o
			}
			o := object()
			if c.cluster {
				t.Cleanup(func() { s.plane.Kubectl(t, "delete", o.GetKind(), o.GetName(), "--wait=false") })
			}
			r := run
			r.Wait = false
			if _, err := s.engine.Apply(t.Context(), s.plan(object()), r); err != nil {
				t.Fatal(err)
			}
			plan := func(path []string, value any, consent apply.Consent) (*apply.Plan, error) {
				o := object()
				set(o, value, path...)
				return s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{o}, Consent: consent})
			}
			change := c.change
			if change == "CLUSTERIP" { // one that is free: of a Service that is gone
				s.kubectl("create", "service", "clusterip", "free", "--tcp=80")
				change = s.kubectl("get", "service", "free", "-o", "jsonpath={.spec.clusterIP}")
				s.kubectl("delete", "service", "free")
			}

			var immutable *apply.ImmutableError
			_, err := plan(c.path, change, apply.Consent{})
			if !errors.As(err, &immutable) {
				t.Fatalf("the change: %v", err)
			}
			var paths []string
			for _, f := range immutable.Fields {
				paths = append(paths, f.Path)
			}
			s.want("fields", strings.Join(paths, ", "), c.want)
			if !strings.Contains(err.Error(), c.values) || strings.Contains(err.Error(), "aHVudGVy") {
				t.Errorf("the values %s are not in: %v", c.values, err)
			}
			if hint := strings.ReplaceAll(immutable.Hint(), o.GetName(), "NAME"); !strings.Contains(hint, c.hint) {
				t.Errorf("hint: %s, want: %s", hint, c.hint)
			}
			if c.hint == never {
				consent := apply.Consent{Recreate: []apply.ObjectPattern{{Kind: o.GetKind(), Name: o.GetName()}}}
				if _, err := plan(c.path, change, consent); err == nil {
					t.Error("the consent to recreate it is accepted")
				}
			}

			if _, err = plan(c.at, c.invalid, apply.Consent{}); err == nil || errors.As(err, &immutable) {
				t.Errorf("a wrong value: %v", err)
			}
			s.deny(t, "UPDATE", o)
			relabelled := func() error {
				o := object()
				o.SetLabels(map[string]string{"denied": "yes"})
				for k, v := range s.stack.OwnerLabels() {
					set(o, v, "metadata", "labels", k)
				}
				_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{o}})
				return err
			}
			eventually(t, func() error {
				if err := relabelled(); err == nil || !strings.Contains(err.Error(), "denied by policy") {
					return fmt.Errorf("a policy that denies updates: %v", err)
				}
				return nil
			})
			if err := relabelled(); errors.As(err, &immutable) {
				t.Errorf("a policy that denies updates: %v", err)
			}
		})
	}
}

// deny makes a policy that denies an operation on objects of the kind of o with
// the label "denied", in the namespace of the story or with the name of o. Its denials have the code of a wrong value.
func (s *story) deny(t *testing.T, operation string, o *obj) {
	t.Helper()
	namespace := s.stack.Namespace
	name := strings.ToLower(fmt.Sprintf("%s-%s-%s", namespace, operation, o.GetName()))
	condition := fmt.Sprintf("(has(request.namespace) && request.namespace == %q || request.name == %q)", namespace, o.GetName())
	policy := map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
				"apiGroups": []any{o.GroupVersionKind().Group}, "apiVersions": []any{"*"}, "resources": []any{"*"}, "operations": []any{operation},
			}}},
			"matchConditions": []any{map[string]any{"name": "here", "expression": condition}},
			"validations": []any{map[string]any{
				"expression": `request.operation == "DELETE" ? !(has(oldObject.metadata.labels) && "denied" in oldObject.metadata.labels) : !(has(object.metadata.labels) && "denied" in object.metadata.labels)`,
				"message":    "not in this house", "reason": "Invalid",
			}},
		},
	}
	binding := map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"policyName": name, "validationActions": []any{"Deny"}},
	}
	s.create(asJSON(t, policy))
	s.create(asJSON(t, binding))
	t.Cleanup(func() {
		s.plane.Kubectl(t, "delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name, "--ignore-not-found")
	})
}

func asJSON(t *testing.T, o map[string]any) string {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// eventually tries again until f has no complaint: what nothing tells of, such
// as a policy that comes into force, can only be tried.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(err)
		}
	}
}
