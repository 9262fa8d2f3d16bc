package apply_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"stackctl.dev/stackctl/apply"
)

// shown are the fields of a plan with their values.
func shown(p *apply.Plan) string {
	var lines []string
	for _, c := range p.Changes {
		for _, f := range c.Fields {
			after, _ := json.Marshal(f.After)
			lines = append(lines, fmt.Sprintf("%s %s %s %s", c.Object.Name, f.Op, f.Path, after))
		}
	}
	return strings.Join(lines, "\n")
}

// TestWhatIsDrawnIsNotForetold: a Service gets addresses and ports on the nodes
// that nobody knows before it has them; a plan shows those that the stack sets.
func TestWhatIsDrawnIsNotForetold(t *testing.T) {
	s := newStory(t)
	outside := s.object(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"in"},"spec":{"type":"ExternalName","externalName":"example.org"}}`)
	inside := s.object(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"in"},"spec":{"type":"ClusterIP","selector":{"app":"in"},"ports":[{"port":80,"protocol":"TCP","targetPort":80}]}}`)
	balanced := s.service("lb", 80)
	for field, value := range map[string]string{"type": "LoadBalancer", "externalTrafficPolicy": "Local"} {
		set(balanced, value, "spec", field)
	}
	fixed := s.service("web", 80, 81)
	ports := fixed.Object["spec"].(map[string]any)["ports"].([]any)
	ports[1].(map[string]any)["nodePort"] = int64(30081)
	s.apply(s.service("web", 80), s.service("lb", 80), outside)

	p := s.plan(s.service("web", 80, 81), balanced, inside)
	s.want("what is drawn", shown(p), strings.Join([]string{
		`in remove spec.externalName null`,
		`in add spec.internalTrafficPolicy "Cluster"`,
		`in add spec.ipFamilies ["IPv4"]`,
		`in add spec.ipFamilyPolicy "SingleStack"`,
		`in add spec.ports [{"port":80,"protocol":"TCP","targetPort":80}]`,
		`in add spec.selector.app "in"`,
		`in set spec.type "ClusterIP"`,
		`lb add spec.allocateLoadBalancerNodePorts true`,
		`lb set spec.externalTrafficPolicy "Local"`,
		`lb set spec.type "LoadBalancer"`,
		`web add spec.ports[name="p81"] {"name":"p81","port":81,"protocol":"TCP","targetPort":81}`,
	}, "\n"))
	s.want("what the stack sets", shown(s.plan(fixed, s.service("lb", 80), outside)),
		`web add spec.ports[name="p81"] {"name":"p81","nodePort":30081,"port":81,"protocol":"TCP","targetPort":81}`)

	s.kubectl("create", "service", "clusterip", "theirs", "--tcp=80:80")
	theirs := s.service("theirs", 80)
	target := apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.service("web", 80, 81), inside, s.service("lb", 80), theirs}}
	target.Consent.Adopt = []apply.ObjectPattern{{Kind: "Service", Name: "theirs"}}
	p, err := s.engine.Plan(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if text := shown(p); strings.Contains(text, "nodePort") || !strings.Contains(text, `theirs set spec.type "NodePort"`) {
		t.Errorf("an adoption: %s", text)
	}
	if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
		t.Fatal(err)
	}
	if p := s.plan(target.Objects...); !p.Empty() {
		t.Errorf("after that: %s", actions(p))
	}
}
