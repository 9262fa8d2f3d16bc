package apply

import (
	"cmp"
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ObjectKey names an object of a cluster. It has no API version: a version may
// be removed from a server while the object lives on.
type ObjectKey struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// KeyOf returns the key of an object.
func KeyOf(o metav1.Object, gvk schema.GroupVersionKind) ObjectKey {
	return ObjectKey{Group: gvk.Group, Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

func keyOf(o *unstructured.Unstructured) ObjectKey { return KeyOf(o, o.GroupVersionKind()) }

// String returns "Kind/namespace/name", or "Kind/name" for an object without a
// namespace.
func (k ObjectKey) String() string {
	if k.Namespace == "" {
		return k.Kind + "/" + k.Name
	}
	return k.Kind + "/" + k.Namespace + "/" + k.Name
}

func (k ObjectKey) groupKind() schema.GroupKind {
	return schema.GroupKind{Group: k.Group, Kind: k.Kind}
}

// isSecret reports whether the object's data are secret values.
func (k ObjectKey) isSecret() bool { return k.Group == "" && k.Kind == "Secret" }

// isJob reports whether the object runs pods to an end.
func (k ObjectKey) isJob() bool { return k.Group == "batch" && k.Kind == "Job" }

func compareKeys(a, b ObjectKey) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// sortedKeys returns the keys of m in a fixed order, so that no map order
// reaches a request, a record or an output.
func sortedKeys[V any](m map[ObjectKey]V) []ObjectKey {
	keys := make([]ObjectKey, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

// canonical returns the JSON of v with sorted keys: equal values, equal bytes.
// It is meant for values that came from JSON, which always marshal.
func canonical(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("apply: value is not JSON: " + err.Error())
	}
	return b
}
