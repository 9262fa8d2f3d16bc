package apply

import (
	"context"
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The data of Secret objects never enter a record. A revision names immutable
// copies beside the objects, so that whoever may read a copy could read the
// original.

// keepValues stores the data of the Secret objects in some namespaces: each in
// an immutable Secret beside the object.
func (r *records) keepValues(ctx context.Context, key []byte, objects []*unstructured.Unstructured, in func(namespace string) bool) error {
	return r.cluster.each(ctx, len(objects), func(ctx context.Context, i int) error {
		o := objects[i]
		_, stripped := strip(o)
		if len(stripped) == 0 || !in(o.GetNamespace()) {
			return nil
		}
		data, err := secretData(o)
		if err != nil {
			return err
		}
		secret := r.secret(r.valueName(key, o, stripped), "value", typeValue)
		secret.Namespace = o.GetNamespace()
		secret.Data = data
		if err := r.put(ctx, secret); err != nil {
			return describe("store the data of", keyOf(o), err)
		}
		return nil
	})
}

// valueName is the name of the copy of a Secret object's data, as strip
// returns them. Without the key nobody can tell from it what the data are.
func (r *records) valueName(key []byte, o *unstructured.Unstructured, data map[string]any) string {
	return r.prefix() + "s-" + keyed(key, canonical([]any{o.GetNamespace(), o.GetName(), data["data"]}))
}

// restore puts the data of Secrets back into the objects of a revision.
func (r *records) restore(ctx context.Context, rev *Revision) error {
	return r.cluster.each(ctx, len(rev.Objects), func(ctx context.Context, i int) error {
		name, ok := rev.values[keyOf(rev.Objects[i])]
		if !ok {
			return nil
		}
		data, err := r.value(ctx, rev, rev.Objects[i], name)
		if err != nil {
			return fmt.Errorf("revision %d: %w", rev.Revision, err)
		}
		if len(data) > 0 {
			rev.Objects[i].Object["data"] = data
		}
		return nil
	})
}

// value reads the data of a Secret object from their copy.
func (r *records) value(ctx context.Context, rev *Revision, o *unstructured.Unstructured, name string) (map[string]any, error) {
	secret, err := r.getIn(ctx, o.GetNamespace(), name)
	if err != nil {
		return nil, err
	}
	if secret == nil {
		return nil, corrupt("the stored data of %s are gone (Secret %s/%s)", keyOf(o), o.GetNamespace(), name)
	}
	data := map[string]any{}
	for k, v := range secret.Data {
		data[k] = base64.StdEncoding.EncodeToString(v)
	}
	if secret.Type != typeValue || r.valueName(rev.key, o, map[string]any{"data": data}) != name {
		return nil, corrupt("the stored data of %s were changed (Secret %s/%s)", keyOf(o), o.GetNamespace(), name)
	}
	return data, nil
}
