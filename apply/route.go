package apply

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// routesOf follows each Ingress to its Services and their pods.
func routesOf(live map[ObjectKey]*unstructured.Unstructured, pods byNamespace) []Route {
	var routes []Route
	for _, key := range sortedKeys(live) {
		if key.Kind != "Ingress" || key.Group != "networking.k8s.io" {
			continue
		}
		s := state{live[key].Object}
		scheme := "http://"
		if _, ok := s.lookup("spec", "tls"); ok {
			scheme = "https://"
		}
		rules, _ := s.lookup("spec", "rules")
		for _, rule := range asList(rules) {
			host := cmp.Or(rule.text("host"), "*")
			paths, _ := rule.lookup("http", "paths")
			for _, p := range asList(paths) {
				service := p.text("backend", "service", "name")
				port, _ := p.lookup("backend", "service", "port", "number")
				if port == nil {
					port = p.text("backend", "service", "port", "name")
				}
				r := Route{Ingress: key.Name, URL: scheme + host + cmp.Or(p.text("path"), "/"), Service: service, Port: strings.Trim(Text(port), `"`)}
				r.Ready, r.Pods = behind(live[ObjectKey{Kind: "Service", Namespace: key.Namespace, Name: service}], pods[key.Namespace])
				routes = append(routes, r)
			}
		}
	}
	slices.SortStableFunc(routes, func(a, b Route) int { return strings.Compare(a.URL, b.URL) })
	return routes
}

// behind counts the pods that a Service selects.
func behind(service *unstructured.Unstructured, pods []*unstructured.Unstructured) (ready, all int) {
	if service == nil {
		return 0, 0
	}
	selector, _, _ := unstructured.NestedStringMap(service.Object, "spec", "selector")
	if len(selector) == 0 {
		return 0, 0
	}
	for _, p := range pods {
		if !selects(selector, p.GetLabels()) || p.GetDeletionTimestamp() != nil {
			continue
		}
		all++
		if status, _, _ := (state{p.Object}).conditionOf("Ready"); status == "True" {
			ready++
		}
	}
	return ready, all
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// asList returns the objects of a list value.
func asList(v any) []state {
	list, _ := v.([]any)
	var all []state
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			all = append(all, state{m})
		}
	}
	return all
}
