package render

// httpRoute emits the route of an app through a Gateway: every path on every
// host, all to the main port of the app's Service.
func httpRoute(c *scope) []fields {
	gateway := c.app.Gateway
	if gateway == nil {
		return nil
	}
	var matches []fields
	for _, path := range gateway.Paths {
		matches = append(matches, fields{"path": fields{"type": "PathPrefix", "value": path}})
	}
	port, _ := mainServicePort(c.app)
	meta := metadata{c.app.Name, c.labels(), c.annotations(gateway.Annotations)}
	return []fields{c.object("gateway.networking.k8s.io/v1", "HTTPRoute", meta, fields{"spec": fields{
		"parentRefs": []fields{{
			"name":        gateway.Parent.Name,
			"namespace":   given(gateway.Parent.Namespace),
			"sectionName": given(gateway.Parent.Section),
		}},
		"hostnames": gateway.Hosts,
		"rules": []fields{{
			"matches":     matches,
			"backendRefs": []fields{{"name": c.app.Name, "port": port}},
		}},
	}})}
}
