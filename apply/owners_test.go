package apply_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"stackctl.dev/stackctl/apply"
)

// others are those who set spec.replicas behind a stack's back, and how.
var others = []struct {
	name, manager string
	kind          types.PatchType
	subresource   []string
}{
	{"edit", "kubectl-edit", types.StrategicMergePatchType, nil},
	{"apply", "kubectl-client-side-apply", types.StrategicMergePatchType, nil},
	{"serverside", "kubectl", types.ApplyPatchType, nil},
	{"scale", "kubectl", types.MergePatchType, []string{"scale"}},
	{"otherstack", "stackctl/elsewhere/other", types.ApplyPatchType, nil},
	{"helm", "helm", types.MergePatchType, nil},
}

// TestWhoOwnsWhatThen walks {who else sets the field} × {what they set, and what
// the stack says then} × {consent}: the value and the owners afterwards.
func TestWhoOwnsWhatThen(t *testing.T) {
	s := newStory(t)
	deployments := s.plane.Client().AppsV1().Deployments(s.stack.Namespace)
	quick := run
	quick.Wait = false
	for _, consent := range []struct {
		name string
		of   apply.Consent
	}{
		{"plain", apply.Consent{}},
		{"take", apply.Consent{Take: fields(t, "spec.replicas")}},
		{"yield", apply.Consent{Yield: fields(t, "spec.replicas")}},
		{"force", apply.Consent{Force: true}},
	} {
		// The stack sets 2. "differs": they set 4. "same": they set 2. In "left" and
		// "shared" they set 4 and 2, and the stack says nothing any more.
		one := &story{TB: t, plane: s.plane, stack: apply.Stack{Namespace: s.stack.Namespace, Name: consent.name}}
		one.engine = one.newEngine(apply.Options{LeaseDuration: 30 * time.Second}) // many writes, and no crash
		var before, after []*obj
		for _, relation := range []string{"differs", "same", "left", "shared"} {
			for _, other := range others {
				o := one.deployment(strings.Join([]string{consent.name, relation, other.name}, "-"), "web:v1", 2, "")
				set(o, true, "spec", "paused") // no pods: this is about fields
				before = append(before, o)
				o = o.DeepCopy()
				if relation == "left" || relation == "shared" {
					delete(o.Object["spec"].(map[string]any), "replicas")
				}
				after = append(after, o)
			}
		}
		p := one.plan(before...)
		if _, err := one.engine.Apply(t.Context(), p, quick); err != nil {
			t.Fatal(err)
		}
		for i, o := range before {
			other, relation := others[i%len(others)], strings.Split(o.GetName(), "-")[1]
			n := 4
			if relation == "same" || relation == "shared" {
				n = 2
			}
			body := fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":%q},"spec":{"replicas":%d}}`, o.GetName(), n)
			options := metav1.PatchOptions{FieldManager: other.manager}
			if force := true; other.kind == types.ApplyPatchType {
				options.Force = &force
			} else if other.subresource != nil {
				body = fmt.Sprintf(`{"spec":{"replicas":%d}}`, n)
			}
			if _, err := deployments.Patch(t.Context(), o.GetName(), other.kind, []byte(body), options, other.subresource...); err != nil {
				t.Fatal(err)
			}
		}

		p, err := one.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: after, Consent: consent.of})
		if err != nil {
			t.Fatal(err)
		}
		var met []string
		for _, c := range p.Conflicts() {
			met = append(met, c.Object.Name)
			if want := map[string]apply.Resolution{"take": "taken", "force": "taken", "yield": "yielded"}[consent.name]; c.Resolution != want || c.Path != "spec.replicas" {
				t.Errorf("%s: %s is %q, want %q", c.Object, c.Path, c.Resolution, want)
			}
		}
		var want []string
		for _, other := range others {
			want = append(want, consent.name+"-differs-"+other.name)
		}
		slices.Sort(met)
		slices.Sort(want)
		one.want(consent.name+": conflicts", strings.Join(met, " "), strings.Join(want, " "))
		if consent.name == "plain" {
			one.refused(p)
			for _, o := range after[:len(others)] {
				if got := one.replicas(o.GetName()); !strings.HasPrefix(got, "4 ") || strings.Contains(got, one.stack.Manager()) {
					t.Errorf("%s after a refused apply: %s", o.GetName(), got)
				}
			}
			continue
		}
		if _, err := one.engine.Apply(t.Context(), p, quick); err != nil {
			t.Fatal(err)
		}
		for i, o := range after {
			other, relation := others[i%len(others)], strings.Split(o.GetName(), "-")[1]
			shares := other.kind == types.ApplyPatchType // an applier owns what it applies, changed or not
			theirs := map[bool]string{true: other.manager + "(scale)", false: other.manager}[other.subresource != nil]
			ours := one.stack.Manager()
			var value string
			var owners []string
			switch {
			case relation == "differs" && consent.name == "yield":
				value, owners = "4", []string{theirs}
			case relation == "differs":
				value, owners = "2", []string{ours}
			case relation == "same" && shares:
				value, owners = "2", []string{ours, theirs}
			case relation == "same":
				value, owners = "2", []string{ours}
			case relation == "left":
				value, owners = "4", []string{theirs}
			case shares:
				value, owners = "2", []string{theirs}
			default: // nobody says how many any more
				value, owners = "2", []string{"stackctl-handover"}
			}
			slices.Sort(owners)
			one.want(o.GetName(), one.replicas(o.GetName()), value+" "+strings.Join(owners, " "))
		}
	}
}

// replicas returns the number of a Deployment and who owns it.
func (s *story) replicas(name string) string {
	s.Helper()
	d, err := s.plane.Client().AppsV1().Deployments(s.stack.Namespace).Get(s.Context(), name, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	var owners []string
	for _, f := range d.ManagedFields {
		var set struct {
			Spec map[string]any `json:"f:spec"`
		}
		if json.Unmarshal(f.FieldsV1.GetRawBytes(), &set) == nil && set.Spec["f:replicas"] != nil {
			owners = append(owners, f.Manager+map[bool]string{true: "(" + f.Subresource + ")"}[f.Subresource != ""])
		}
	}
	slices.Sort(owners)
	return fmt.Sprint(*d.Spec.Replicas, " ", strings.Join(owners, " "))
}

// TestARenamedKeyOfASecretLeavesNothing: what was stringData is sent as data, so
// that the key it no longer has goes.
func TestARenamedKeyOfASecretLeavesNothing(t *testing.T) {
	s := newStory(t)
	s.apply(s.secret("login", "hunter2"))
	renamed := s.object(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"login"},"stringData":{"pass":"hunter2"}}`)
	s.apply(renamed)
	s.want("keys", s.kubectl("get", "secret/login", "-o", "jsonpath={.data}"), `{"pass":"aHVudGVyMg=="}`)
}
