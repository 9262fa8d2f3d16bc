package apply

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// An object that is named by its content never changes: with other content it
// is another one. For a reader it is an edit all the same, so it is compared
// with the one that the newest readable revision had in its place.

// findPredecessors adds to new objects what they come instead of. What was in a
// ConfigMap or a Job is on record; the data of a Secret are read.
func (p *planner) findPredecessors(ctx context.Context) error {
	before := map[ObjectKey]*unstructured.Unstructured{}
	for _, o := range p.base.Objects {
		if o.GetLabels()[LabelContent] != "" && !p.wanted[keyOf(o)] {
			before[contentless(o)] = o
		}
	}
	var todo []*Change
	for i := range p.plan.Changes {
		c := &p.plan.Changes[i]
		if c.Action == ActionCreate && before[contentless(c.send)] != nil && c.send.GetLabels()[LabelContent] != "" {
			todo = append(todo, c)
		}
	}
	return p.engine.cluster.each(ctx, len(todo), func(ctx context.Context, i int) error {
		c := todo[i]
		was, err := p.withData(ctx, before[contentless(c.send)])
		if err != nil || was == nil {
			return err
		}
		key := keyOf(was)
		c.Predecessor = &key
		c.show(was, c.send)
		c.Fields = slices.DeleteFunc(diff(c.Object, was, c.send, ""), func(f FieldChange) bool { return slices.Contains(namePaths, f.Path) })
		return nil
	})
}

// namePaths are the fields that are the hash of the others.
var namePaths = []string{
	fieldPath{"metadata", "name"}.String(), fieldPath{"metadata", "labels", LabelContent}.String(),
}

// withData returns an object of the record, a Secret with the data that it has
// in the cluster; nil when these are gone or may not be read.
func (p *planner) withData(ctx context.Context, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	key := keyOf(o)
	if !key.isSecret() {
		return o, nil
	}
	if p.live[key] == nil {
		return nil, nil
	}
	live, err := p.engine.cluster.get(ctx, key, o.GroupVersionKind().Version)
	if err != nil || live == nil {
		if apierrors.IsForbidden(err) {
			err = nil
		}
		return nil, err
	}
	o = o.DeepCopy()
	o.Object["data"] = live.Object["data"]
	return o, nil
}
