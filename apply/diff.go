package apply

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// diff returns the differences between a live object and what the API server
// would make of it, masked, sorted by path. Who owns a live value is read
// from the live object's managed fields.
func diff(key ObjectKey, live, merged *unstructured.Unstructured, manager string) []FieldChange {
	d := differ{key: key, manager: manager}
	d.compare(nil, normalize(live), normalize(merged), ownersOf(live))
	slices.SortStableFunc(d.changes, func(a, b FieldChange) int { return strings.Compare(a.Path, b.Path) })
	return d.changes
}

type differ struct {
	key     ObjectKey
	manager string
	base    int // where in a path the object begins, for one that is inside of another
	changes []FieldChange
}

func (d *differ) compare(path fieldPath, before, after any, owners owners) {
	if reflect.DeepEqual(before, after) || sameMeaning(path[d.base:], before, after) {
		return
	}
	bm, bok := before.(map[string]any)
	am, aok := after.(map[string]any)
	if d.compareEmbedded(path, bm, am, owners) {
		return
	}
	// A map that is left without a field is told as one: a reader of the fields
	// alone would take it for gone.
	emptied := bok && aok && len(am) == 0
	if bok && aok && !emptied || bok && after == nil && flat(bm) || before == nil && aok && flat(am) {
		d.compareMaps(path, bm, am, owners)
		return
	}
	if bl, ok := before.([]any); ok {
		if al, ok := after.([]any); ok && d.compareLists(path, bl, al, owners) {
			return
		}
	}
	d.add(path, before, after, owners)
}

// compareEmbedded compares a Secret that is written inside of another object as
// what it is; false when it is none.
func (d *differ) compareEmbedded(path fieldPath, before, after map[string]any, owners owners) bool {
	key := embeddedSecret(len(path) > d.base, before)
	if key == nil {
		key = embeddedSecret(len(path) > d.base, after)
	}
	if key == nil {
		return false
	}
	inner := differ{key: *key, manager: d.manager, base: len(path)}
	inner.compareMaps(path, before, after, owners)
	d.changes = append(d.changes, inner.changes...)
	return true
}

func (d *differ) compareMaps(path fieldPath, before, after map[string]any, owners owners) {
	for k, b := range before {
		d.compare(path.field(k), b, after[k], owners.field(k))
	}
	for k, a := range after {
		if _, ok := before[k]; !ok {
			d.compare(path.field(k), nil, a, nil)
		}
	}
}

// flat reports a map like labels, whose entries are better read one by one
// when the whole of it comes or goes.
func flat(m map[string]any) bool {
	for _, v := range m {
		switch v.(type) {
		case map[string]any, []any:
			return false
		}
	}
	return len(m) > 0
}

// compareLists matches the items of two lists by their merge key, so that one
// that only stands elsewhere is neither gone nor new. It reports false when the
// lists have no such key.
func (d *differ) compareLists(path fieldPath, before, after []any, owners owners) bool {
	bk, ak, ok := sharedKeys(path.last(), before, after)
	if !ok {
		return false
	}
	was, is := positions(bk), positions(ak)
	moved := movedItems(bk, is)
	for i, k := range bk {
		item := owners.item(before[i])
		j, stays := is[k]
		if !stays {
			d.add(path.item(k), before[i], nil, item)
			continue
		}
		d.compare(path.item(k), before[i], after[j], item)
		if moved[k] {
			d.changes = append(d.changes, FieldChange{Path: path.item(k).String(), Op: FieldMove, Before: i, After: j, Index: &j})
		}
	}
	for j, k := range ak {
		if _, there := was[k]; !there {
			d.add(path.item(k), nil, after[j], nil)
			d.changes[len(d.changes)-1].Index = &j
		}
	}
	return true
}

func (d *differ) add(path fieldPath, before, after any, owners owners) {
	c := FieldChange{Path: path.String(), Op: FieldSet}
	switch {
	case before == nil:
		c.Op = FieldAdd
	case after == nil:
		c.Op = FieldRemove
	}
	if path.envValue() {
		c.Before, c.After = maskWhole(before, maskedBefore), maskWhole(after, maskedAfter)
	} else {
		c.Before, c.After = mask(d.key, path[d.base:], before, maskedBefore), mask(d.key, path[d.base:], after, maskedAfter)
	}
	if before != nil {
		c.Manager, c.Since = owners.other(d.manager)
	}
	d.changes = append(d.changes, c)
}

func maskWhole(v any, text string) any {
	if v == nil {
		return nil
	}
	return text
}

// owners are the managers of a live value: for each the subtree of its
// managed fields at this place.
type owners []owner

type owner struct {
	manager string
	since   time.Time
	fields  map[string]any
}

func ownersOf(o *unstructured.Unstructured) owners {
	var all owners
	for _, f := range o.GetManagedFields() {
		var set map[string]any
		if f.FieldsV1 == nil || json.Unmarshal(f.FieldsV1.GetRawBytes(), &set) != nil {
			continue
		}
		w := owner{manager: managerText(f), fields: set}
		if f.Time != nil {
			w.since = f.Time.Time
		}
		all = append(all, w)
	}
	return all
}

func managerText(f metav1.ManagedFieldsEntry) string {
	if f.Subresource != "" {
		return f.Manager + " (" + f.Subresource + ")"
	}
	return f.Manager
}

func (o owners) field(name string) owners {
	return o.descend(func(set map[string]any) any { return set["f:"+name] })
}

// item descends into a list item: a "k:" entry whose keys the item has, or a
// "v:" entry with the item's value.
func (o owners) item(item any) owners {
	m, isMap := item.(map[string]any)
	return o.descend(func(set map[string]any) any {
		if !isMap {
			return set["v:"+Text(item)]
		}
		for k, sub := range set {
			var keys map[string]any
			if !strings.HasPrefix(k, "k:") || json.Unmarshal([]byte(k[2:]), &keys) != nil {
				continue
			}
			if hasAll(m, keys) {
				return sub
			}
		}
		return nil
	})
}

func hasAll(m, keys map[string]any) bool {
	for k, v := range keys {
		if Text(m[k]) != Text(v) {
			return false
		}
	}
	return true
}

func (o owners) descend(f func(map[string]any) any) owners {
	var below owners
	for _, w := range o {
		if sub, ok := f(w.fields).(map[string]any); ok {
			below = append(below, owner{w.manager, w.since, sub})
		}
	}
	return below
}

// other returns the most recent owner that is not the given manager.
func (o owners) other(manager string) (string, time.Time) {
	var latest owner
	for _, w := range o {
		if w.manager == manager {
			return "", time.Time{} // ours, whoever shares it
		}
		if latest.manager == "" || w.since.After(latest.since) {
			latest = w
		}
	}
	return latest.manager, latest.since
}
