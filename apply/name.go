package apply

import (
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// LabelContent marks an object that is named by its content: other content is
// another object beside it, so that pods, a rollout and a rollback find what
// they were made for. Its value is the hash that ends the name or, as long as
// the object has only the beginning of a name, what [Named] is to hash.
const LabelContent = "stackctl.dev/content"

// The values of [LabelContent] on objects whose name is not final.
const (
	// ContentKeyed names a Secret by a hash of its data that nobody can compute
	// without the stack's random key, and makes it immutable.
	ContentKeyed = "keyed"
	// ContentTemplate names an object, a Job, by a hash of what it does: its spec
	// without what can be changed in place.
	ContentTemplate = "template"
)

// contentDigits is how many hex digits of a hash are in a name.
const contentDigits = 10

// Named returns copies of the objects of one stack with their final names: an
// object labelled keyed or template becomes <name>-<hash>, and the pod specs of
// the stack refer to the Secrets by their new names. It comes to the same
// names for the same objects and key, and leaves final names as they are.
//
// Without a key the names of Secrets are not known. They, and Jobs that refer
// to them, then keep the name and the label they have; everything else is as
// an apply sends it.
func Named(objects []*unstructured.Unstructured, key []byte) ([]*unstructured.Unstructured, error) {
	named := make([]*unstructured.Unstructured, len(objects))
	seen := map[ObjectKey]bool{}
	for i, o := range objects {
		if seen[keyOf(o)] {
			return nil, fmt.Errorf("%s: is in the stack twice", keyOf(o))
		}
		seen[keyOf(o)] = true
		named[i] = o.DeepCopy()
	}
	secrets := map[ObjectKey]string{} // as they were called → final name, "" when not known
	for _, o := range named {
		if o.GetLabels()[LabelContent] != ContentKeyed {
			continue
		}
		was := keyOf(o)
		if err := nameSecret(o, key); err != nil {
			return nil, err
		}
		secrets[was] = ""
		if len(key) > 0 {
			secrets[was] = o.GetName()
		}
	}
	for _, o := range named {
		settled := referTo(o, secrets)
		if o.GetLabels()[LabelContent] != ContentTemplate || !settled {
			continue
		}
		spec, ok := o.Object["spec"]
		if !ok {
			return nil, fmt.Errorf("%s: has no spec to be named by (label %s)", keyOf(o), LabelContent)
		}
		rename(o, sum(canonical(unchangeable(spec))))
	}
	return named, nil
}

// unchangeable is the part of a Job's spec that says what it does. The rest can
// be changed in place, and is no reason to do it again.
func unchangeable(spec any) any {
	fields, ok := spec.(map[string]any)
	if !ok {
		return spec
	}
	fields = maps.Clone(fields)
	for _, name := range []string{"activeDeadlineSeconds", "backoffLimit", "parallelism", "suspend", "ttlSecondsAfterFinished"} {
		delete(fields, name)
	}
	return fields
}

// nameSecret gives a Secret its final name, if there is a key.
func nameSecret(o *unstructured.Unstructured, key []byte) error {
	if !keyOf(o).isSecret() {
		return fmt.Errorf("%s: only a Secret is named by a keyed hash (label %s)", keyOf(o), LabelContent)
	}
	data, err := secretData(o)
	if err != nil || len(key) == 0 {
		return err
	}
	o.Object["immutable"] = true
	// The name is hashed too: equal data of two Secrets is nobody's business.
	rename(o, keyed(key, canonical([]any{o.GetNamespace(), o.GetName(), o.Object["type"], data})))
	return nil
}

func rename(o *unstructured.Unstructured, hash string) {
	hash = hash[:contentDigits]
	o.SetName(o.GetName() + "-" + hash)
	labels := o.GetLabels()
	labels[LabelContent] = hash
	o.SetLabels(labels)
}

// referTo makes the pod specs of an object refer to renamed Secrets by their
// new names, and reports whether these are known.
func referTo(o *unstructured.Unstructured, secrets map[ObjectKey]string) (settled bool) {
	settled = true
	if len(secrets) == 0 {
		return settled
	}
	for _, spec := range podSpecs(o.Object) {
		eachReference(spec, func(kind string, holder map[string]any, field string) {
			text, _ := holder[field].(string)
			name, ok := secrets[ObjectKey{Kind: kind, Namespace: o.GetNamespace(), Name: text}]
			switch {
			case ok && name == "":
				settled = false
			case ok:
				holder[field] = name
			}
		})
	}
	return settled
}

// podSpecs returns the pod specs in an object of any kind: its own, those of
// its templates, or those of a template kept in a ControllerRevision.
func podSpecs(o map[string]any) []map[string]any {
	var specs []map[string]any
	for _, field := range []string{"spec", "template", "jobTemplate", "data"} {
		child, ok := o[field].(map[string]any)
		if !ok {
			continue
		}
		if _, ok := child["containers"].([]any); ok && field == "spec" {
			specs = append(specs, child)
			continue
		}
		specs = append(specs, podSpecs(child)...)
	}
	return specs
}

// referenceKinds are the fields of a pod spec whose value refers to an object
// by its name, in the field name or secretName.
var referenceKinds = map[string]string{
	"secret": "Secret", "secretKeyRef": "Secret", "secretRef": "Secret", "imagePullSecrets": "Secret",
	"configMap": "ConfigMap", "configMapKeyRef": "ConfigMap", "configMapRef": "ConfigMap",
}

// eachReference calls f for every reference of a pod spec to a Secret or a
// ConfigMap: holder[field] is the name.
func eachReference(v any, f func(kind string, holder map[string]any, field string)) {
	switch v := v.(type) {
	case []any:
		for _, child := range v {
			eachReference(child, f)
		}
	case map[string]any:
		for field, child := range v {
			if kind, ok := referenceKinds[field]; ok {
				for _, holder := range holders(child) {
					for _, field := range []string{"name", "secretName"} {
						if _, ok := holder[field].(string); ok {
							f(kind, holder, field)
						}
					}
				}
			}
			eachReference(child, f)
		}
	}
}

// holders returns an object, or the objects of a list.
func holders(v any) []map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []any:
		var all []map[string]any
		for _, item := range v {
			all = append(all, holders(item)...)
		}
		return all
	}
	return nil
}

// references returns the Secrets and ConfigMaps that the pods of an object use.
func references(o *unstructured.Unstructured) []ObjectKey {
	var keys []ObjectKey
	for _, spec := range podSpecs(o.Object) {
		eachReference(spec, func(kind string, holder map[string]any, field string) {
			keys = append(keys, ObjectKey{Kind: kind, Namespace: o.GetNamespace(), Name: holder[field].(string)})
		})
	}
	return keys
}
