package render

import (
	"k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1 "k8s.io/client-go/applyconfigurations/core/v1"

	"stackctl.dev/stackctl/schema"
)

// service emits the Service of an app that has ports to carry, or that is a
// name for another host. It leads to ports by name, so it cannot disagree with
// the container.
func service(c *scope) []any {
	ports := c.app.ServicePorts()
	spec := corev1.ServiceSpec()
	var annotations map[string]string
	if c.app.Service != nil {
		annotations = c.app.Service.Annotations
	}
	switch own := c.app.Service; {
	case c.app.IsExternal():
		spec.WithType(v1.ServiceTypeExternalName).WithExternalName(own.External)
	case len(ports) == 0:
		return nil
	default:
		spec.WithSelector(c.selector()).WithType(v1.ServiceTypeClusterIP)
		for _, port := range ports {
			out := servicePort(port.Name, port.Port, port.Protocol)
			if port.Target != 0 {
				out.WithTargetPort(intstr.FromInt32(port.Target))
			}
			spec.WithPorts(out)
		}
		if own != nil && own.Type != "" {
			spec.WithType(v1.ServiceType(own.Type))
		}
		if own != nil && own.Headless {
			spec.WithClusterIP(v1.ClusterIPNone)
		}
	}
	return one(corev1.Service(c.app.Name, c.namespace()).
		WithLabels(c.labels()).
		WithAnnotations(c.annotations(annotations)).
		WithSpec(spec))
}

func servicePort(name string, number int32, protocol string) *corev1.ServicePortApplyConfiguration {
	return corev1.ServicePort().
		WithName(name).
		WithPort(number).
		WithProtocol(v1.Protocol(protocol)).
		WithTargetPort(intstr.FromString(name))
}

// governing emits the headless Service that gives each pod of a stateful app a
// name of its own. Pods are found before they
// are ready, since they must find each other to become it.
func governing(c *scope) []any {
	if c.app.Kind != schema.Stateful {
		return nil
	}
	spec := corev1.ServiceSpec().
		WithSelector(c.selector()).
		WithClusterIP(v1.ClusterIPNone).
		WithPublishNotReadyAddresses(true)
	for _, name := range c.app.PortNames() {
		port := c.app.Ports[name]
		spec.WithPorts(servicePort(name, port.Port, port.Protocol))
	}
	return one(corev1.Service(governingName(c), c.namespace()).
		WithLabels(c.labels()).
		WithAnnotations(c.annotations(nil)).
		WithSpec(spec))
}

// governingName is the Service whose name the pods are found under. It never
// changes, since a StatefulSet cannot change it.
func governingName(c *scope) string { return c.app.Name + "-pods" }
