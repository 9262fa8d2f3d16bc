package apply_test

import (
	"encoding/json"
	"testing"

	"stackctl.dev/stackctl/apply"
)

func TestPlace(t *testing.T) {
	var o obj
	if err := json.Unmarshal([]byte(`{"metadata":{"labels":{"a":"1","a.b/c":"2"},"finalizers":["x","y"]},"spec":{"replicas":2,
		"ports":[{"port":53,"protocol":"TCP","nodePort":1},{"port":53,"protocol":"UDP","nodePort":2},{"port":80,"name":"web"}],
		"containers":[{"name":"main","image":"i","args":["-a"]},{"name":"a]b","image":"j"}]}}`), &o.Object); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want, reason string }{
		{"spec.replicas", `["spec","replicas"]`, "a plain field"},
		{".spec.replicas", `["spec","replicas"]`, "as the server begins it"},
		{`metadata.labels["a.b/c"]`, `["metadata","labels","a.b/c"]`, "quoted, as in a diff"},
		{"metadata.labels.a.b/c", `["metadata","labels","a.b/c"]`, "not quoted, as the server names it, and with a field that is its beginning"},
		{`spec.containers[name="main"].image`, `["spec","containers",0,"image"]`, "an item by its key"},
		{`spec.containers[name="a]b"].image`, `["spec","containers",1,"image"]`, "a bracket in a key"},
		{`spec.containers[name="main"].args`, `["spec","containers",0,"args"]`, "an atomic list"},
		{`spec.containers[name="main"].args[0]`, `["spec","containers",0,"args",0]`, "an item by its index"},
		{`spec.ports[port=53,protocol="UDP"].nodePort`, `["spec","ports",1,"nodePort"]`, "an item by two keys"},
		{`spec.ports[port=80,protocol="TCP"].name`, `["spec","ports",2,"name"]`, "a key that the server fills in"},
		{`metadata.finalizers[="y"]`, `["metadata","finalizers",1]`, "an item by its value"},
		{"spec.replica", "", "no such field"},
		{"spec.replicas.more", "", "below a number"},
		{`spec.containers[name="other"].image`, "", "no such item"},
		{`spec.containers[name=`, "", "half a key"},
		{`spec.containers[`, "", "no key"},
	} {
		got := ""
		if place, ok := apply.Place(&o, c.path); ok {
			text, _ := json.Marshal(place)
			got = string(text)
		}
		if got != c.want {
			t.Errorf("%s (%s): got %s, want %s", c.path, c.reason, got, c.want)
		}
	}
}
