package apply

import (
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// normalizeSecret turns stringData into data: applied as stringData, a key
// that is renamed would leave the old one behind for ever.
func normalizeSecret(o *unstructured.Unstructured) error {
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
