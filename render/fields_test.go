package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"

	"stackctl.dev/stackctl/schema"
)

// notOfClientGo are the emitted groups whose types are elsewhere; the strict
// server of TestExamplesAreStrictlyValid knows them.
var notOfClientGo = []string{"gateway.networking.k8s.io"}

// checkFields reads objects as the Go types of the Kubernetes API, which must
// have each field, and a value of that type.
func checkFields(t testing.TB, objects Objects) {
	t.Helper()
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{Strict: true})
	for _, object := range objects {
		if group := object.GroupVersionKind().Group; !scheme.Scheme.IsGroupRegistered(group) {
			if !strings.Contains(strings.Join(notOfClientGo, " "), group) {
				t.Errorf("nobody knows the kind of %s/%s", object.GetKind(), object.GetName())
			}
			continue
		}
		text, err := object.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := strict.Decode(text, nil, nil); err != nil {
			t.Errorf("%s/%s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

// TestObjectsAreOfTheAPI: what is emitted has no field that the Kubernetes API
// does not have. The stories of TestFields are checked likewise.
func TestObjectsAreOfTheAPI(t *testing.T) {
	for path, stack := range everyStack(t) {
		t.Run(path, func(t *testing.T) { checkFields(t, mustRender(t, stack)[len(stack.Manifests):]) })
	}
}

// TestFieldsThatAreNotMentioned: what stands for nothing is not in an object.
func TestFieldsThatAreNotMentioned(t *testing.T) {
	none, on := (*int32)(nil), int32(0)
	got := plain(fields{
		"absent": nil, "pointer": none, "list": []fields{}, "texts": []string{}, "map": map[string]string{}, "part": fields(nil),
		"amount": (*schema.IntOrPercent)(nil), "zero": 0, "false": false, "empty": "", "emptyDir": fields{}, "on": &on,
		"port": schema.PortRef{Name: "http"}, "number": schema.PortRef{Number: 80}, "data": map[string][]byte{"a": {255}},
		"percent": schema.IntOrPercent{Percent: "25%"}, "nested": []fields{{"gone": none, "kept": int32(1)}},
	})
	want := fields{
		"zero": int64(0), "false": false, "empty": "", "emptyDir": fields{}, "on": int64(0), "port": "http", "number": int64(80),
		"data": fields{"a": "/w=="}, "percent": "25%", "nested": []any{fields{"kept": int64(1)}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	defer func() {
		if recover() == nil {
			t.Error("a value of an unknown type passed")
		}
	}()
	plain(fields{"now": struct{}{}})
}
