package apply

import (
	"encoding/json"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// normalize returns the part of an object that a user could have meant: what
// the server keeps about it (versions, times, status, owners of fields) is
// left out. It is what a diff compares and what a plan is pinned to.
func normalize(o *unstructured.Unstructured) map[string]any {
	n := maps.Clone(o.Object)
	delete(n, "status")
	m, _ := n["metadata"].(map[string]any)
	m = maps.Clone(m)
	for _, f := range []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"} {
		delete(m, f)
	}
	// The Deployment controller counts its ReplicaSets here.
	if a, ok := m["annotations"].(map[string]any); ok {
		a = maps.Clone(a)
		delete(a, "deployment.kubernetes.io/revision")
		if len(a) == 0 {
			delete(m, "annotations")
		} else {
			m["annotations"] = a
		}
	}
	n["metadata"] = m
	return n
}

// pinOf returns what identifies the state of a live object; nil has the zero pin.
func pinOf(live *unstructured.Unstructured) pin {
	if live == nil {
		return pin{}
	}
	return pin{uid: string(live.GetUID()), digest: digest(canonical(normalize(live)))}
}

// digest is short for comparing, where sum is for proving.
func digest(b []byte) string {
	return sum(b)[:32]
}

// ownEntry returns a digest of the managedFields entry that a manager's
// applies left, and "" when there is none. The entry's time is no part of it.
func ownEntry(fields []metav1.ManagedFieldsEntry, manager string) string {
	for _, f := range fields {
		if f.Manager != manager || f.Operation != metav1.ManagedFieldsOperationApply || f.Subresource != "" || f.FieldsV1 == nil {
			continue
		}
		var set any
		if json.Unmarshal(f.FieldsV1.GetRawBytes(), &set) != nil {
			return ""
		}
		return digest(append([]byte(f.APIVersion+"\n"), canonical(set)...))
	}
	return ""
}
