package apply

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The API server draws the addresses and the node ports of a Service where the
// stack sets none. In a dry run it draws nothing, and answers with numbers that
// no Service will ever get.

// drawnFields are what is drawn, of the spec of a Service and of its ports.
var drawnFields = []string{"clusterIP", "clusterIPs", "healthCheckNodePort", "nodePort"}

// withoutDrawn returns what a dry run made of an object without what would be
// drawn: what neither the live object has nor the stack sets.
func withoutDrawn(live, send, merged *unstructured.Unstructured) *unstructured.Unstructured {
	if key := keyOf(merged); key.Group != "" || key.Kind != "Service" {
		return merged
	}
	known := map[string]bool{}
	for _, o := range []*unstructured.Unstructured{live, send} {
		for _, holder := range drawnIn(o) {
			for _, field := range drawnFields {
				list, isList := holder[field].([]any)
				for _, v := range list {
					known[Text(v)] = true
				}
				if !isList {
					known[Text(holder[field])] = true
				}
			}
		}
	}
	merged = merged.DeepCopy()
	for _, holder := range drawnIn(merged) {
		for _, field := range drawnFields {
			list, isList := holder[field].([]any)
			list = slices.DeleteFunc(list, func(v any) bool { return !known[Text(v)] })
			switch {
			case isList && len(list) > 0:
				holder[field] = list
			case isList, !known[Text(holder[field])]:
				delete(holder, field)
			}
		}
	}
	return merged
}

// drawnIn returns what may have drawn fields in a Service: its spec, and its
// ports.
func drawnIn(o *unstructured.Unstructured) (holders []map[string]any) {
	spec, _ := o.Object["spec"].(map[string]any)
	ports, _ := spec["ports"].([]any)
	for _, one := range append([]any{spec}, ports...) {
		if holder, ok := one.(map[string]any); ok {
			holders = append(holders, holder)
		}
	}
	return holders
}
