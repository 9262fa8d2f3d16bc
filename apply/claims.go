package apply

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// immutableClaims explains the refusal to change the claim templates of a
// StatefulSet; nil when it was refused for something else. The server's text
// lists all fields that may change and not the one that may not.
func immutableClaims(o, live *unstructured.Unstructured, err error) error {
	s := status(err)
	if s == nil || s.Code != http.StatusUnprocessableEntity || live == nil || !strings.Contains(s.Message, "updates to statefulset spec for fields other than") {
		return nil
	}
	want, _, _ := unstructured.NestedSlice(o.Object, "spec", "volumeClaimTemplates")
	have, _, _ := unstructured.NestedSlice(live.Object, "spec", "volumeClaimTemplates")
	if includes(have, want) {
		return nil
	}
	key := keyOf(o)
	return &ImmutableError{Object: key, Path: "spec.volumeClaimTemplates", Field: "volumes", err: err, hint: fmt.Sprintf(
		"take the volumes back to what they were, or make the StatefulSet anew: `kubectl -n %s delete statefulset %s --cascade=orphan`, then apply again: its pods and claims stay, and it takes them over; a claim that exists keeps its size and class until you change it with `kubectl edit pvc`",
		key.Namespace, key.Name)}
}

// includes reports whether a live value is what was wanted, but for what the
// server added.
func includes(have, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		m, ok := have.(map[string]any)
		for k, v := range want {
			ok = ok && includes(m[k], v)
		}
		return ok
	case []any:
		l, ok := have.([]any)
		ok = ok && len(l) == len(want)
		for i := range want {
			ok = ok && includes(l[i], want[i])
		}
		return ok
	}
	return reflect.DeepEqual(have, want)
}
