package apply

import (
	"context"
	"encoding/base64"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The data of Secret objects never enter a record. A revision names immutable
// copies beside the objects, so that whoever may read a copy could read the
// original.

// keepValues stores the data of the Secret objects in some namespaces: each in
// an immutable Secret beside the object.
func (r *records) keepValues(ctx context.Context, key []byte, objects []*unstructured.Unstructured, in func(namespace string) bool) error {
	for _, o := range objects {
		_, stripped := strip(o)
		if len(stripped) == 0 || !in(o.GetNamespace()) {
			continue
		}
		data, err := secretData(o)
		if err != nil {
			return err
		}
		secret := r.secret(r.valueName(key, o, stripped), "value", typeValue)
		secret.Namespace = o.GetNamespace()
		secret.Data = data
		if err := r.post(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
			return describe("store the data of", keyOf(o), err)
		}
	}
	return nil
}

// valueName is the name of the copy of a Secret object's data, as strip
// returns them. Without the key nobody can tell from it what the data are.
func (r *records) valueName(key []byte, o *unstructured.Unstructured, data map[string]any) string {
	return r.prefix() + "s-" + keyed(key, canonical([]any{o.GetNamespace(), o.GetName(), data["data"]}))
}

// restore puts the data of Secrets back into the objects of a revision.
func (r *records) restore(ctx context.Context, rev *Revision) error {
	for _, o := range rev.Objects {
		name, ok := rev.values[keyOf(o)]
		if !ok {
			continue
		}
		secret, err := r.getIn(ctx, o.GetNamespace(), name)
		if err != nil {
			return err
		}
		if secret == nil {
			return fmt.Errorf("revision %d: the stored data of %s are gone (Secret %s/%s)", rev.Revision, keyOf(o), o.GetNamespace(), name)
		}
		data := map[string]any{}
		for k, v := range secret.Data {
			data[k] = base64.StdEncoding.EncodeToString(v)
		}
		if r.valueName(rev.key, o, map[string]any{"data": data}) != name {
			return fmt.Errorf("revision %d: %w", rev.Revision, corrupt("the stored data of %s were changed", keyOf(o)))
		}
		if len(data) > 0 {
			o.Object["data"] = data
		}
	}
	return nil
}
