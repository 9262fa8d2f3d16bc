package apply

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"stackctl.dev/stackctl/apply/applytest"
)

// TestBuiltInKinds: what is taken for known is what the server says, so that
// not asking is a saving and no guess. Once it is refuted, the server is asked.
func TestBuiltInKinds(t *testing.T) {
	c, err := newCluster(applytest.Start(t).Config(), "stackctl/test", Options{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	said, err := discover(t.Context(), c.kinds.rest)
	if err != nil {
		t.Fatal(err)
	}
	for gk, known := range builtInKinds {
		if of := said.kinds[gk]; len(of) == 0 || of[0] != known {
			t.Errorf("%s: known as %+v, and the server says %+v", gk, known, of)
		}
		if _, err := c.mapping(gk, ""); err != nil || c.kinds.answer != nil {
			t.Fatalf("%s: the server was asked, or not known: %v", gk, err)
		}
	}
	c.kinds.refute(builtInKinds[podKind].resource)
	for gk := range builtInKinds {
		if m, err := c.mapping(gk, ""); err != nil || m.Resource != builtInKinds[gk].resource {
			t.Errorf("%s, asked for: %v, %v", gk, m, err)
		}
	}
	if c.kinds.answer == nil || !c.kinds.refuted() {
		t.Error("the server was not asked")
	}
	// Many requests find out at the same time: what the server said since holds.
	c.kinds.refute(schema.GroupVersionResource{Group: "autoscaling", Version: "v2beta2", Resource: "horizontalpodautoscalers"})
	if c.kinds.answer == nil {
		t.Error("what the server does not say it has was refuted, and it is to be asked again")
	}
	c.kinds.refute(builtInKinds[podKind].resource)
	if c.kinds.answer != nil {
		t.Error("what the server says it has was refuted, and it is not asked again")
	}
}
