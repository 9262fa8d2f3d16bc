package render

import (
	"k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1 "k8s.io/client-go/applyconfigurations/core/v1"
)

// service emits the Service of an app that has ports to carry. It leads to
// ports by name, so it cannot disagree with the container.
func service(c *scope) any {
	ports := c.app.ServicePorts()
	if len(ports) == 0 {
		return nil
	}
	spec := corev1.ServiceSpec().WithSelector(c.selector()).WithType(v1.ServiceTypeClusterIP)
	for _, port := range ports {
		spec.WithPorts(corev1.ServicePort().
			WithName(port.Name).
			WithPort(port.Port).
			WithProtocol(v1.Protocol(port.Protocol)).
			WithTargetPort(intstr.FromString(port.Name)))
	}
	var annotations map[string]string
	if own := c.app.Service; own != nil {
		annotations = own.Annotations
		if own.Type != "" {
			spec.WithType(v1.ServiceType(own.Type))
		}
		if own.Headless {
			spec.WithClusterIP(v1.ClusterIPNone)
		}
	}
	return corev1.Service(c.app.Name, c.namespace).
		WithLabels(c.labels()).
		WithAnnotations(c.annotations(annotations)).
		WithSpec(spec)
}
