package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// objectState is a live object that a saved plan was made for.
type objectState struct {
	Object ObjectKey `json:"object"`
	UID    string    `json:"uid"`
	// Digest is of what is left of it without status and the like.
	Digest string `json:"digest"`
	// Writers are digests of its managed fields, to tell who changed it since.
	Writers []string `json:"writers,omitempty"`
	// Going says that it was being deleted.
	Going bool `json:"going,omitempty"`

	writers map[string]string // digest → manager
	pin     pin
}

// look reads every object of a plan; nil for one that is not there. Spare
// objects are not looked at: what becomes of them is no difference.
func (e *Engine) look(ctx context.Context, plan *Plan, f *fingerprint) ([]*objectState, error) {
	live := make([]*unstructured.Unstructured, len(plan.Changes))
	err := e.cluster.each(ctx, len(plan.Changes), func(ctx context.Context, i int) (err error) {
		c, version := &plan.Changes[i], ""
		if c.Spare {
			return nil
		}
		if c.send != nil {
			version = c.send.GroupVersionKind().Version
		}
		live[i], err = e.cluster.get(ctx, c.Object, version)
		if err == nil && live[i] == nil && c.Deferred { // it may be there in another version
			live[i], err = e.cluster.get(ctx, c.Object, "")
		}
		return forbidden(describe("read", c.Object, err))
	})
	if err != nil {
		return nil, err
	}
	states := make([]*objectState, len(live))
	for i, o := range live { // all values that are secret are known by now
		if o != nil {
			states[i] = f.state(plan.Changes[i].Object, o)
		}
	}
	return states, nil
}

// state is what a saved plan keeps of a live object.
func (f *fingerprint) state(key ObjectKey, live *unstructured.Unstructured) *objectState {
	s := &objectState{Object: key, UID: string(live.GetUID()), Digest: f.live(key, live), Going: live.GetDeletionTimestamp() != nil, writers: map[string]string{}, pin: pinOf(live)}
	for _, w := range live.GetManagedFields() {
		if w.Subresource == "status" || isController(w.Manager) || w.Manager == f.manager {
			continue
		}
		digest := f.quick("writer", canonical(w))[:12]
		s.Writers = append(s.Writers, digest)
		s.writers[digest] = managerText(w)
	}
	return s
}

// live is the digest of a live object: of what a user could have meant, less
// what controllers of Kubernetes decide, such as the number of pods of an
// autoscaler. Without a key secret values are masked first; that one was written
// is then known by the time of its manager's last write.
func (f *fingerprint) live(key ObjectKey, live *unstructured.Unstructured) string {
	n := runtime.DeepCopyJSON(normalize(live))
	if isScaled(key) && !somebodyScales(live) {
		unstructured.RemoveNestedField(n, "spec", "replicas") // the default, as long as no autoscaler has looked
	}
	for _, w := range live.GetManagedFields() {
		if isController(w.Manager) {
			dropOwned(n, fieldsOf(&w))
		}
	}
	if len(f.key) > 0 {
		return f.quick("live", canonical(n))
	}
	var writes []any
	for _, w := range live.GetManagedFields() {
		if w.Subresource != "status" && !isController(w.Manager) {
			writes = append(writes, w)
		}
	}
	return f.quick("live", canonical([]any{f.redact.value(maskObject(key, n), masked), writes}))
}

// isController reports a manager that writes for Kubernetes itself.
func isController(manager string) bool {
	return manager == "kube-controller-manager" || manager == "kube-scheduler"
}

// somebodyScales reports that somebody but an autoscaler decided how many pods
// there are.
func somebodyScales(live *unstructured.Unstructured) bool {
	return slices.ContainsFunc(live.GetManagedFields(), func(w metav1.ManagedFieldsEntry) bool {
		spec, _ := fieldsOf(&w)["f:spec"].(map[string]any)
		_, owns := spec["f:replicas"]
		return owns && !isController(w.Manager)
	})
}

// dropOwned takes the fields of a set out of an object. Items of lists stay.
func dropOwned(o map[string]any, set map[string]any) {
	for k, below := range set {
		name, ok := strings.CutPrefix(k, "f:")
		if !ok {
			continue
		}
		fields, _ := below.(map[string]any)
		inner, isMap := o[name].(map[string]any)
		switch {
		case len(fields) == 0:
			delete(o, name)
		case isMap:
			if dropOwned(inner, fields); len(inner) == 0 {
				delete(o, name)
			}
		}
	}
}

// compareSaved returns why a plan that was made again is not the one that was
// saved. If there is no reason, it is then pinned to what was approved.
func (e *Engine) compareSaved(ctx context.Context, saved *SavedPlan, plan *Plan, f *fingerprint) (reasons []string, err error) {
	states, err := e.look(ctx, plan, f)
	if err != nil {
		return nil, err
	}
	if plan.CreateNamespace && !saved.shown.CreateNamespace {
		reasons = append(reasons, "the namespace "+e.stack.Namespace+" is not there")
	}
	if plan.Settle && !saved.shown.Settle {
		reasons = append(reasons, fmt.Sprintf("revision %d did not end well", plan.Base))
	}
	was := map[ObjectKey]*objectState{}
	for i := range saved.Bound.Objects {
		was[saved.Bound.Objects[i].Object] = &saved.Bound.Objects[i]
	}
	e.cluster.redact.plan(plan)
	c := comparison{was: was, approved: map[ObjectKey]*Change{}}
	before, after := f.comparable(saved.shown.Changes), f.comparable(plan.Changes)
	for i := range before {
		e.cluster.redact.change(&before[i])
		c.approved[before[i].Object] = &before[i]
	}
	for i := range plan.Changes {
		if reason := c.compare(&plan.Changes[i], &after[i], states[i]); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	for i := range before {
		b := &before[i]
		if c.approved[b.Object] == nil || b.Spare || b.Terminating || was[b.Object] != nil && was[b.Object].Going {
			continue // it is there still, or went by itself
		}
		reasons = append(reasons, b.Object.String()+" was deleted since the plan was made")
	}
	plan.seen = func(c *Change, live *unstructured.Unstructured) bool {
		b := was[c.Object]
		return b == nil && live == nil || b != nil && live != nil && b.UID == string(live.GetUID()) && b.Digest == f.live(c.Object, live)
	}
	adoptShown(plan, saved.shown.Changes)
	return reasons, nil
}

// comparable returns changes as they read from a file. Before the stack has a
// key, a name that ends with a keyed hash ends with another one in each plan:
// hashes then count for nothing.
func (f *fingerprint) comparable(changes []Change) []Change {
	text := string(canonical(changes))
	if len(f.key) == 0 {
		var hashes []string
		for _, c := range changes {
			labels, _, _ := unstructured.NestedStringMap(c.New, "metadata", "labels")
			if hash := labels[LabelContent]; hash != "" {
				hashes = append(hashes, hash, strings.Repeat("x", len(hash)))
			}
		}
		text = strings.NewReplacer(hashes...).Replace(text)
	}
	again, err := exactly[[]Change]([]byte(text))
	if err != nil {
		panic("apply: a plan is not JSON: " + err.Error())
	}
	return again
}

// comparison compares a plan with one that was saved.
type comparison struct {
	was      map[ObjectKey]*objectState // what was there
	approved map[ObjectKey]*Change      // not compared yet
}

// compare returns why a change is not the approved one, "" when it is.
func (c *comparison) compare(change, now *Change, state *objectState) string {
	key := change.Object
	approved, was := c.approved[now.Object], c.was[key]
	delete(c.approved, now.Object)
	if approved == nil {
		return fmt.Sprintf("%s is not in the plan, and would be %s", key, pastOf[now.Action])
	}
	if change.Spare || approved.Spare {
		if approved.Action != ActionDelete && change.Action == ActionDelete {
			change.Action, change.Note = ActionKeep, "left alone, as it was planned"
		}
		return ""
	}
	switch {
	case change.finished, was != nil && was.Going && state == nil: // went by itself
	case was == nil && state == nil:
	case was == nil:
		return fmt.Sprintf("%s was made by somebody else since the plan was made", key)
	case state == nil:
		return fmt.Sprintf("%s was deleted since the plan was made", key)
	case was.UID != state.UID:
		return fmt.Sprintf("%s was deleted and made anew since the plan was made", key)
	case was.Digest != state.Digest:
		return fmt.Sprintf("%s was changed since the plan was made%s%s", key, state.by(was), otherwise(approved, now))
	}
	if !sameShown(approved, now) || string(canonical(approved.New)) != string(canonical(now.New)) || (approved.Unpreviewed == "") != (now.Unpreviewed == "") {
		return fmt.Sprintf("%s: to apply it does something else than when the plan was made%s", key, otherwise(approved, now))
	}
	return ""
}

var pastOf = map[Action]string{
	ActionCreate: "created", ActionUpdate: "updated", ActionDelete: "deleted", ActionUnchanged: "left as it is", ActionKeep: "left alone",
}

// by names who wrote to an object since.
func (s *objectState) by(was *objectState) string {
	var names []string
	for _, digest := range s.Writers {
		if name := s.writers[digest]; !slices.Contains(was.Writers, digest) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " by " + strings.Join(names, ", ")
}

// otherwise names the fields that two plans for an object are not of one mind
// about.
func otherwise(a, b *Change) string {
	var paths []string
	sets := [2]map[string]string{{}, {}}
	for i, c := range []*Change{a, b} {
		for _, f := range fieldsOnly(c.Fields) {
			sets[i][f.Path] += string(canonical(f))
		}
		for _, f := range c.Conflicts {
			sets[i][f.Path] += f.Manager + string(f.Resolution)
		}
	}
	for i, set := range sets {
		for path := range set {
			if path != "" && set[path] != sets[1-i][path] && !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	switch n := len(paths); {
	case n == 0:
		return ""
	case n > 3:
		return fmt.Sprintf(" (%s and %d more)", strings.Join(paths[:3], ", "), n-3)
	}
	return " (" + strings.Join(paths, ", ") + ")"
}

// adoptShown gives a plan what was shown of the approved one and cannot be known
// without the description.
func adoptShown(plan *Plan, approved []Change) {
	shown := map[ObjectKey]*Change{}
	for i := range approved {
		shown[approved[i].Object] = &approved[i]
	}
	for i := range plan.Changes {
		c := &plan.Changes[i]
		was := shown[c.Object]
		if was == nil {
			continue
		}
		c.Label, c.Spec, c.Predecessor, c.Impacts = was.Label, was.Spec, was.Predecessor, was.Impacts
		for j := range c.Fields {
			f := &c.Fields[j]
			for _, b := range was.Fields {
				if b.Path == f.Path && b.Op == f.Op {
					f.Label, f.Spec = b.Label, b.Spec
				}
			}
		}
	}
}
