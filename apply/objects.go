package apply

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Compare returns what turns one set of objects into another, without a
// cluster: creates, updates and unchanged objects in the order of after, then
// deletes in the order of before. As in every plan, values of Secrets are
// masked. Objects that are named by their content are matched by the name
// without the hash, so that other content is a difference and not another
// object.
func Compare(before, after []*unstructured.Unstructured) []Change {
	left := map[ObjectKey]*unstructured.Unstructured{}
	for _, o := range before {
		left[contentless(o)] = o
	}
	var changes []Change
	for _, o := range after {
		key := contentless(o)
		was := left[key]
		delete(left, key)
		if was == nil {
			changes = append(changes, Change{Object: keyOf(o), Action: ActionCreate, New: maskObject(keyOf(o), o.Object)})
			continue
		}
		c := Change{Object: keyOf(o), Action: ActionUnchanged, Fields: diff(keyOf(o), was, o, "")}
		if was.GetName() != o.GetName() { // the name has the hash already
			path := fieldPath{"metadata", "labels", LabelContent}.String()
			c.Fields = slices.DeleteFunc(c.Fields, func(f FieldChange) bool { return f.Path == path })
		}
		if len(c.Fields) > 0 {
			c.Action = ActionUpdate
			c.show(was, o)
		}
		changes = append(changes, c)
	}
	for _, o := range before {
		if left[contentless(o)] == o {
			changes = append(changes, Change{Object: keyOf(o), Action: ActionDelete, Live: maskObject(keyOf(o), normalize(o))})
		}
	}
	known := redactor{}
	known.learn(before...)
	known.learn(after...)
	for i := range changes {
		known.change(&changes[i])
	}
	return changes
}

// contentless is the key of an object without the hash of its content.
func contentless(o *unstructured.Unstructured) ObjectKey {
	key := keyOf(o)
	if hash := o.GetLabels()[LabelContent]; hash != "" {
		key.Name = strings.TrimSuffix(key.Name, "-"+hash)
	}
	return key
}
