package render

import (
	"k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"

	"stackctl.dev/stackctl/schema"
)

// networkPolicy emits who may talk to the pods and to whom they may talk.
// Without the field there is no policy, and everybody may.
func networkPolicy(c *scope) []fields {
	network := c.app.Network
	if network == nil {
		return nil
	}
	var types []string
	var in, out []fields
	if network.Preset != "" || network.From != nil {
		types = append(types, "Ingress")
	}
	switch {
	case network.Preset == "open":
		in = []fields{{}}
	case network.Preset == "same-namespace":
		in = []fields{{"from": []fields{{"podSelector": fields{}}}}}
	case len(network.From) > 0:
		in = []fields{{"from": peers(c, network.From, "from")}}
	}
	if network.To != nil {
		types = append(types, "Egress")
		if len(network.To) > 0 {
			out = append(out, fields{"to": peers(c, network.To, "to")})
		}
		// Without names nobody finds the others.
		out = append(out, fields{"ports": []fields{{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}}})
	}
	meta := metadata{c.app.Name, c.labels(), c.annotations(nil)}
	return []fields{c.object("networking.k8s.io/v1", "NetworkPolicy", meta, fields{"spec": fields{
		"podSelector": matching(c.selector()), "policyTypes": types, "ingress": in, "egress": out,
	}})}
}

func peers(c *scope, wanted []schema.Peer, side string) []fields {
	var out []fields
	for _, peer := range wanted {
		one := fields{}
		if app := c.stack.App(peer.App); app != nil {
			one["podSelector"] = matching(selectorOf(c.stack, app))
		}
		if peer.Namespace != "" {
			one["namespaceSelector"] = matching(map[string]string{v1.LabelMetadataName: peer.Namespace})
		}
		if peer.CIDR != "" {
			one["ipBlock"] = fields{"cidr": peer.CIDR}
		}
		raw := fields{}
		for name, value := range map[string]schema.Raw{
			"podSelector": peer.PodSelector, "namespaceSelector": peer.NamespaceSelector, "ipBlock": peer.IPBlock,
		} {
			if value != nil {
				raw[name] = value
			}
		}
		overlay[networking.NetworkPolicyPeer](c, raw, one, "network", side)
		out = append(out, one)
	}
	return out
}
