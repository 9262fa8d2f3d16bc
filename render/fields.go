package render

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	kjson "k8s.io/apimachinery/pkg/util/json"

	"stackctl.dev/stackctl/schema"
)

// fields are those of an object of the Kubernetes API, or of a part of one, by
// the names that the API has for them. A field is not mentioned whose value is
// nil, a nil pointer, or a list or a map of texts with nothing in it; one whose
// value is zero, or has no fields, is.
//
// client-go's apply configurations have the same rule, and the compiler checks
// the names. But they turn into what is written by reflection, which took most
// of the time of a render, and link the registry of all kinds, which every
// start of the program paid for. TestObjectsAreOfTheAPI checks the names here.
type fields = map[string]any

// metadata is what an object is called and how it is marked.
type metadata struct {
	name                string
	labels, annotations map[string]string
}

// object is one object of the app.
func (c *scope) object(apiVersion, kind string, meta metadata, own fields) fields {
	own["apiVersion"], own["kind"] = apiVersion, kind
	own["metadata"] = fields{
		"name": meta.name, "namespace": c.namespace(), "labels": meta.labels, "annotations": meta.annotations,
	}
	return own
}

// given is a value that was written; nil for the zero value, where that stands
// for nothing.
func given[T comparable](value T) any {
	if value == *new(T) {
		return nil
	}
	return value
}

// number is the number that a pointer leads to.
func number[T ~int | ~int32 | ~int64](value *T) any {
	if value == nil {
		return nil
	}
	return int64(*value)
}

// matching selects what has labels.
func matching(labels map[string]string) fields { return fields{"matchLabels": labels} }

// nonEmpty is a part of an object that is left out when nothing is in it.
func nonEmpty(part fields) any {
	if part, _ := plain(part).(fields); len(part) > 0 {
		return part
	}
	return nil
}

// plain makes of a value what a decoded JSON text holds: maps and lists of it,
// texts, booleans, int64 and float64. Maps are changed in place. A field that
// nobody taught it about is a mistake in this package, and panics.
func plain(value any) any {
	switch value := value.(type) {
	case nil, string, bool, int64, float64:
		return value
	case fields:
		if value == nil {
			return nil
		}
		for name, child := range value {
			if child = plain(child); child == nil {
				delete(value, name)
			} else {
				value[name] = child
			}
		}
		return value
	case map[string]string:
		return mapOf(value, func(text string) any { return text })
	case map[string][]byte:
		return mapOf(value, func(data []byte) any { return base64.StdEncoding.EncodeToString(data) })
	case []any:
		return listOf(value)
	case []fields:
		return listOf(value)
	case []string:
		return listOf(value)
	case int:
		return int64(value)
	case int32:
		return int64(value)
	case *int32:
		return number(value)
	case *int64:
		return number(value)
	case schema.IntOrPercent:
		if value.Percent != "" {
			return value.Percent
		}
		return int64(value.Int)
	case *schema.IntOrPercent:
		if value == nil {
			return nil
		}
		return plain(*value)
	case schema.PortRef:
		if value.Name != "" {
			return value.Name
		}
		return int64(value.Number)
	}
	panic(fmt.Sprintf("render: %T is no value of a field", value))
}

func listOf[T any](list []T) any {
	if len(list) == 0 {
		return nil
	}
	out := make([]any, len(list))
	for i, item := range list {
		out[i] = plain(item)
	}
	return out
}

func mapOf[T any](values map[string]T, one func(T) any) any {
	if len(values) == 0 {
		return nil
	}
	out := make(fields, len(values))
	for key, value := range values {
		out[key] = one(value)
	}
	return out
}

// overlay lays an object of the Kubernetes API that the user wrote over a part
// of ours, in Kubernetes' own spelling. T is its type in the API.
func overlay[T any](c *scope, raw schema.Raw, over fields, path ...string) {
	if raw == nil {
		return
	}
	var typed T
	text, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(text, &typed)
	}
	if err != nil {
		c.fail("is not what Kubernetes takes here: "+err.Error(), "", path...)
		return
	}
	written := fields{}
	if text, err = json.Marshal(typed); err == nil {
		err = kjson.Unmarshal(text, &written)
	}
	if err != nil {
		panic(err) // what was just read is writable
	}
	plain(over)
	mergeMaps(over, written)
}
