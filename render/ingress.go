package render

import (
	networking "k8s.io/api/networking/v1"
	networkingv1 "k8s.io/client-go/applyconfigurations/networking/v1"

	"stackctl.dev/stackctl/schema"
)

// ingress emits the Ingress of an app that has one: every path on every host,
// all to the main port of the app's Service.
func ingress(c *scope) []any {
	in := c.app.Ingress
	if in == nil {
		return nil
	}
	spec := networkingv1.IngressSpec()
	if in.Class != "" {
		spec.WithIngressClassName(in.Class)
	}
	for _, host := range in.Hosts {
		http := networkingv1.HTTPIngressRuleValue()
		for _, path := range in.Paths {
			http.WithPaths(networkingv1.HTTPIngressPath().
				WithPath(path).
				WithPathType(networking.PathType(in.PathType)).
				WithBackend(networkingv1.IngressBackend().WithService(backend(c))))
		}
		spec.WithRules(networkingv1.IngressRule().WithHost(host).WithHTTP(http))
	}
	if secret := c.app.TLSSecret(); secret != "" {
		spec.WithTLS(networkingv1.IngressTLS().WithHosts(in.Hosts...).WithSecretName(secret))
	}
	return one(networkingv1.Ingress(c.app.Name, c.namespace()).
		WithLabels(c.labels()).
		WithAnnotations(c.annotations(in.Annotations)).
		WithSpec(spec))
}

// backend is the Service port that leads to the main port.
func backend(c *scope) *networkingv1.IngressServiceBackendApplyConfiguration {
	out := networkingv1.IngressServiceBackend().WithName(c.app.Name)
	if port, ok := mainServicePort(c.app); ok {
		out.WithPort(networkingv1.ServiceBackendPort().WithNumber(port))
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
