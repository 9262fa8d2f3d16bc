package apply

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestLabels compares what was sent, what is to be sent, what is live and what
// becomes of it. Each is the same object but for an edit.
func TestLabels(t *testing.T) {
	const base = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {replicas: 2, template: {spec: {containers: [{name: main, image: "web:v1", env: [{name: A}, {name: B}], resources: {limits: {cpu: 500m}}}]}}}
`
	const image = `spec.template.spec.containers[name="main"].image`
	edit := func(pairs ...string) *unstructured.Unstructured {
		text := strings.NewReplacer(pairs...).Replace(base)
		if len(pairs) > 0 && text == base {
			t.Fatalf("%q changes nothing", pairs)
		}
		return fromYAML(t, text)
	}
	owned := func(o *unstructured.Unstructured, manager, fields string) *unstructured.Unstructured {
		operation := metav1.ManagedFieldsOperationUpdate
		if manager == "stackctl/shop/shop" {
			operation = metav1.ManagedFieldsOperationApply
		}
		o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: manager, Operation: operation, FieldsV1: metav1.NewFieldsV1(fields)}})
		return o
	}
	const setsImage = `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{"f:image":{}}}}}}}`
	wrote := func(what ...string) Origin {
		return func(_ ObjectKey, path string) (SpecPlace, bool, bool) {
			return SpecPlace{File: "stack.yaml", Line: 3}, len(what) > 0 && strings.Contains(path, what[0]), true
		}
	}
	was := func(o Origin) func([]byte, string) Origin { return func([]byte, string) Origin { return o } }
	v1, v2 := edit(), edit("web:v1", "web:v2")
	for _, c := range []struct {
		reason             string
		had, want          *unstructured.Unstructured // sent before, and to be sent; nil is the base
		live, merged       *unstructured.Unstructured
		origin             Origin
		earlier            func([]byte, string) Origin
		source, tool       string // of the target; the record has "one" and "v1"
		unsent, unrecorded bool
		labels             string
	}{
		{reason: "another image was written", want: v2, live: v1, merged: v2, origin: wrote("image"), source: "two", labels: image + ": you stack.yaml:3"},
		{reason: "a rollback has no description", want: v2, live: v1, merged: v2, labels: image + ": you"},
		{reason: "the same description comes to another image", want: v2, live: v1, merged: v2, origin: wrote(), source: "one", tool: "v2", labels: image + ": default stack.yaml:3"},
		{reason: "the same stackctl decides otherwise because of what else is written", want: v2, live: v1, merged: v2, origin: wrote(), source: "two", tool: "v1", labels: image + ": you stack.yaml:3"},
		{reason: "the line is gone that wrote it", want: v2, live: v1, merged: v2, origin: wrote(), earlier: was(wrote("image")), source: "two", tool: "v2", labels: image + ": you stack.yaml:3"},
		{reason: "nobody wrote it before, nor now", want: v2, live: v1, merged: v2, origin: wrote(), earlier: was(wrote()), source: "two", tool: "v2", labels: image + ": default stack.yaml:3"},
		{reason: "what was written before cannot be read", want: v2, live: v1, merged: v2, origin: wrote(), earlier: was(nil), source: "two", tool: "v2", labels: image + ": you stack.yaml:3"},
		{reason: "somebody edits", live: owned(edit("web:v1", "mine"), "kubectl-edit", setsImage), merged: v1, labels: image + ": drift kubectl-edit"},
		{reason: "somebody edits what changes in the stack, too", want: v2, live: owned(edit("web:v1", "mine"), "kubectl-edit", setsImage), merged: v2, labels: image + ": you kubectl-edit"},
		{reason: "somebody takes a value away", live: edit(`, image: "web:v1"`, ""), merged: v1, labels: image + ": drift"},
		{reason: "somebody takes an item away", live: edit("{name: A}, ", ""), merged: v1, labels: `spec.template.spec.containers[name="main"].env[name="A"]: drift`},
		{reason: "somebody moves an item", live: edit("{name: A}, {name: B}", "{name: B}, {name: A}"), merged: v1, labels: `spec.template.spec.containers[name="main"].env[name="B"]: drift`},
		{reason: "the stack moves one", want: edit("{name: A}, {name: B}", "{name: B}, {name: A}"), live: v1, merged: edit("{name: A}, {name: B}", "{name: B}, {name: A}"), labels: `spec.template.spec.containers[name="main"].env[name="A"]: you`},
		{reason: "a default of the server that came with another version of it", live: v1, merged: edit("replicas: 2", "replicas: 2, paused: false"), labels: "spec.paused: server"},
		{reason: "an admission policy sets another image, whoever set the one that is there", live: owned(edit(), "kubectl-edit", setsImage), merged: edit("web:v1", "mirror/web:v1"), labels: image + ": server kubectl-edit"},
		{reason: "a policy that is gone had set it: nobody owns it", live: edit("web:v1", "mirror/web:v1"), merged: v1, labels: image + ": server"},
		{reason: "the same quantity in other words is nothing new to want", had: edit("500m", `"0.5"`), live: owned(edit("500m", "2"), "tuner", `{}`), merged: v1, labels: `spec.template.spec.containers[name="main"].resources.limits.cpu: server`},
		{reason: "a run that failed did not get to it", had: v2, want: v2, live: v1, merged: v2, unsent: true, labels: image + ": you"},
		{reason: "it did not get to it, and somebody edits", had: v2, want: v2, live: owned(edit("web:v1", "mine"), "kubectl-edit", setsImage), merged: v2, unsent: true, labels: image + ": drift kubectl-edit"},
		{reason: "a revision that cannot be read had set it", had: edit(`, image: "web:v1"`, ""), want: edit(`, image: "web:v1"`, ""), live: owned(edit(), "stackctl/shop/shop", setsImage), merged: edit(`, image: "web:v1"`, ""), labels: image + ": you"},
		{reason: "there is no record", want: v2, live: v1, merged: v2, origin: wrote(), unrecorded: true, labels: image + ": you stack.yaml:3"},
	} {
		for _, o := range []**unstructured.Unstructured{&c.had, &c.want} {
			if *o == nil {
				*o = v1
			}
		}
		key := keyOf(v1)
		rev := &Revision{Summary: Summary{Revision: 1, Tool: "v1"}, Source: []byte("one"), Objects: []*unstructured.Unstructured{c.had}, sent: map[ObjectKey]sentFact{key: {}}}
		if c.unsent {
			rev.sent = nil
		}
		if c.unrecorded {
			rev = &Revision{}
		}
		stack := Stack{Namespace: "shop", Name: "shop"}
		p := &planner{engine: &Engine{stack: stack, records: &records{stack: stack}}, base: rev, target: Target{
			Source: []byte(c.source), Tool: c.tool, Origin: c.origin, OriginOf: c.earlier,
		}, plan: &Plan{Changes: []Change{{
			Object: key, Action: ActionUpdate, send: c.want, live: c.live, merged: c.merged, Fields: diff(key, c.live, c.merged, stack.Manager()),
		}}}}
		if err := p.attribute(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range p.plan.Changes[0].Fields {
			line := strings.TrimSpace(fmt.Sprintf("%s: %s %s", f.Path, f.Label, f.Manager))
			if f.Spec != nil {
				line += fmt.Sprintf(" %s:%d", f.Spec.File, f.Spec.Line)
			}
			got = append(got, line)
		}
		if d := cmp.Diff(c.labels, strings.Join(got, "\n")); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, d)
		}
	}
}

// TestLabelsOfObjects: whose doing it is that an object comes, goes, or is sent
// though no field of it differs.
func TestLabelsOfObjects(t *testing.T) {
	o := fromYAML(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}, data: {k: v}}")
	other := o.DeepCopy()
	other.Object["data"] = map[string]any{"k": "w"}
	key, random := keyOf(o), []byte("random")
	origin := func(ObjectKey, string) (SpecPlace, bool, bool) { return SpecPlace{}, false, false }
	for _, c := range []struct {
		reason string
		change Change
		had    bool // by the newest readable revision
		sent   bool
		source string // the record has "one"
		same   bool   // the version of stackctl is
		want   Label
	}{
		{"the description has it now", Change{Action: ActionCreate, send: o}, false, false, "two", false, LabelYou},
		{"this stackctl makes it of the same description", Change{Action: ActionCreate, send: o}, false, false, "one", false, LabelDefault},
		{"a run that failed did not get to it", Change{Action: ActionCreate, send: o}, true, false, "one", false, LabelYou},
		{"it was there, and somebody deleted it", Change{Action: ActionCreate, send: o}, true, true, "two", false, LabelDrift},
		{"the description has it no longer", Change{Action: ActionDelete}, true, true, "two", false, LabelYou},
		{"this stackctl no longer makes it", Change{Action: ActionDelete}, true, true, "one", false, LabelDefault},
		{"a manifest that the description names has it now", Change{Action: ActionCreate, send: o}, false, false, "one", true, LabelYou},
		{"a manifest that the description names has it no longer", Change{Action: ActionDelete}, true, true, "one", true, LabelYou},
		{"nothing needs it any more", Change{Action: ActionDelete, Spare: true}, true, true, "one", false, LabelYou},
		{"somebody took a field and gave it back", Change{Action: ActionUpdate, OwnershipOnly: true, send: o}, true, true, "one", false, LabelDrift},
		{"the description sets a field that somebody had set so", Change{Action: ActionUpdate, OwnershipOnly: true, send: other}, true, true, "two", false, LabelYou},
		{"it is somebody's", Change{Action: ActionUpdate, send: o, Conflicts: []Conflict{{Object: key, Manager: "no stack"}}}, false, false, "two", false, LabelYou},
		{"nothing differs", Change{Action: ActionUnchanged, send: o}, true, true, "one", false, ""},
	} {
		rev := &Revision{Summary: Summary{Revision: 1, Tool: "v1"}, Source: []byte("one"), sent: map[ObjectKey]sentFact{}}
		tool := "v2"
		if c.same {
			tool = "v1"
		}
		if c.had {
			rev.Objects = append(rev.Objects, o)
		}
		if c.sent {
			rev.sent[key] = sentFact{Digest: keyed(random, canonical(o.Object))}
		}
		c.change.Object = key
		p := &planner{engine: &Engine{}, base: rev, target: Target{Source: []byte(c.source), Tool: tool, Origin: origin}, plan: &Plan{key: random, Changes: []Change{c.change}}}
		if err := p.attribute(); err != nil {
			t.Fatal(err)
		}
		got := p.plan.Changes[0]
		if got.Label != c.want {
			t.Errorf("%s: %q, want %q", c.reason, got.Label, c.want)
		}
		drift, intent := len(p.plan.Only(LabelDrift).Changes) > 0, len(p.plan.Only(LabelYou, LabelDefault).Changes) > 0
		if drift != (c.want == LabelDrift) || intent != (c.want == LabelYou || c.want == LabelDefault) {
			t.Errorf("%s: shown as drift %v, as intent %v", c.reason, drift, intent)
		}
	}
}
