package apply

import (
	"bytes"
	"cmp"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Whose doing a difference is, is found by comparing three things: what the
// newest readable revision sent, what is to be sent now, and what is live with
// its managed fields. All of them are at hand when a plan is made, so that it
// costs no request; and it is asked only about what differs.

// Origin says of a field of an object where a description decides it, and
// whether it writes the value there or leaves it to stackctl. The empty path is
// the object. ok is false for what no description decides. It is called from
// several goroutines.
type Origin func(object ObjectKey, path string) (place SpecPlace, written, ok bool)

// attribute labels the changes of the plan, side by side: most of it is working
// out origins.
func (p *planner) attribute() error {
	a := &attribution{planner: p, before: map[ObjectKey]*unstructured.Unstructured{}}
	for _, o := range p.base.Objects {
		a.before[keyOf(o)] = o
	}
	a.earlier = sync.OnceValue(func() Origin {
		if p.target.OriginOf == nil {
			return nil
		}
		return p.target.OriginOf(p.base.Source, p.base.Environment)
	})
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	for i := range p.plan.Changes {
		workers.Go(func() error {
			return recovered(func() error { a.change(&p.plan.Changes[i]); return nil })
		})
	}
	return workers.Wait()
}

// attribution is the labelling of one plan.
type attribution struct {
	*planner
	before  map[ObjectKey]*unstructured.Unstructured // what the newest readable revision wanted
	earlier func() Origin                            // of its description; nil when that cannot be read
}

func (a *attribution) change(c *Change) {
	for i := range c.Conflicts {
		one := &c.Conflicts[i]
		if one.label = LabelDrift; one.Foreign() || a.decides(c, one.Path, false) {
			one.label = LabelYou
		}
	}
	for i := range c.Fields {
		a.field(c, &c.Fields[i])
	}
	switch {
	case c.Action == ActionCreate && a.wasThere(c.Object):
		c.Label = LabelDrift
		_, c.Spec = a.intent(c.Object, "")
	case c.Action == ActionCreate:
		c.Label, c.Spec = a.object(c)
	case c.Action == ActionDelete:
		c.Label = LabelYou
		if _, wanted := a.before[c.Object]; wanted && a.onlyTool() && !c.Spare {
			c.Label = LabelDefault
		}
	case c.Action == ActionUpdate && len(c.Fields) == 0:
		sent, known := a.base.sent[c.Object]
		if c.Label = LabelYou; known && !c.handOver && c.Adopted == "" && len(c.Conflicts) == 0 && a.sameAsSent(c.send, sent) {
			c.Label = LabelDrift
		}
	}
}

// object labels an object that was not there before.
func (a *attribution) object(c *Change) (Label, *SpecPlace) {
	_, spec := a.intent(c.Object, "")
	_, wanted := a.before[c.Object]
	switch {
	case c.Predecessor != nil && len(c.Fields) > 0:
		if one := a.edit(c); one != nil {
			spec = one
		}
		if !slices.ContainsFunc(c.Fields, func(f FieldChange) bool { return f.Label != LabelDefault }) {
			return LabelDefault, spec
		}
	case !wanted && a.onlyTool():
		return LabelDefault, spec
	}
	return LabelYou, spec
}

// edit returns the one place in the description that writes what an object has
// otherwise than its predecessor; nil when there are several.
func (a *attribution) edit(c *Change) (one *SpecPlace) {
	if a.target.Origin == nil {
		return nil
	}
	for _, f := range c.Fields {
		place, written, _ := a.target.Origin(c.Object, f.Path)
		switch {
		case !written || place.File == "":
		case one == nil:
			one = &place
		case *one != place:
			return nil
		}
	}
	return one
}

// wasThere reports an object that was seen in the cluster as the stack's.
func (p *planner) wasThere(key ObjectKey) bool {
	if _, sent := p.base.sent[key]; sent {
		return true
	}
	return slices.ContainsFunc(p.base.inventory, func(i item) bool { return i.ObjectKey == key && i.UID != "" })
}

// field labels one difference.
func (a *attribution) field(c *Change, f *FieldChange) {
	path := f.Path
	switch {
	case c.Predecessor != nil, a.decides(c, path, f.Op == FieldMove):
		f.Label, f.Spec = a.intent(c.Object, path)
	case a.never(c) && f.Manager == "":
		f.Label, f.Spec = a.intent(c.Object, path) // it was wanted before, but not sent
	case !a.obeyed(c, path):
		f.Label = LabelServer
	case f.Manager != "", f.Op == FieldMove:
		f.Label = LabelDrift
	case f.Op == FieldAdd && valueAt(c.wanted(), path) != nil:
		f.Label = LabelDrift // it was there, and somebody took it away
	case f.Op == FieldRemove && a.owns(c.live, path):
		f.Label, f.Spec = a.intent(c.Object, path) // a revision that cannot be read set it
	default:
		f.Label = LabelServer
	}
}

// wanted is what the stack wants, with what a run leaves to others.
func (c *Change) wanted() *unstructured.Unstructured { return cmp.Or(c.whole, c.send) }

// never reports that the newest readable revision did not get to sending the
// object.
func (a *attribution) never(c *Change) bool {
	_, sent := a.base.sent[c.Object]
	return !sent
}

// decides reports whether what the stack wants at a path is not what was wanted
// when the object was last sent; with order, whether items of the list stand in
// another order.
func (a *attribution) decides(c *Change, path string, order bool) bool {
	had, want := a.before[c.Object], c.wanted()
	if had == nil || c.Adopted != "" {
		return true
	}
	if c.Object.isSecret() && isBelow(path, "data") {
		_, data := strip(want)
		return a.engine.records.valueName(a.base.key, want, data) != a.base.values[c.Object]
	}
	if order {
		return !sameOrder(had, want, path)
	}
	return !sameMeaning(pathIn(path, want, had), valueAt(had, path), valueAt(want, path))
}

// obeyed reports whether the API server would store what the stack wants at a
// path, and nothing if it wants nothing there.
func (a *attribution) obeyed(c *Change, path string) bool {
	if c.merged == nil {
		return true
	}
	want, stored := valueAt(c.wanted(), path), valueAt(c.merged, path)
	if want == nil {
		return stored == nil
	}
	return covers(pathIn(path, c.wanted()), stored, want)
}

// covers reports whether a value has all that another one says.
func covers(path fieldPath, v, part any) bool {
	switch part := part.(type) {
	case map[string]any:
		m, ok := v.(map[string]any)
		for k, want := range part {
			if want != nil && !covers(path.field(k), m[k], want) {
				return false
			}
		}
		return ok || len(part) == 0
	case []any:
		list, ok := v.([]any)
		if !ok || len(list) < len(part) {
			return len(part) == 0
		}
		have, want, keyed := sharedKeys(path.last(), list, part)
		for i := range part {
			j := i
			if keyed {
				if j = slices.Index(have, want[i]); j < 0 {
					return false
				}
			}
			if !covers(path.item("*"), list[j], part[i]) {
				return false
			}
		}
		return keyed || len(list) == len(part)
	}
	return sameMeaning(path, v, part)
}

// owns reports whether the stack is an owner of what is live at a path.
func (a *attribution) owns(live *unstructured.Unstructured, path string) bool {
	if live == nil {
		return false
	}
	at, ok := placeOf(live.Object, path)
	if !ok {
		return false
	}
	who := ownersOf(live)
	for i, step := range at {
		if name, isField := step.(string); isField {
			who = who.field(name)
		} else {
			who = who.item(at[:i+1].at(live.Object))
		}
	}
	return slices.ContainsFunc(who, func(o owner) bool { return o.manager == a.engine.stack.Manager() })
}

// intent tells a change of the description from one of what stackctl makes of
// it.
func (a *attribution) intent(key ObjectKey, path string) (Label, *SpecPlace) {
	if a.target.Origin == nil {
		return LabelYou, nil
	}
	place, written, ok := a.target.Origin(key, path)
	var spec *SpecPlace
	if ok && place.File != "" {
		spec = &place
	}
	if written || a.base.Revision == 0 || !a.otherTool() || a.wrote(key, path) {
		return LabelYou, spec
	}
	return LabelDefault, spec
}

// wrote reports whether a field is decided by something that the description
// no longer says, or by what else it says now.
func (a *attribution) wrote(key ObjectKey, path string) bool {
	if a.sameDescription() {
		return false
	}
	origin := a.earlier()
	if origin == nil {
		return true // it changed, and there is no telling how
	}
	_, written, _ := origin(key, path)
	return written
}

// onlyTool reports that nothing but the version of stackctl is known to be
// another: what differs is its doing. With the same version it is that of a
// manifest, a file or a variable that the description names.
func (a *attribution) onlyTool() bool { return a.otherTool() && a.sameDescription() }

func (a *attribution) otherTool() bool { return a.target.Tool != a.base.Tool }

func (a *attribution) sameDescription() bool {
	return a.target.Origin != nil && a.base.Revision != 0 && a.target.Environment == a.base.Environment && bytes.Equal(a.target.Source, a.base.Source)
}

// valueAt returns what an object has at a path, nil for nothing.
func valueAt(o *unstructured.Unstructured, path string) any {
	at, ok := placeOf(o.Object, path)
	if !ok {
		return nil
	}
	return at.at(o.Object)
}

// pathIn reads a path by the first of some objects that has it.
func pathIn(path string, objects ...*unstructured.Unstructured) fieldPath {
	for _, o := range objects {
		if at, ok := placeOf(o.Object, path); ok {
			return at.in(o.Object)
		}
	}
	return nil
}

// sameOrder reports whether the items that two objects have in a list stand in
// the same order. path is that of one of them.
func sameOrder(a, b *unstructured.Unstructured, path string) bool {
	mine, ok := placeOf(a.Object, path)
	theirs, too := placeOf(b.Object, path)
	if !ok || !too {
		return false
	}
	x, _ := mine[:len(mine)-1].at(a.Object).([]any)
	y, _ := theirs[:len(theirs)-1].at(b.Object).([]any)
	field, _ := mine[max(0, len(mine)-2)].(string)
	keys, others, keyed := sharedKeys(field, x, y)
	return keyed && len(movedItems(keys, positions(others))) == 0
}

// Only returns the plan with nothing but the differences of some labels. It is
// for showing: what the other differences come to is not in it.
func (p *Plan) Only(labels ...Label) *Plan {
	shown := *p
	shown.Changes = nil
	shown.CreateNamespace = p.CreateNamespace && slices.Contains(labels, LabelYou)
	for _, c := range p.Changes {
		c.Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f FieldChange) bool { return !slices.Contains(labels, f.Label) })
		c.Conflicts = slices.DeleteFunc(slices.Clone(c.Conflicts), func(one Conflict) bool { return !slices.Contains(labels, one.label) })
		if len(c.Fields) > 0 || len(c.Conflicts) > 0 || slices.Contains(labels, c.Label) {
			shown.Changes = append(shown.Changes, c)
		}
	}
	return &shown
}
