package apply

import (
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// normalizeSecret turns stringData into data: applied as stringData, a key
// that is renamed would leave the old one behind for ever.
//
// What kubectl wrote into an annotation when somebody applied the file with it
// holds the data once more: it is left out, and so never gets into a record.
func normalizeSecret(o *unstructured.Unstructured) error {
	if annotations := o.GetAnnotations(); annotations[lastApplied] != "" {
		if delete(annotations, lastApplied); len(annotations) == 0 {
			annotations = nil
		}
		o.SetAnnotations(annotations)
	}
	data, err := secretData(o)
	if err != nil {
		return err
	}
	encoded := map[string]any{}
	for k, v := range data {
		encoded[k] = base64.StdEncoding.EncodeToString(v)
	}
	delete(o.Object, "stringData")
	delete(o.Object, "data")
	if len(encoded) > 0 {
		o.Object["data"] = encoded
	}
	return nil
}

// secretData returns the values of a Secret object.
func secretData(o *unstructured.Unstructured) (map[string][]byte, error) {
	values := map[string][]byte{}
	for _, field := range []string{"data", "stringData"} {
		data, _, err := unstructured.NestedStringMap(o.Object, field)
		if err != nil {
			return nil, fmt.Errorf("%s: %s must map keys to strings", keyOf(o), field)
		}
		for k, text := range data {
			v := []byte(text)
			if field == "data" {
				if v, err = base64.StdEncoding.DecodeString(text); err != nil {
					return nil, fmt.Errorf("%s: data[%q] is not base64", keyOf(o), k)
				}
			}
			values[k] = v
		}
	}
	return values, nil
}
