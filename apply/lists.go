package apply

import (
	"fmt"
	"slices"
	"strings"
)

// mergeKeys are the keys by which Kubernetes merges lists of objects. The
// first one that names every item of a list uniquely is used, for reading
// only: what merges with what is the server's decision.
var mergeKeys = [][]string{
	{"name"}, {"containerPort", "protocol"}, {"port", "protocol"}, {"mountPath"}, {"devicePath"},
	{"topologyKey", "whenUnsatisfiable"}, {"type"}, {"ip"}, {"uid"}, {"host"},
}

// ownKeys are those of fields whose items have a name too, which is that of
// something else, and of sets of texts (by the key "").
var ownKeys = map[string][]string{
	"volumeMounts": {"mountPath"}, "volumeDevices": {"devicePath"}, "finalizers": {""},
}

// sharedKeys returns the keys of the items of two lists in a field by the same
// fields, or false when no fields name the items of both.
func sharedKeys(field string, a, b []any) (aKeys, bKeys []string, ok bool) {
	keys := mergeKeys
	if own, ok := ownKeys[field]; ok {
		keys = append([][]string{own}, mergeKeys...)
	}
	for _, fields := range keys {
		if aKeys, ok = keysBy(a, fields); !ok {
			continue
		}
		if bKeys, ok = keysBy(b, fields); ok {
			return aKeys, bKeys, true
		}
	}
	return nil, nil, false
}

// keysBy returns the key of each item of a list, or false when the fields do
// not name each of them uniquely.
func keysBy(list []any, fields []string) ([]string, bool) {
	keys, seen := make([]string, 0, len(list)), make(map[string]bool, len(list))
	for _, item := range list {
		k, ok := keyBy(item, fields)
		if !ok || seen[k] {
			return nil, false
		}
		seen[k] = true
		keys = append(keys, k)
	}
	return keys, true
}

func keyBy(item any, fields []string) (string, bool) {
	if text, ok := item.(string); ok && fields[0] == "" {
		return "=" + Text(text), true
	}
	m, ok := item.(map[string]any)
	if !ok {
		return "", false
	}
	parts := make([]string, len(fields))
	for i, f := range fields {
		v, ok := m[f]
		if !ok {
			return "", false
		}
		parts[i] = f + "=" + Text(v)
	}
	return strings.Join(parts, ","), true
}

// itemKey names one item of a list in a field for a path.
func itemKey(field string, list []any, i int) string {
	if keys, _, ok := sharedKeys(field, list, list); ok {
		return keys[i]
	}
	return fmt.Sprint(i)
}

func positions(keys []string) map[string]int {
	at := make(map[string]int, len(keys))
	for i, k := range keys {
		at[k] = i
	}
	return at
}

// movedItems returns the fewest items of a list that change their place among
// those that stay, given the places in the list to come: all that are not part
// of the longest run which is in order there too.
func movedItems(keys []string, places map[string]int) map[string]bool {
	var stay []string
	ordered := true
	for _, k := range keys {
		if _, ok := places[k]; ok {
			ordered = ordered && (len(stay) == 0 || places[stay[len(stay)-1]] < places[k])
			stay = append(stay, k)
		}
	}
	if ordered {
		return nil
	}
	// Patience sorting: ends[n] is the last of a run of n+1 that ends earliest.
	var ends []int
	before := make([]int, len(stay)) // the one that comes before in the run
	for i, k := range stay {
		n, _ := slices.BinarySearchFunc(ends, places[k], func(end, place int) int { return places[stay[end]] - place })
		before[i] = -1
		if n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	moved := map[string]bool{}
	for _, k := range stay {
		moved[k] = true
	}
	for i := ends[len(ends)-1]; i >= 0; i = before[i] {
		delete(moved, stay[i])
	}
	return moved
}
