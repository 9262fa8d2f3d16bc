package render

import (
	"k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1 "k8s.io/client-go/applyconfigurations/networking/v1"

	"stackctl.dev/stackctl/schema"
)

// networkPolicy emits who may talk to the pods and to whom they may talk.
// Without the field there is no policy, and everybody may.
func networkPolicy(c *scope) []any {
	network := c.app.Network
	if network == nil {
		return nil
	}
	spec := networkingv1.NetworkPolicySpec().WithPodSelector(metav1.LabelSelector().WithMatchLabels(c.selector()))
	if network.Preset != "" || network.From != nil {
		spec.WithPolicyTypes(networking.PolicyTypeIngress)
	}
	switch {
	case network.Preset == "open":
		spec.WithIngress(networkingv1.NetworkPolicyIngressRule())
	case network.Preset == "same-namespace":
		spec.WithIngress(networkingv1.NetworkPolicyIngressRule().
			WithFrom(networkingv1.NetworkPolicyPeer().WithPodSelector(metav1.LabelSelector())))
	case len(network.From) > 0:
		spec.WithIngress(networkingv1.NetworkPolicyIngressRule().WithFrom(peers(c, network.From, "from")...))
	}
	if network.To != nil {
		spec.WithPolicyTypes(networking.PolicyTypeEgress)
		if len(network.To) > 0 {
			spec.WithEgress(networkingv1.NetworkPolicyEgressRule().WithTo(peers(c, network.To, "to")...))
		}
		// Without names nobody finds the others.
		dns := networkingv1.NetworkPolicyEgressRule()
		for _, protocol := range []v1.Protocol{v1.ProtocolUDP, v1.ProtocolTCP} {
			dns.WithPorts(networkingv1.NetworkPolicyPort().WithProtocol(protocol).WithPort(intstr.FromInt32(53)))
		}
		spec.WithEgress(dns)
	}
	return one(networkingv1.NetworkPolicy(c.app.Name, c.namespace()).
		WithLabels(c.labels()).
		WithAnnotations(c.annotations(nil)).
		WithSpec(spec))
}

func peers(c *scope, wanted []schema.Peer, side string) []*networkingv1.NetworkPolicyPeerApplyConfiguration {
	var out []*networkingv1.NetworkPolicyPeerApplyConfiguration
	for _, peer := range wanted {
		one := networkingv1.NetworkPolicyPeer()
		if app := c.stack.App(peer.App); app != nil {
			one.WithPodSelector(metav1.LabelSelector().WithMatchLabels(selectorOf(c.stack, app)))
		}
		if peer.Namespace != "" {
			one.WithNamespaceSelector(metav1.LabelSelector().
				WithMatchLabels(map[string]string{v1.LabelMetadataName: peer.Namespace}))
		}
		if peer.CIDR != "" {
			one.WithIPBlock(networkingv1.IPBlock().WithCIDR(peer.CIDR))
		}
		raw := map[string]any{}
		for name, value := range map[string]schema.Raw{
			"podSelector": peer.PodSelector, "namespaceSelector": peer.NamespaceSelector, "ipBlock": peer.IPBlock,
		} {
			if value != nil {
				raw[name] = value
			}
		}
		c.into(raw, one, "network", side)
		out = append(out, one)
	}
	return out
}
