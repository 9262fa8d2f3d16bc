package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// deny makes the API server refuse to write an object of the namespace where
// an expression holds; dry runs pass. It returns a function that ends it.
func (p *person) deny(expression string) func() {
	p.t.Helper()
	name := "deny-" + p.namespace
	text := `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: ` + name + `}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ` + p.namespace + `}}
  validations: [{expression: '!(` + expression + `)', message: not on a Friday}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: ` + name + `}
spec: {policyName: ` + name + `, validationActions: [Deny]}
`
	file := filepath.Join(p.t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.plane.Kubectl(p.t, "create", "-f", file)
	return func() { p.plane.Kubectl(p.t, "delete", "-f", file) }
}

// TestARollbackThatFailsToo: admission refuses the rollback when it is carried
// out. Both errors are told, nothing is tried again, and the next apply works.
func TestARollbackThatFailsToo(t *testing.T) {
	p, file := newPerson(t)
	if code, _, stderr := p.stackctl("apply", "-f", file, "-y"); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	allow := p.deny(`object.spec.template.spec.containers[0].image.endsWith(":v1") && (!has(request.dryRun) || !request.dryRun)`)
	defer func() { allow() }()
	p.untilDenied()
	write(t, file, "image-missing")
	code, stdout, stderr := p.stackctl("apply", "-f", file, "-y", "--rollback-on-failure")
	for _, want := range []string{
		"error: not ready, and waiting longer cannot help\n", "not on a Friday",
		"error: revision 2 failed, and so did going back: mend what is wrong and run `stackctl apply` again\n",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not in the output", want)
		}
	}
	if code != 6 || strings.Count(stdout, "rollback to revision 1\n") != 1 {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	if got := p.statuses(); got != "deployed failed failed" {
		t.Errorf("history: %s", got)
	}
	allow()
	allow = func() {}
	write(t, file, "v3")
	if code, _, stderr := p.stackctl("apply", "-f", file, "-y"); code != 0 {
		t.Errorf("the next apply: exit code %d: %s", code, stderr)
	}
	if got := p.statuses(); got != "superseded failed failed deployed" {
		t.Errorf("history: %s", got)
	}
}

// untilDenied waits until the API server enforces the policy, which it hears of
// a moment later.
func (p *person) untilDenied() {
	p.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		_, err := p.plane.Client().AppsV1().Deployments(p.namespace).Patch(p.t.Context(), "web", types.MergePatchType,
			[]byte(`{"metadata":{"annotations":{"probe":"`+time.Now().String()+`"}}}`), metav1.PatchOptions{})
		if err != nil && strings.Contains(err.Error(), "not on a Friday") {
			return
		}
	}
	p.t.Fatal("the policy is never enforced")
}

// statuses lists how the revisions ended.
func (p *person) statuses() string {
	p.t.Helper()
	return strings.TrimSpace(p.plane.Kubectl(p.t, "-n", p.namespace, "get", "secret", "-l", "stackctl.dev/record=revision",
		"-o", `jsonpath={range .items[*]}{.metadata.labels.stackctl\.dev/status} {end}`))
}
