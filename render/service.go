package render

import "stackctl.dev/stackctl/schema"

// service emits the Service of an app that has ports to carry, or that is a
// name for another host. It leads to ports by name, so it cannot disagree with
// the container.
func service(c *scope) []fields {
	own, ports := c.app.Service, c.app.ServicePorts()
	var spec fields
	switch {
	case c.app.IsExternal():
		spec = fields{"type": "ExternalName", "externalName": own.External}
	case len(ports) == 0:
		return nil
	default:
		spec = fields{"type": "ClusterIP", "selector": c.selector()}
		var all []fields
		for _, port := range ports {
			out := servicePort(port.Name, port.Port, port.Protocol)
			if port.Target != 0 {
				out["targetPort"] = port.Target
			}
			all = append(all, out)
		}
		spec["ports"] = all
		if own != nil && own.Type != "" {
			spec["type"] = own.Type
		}
		if own != nil && own.Headless {
			spec["clusterIP"] = "None"
		}
	}
	var annotations map[string]string
	if own != nil {
		annotations = own.Annotations
	}
	return []fields{c.object("v1", "Service", metadata{c.app.Name, c.labels(), c.annotations(annotations)}, fields{"spec": spec})}
}

func servicePort(name string, number int32, protocol string) fields {
	return fields{"name": name, "port": number, "protocol": protocol, "targetPort": name}
}

// governing emits the headless Service that gives each pod of a stateful app a
// name of its own. Pods are found before they are ready, since they must find
// each other to become it.
func governing(c *scope) []fields {
	if c.app.Kind != schema.Stateful {
		return nil
	}
	var ports []fields
	for _, name := range c.app.PortNames() {
		port := c.app.Ports[name]
		ports = append(ports, servicePort(name, port.Port, port.Protocol))
	}
	return []fields{c.object("v1", "Service", metadata{governingName(c), c.labels(), c.annotations(nil)}, fields{"spec": fields{
		"selector":                 c.selector(),
		"clusterIP":                "None",
		"publishNotReadyAddresses": true,
		"ports":                    ports,
	}})}
}

// governingName is the Service whose name the pods are found under. It never
// changes, since a StatefulSet cannot change it.
func governingName(c *scope) string { return c.app.Name + "-pods" }
