package render

// httpRoute emits the route of an app through a Gateway: every path on every
// host, all to the main port of the app's Service. The Gateway API is no part
// of client-go, so the object is written out.
func httpRoute(c *scope) []any {
	gateway := c.app.Gateway
	if gateway == nil {
		return nil
	}
	parent := map[string]any{"name": gateway.Parent.Name}
	if gateway.Parent.Namespace != "" {
		parent["namespace"] = gateway.Parent.Namespace
	}
	if gateway.Parent.Section != "" {
		parent["sectionName"] = gateway.Parent.Section
	}
	var matches []any
	for _, path := range gateway.Paths {
		matches = append(matches, map[string]any{"path": map[string]any{"type": "PathPrefix", "value": path}})
	}
	port, _ := mainServicePort(c.app)
	spec := map[string]any{
		"parentRefs": []any{parent},
		"rules": []any{map[string]any{
			"matches":     matches,
			"backendRefs": []any{map[string]any{"name": c.app.Name, "port": int64(port)}},
		}},
	}
	if len(gateway.Hosts) > 0 {
		spec["hostnames"] = anyList(gateway.Hosts)
	}
	meta := map[string]any{"name": c.app.Name, "namespace": c.namespace(), "labels": anyMap(c.labels())}
	if annotations := c.annotations(gateway.Annotations); len(annotations) > 0 {
		meta["annotations"] = anyMap(annotations)
	}
	return one(map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta, "spec": spec,
	})
}

func anyList(texts []string) []any {
	out := make([]any, len(texts))
	for i, text := range texts {
		out[i] = text
	}
	return out
}

func anyMap(texts map[string]string) map[string]any {
	out := make(map[string]any, len(texts))
	for key, text := range texts {
		out[key] = text
	}
	return out
}
