package apply

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestWhatAPodSays: what a pod is doing, and what is to blame, from its status
// alone.
func TestWhatAPodSays(t *testing.T) {
	for _, c := range []struct {
		reason string
		status string
		ofJob  bool
		want   string // what it does; pod, container, cause, field, final
	}{
		{"a container that just ended is in trouble before anybody calls it a crash loop",
			`{phase: Running, containerStatuses: [{name: main, restartCount: 0, state: {terminated: {exitCode: 2, reason: Error}}}]}`, false,
			"Error; pod web-1 container main: Error: exit code 2 (command)"},
		{"one that is restarted for the third time does not heal",
			`{phase: Running, containerStatuses: [{name: main, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff, message: back-off}}, lastState: {terminated: {exitCode: 1, reason: Error}}}]}`, false,
			"CrashLoopBackOff; pod web-1 container main: CrashLoopBackOff: exit code 1 back-off (command), final"},
		{"a Job says itself how often it tries",
			`{phase: Running, containerStatuses: [{name: main, restartCount: 9, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}}]}`, true,
			"CrashLoopBackOff; pod web-1 container main: CrashLoopBackOff: exit code 1 (command)"},
		{"no memory is no matter of the command",
			`{phase: Running, containerStatuses: [{name: main, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]}`, false,
			"CrashLoopBackOff; pod web-1 container main: CrashLoopBackOff: OOMKilled, exit code 137 (resources)"},
		{"it runs once more, and may do so for good",
			`{phase: Running, containerStatuses: [{name: main, ready: false, restartCount: 5, state: {running: {}}, lastState: {terminated: {exitCode: 1, reason: Error}}}]}`, false,
			"Running, not ready; pod web-1 container main: Error: exit code 1, restarted 5 times (command)"},
		{"the second container is not hidden by the first",
			`{phase: Pending, containerStatuses: [{name: a, state: {waiting: {reason: ContainerCreating}}}, {name: b, state: {waiting: {reason: InvalidImageName, message: not a name}}}]}`, false,
			"InvalidImageName; pod web-1 container b: InvalidImageName: not a name (image), final"},
		{"an init container holds up the others",
			`{phase: Pending, initContainerStatuses: [{name: init, state: {waiting: {reason: ErrImagePull, message: "registry.example: connection refused"}}}], containerStatuses: [{name: a, state: {waiting: {reason: PodInitializing}}}]}`, false,
			"ErrImagePull; pod web-1 container init: ErrImagePull: registry.example: connection refused (image)"},
		{"a sidecar that ended well is no trouble",
			`{phase: Running, initContainerStatuses: [{name: init, state: {terminated: {exitCode: 0, reason: Completed}}}], containerStatuses: [{name: a, ready: true, state: {running: {}}}], conditions: [{type: Ready, status: "True"}]}`, false,
			"Running"},
		{"a pod of a Job that failed is why another one tries",
			`{phase: Failed, containerStatuses: [{name: main, state: {terminated: {exitCode: 3, reason: Error}}}]}`, true,
			"Failed; pod web-1 container main: Error: exit code 3 (command)"},
		{"an evicted pod of a Deployment is replaced and blames nobody",
			`{phase: Failed, reason: Evicted, containerStatuses: [{name: main, state: {terminated: {exitCode: 137}}}]}`, false, "Failed"},
		{"a node may be on its way",
			`{phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: "0/1 nodes are available: 1 Insufficient cpu."}]}`, false,
			"Pending; pod web-1: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. (resources)"},
	} {
		pod := fromYAML(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: web-1, uid: u}\nstatus: "+c.status)
		doing, cause := newDiagnosis().pod(pod, c.ofJob)
		got := doing
		if cause != nil {
			got += fmt.Sprintf("; %s (%s)", cause, cause.Field)
			if cause.Final {
				got += ", final"
			}
		}
		if got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.reason, got, c.want)
		}
	}
}

// TestDenied: what is refused for what it is, and what may be let in later.
func TestDenied(t *testing.T) {
	for text, want := range map[string]bool{
		`pods "web-1" is forbidden: violates PodSecurity "restricted:latest": hostNetwork`:                       true,
		`admission webhook "policy.example" denied the request: no`:                                              true,
		`pods "web-1" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`:           true,
		`Pod "web-1" is invalid: spec.containers[0].resources.requests: Invalid value: "2": must be less than 1`: true,
		`pods "web-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2`:     false,
		`pods "web-1" is forbidden: error looking up service account shop/web: serviceaccount "web" not found`:   false,
		`Internal error occurred: failed calling webhook "policy.example": connection refused`:                   false,
		`etcdserver: request timed out`: false,
	} {
		if got := denied(text); got != want {
			t.Errorf("%s: denied %v", text, got)
		}
	}
}

// TestOldReplicaSetsSayNothingOfTheNewTemplate: a Deployment goes on repeating
// what the pods of an earlier template were refused for.
func TestOldReplicaSetsSayNothingOfTheNewTemplate(t *testing.T) {
	deployment := fromYAML(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, uid: d, generation: 2, annotations: {deployment.kubernetes.io/revision: "2"}}
spec: {replicas: 1}
status: {observedGeneration: 2, conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: 'pods "web-1" is forbidden: no'}]}
`)
	replicaSet := func(revision, conditions string) *unstructured.Unstructured {
		return fromYAML(t, `
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web-`+revision+`, namespace: shop, uid: r`+revision+`, ownerReferences: [{uid: d}], annotations: {deployment.kubernetes.io/revision: "`+revision+`"}}
status: {conditions: [`+conditions+`]}
`)
	}
	const refused = `{type: ReplicaFailure, status: "True", reason: FailedCreate}`
	for _, c := range []struct {
		reason      string
		replicaSets []*unstructured.Unstructured
		want        State
	}{
		{"the new one is refused", []*unstructured.Unstructured{replicaSet("1", ""), replicaSet("2", refused)}, StateFailed},
		{"only the old one is", []*unstructured.Unstructured{replicaSet("1", refused), replicaSet("2", "")}, StateProgressing},
		{"the new one is not seen yet", []*unstructured.Unstructured{replicaSet("1", refused)}, StateProgressing},
		{"none may be read", nil, StateProgressing},
	} {
		h := judge(keyOf(deployment), deployment)
		newDiagnosis().workload(&h, deployment, nil, c.replicaSets)
		if h.State != c.want {
			t.Errorf("%s: %s because of %v", c.reason, h.State, h.Cause)
		}
	}
}
