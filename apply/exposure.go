package apply

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// reach finds ways from the world that were not there.
func (x *impacts) reach() {
	if x.after == nil {
		for _, o := range x.around.wanted {
			if x.Object.Kind == "NetworkPolicy" && isWorkload(keyOf(o)) && picks(x.before, "podSelector", o) {
				x.add(ImpactExposure, "", "it no longer keeps traffic from the pods of %s", o.GetKind()+"/"+o.GetName())
			}
		}
		return
	}
	before := waysTo(x.Object, x.before)
	for _, way := range waysTo(x.Object, x.after) {
		if !slices.ContainsFunc(before, func(old wayIn) bool { return old.name == way.name }) {
			x.add(ImpactExposure, way.field, "%s", way.name)
		}
	}
}

// wayIn is one way from the world to an object, and the field that says so.
type wayIn struct{ name, field string }

// waysTo lists the ways from the world that an object opens.
func waysTo(key ObjectKey, o map[string]any) []wayIn {
	switch key.Group + "/" + key.Kind {
	case "/Service":
		return waysToService(o)
	case "networking.k8s.io/Ingress", "extensions/Ingress":
		ways := hosts(o, "host", "spec.rules", "spec", "rules")
		if _, catchAll, _ := unstructured.NestedFieldNoCopy(o, "spec", "defaultBackend"); catchAll {
			ways = append(ways, wayIn{anyHost, "spec.defaultBackend"})
		}
		return ways
	case "route.openshift.io/Route":
		if host := text(o, "spec", "host"); host != "" {
			return []wayIn{{hostName(host), "spec.host"}}
		}
	case "gateway.networking.k8s.io/Gateway":
		return hosts(o, "hostname", "spec.listeners", "spec", "listeners")
	}
	if key.Group == "gateway.networking.k8s.io" && strings.HasSuffix(key.Kind, "Route") && o != nil {
		names, _, _ := unstructured.NestedStringSlice(o, "spec", "hostnames")
		ways := []wayIn{}
		for _, name := range names {
			ways = append(ways, wayIn{hostName(name), "spec.hostnames"})
		}
		if len(names) == 0 {
			ways = append(ways, wayIn{"all hosts of its gateway lead to it", "spec.hostnames"})
		}
		return ways
	}
	return nil
}

const anyHost = "every host that nothing else takes leads to it"

func hostName(host string) string {
	if host == "" {
		return anyHost
	}
	return "the host " + host + " leads to it"
}

// hosts returns the hosts of the items of a list.
func hosts(o map[string]any, name, field string, path ...string) []wayIn {
	items, _, _ := unstructured.NestedSlice(o, path...)
	var ways []wayIn
	for _, item := range holders(items) {
		host, _ := item[name].(string)
		ways = append(ways, wayIn{hostName(host), field})
	}
	return ways
}

func waysToService(o map[string]any) []wayIn {
	kind := text(o, "spec", "type")
	var ways []wayIn
	add := func(field, format string, args ...any) {
		ways = append(ways, wayIn{fmt.Sprintf(format, args...), field})
	}
	ips, _, _ := unstructured.NestedStringSlice(o, "spec", "externalIPs")
	for _, ip := range ips {
		add("spec.externalIPs", "it can be reached at %s", ip)
	}
	ports, _, _ := unstructured.NestedSlice(o, "spec", "ports")
	for _, port := range holders(ports) {
		switch kind {
		case "LoadBalancer":
			add("spec.type", "a load balancer leads to its port %s", Text(port["port"]))
		case "NodePort":
			add("spec.type", "every node leads to its port %s", Text(port["port"]))
		}
	}
	return ways
}
