package apply

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// ImmutableError says that the API server does not let fields of a live object
// change, though an object made anew may have them.
type ImmutableError struct {
	Object ObjectKey
	// Fields are what cannot change, with both values, masked.
	Fields []FieldChange
	// Field is the field of an app that they come from, such as "volumes";
	// empty when there is no telling.
	Field string
	hint  string
	err   error
}

func (e *ImmutableError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s cannot change while the object is there", e.Object, strings.Join(pathsOf(e.Fields), ", "))
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "\n%s: %s → %s", f.Path, Text(f.Before), Text(f.After))
	}
	return b.String()
}

func (e *ImmutableError) Unwrap() error { return e.err }

// Hint says how to go on.
func (e *ImmutableError) Hint() string { return e.hint }

func pathsOf(fields []FieldChange) []string {
	paths := make([]string, len(fields))
	for i, f := range fields {
		paths[i] = f.Path
	}
	return paths
}

// immutable finds out whether an update was refused because fields cannot
// change; nil when it was refused for something else, or there is no telling.
// The refusal alone does not say: a bad value and the denial of a policy have
// the same code, and the texts differ from kind to kind. So both is asked for
// by dry-run: whether the same object could be made under another name, and
// which of the differing fields the live object refuses when it alone changes.
func (p *planner) immutable(ctx context.Context, o, live *unstructured.Unstructured, refusal error) (*ImmutableError, error) {
	if live == nil || !refusesField(refusal) {
		return nil, nil
	}
	if ok, err := p.creatable(ctx, o); !ok || err != nil {
		return nil, err
	}
	o, before, err := p.bothSides(o, live)
	if err != nil {
		return nil, err
	}
	var frozen []fieldPath
	for _, path := range candidates(before, o) {
		alone, err := p.tryChange(ctx, o, live, path)
		if err != nil {
			return nil, err
		}
		if sameCause(alone, refusal) {
			frozen = append(frozen, path)
		}
	}
	key := keyOf(o)
	e := &ImmutableError{Object: key, err: refusal}
	for _, f := range differences(key, before, o) {
		if slices.ContainsFunc(frozen, func(path fieldPath) bool { return isBelow(f.Path, path.String()) }) {
			e.Fields = append(e.Fields, f)
		}
	}
	if len(e.Fields) == 0 {
		return nil, nil
	}
	e.Field = appField(key, e.Fields[0].Path)
	e.hint = choices(e, live)
	return e, nil
}

// bothSides returns what the stack wants, with numbers as the API server writes
// them, and what of it is live.
func (p *planner) bothSides(o, live *unstructured.Unstructured) (want, have *unstructured.Unstructured, err error) {
	body, err := o.MarshalJSON()
	if err != nil {
		return nil, nil, err
	}
	want = &unstructured.Unstructured{}
	if err := want.UnmarshalJSON(body); err != nil {
		return nil, nil, err
	}
	return want, restricted(live, want, p.engine.stack.Manager()), nil
}

// refusesField reports a refusal that may be about a field that cannot change:
// it names fields, as validation does, and neither an admission policy nor a
// webhook said it.
func refusesField(err error) bool {
	s := status(err)
	if s == nil || s.Code != http.StatusUnprocessableEntity || s.Reason != metav1.StatusReasonInvalid || s.Details == nil ||
		len(s.Details.Causes) == 0 || isUIDMismatch(err) ||
		strings.HasPrefix(s.Message, "admission webhook ") || strings.Contains(s.Message, "ValidatingAdmissionPolicy '") {
		return false
	}
	return !slices.ContainsFunc(s.Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "" })
}

// creatable asks whether the API server would create the object under another
// name. What belongs to one object only, such as its port on the nodes, is left
// out where it is taken.
func (p *planner) creatable(ctx context.Context, o *unstructured.Unstructured) (bool, error) {
	c := p.engine.cluster
	r, err := c.resource(keyOf(o), o.GroupVersionKind().Version)
	if err != nil {
		return false, err
	}
	probe := probeOf(o)
	for range 2 {
		err = func() error {
			ctx, cancel := c.within(ctx)
			defer cancel()
			_, err := r.Create(ctx, probe, metav1.CreateOptions{
				DryRun: []string{metav1.DryRunAll}, FieldManager: c.manager, FieldValidation: metav1.FieldValidationStrict,
			})
			return err
		}()
		if err == nil || !withoutTaken(probe, err) {
			break
		}
	}
	return err == nil, unlessRefused(err)
}

// unlessRefused keeps an error that is no answer of the API server to what was
// asked.
func unlessRefused(err error) error {
	if err != nil && (status(err) == nil || isTransient(err)) {
		return err
	}
	return nil
}

// probeOf returns the object under a name that nothing has.
func probeOf(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	name := fmt.Sprintf("stackctl-probe-%08x", rand.Uint32())
	switch key := keyOf(o); key.Group + "/" + key.Kind {
	case "apiextensions.k8s.io/CustomResourceDefinition": // is named by what it defines
		plural := strings.ReplaceAll(name, "-", "")
		group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
		if unstructured.SetNestedField(o.Object, plural, "spec", "names", "plural") == nil {
			name = plural + "." + group
		}
	case "scheduling.k8s.io/PriorityClass": // only one is the default of all
		unstructured.RemoveNestedField(o.Object, "globalDefault")
	}
	o.SetName(name)
	return o
}

// withoutTaken removes from a Service what another one has already, as a
// refusal says, and reports whether there was any.
func withoutTaken(o *unstructured.Unstructured, err error) bool {
	s := status(err)
	if key := keyOf(o); key.Group != "" || key.Kind != "Service" || s == nil || s.Details == nil {
		return false
	}
	removed := false
	for _, c := range s.Details.Causes {
		if !strings.Contains(c.Message, "already allocated") {
			continue
		}
		removed = true
		switch {
		case strings.HasPrefix(c.Field, "spec.ports"):
			ports, _, _ := unstructured.NestedSlice(o.Object, "spec", "ports")
			for _, port := range ports {
				if m, ok := port.(map[string]any); ok {
					delete(m, "nodePort")
				}
			}
			_ = unstructured.SetNestedSlice(o.Object, ports, "spec", "ports") // it was a slice
		case strings.HasPrefix(c.Field, "spec.clusterIP"):
			unstructured.RemoveNestedField(o.Object, "spec", "clusterIP")
			unstructured.RemoveNestedField(o.Object, "spec", "clusterIPs")
		case strings.HasPrefix(c.Field, "spec.healthCheckNodePort"):
			unstructured.RemoveNestedField(o.Object, "spec", "healthCheckNodePort")
		}
	}
	return removed
}

// candidates are the fields, one or two names deep, that differ between what
// the stack had set and what it wants.
func candidates(before, o *unstructured.Unstructured) []fieldPath {
	var all []fieldPath
	visit := func(have, want map[string]any, at fieldPath) {
		for _, k := range sortedNames(have, want) {
			if !reflect.DeepEqual(have[k], want[k]) {
				all = append(all, at.field(k))
			}
		}
	}
	for _, k := range sortedNames(before.Object, o.Object) {
		switch k {
		case "apiVersion", "kind", "metadata", "status":
		case "spec":
			have, _ := before.Object[k].(map[string]any)
			want, _ := o.Object[k].(map[string]any)
			visit(have, want, fieldPath{k})
		default:
			if !reflect.DeepEqual(before.Object[k], o.Object[k]) {
				all = append(all, fieldPath{k})
			}
		}
	}
	return all
}

// sameCause reports a refusal that has a cause of another one. A field that is
// refused alone for a new reason only has to change together with others.
func sameCause(alone, all error) bool {
	if !refusesField(alone) {
		return false
	}
	return slices.ContainsFunc(status(alone).Details.Causes, func(c metav1.StatusCause) bool {
		return slices.ContainsFunc(status(all).Details.Causes, func(other metav1.StatusCause) bool {
			return c.Field == other.Field && c.Type == other.Type
		})
	})
}

// differences is what turns what is live of an object into what is wanted, but
// for empty fields, which mean nothing.
func differences(key ObjectKey, before, o *unstructured.Unstructured) []FieldChange {
	return slices.DeleteFunc(diff(key, before, o, ""), func(f FieldChange) bool {
		return f.Before == nil && (Text(f.After) == "{}" || Text(f.After) == "[]")
	})
}

// tryChange asks what a live object answers to the wanted value of a field when
// nothing else changes: its refusal, or nil.
func (p *planner) tryChange(ctx context.Context, o, live *unstructured.Unstructured, path fieldPath) (refusal, err error) {
	c := p.engine.cluster
	r, err := c.resource(keyOf(o), o.GroupVersionKind().Version)
	if err != nil {
		return nil, err
	}
	op := map[string]any{"op": "remove", "path": pointer(path)}
	if value, ok, _ := unstructured.NestedFieldNoCopy(o.Object, path...); ok {
		op["op"], op["value"] = "add", value
	}
	patch := canonical([]any{
		map[string]any{"op": "test", "path": "/metadata/uid", "value": string(live.GetUID())}, op,
	})
	ctx, cancel := c.within(ctx)
	defer cancel()
	_, refusal = r.Patch(ctx, o.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{
		DryRun: []string{metav1.DryRunAll}, FieldManager: c.manager,
	})
	return refusal, unlessRefused(refusal)
}

// pointer writes a path of field names as a JSON pointer.
func pointer(path fieldPath) string {
	var b strings.Builder
	for _, name := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return b.String()
}

// isBelow reports whether a path is that of a field or of something in it.
func isBelow(path, field string) bool {
	rest, ok := strings.CutPrefix(path, field)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func sortedNames(maps ...map[string]any) []string {
	var names []string
	for _, m := range maps {
		for k := range m {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// restricted returns a live object without what the stack neither wants nor
// has set before: defaults, and what others added.
func restricted(live, o *unstructured.Unstructured, manager string) *unstructured.Unstructured {
	var owned map[string]any
	for _, f := range live.GetManagedFields() {
		if f.Manager == manager && f.Operation == metav1.ManagedFieldsOperationApply && f.Subresource == "" && f.FieldsV1 != nil {
			if json.Unmarshal(f.FieldsV1.GetRawBytes(), &owned) != nil {
				owned = nil
			}
		}
	}
	out, _ := restrict(live.DeepCopy().Object, o.Object, owned, false).(map[string]any)
	return &unstructured.Unstructured{Object: out}
}

// restrict does so for a value. owned are our managed fields of it; whole says
// that it is ours as one.
func restrict(have, want any, owned map[string]any, whole bool) any {
	switch have := have.(type) {
	case map[string]any:
		wanted, ok := want.(map[string]any)
		if !ok {
			return have
		}
		for k, v := range have {
			sub, isOwned := owned["f:"+k].(map[string]any)
			if _, ok := wanted[k]; !ok && !isOwned && !whole {
				delete(have, k)
				continue
			}
			have[k] = restrict(v, wanted[k], sub, whole || isOwned && len(sub) == 0)
		}
		return have
	case []any:
		wanted, ok := want.([]any)
		if !ok {
			return have
		}
		for i, v := range have {
			if partner := partnerOf(i, have, wanted); partner != nil {
				have[i] = restrict(v, partner, nil, false)
			}
		}
		return have
	}
	return have
}

// partnerOf finds the item of another list that stands for the same.
func partnerOf(i int, list, other []any) any {
	if mine, theirs, ok := sharedKeys("", list, other); ok {
		if j := slices.Index(theirs, mine[i]); j >= 0 {
			return other[j]
		}
		return nil
	}
	// A template in a list has its name in its metadata, as claims have.
	if len(list) == len(other) {
		return other[i]
	}
	return nil
}

// appField is the field of an app that a field of an object mostly comes from.
func appField(key ObjectKey, path string) string {
	switch {
	case isBelow(path, "spec.volumeClaimTemplates"):
		return "volumes"
	case key.Kind == "Service" && key.Group == "":
		return "service"
	case key.isJob() && isBelow(path, "spec.template"):
		return "image"
	}
	return ""
}

// choices says how to go on when fields cannot change.
func choices(e *ImmutableError, live *unstructured.Unstructured) string {
	back := "take " + cmp.Or(e.Field, strings.Join(pathsOf(e.Fields), ", ")) + " back to what it was"
	if why := notRecreatable(e, live); why != "" {
		return back + "; " + why
	}
	return fmt.Sprintf("%s, or have the object deleted and made anew: --recreate %s/%s (%s)", back, e.Object.Kind, e.Object.Name, loss(e, live))
}
