package render

import "stackctl.dev/stackctl/schema"

// ingress emits the Ingress of an app that has one: every path on every host,
// all to the main port of the app's Service.
func ingress(c *scope) []fields {
	in := c.app.Ingress
	if in == nil {
		return nil
	}
	var rules, tls []fields
	for _, host := range in.Hosts {
		var paths []fields
		for _, path := range in.Paths {
			paths = append(paths, fields{"path": path, "pathType": in.PathType, "backend": fields{"service": backend(c)}})
		}
		rules = append(rules, fields{"host": host, "http": fields{"paths": paths}})
	}
	if secret := c.app.TLSSecret(); secret != "" {
		tls = []fields{{"hosts": in.Hosts, "secretName": secret}}
	}
	meta := metadata{c.app.Name, c.labels(), c.annotations(in.Annotations)}
	return []fields{c.object("networking.k8s.io/v1", "Ingress", meta, fields{"spec": fields{
		"ingressClassName": given(in.Class), "rules": rules, "tls": tls,
	}})}
}

// backend is the Service port that leads to the main port.
func backend(c *scope) fields {
	out := fields{"name": c.app.Name}
	if port, ok := mainServicePort(c.app); ok {
		out["port"] = fields{"number": port}
	}
	return out
}

// mainServicePort is the number under which the Service carries the main port.
func mainServicePort(app *schema.App) (int32, bool) {
	main, _ := app.MainPort()
	for _, port := range app.ServicePorts() {
		if port.Name == main {
			return port.Port, true
		}
	}
	return 0, false
}
