package apply

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Objects returns the object before and after the change, masked, without what
// the server keeps about it: nothing before a create, unless it comes instead of
// a [Change.Predecessor], nothing after a delete. Before an update is what is
// live, before a delete what the last run recorded.
// Both are nil where nobody knows: the object is not read for the plan, or no
// dry-run could be made.
//
// The two differ where [Change.Fields] say so, and a secret that changes is
// another mask on each side. The caller may keep them, and must not change
// them.
func (c *Change) Objects() (before, after map[string]any) {
	switch {
	case c.Action == ActionCreate && c.Predecessor == nil:
		return nil, c.New
	case c.Action == ActionDelete:
		return c.Live, nil
	}
	if c.Live == nil || c.Merged == nil {
		return nil, nil
	}
	before, after = c.Live, c.Merged
	for _, f := range c.Fields {
		if f.Op == FieldMove {
			continue // both sides have it where it was and where it comes to
		}
		if f.Before != nil {
			before = replaced(before, f.Path, f.Before)
		}
		if f.After != nil {
			after = replaced(after, f.Path, f.After)
		}
	}
	return before, after
}

// replaced returns an object with another value at a path, if it has one there.
// The object itself is left as it is.
func replaced(o map[string]any, path string, value any) map[string]any {
	there, ok := placeOf(o, path)
	if !ok || len(there) == 0 {
		return o
	}
	changed, _ := there.replace(o, value).(map[string]any)
	return changed
}

// replace returns a copy of a tree with another value at the place; what does
// not lead there is shared with the tree.
func (p place) replace(v, value any) any {
	if len(p) == 0 {
		return value
	}
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, child := range v {
			m[k] = child
		}
		name, _ := p[0].(string)
		m[name] = p[1:].replace(v[name], value)
		return m
	case []any:
		l := slices.Clone(v)
		i, _ := p[0].(int)
		l[i] = p[1:].replace(v[i], value)
		return l
	}
	return v
}

// show keeps both sides of a change for those who print them whole.
func (c *Change) show(live, merged *unstructured.Unstructured) {
	c.Live, c.Merged = maskObject(c.Object, normalize(live)), maskObject(c.Object, normalize(merged))
}

// showLeaving keeps what the last run recorded of the objects that go.
func (p *planner) showLeaving() {
	recorded := map[ObjectKey]*unstructured.Unstructured{}
	for _, o := range p.base.Objects {
		recorded[keyOf(o)] = o
	}
	for i := range p.plan.Changes {
		c := &p.plan.Changes[i]
		if o := recorded[c.Object]; o != nil && c.Action == ActionDelete {
			c.Live = maskObject(c.Object, normalize(o))
		}
	}
}
