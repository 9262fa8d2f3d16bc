package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// An object that somebody else made is adopted in two steps: its managed fields
// are rewritten so that what kubectl, Helm or another stack set counts as set by
// this stack, and then it is applied, which removes what the stack does not set.
// Without the first step their fields would stay for ever. A run that dies
// between the two leaves an object whose uid is on record, and the next apply
// goes on with it.

// adoption is the making of an object the stack's that somebody else made.
type adoption struct {
	owner   string // who it belongs to: "stack shop/web" or "no stack …"
	manager string // of that stack, "" for no stack
	// labelsOnly leaves the spec to its managers, where the API server does not
	// let it change.
	labelsOnly bool
}

// adoption returns how an object of somebody else is adopted, nil without
// consent. An object of another stack is adopted only by its name.
func (p *planner) adoption(key ObjectKey, owner string) *adoption {
	name, ofStack := strings.CutPrefix(owner, "stack ")
	for _, pattern := range p.target.Consent.Adopt {
		if pattern.Matches(key) && (pattern.Exact() || !ofStack) {
			a := &adoption{owner: owner}
			if ofStack {
				a.manager = managedBy + "/" + name // as [Stack.Manager] says
			}
			return a
		}
	}
	return nil
}

// halfAdopted reports an object that an earlier run, which died, made the
// stack's but for the labels: its uid is on record, and the other stack has no
// field of it any more.
func (p *planner) halfAdopted(live metav1.Object) bool {
	labels, ours := live.GetLabels(), p.engine.stack.Manager()
	other := Stack{Namespace: labels[LabelNamespace], Name: labels[LabelStack]}.Manager()
	fields := live.GetManagedFields()
	return ownEntry(fields, ours) != "" && ownEntry(fields, other) == "" &&
		slices.ContainsFunc(p.base.inventory, func(i item) bool { return i.UID != "" && i.UID == string(live.GetUID()) })
}

// takes reports whether the fields of a manager become the stack's.
func (a *adoption) takes(manager, subresource string) bool {
	// What `kubectl rollout restart` wrote stays: taking it away is a restart.
	kubectl := manager == "kubectl" || strings.HasPrefix(manager, "kubectl-") && manager != "kubectl-rollout" || manager == "before-first-apply"
	switch subresource {
	case "":
		return kubectl || strings.EqualFold(manager, "helm") || manager == a.manager
	case "scale": // kubectl scale
		return kubectl
	}
	return false
}

// takesConflict reports a conflict that is none once the object is adopted.
func (a *adoption) takesConflict(c Conflict) bool {
	manager, scaled := strings.CutSuffix(c.Manager, " (scale)")
	if scaled {
		return a.takes(manager, "scale")
	}
	return a.takes(manager, "")
}

// split returns the part of a manager's fields that becomes the stack's, and
// the rest.
func (a *adoption) split(f *metav1.ManagedFieldsEntry) (moved, rest map[string]any) {
	set := fieldsOf(f)
	if set == nil || !a.takes(f.Manager, f.Subresource) {
		return nil, set
	}
	moved, rest = map[string]any{}, map[string]any{}
	for k, v := range set {
		if k == "f:status" || a.labelsOnly && k != "f:metadata" {
			rest[k] = v
		} else {
			moved[k] = v
		}
	}
	return moved, rest
}

// migrate returns the managed fields of an object as they are after the first
// step, false when there is nothing to migrate.
func (a *adoption) migrate(live *unstructured.Unstructured, ours, version string) ([]metav1.ManagedFieldsEntry, bool) {
	own := metav1.ManagedFieldsEntry{Manager: ours, Operation: metav1.ManagedFieldsOperationApply, APIVersion: version, FieldsType: "FieldsV1"}
	set, after, some := map[string]any{}, []metav1.ManagedFieldsEntry{}, false
	for _, f := range live.GetManagedFields() {
		if f.Manager == ours && f.Operation == metav1.ManagedFieldsOperationApply && f.Subresource == "" {
			own.APIVersion, own.Time = f.APIVersion, f.Time
			set = union(set, fieldsOf(&f))
			continue
		}
		moved, rest := a.split(&f)
		if len(moved) == 0 {
			after = append(after, f)
			continue
		}
		some = true
		if own.Time == nil || f.Time != nil && f.Time.After(own.Time.Time) {
			own.Time = f.Time
		}
		set = union(set, moved)
		if len(rest) > 0 {
			f.FieldsV1 = metav1.NewFieldsV1(string(canonical(rest)))
			after = append(after, f)
		}
	}
	own.FieldsV1 = metav1.NewFieldsV1(string(canonical(set)))
	return append(after, own), some
}

// fieldsOf returns the fields of an entry, nil when they cannot be read.
func fieldsOf(f *metav1.ManagedFieldsEntry) map[string]any {
	var set map[string]any
	if f.FieldsV1 == nil || json.Unmarshal(f.FieldsV1.GetRawBytes(), &set) != nil {
		return nil
	}
	return set
}

// union merges two sets of fields. A field without fields below it is owned
// itself; one that has some is owned itself if "." is among them.
func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	for k, v := range b {
		below, _ := v.(map[string]any)
		have, ok := all[k].(map[string]any)
		if !ok {
			all[k] = below
			continue
		}
		merged := union(have, below)
		if len(merged) > 0 && (len(have) == 0 || len(below) == 0) && k != "." {
			merged["."] = map[string]any{}
		}
		all[k] = merged
	}
	return all
}

// previewAdoption finds out what the two steps of an adoption come to. applied
// is what a dry-run of the second step alone made of the object.
func (p *planner) previewAdoption(ctx context.Context, change *Change, live, applied *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	a := change.adopt
	for {
		patch := mergePatch(normalize(live), normalize(p.orphansDropped(change, live, applied)))
		merged, err := p.engine.cluster.patch(ctx, change.send, types.MergePatchType, canonical(patch), patchOptions{dryRun: true})
		if apierrors.IsInvalid(err) && !a.labelsOnly {
			// What its makers set cannot be taken away again, as with the spec of a
			// claim: it stays, and stays theirs.
			a.labelsOnly = true
			continue
		}
		if err != nil {
			return nil, describe("dry-run the adoption of", change.Object, err)
		}
		// A patch says nothing of who owns what then; the dry-run before does.
		merged.SetManagedFields(applied.GetManagedFields())
		return merged, nil
	}
}

// orphansDropped returns an applied object without the fields that only those
// managers own whose fields become the stack's.
func (p *planner) orphansDropped(change *Change, live, applied *unstructured.Unstructured) *unstructured.Unstructured {
	gone := map[string]any{}
	for _, f := range live.GetManagedFields() {
		moved, _ := change.adopt.split(&f)
		gone = union(gone, moved)
	}
	if spec, ok := gone["f:spec"].(map[string]any); ok && change.handOver {
		spec = maps.Clone(spec)
		delete(spec, "f:replicas")
		gone["f:spec"] = spec
	}
	var kept []map[string]any
	for _, f := range applied.GetManagedFields() {
		if f.Manager == p.engine.stack.Manager() && f.Operation == metav1.ManagedFieldsOperationApply {
			kept = append(kept, fieldsOf(&f))
		} else if _, rest := change.adopt.split(&f); len(rest) > 0 {
			kept = append(kept, rest)
		}
	}
	applied = applied.DeepCopy()
	if left, ok := dropFields(applied.Object, gone, kept).(map[string]any); ok {
		applied.Object = left
	}
	return applied
}

// dropFields takes out of a value the fields that gone lists and none of kept
// does; nil says that nothing is left of it.
func dropFields(v any, gone map[string]any, kept []map[string]any) any {
	for k, sub := range gone {
		if k == "." {
			continue
		}
		below, _ := sub.(map[string]any)
		var keepers []map[string]any
		whole := false // a keeper owns all that is below
		for _, set := range kept {
			if s, ok := set[k].(map[string]any); ok {
				keepers = append(keepers, s)
				whole = whole || len(s) == 0
			}
		}
		_, itself := below["."]
		itself = itself || len(below) == 0
		if whole || itself && len(below) == 0 && len(keepers) > 0 {
			continue
		}
		v = changeField(v, k, func(value any) any {
			if itself && len(keepers) == 0 {
				return nil
			}
			return dropFields(value, below, keepers)
		})
	}
	switch left := v.(type) {
	case map[string]any:
		if len(left) == 0 && len(kept) == 0 {
			return nil
		}
	case []any:
		if len(left) == 0 && len(kept) == 0 {
			return nil
		}
	}
	return v
}

// changeField replaces the value that an element of a set of fields names:
// "f:name", an item of a list by its keys as k:{"name":"web"}, or by its value
// as v:"web". A nil takes it out.
func changeField(v any, element string, change func(any) any) any {
	kind, name, _ := strings.Cut(element, ":")
	switch v := v.(type) {
	case map[string]any:
		if value, ok := v[name]; ok && kind == "f" {
			if left := change(value); left != nil {
				v[name] = left
			} else {
				delete(v, name)
			}
		}
		return v
	case []any:
		var keys map[string]any
		if kind == "k" && json.Unmarshal([]byte(name), &keys) != nil {
			return v
		}
		var left []any
		for _, item := range v {
			fields, isMap := item.(map[string]any)
			if kind == "k" && isMap && hasAll(fields, keys) || kind == "v" && Text(item) == name {
				if item = change(item); item == nil {
					continue
				}
			}
			left = append(left, item)
		}
		return left
	}
	return v
}

// mergePatch returns the JSON merge patch that makes one object of another.
func mergePatch(from, to map[string]any) map[string]any {
	patch := map[string]any{}
	for k := range from {
		if _, ok := to[k]; !ok {
			patch[k] = nil
		}
	}
	for k, after := range to {
		before, ok := from[k]
		if ok && reflect.DeepEqual(before, after) {
			continue
		}
		b, bok := before.(map[string]any)
		a, aok := after.(map[string]any)
		if bok && aok {
			after = mergePatch(b, a)
		}
		patch[k] = after
	}
	return patch
}

// note says what a new owner of an object should know.
func (a *adoption) note(live metav1.Object) string {
	release, namespace := live.GetAnnotations()["meta.helm.sh/release-name"], live.GetAnnotations()["meta.helm.sh/release-namespace"]
	switch {
	case a.labelsOnly && release == "":
		return "what others set in its spec cannot be taken away, and stays"
	case release == "":
		return ""
	}
	return fmt.Sprintf("of the Helm release %s: `helm uninstall %s -n %s` would still delete it; helm forgets the release with `kubectl -n %s delete secret -l owner=helm,name=%s`",
		release, release, namespace, namespace, release)
}

// migrate is the first step of an adoption. It holds if the second one comes to
// what was approved; if not, no value was changed, and the next plan shows it.
func (x *execution) migrate(ctx context.Context, c *Change) error {
	cluster := x.engine.cluster
	for {
		live, err := cluster.get(ctx, c.Object, c.send.GroupVersionKind().Version)
		if err != nil {
			return err
		}
		if live == nil && c.Deferred {
			return &notServedError{fmt.Errorf("%s is not to be found", c.Object)}
		}
		if live == nil || !c.pin.holds(live) {
			return nil // an earlier try has done it all, or sending it will say what is wrong
		}
		fields, some := c.adopt.migrate(live, x.engine.stack.Manager(), c.send.GetAPIVersion())
		if !some {
			return x.confirmAdoption(ctx, c, live)
		}
		if err := x.lock.check(ctx); err != nil {
			return err
		}
		// The resourceVersion is replaced too, so that the server refuses the
		// patch if the object has changed since.
		_, err = cluster.patch(ctx, c.send, types.JSONPatchType, canonical([]map[string]any{
			{"op": "replace", "path": "/metadata/managedFields", "value": fields},
			{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
		}), patchOptions{})
		if apierrors.IsConflict(err) {
			return &movedError{err}
		}
		if err != nil {
			return err
		}
	}
}

// confirmAdoption makes sure that the second step does what was approved: of an
// object that could not be previewed, whatever it is.
func (x *execution) confirmAdoption(ctx context.Context, c *Change, live *unstructured.Unstructured) error {
	if c.Deferred {
		return nil
	}
	cluster := x.engine.cluster
	merged, err := cluster.preview(ctx, withUID(c.send, live), c.force)
	if err != nil {
		return err
	}
	merged = withoutDrawn(live, c.send, merged)
	if approved, now := adoptedFields(c.Fields), adoptedFields(diff(c.Object, live, merged, x.engine.stack.Manager())); approved != now {
		return fmt.Errorf("its adoption comes to something else than was shown, so that no value was changed; apply again to see what it is now")
	}
	return nil
}

// adoptedFields is what two diffs are compared by. The cause is put in after
// the plan.
func adoptedFields(fields []FieldChange) string {
	cause := fieldPath{"metadata", "annotations", annotationCause}.String()
	var all []FieldChange
	for _, f := range fields {
		if f.Path != cause {
			f.Manager = ""
			all = append(all, f)
		}
	}
	return string(canonical(fieldsOnly(all)))
}

// patch changes an object in another way than by applying it.
func (c *cluster) patch(ctx context.Context, o *unstructured.Unstructured, kind types.PatchType, body []byte, opts patchOptions) (*unstructured.Unstructured, error) {
	r, err := c.resource(keyOf(o), o.GroupVersionKind().Version)
	if err != nil {
		return nil, err
	}
	options := metav1.PatchOptions{FieldManager: c.manager}
	if opts.dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	return r.Patch(ctx, o.GetName(), kind, body, options)
}
