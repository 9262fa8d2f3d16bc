package apply

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestReady judges recorded objects; each file says why its verdict is right.
func TestReady(t *testing.T) {
	files, err := filepath.Glob("../testdata/ready/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		var c struct {
			Reason string
			Want   struct{ State, Message, Cause string }
			Object json.RawMessage
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(b, &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		o := fromYAML(t, string(c.Object))
		h := judge(keyOf(o), o)
		got := struct{ State, Message, Cause string }{string(h.State), h.Message, ""}
		if h.Cause != nil {
			got.Cause = h.Cause.Reason
		}
		if diff := cmp.Diff(c.Want, got); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", filepath.Base(file), c.Reason, diff)
		}
	}
}

func fromYAML(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	b, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(b); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDiff(t *testing.T) {
	const base = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, resourceVersion: "1", generation: 1, labels: {a.b/c: x}, annotations: {deployment.kubernetes.io/revision: "1"}}
spec:
  replicas: 2
  template: {spec: {containers: [{name: main, image: "web:v1", ports: [{containerPort: 80, protocol: TCP}]}]}}
status: {replicas: 2}
`
	for _, c := range []struct {
		reason  string
		replace []string
		want    []string
	}{
		{"status, versions and the controller's count are noise",
			[]string{`resourceVersion: "1", generation: 1`, `resourceVersion: "2", generation: 2`, `revision: "1"`, `revision: "2"`, "status: {replicas: 2}", ""}, nil},
		{"a label with a slash is quoted in the path", []string{"a.b/c: x", "a.b/c: z"}, []string{`set metadata.labels["a.b/c"] "x" "z"`}},
		{"labels that come are listed one by one", []string{"{a.b/c: x}", "{a.b/c: x, d: z}"}, []string{`add metadata.labels.d <none> "z"`}},
		{"the last label that goes is named, not the map", []string{"labels: {a.b/c: x}, ", ""}, []string{`remove metadata.labels["a.b/c"] "x" <none>`}},
		{"a container is found by its name", []string{"web:v1", "web:v2"}, []string{`set spec.template.spec.containers[name="main"].image "web:v1" "web:v2"`}},
		{"another name is another container",
			[]string{"name: main", "name: other"},
			[]string{
				`remove spec.template.spec.containers[name="main"] {"image":"web:v1","name":"main","ports":[{"containerPort":80,"protocol":"TCP"}]} <none>`,
				`add spec.template.spec.containers[name="other"] <none> {"image":"web:v1","name":"other","ports":[{"containerPort":80,"protocol":"TCP"}]}`,
			}},
		{"a port is found by number and protocol", []string{"{containerPort: 80, protocol: TCP}", "{containerPort: 80, protocol: TCP, name: http}"},
			[]string{`add spec.template.spec.containers[name="main"].ports[containerPort=80,protocol="TCP"].name <none> "http"`}},
		{"a number that becomes text is a change", []string{"replicas: 2\n", "replicas: \"2\"\n"}, []string{`set spec.replicas 2 "2"`}},
	} {
		after := strings.NewReplacer(c.replace...).Replace(base)
		live := fromYAML(t, base)
		var got []string
		for _, f := range diff(keyOf(live), live, fromYAML(t, after), "stackctl/shop/x") {
			got = append(got, fmt.Sprintf("%s %s %s %s", f.Op, f.Path, Text(f.Before), Text(f.After)))
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, d)
		}
	}
}

func TestMask(t *testing.T) {
	before := fromYAML(t, `
apiVersion: v1
kind: Secret
metadata: {name: login, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"data":{"password":"czNjcjN0"}}'}}
data: {password: czNjcjN0}
`)
	after := before.DeepCopy()
	after.Object["data"] = map[string]any{"password": "b3RoZXI=", "token": "dG9rM24="}
	after.Object["stringData"] = map[string]any{"plain": "pl4in"} // as a Secret is sent
	after.SetAnnotations(map[string]string{lastApplied: "other s3cr3t"})
	pod := fromYAML(t, `
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: a, env: [{name: DB_PASSWORD, value: s3cr3t}, {name: COLOR, value: red}]}]}
`)
	otherPod := fromYAML(t, `
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: a, env: [{name: DB_PASSWORD, value: tok3n}, {name: COLOR, value: blue}]}, {name: b, env: [{name: API_KEY, value: tok3n}]}]}
`)
	fields := append(diff(keyOf(before), before, after, ""), diff(keyOf(pod), pod, otherPod, "")...)
	said := string(canonical([]any{fields, maskObject(keyOf(before), before.Object), maskObject(keyOf(after), after.Object), maskObject(keyOf(otherPod), otherPod.Object)}))
	for _, secret := range []string{"s3cr3t", "czNjcjN0", "b3RoZXI", "dG9rM24", "pl4in", "tok3n"} {
		if strings.Contains(said, secret) {
			t.Errorf("%q is in %s", secret, said)
		}
	}
	for _, visible := range []string{`"password"`, "data.token", `"plain"`, "DB_PASSWORD", `"blue"`, maskedBefore, maskedAfter} {
		if !strings.Contains(said, visible) {
			t.Errorf("%q is not in %s", visible, said)
		}
	}
	if before.Object["data"].(map[string]any)["password"] != "czNjcjN0" {
		t.Error("masking changed the object itself")
	}
}

func statusError(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Reason: reason, Message: message, Details: &metav1.StatusDetails{Causes: causes}}}
}

// TestFailures: what the API server says, what it means, and what is said.
func TestFailures(t *testing.T) {
	immutable := metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.template",
		Message: `Invalid value: {"spec":{"containers":[{"env":[{"name":"A","value":"s3cr3t: x"}]}]}}: field is immutable`}
	negative := metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.replicas", Message: "Invalid value: -1: must be greater than or equal to 0"}
	uid := metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: "metadata.uid", Message: `Invalid value: "x": field is immutable`}
	owned := metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.replicas", Message: `conflict with "kubectl"`}
	deployment, secret := ObjectKey{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}, ObjectKey{Kind: "Secret", Namespace: "shop", Name: "login"}
	for _, c := range []struct {
		reason string
		key    ObjectKey
		err    error
		class  string
		text   string
	}{
		{"a typo in a server-side apply is a 500 and stays one", deployment,
			statusError(500, "", `failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema`), "permanent",
			`apply Deployment/shop/web: failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema`},
		{"a webhook that is down may come back", deployment, statusError(500, metav1.StatusReasonInternalError, `failed calling webhook "a.b.c"`), "transient",
			`apply Deployment/shop/web: failed calling webhook "a.b.c"`},
		{"an overloaded server", deployment, statusError(429, metav1.StatusReasonTooManyRequests, "too many requests"), "transient", "apply Deployment/shop/web: too many requests"},
		{"an immutable field: the text repeats the whole pod template", deployment, statusError(422, metav1.StatusReasonInvalid, "long", immutable), "permanent",
			"apply Deployment/shop/web: spec.template: Invalid value: field is immutable"},
		{"a short scalar is worth showing", deployment, statusError(422, metav1.StatusReasonInvalid, "long", negative), "permanent",
			"apply Deployment/shop/web: spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
		{"nothing of a Secret is shown", secret, statusError(400, metav1.StatusReasonBadRequest, `cannot unmarshal s3cr3t`), "permanent",
			"apply Secret/shop/login: BadRequest (the server's text is withheld, it may hold secret values)"},
		{"another object of that name", deployment, statusError(422, metav1.StatusReasonInvalid, "long", uid), "uid", `apply Deployment/shop/web: metadata.uid: Invalid value: "x": field is immutable`},
		{"no object of that name", deployment, statusError(409, metav1.StatusReasonConflict, "uid mismatch: the provided object specified uid x, and no existing object was found"), "uid",
			"apply Deployment/shop/web: uid mismatch: the provided object specified uid x, and no existing object was found"},
		{"a pod is compared value by value", ObjectKey{Kind: "Pod", Namespace: "shop", Name: "web"},
			statusError(422, metav1.StatusReasonInvalid, "long", metav1.StatusCause{Field: "spec", Message: "Forbidden: pod updates may not change fields\n core.PodSpec{\n-  Value: s3cr3t"}), "permanent",
			"apply Pod/shop/web: spec: Forbidden: pod updates may not change fields"},
		{"a value with quotes and colons in it", deployment,
			statusError(422, metav1.StatusReasonInvalid, "long", metav1.StatusCause{Field: "x", Message: `Invalid value: "s3\": cr3t: tok3n": must be something`}), "permanent",
			"apply Deployment/shop/web: x: Invalid value: must be something"},
		{"a field of somebody else", deployment, statusError(409, metav1.StatusReasonConflict, "Apply failed with 1 conflict", owned), "conflict", "apply Deployment/shop/web: Apply failed with 1 conflict"},
	} {
		class := "permanent"
		switch {
		case isTransient(c.err):
			class = "transient"
		case isUIDMismatch(c.err):
			class = "uid"
		case isFieldConflict(c.err):
			class = "conflict"
		}
		if class != c.class {
			t.Errorf("%s: is %s, want %s", c.reason, class, c.class)
		}
		if got := describe("apply", c.key, c.err).Error(); got != c.text {
			t.Errorf("%s:\n%s\nwant:\n%s", c.reason, got, c.text)
		}
	}
}

func TestExpired(t *testing.T) {
	history := func(statuses string) []Summary {
		var all []Summary
		for i, s := range strings.Fields(statuses) {
			names := map[string]RevisionStatus{"d": StatusDeployed, "s": StatusSuperseded, "f": StatusFailed, "c": StatusCorrupt}
			all = append(all, Summary{Revision: i + 1, Status: names[s], Size: 10, Written: 10})
		}
		return all
	}
	for _, c := range []struct {
		reason   string
		statuses string
		options  Options
		target   int
		want     []int
	}{
		{"few enough", "s s d", Options{KeepRevisions: 3, KeepBytes: 100}, 0, nil},
		{"the oldest go first", "s s s s d", Options{KeepRevisions: 3, KeepBytes: 100}, 0, []int{1, 2}},
		{"failures do not push out what was good", "s s d f f f f", Options{KeepRevisions: 3, KeepBytes: 100}, 0, []int{4}},
		{"the target of a rollback stays", "s s s s d", Options{KeepRevisions: 2, KeepBytes: 100}, 1, []int{2, 3}},
		{"size counts as well as number", "s s s s d", Options{KeepRevisions: 10, KeepBytes: 35}, 0, []int{1, 2}},
		{"the live one and the good one before it stay, whatever their size", "s s d f f", Options{KeepRevisions: 10, KeepBytes: 10}, 0, []int{1, 4}},
	} {
		if d := cmp.Diff(c.want, expired(history(c.statuses), c.options, c.target)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, d)
		}
	}
}

func TestOrder(t *testing.T) {
	var changes []Change
	for _, k := range []string{"Ingress", "Deployment", "Namespace", "Unheard", "Service", "ConfigMap", "CustomResourceDefinition"} {
		changes = append(changes, Change{Object: ObjectKey{Kind: k, Name: "new"}, Action: ActionCreate}, Change{Object: ObjectKey{Kind: k, Name: "old"}, Action: ActionDelete})
	}
	sortChanges(changes)
	var got []string
	for _, c := range changes {
		got = append(got, string(c.Action)+" "+c.Object.Kind)
	}
	want := "create Namespace, create CustomResourceDefinition, create ConfigMap, create Service, create Deployment, create Ingress, create Unheard, " +
		"delete Ingress, delete Unheard, delete Deployment, delete Service, delete ConfigMap, delete CustomResourceDefinition, delete Namespace"
	if strings.Join(got, ", ") != want {
		t.Errorf("order:\n%s\nwant:\n%s", strings.Join(got, ", "), want)
	}
}

// TestTroubleBecomesFinal: how long a trouble lasts decides whether to go on waiting.
func TestTroubleBecomesFinal(t *testing.T) {
	pod := fromYAML(t, `
apiVersion: v1
kind: Pod
metadata: {name: web-1}
status: {phase: Pending, containerStatuses: [{name: main, restartCount: 1, state: {waiting: {reason: ImagePullBackOff, message: registry is busy}}}]}
`)
	now := time.Unix(0, 0)
	d := newDiagnosis()
	d.now = func() time.Time { return now }
	for _, step := range []struct {
		after time.Duration
		final bool
	}{
		{0, false}, {20 * time.Second, false}, {40 * time.Second, false}, {59 * time.Second, false}, {time.Minute, true},
		{2 * time.Minute, false}, // it was away for a while
	} {
		now = time.Unix(0, 0).Add(step.after)
		if _, cause := d.pod(pod, false); cause == nil || cause.Final != step.final {
			t.Errorf("after %s: %+v, want final %v", step.after, cause, step.final)
		}
	}
}

// FuzzDiff compares any two objects: a difference is found exactly when there
// is one, and a Secret's value never shows.
func FuzzDiff(f *testing.F) {
	f.Add(`{"data":{"a":"c4n4ry"}}`, `{"data":{"a":"c4n4ryc4n4ry"}}`)
	f.Add(`{"data":null}`, `{"stringData":{"a":["c4n4ry"]}}`)
	f.Add(`{"spec":[{"name":"a"},{"name":"b"}]}`, `{"spec":[{"name":"b"},{"name":"a"}]}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		var before, after map[string]any
		if json.Unmarshal([]byte(a), &before) != nil || json.Unmarshal([]byte(b), &after) != nil || before == nil || after == nil {
			return
		}
		key := ObjectKey{Kind: "Secret", Name: "x"}
		x, y := &unstructured.Unstructured{Object: before}, &unstructured.Unstructured{Object: after}
		if len(diff(key, x, x, "")) != 0 {
			t.Error("an object differs from itself")
		}
		onlyData := map[string]any{"data": before["data"], "stringData": before["stringData"]}
		for _, f := range diff(key, &unstructured.Unstructured{Object: onlyData}, y, "") {
			if f.Path != "data" && strings.HasPrefix(f.Path, "data") && strings.Contains(Text(f.Before), "c4n4ry") {
				t.Errorf("%s shows %s", f.Path, Text(f.Before))
			}
		}
	})
}
