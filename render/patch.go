package render

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"stackctl.dev/stackctl/schema"
)

// patchTypes say how the lists of an emitted kind are merged. Kinds that are
// not here are merged as a JSON merge patch.
var patchTypes = map[string]any{
	"Deployment": apps.Deployment{}, "StatefulSet": apps.StatefulSet{}, "DaemonSet": apps.DaemonSet{},
	"Job": batch.Job{}, "CronJob": batch.CronJob{},
	"Service": core.Service{}, "ServiceAccount": core.ServiceAccount{}, "PersistentVolumeClaim": core.PersistentVolumeClaim{},
	"Ingress": networking.Ingress{}, "NetworkPolicy": networking.NetworkPolicy{},
	"HorizontalPodAutoscaler": autoscaling.HorizontalPodAutoscaler{}, "PodDisruptionBudget": policy.PodDisruptionBudget{},
	"Role": rbac.Role{}, "RoleBinding": rbac.RoleBinding{},
}

// patch applies the patches of the app to its objects, in their order. One that
// finds nothing to change is an error: it would be forgotten, and missed.
func (c *scope) patch(objects Objects) {
	for i, patch := range c.app.Patches {
		at := []string{"patches", "[" + strconv.Itoa(i) + "]"}
		kind, name, _ := strings.Cut(patch.Target, "/")
		var kinds []string
		hit := false
		for _, object := range objects {
			if text := object.GetKind() + "/" + object.GetName(); !slices.Contains(kinds, text) {
				kinds = append(kinds, text)
			}
			if object.GetKind() != kind || name != "" && object.GetName() != name {
				continue
			}
			hit = true
			if err := patchObject(object, patch.Patch); err != nil {
				c.failAt(patch.Pos, err.Error(), "", at)
			}
		}
		if !hit {
			c.failAt(patch.Pos, "the app has no "+patch.Target, "its objects are "+strings.Join(kinds, ", "), at)
		}
	}
}

// failAt reports what is wrong with an item of a list.
func (c *scope) failAt(at schema.Pos, msg, hint string, path []string) {
	full := append([]string{"apps", c.app.Name}, path...)
	c.errs = append(c.errs, schema.Error{Pos: at, Path: strings.ReplaceAll(strings.Join(full, "."), ".[", "["), Msg: msg, Hint: hint})
}

// patchObject changes an object in place.
func patchObject(object *unstructured.Unstructured, patch schema.Raw) error {
	if object.GetLabels()[LabelContent] != "" && object.GetKind() != "Job" {
		return fmt.Errorf("%s/%s is named by its content, which no patch can change", object.GetKind(), object.GetName())
	}
	before := object.Object
	var after map[string]any
	var err error
	switch patch := patch.(type) {
	case []any:
		after, err = operate(before, patch)
	case map[string]any:
		after, err = merge(object.GetKind(), before, patch)
	default:
		err = fmt.Errorf("want a map or a list of operations, got %T", patch)
	}
	if err != nil {
		return err
	}
	changed := &unstructured.Unstructured{Object: after}
	switch {
	case reflect.DeepEqual(before, after):
		return fmt.Errorf("the patch changes nothing in %s/%s", object.GetKind(), object.GetName())
	case changed.GetKind() != object.GetKind() || changed.GetAPIVersion() != object.GetAPIVersion() ||
		changed.GetName() != object.GetName() || changed.GetNamespace() != object.GetNamespace():
		return fmt.Errorf("a patch cannot change what an object is called: %s/%s", object.GetKind(), object.GetName())
	}
	for _, label := range []string{LabelStack, LabelNamespace, LabelContent, labelManagedBy} {
		if changed.GetLabels()[label] != object.GetLabels()[label] {
			return fmt.Errorf("a patch cannot change the label %s, by which stackctl finds %s/%s", label, object.GetKind(), object.GetName())
		}
	}
	object.Object = after
	return nil
}

// operate applies a JSON patch (RFC 6902).
func operate(object map[string]any, operations []any) (map[string]any, error) {
	text, err := json.Marshal(operations)
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		return nil, fmt.Errorf("is no JSON patch: %w", err)
	}
	whole, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	if whole, err = patch.Apply(whole); err != nil {
		return nil, err
	}
	var out map[string]any
	err = kjson.Unmarshal(whole, &out)
	return out, err
}

// merge merges a part of an object as Kubernetes does.
func merge(kind string, object, patch map[string]any) (map[string]any, error) {
	object = runtime.DeepCopyJSON(object)
	if typed := patchTypes[kind]; typed != nil {
		return strategicpatch.StrategicMergeMapPatch(object, runtime.DeepCopyJSON(patch), typed)
	}
	return mergeMaps(object, patch), nil
}

// mergeMaps applies a JSON merge patch (RFC 7386).
func mergeMaps(object, patch map[string]any) map[string]any {
	for key, value := range patch {
		inner, isMap := value.(map[string]any)
		switch {
		case value == nil:
			delete(object, key)
		case isMap:
			old, _ := object[key].(map[string]any)
			if old == nil {
				old = make(map[string]any)
			}
			object[key] = mergeMaps(old, inner)
		default:
			object[key] = value
		}
	}
	return object
}
