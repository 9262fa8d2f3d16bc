package apply

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// severalAbsent is how many objects of a kind in a namespace make one list of
// what is there cheaper than a read of each.
const severalAbsent = 5

// absentees finds those of the objects to be made that are not there. Of kinds
// with few of them, or that may not be listed, it says nothing: each of those
// is read.
func (x *execution) absentees(ctx context.Context) map[ObjectKey]bool {
	wanted := map[viewPlace][]ObjectKey{}
	for i := range x.plan.Changes {
		if c := &x.plan.Changes[i]; c.Action == ActionCreate && c.pin == (pin{}) && !c.Deferred && !c.made {
			place := viewPlace{c.Object.groupKind(), c.Object.Namespace}
			wanted[place] = append(wanted[place], c.Object)
		}
	}
	var places []viewPlace
	for place, keys := range wanted {
		if len(keys) >= severalAbsent {
			places = append(places, place)
		}
	}
	gone := make([][]ObjectKey, len(places))
	_ = x.engine.cluster.each(ctx, len(places), func(ctx context.Context, i int) error {
		m, err := x.engine.cluster.mapping(places[i].gk, "")
		if err != nil {
			return nil
		}
		list, err := x.engine.cluster.listMetadata(ctx, m.Resource, places[i].namespace, metav1.ListOptions{})
		if err != nil {
			return nil
		}
		there := map[string]bool{}
		for j := range list {
			there[list[j].Name] = true
		}
		gone[i] = slices.DeleteFunc(wanted[places[i]], func(key ObjectKey) bool { return there[key.Name] })
		return nil
	})
	absent := map[ObjectKey]bool{}
	for _, key := range slices.Concat(gone...) {
		absent[key] = true
	}
	return absent
}
