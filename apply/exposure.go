package apply

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// reach finds ways from the world that were not there, and those that are no
// more. A host that another object of the stack takes over is neither.
func (x *impacts) reach() {
	before, after := waysTo(x.Object, x.before), waysTo(x.Object, x.after)
	for _, way := range after {
		if !slices.ContainsFunc(before, way.isWithin) && !x.around.hostsBefore.elsewhere(way, x.Object) {
			x.add(ImpactExposure, way.field, "%s leads to %s", way.from, way.to)
		}
	}
	for _, way := range before {
		if !slices.ContainsFunc(after, way.isWithin) && !x.around.hosts.elsewhere(way, x.Object) {
			x.add(ImpactDowntime, way.field, "%s no longer leads to %s", way.from, way.to)
		}
	}
	if x.after != nil || x.Object.Kind != "NetworkPolicy" {
		return
	}
	for _, o := range x.around.wanted {
		if isWorkload(keyOf(o)) && picks(x.before, "podSelector", o) {
			x.add(ImpactExposure, "", "it no longer keeps traffic from the pods of %s", o.GetKind()+"/"+o.GetName())
		}
	}
}

// wayIn is one way from the world to an object or a part of it, and the field
// that says so.
type wayIn struct {
	from, to, field string
	host            bool // from is a host, which is the same whatever object it leads to
	all             bool // from is all hosts, as far as the object decides that
}

func (w wayIn) is(other wayIn) bool { return w.from == other.from && w.to == other.to }

// isWithin reports a way that another one of the same object has in it.
func (w wayIn) isWithin(other wayIn) bool { return w.is(other) || w.host && other.all }

// hosting are the objects that hosts lead to.
type hosting map[string][]ObjectKey

func hostingOf(objects []*unstructured.Unstructured) hosting {
	h := hosting{}
	for _, o := range objects {
		key := keyOf(o)
		for _, way := range waysTo(key, o.Object) {
			if way.host {
				h[way.from] = append(h[way.from], key)
			}
		}
	}
	return h
}

// elsewhere reports whether a way is from a host that leads to an object but
// this one.
func (h hosting) elsewhere(way wayIn, but ObjectKey) bool {
	return way.host && slices.ContainsFunc(h[way.from], func(key ObjectKey) bool { return key != but })
}

// waysTo lists the ways from the world that an object opens.
func waysTo(key ObjectKey, o map[string]any) []wayIn {
	switch key.Group + "/" + key.Kind {
	case "/Service":
		return waysToService(o)
	case "networking.k8s.io/Ingress", "extensions/Ingress":
		ways := hosts(o, "host", "spec.rules", "spec", "rules")
		if _, catchAll, _ := unstructured.NestedFieldNoCopy(o, "spec", "defaultBackend"); catchAll {
			ways = append(ways, hostWay("", "spec.defaultBackend"))
		}
		return ways
	case "route.openshift.io/Route":
		if host := text(o, "spec", "host"); host != "" {
			return []wayIn{hostWay(host, "spec.host")}
		}
	case "gateway.networking.k8s.io/Gateway":
		return hosts(o, "hostname", "spec.listeners", "spec", "listeners")
	}
	if key.Group == "gateway.networking.k8s.io" && strings.HasSuffix(key.Kind, "Route") && o != nil {
		names, _, _ := unstructured.NestedStringSlice(o, "spec", "hostnames")
		var ways []wayIn
		for _, name := range names {
			ways = append(ways, hostWay(name, "spec.hostnames"))
		}
		if len(names) == 0 {
			ways = append(ways, wayIn{from: "every host of its gateway", to: "it", field: "spec.hostnames", all: true})
		}
		return ways
	}
	return nil
}

// hostWay is the way from a host, "" for all that nothing else takes.
func hostWay(host, field string) wayIn {
	if host == "" {
		return wayIn{from: "every host that nothing else takes", to: "it", field: field, all: true}
	}
	return wayIn{from: "the host " + host, to: "it", field: field, host: true}
}

// hosts returns the ways from the hosts of the items of a list.
func hosts(o map[string]any, name, field string, path ...string) []wayIn {
	items, _, _ := unstructured.NestedSlice(o, path...)
	var ways []wayIn
	for _, item := range holders(items) {
		host, _ := item[name].(string)
		ways = append(ways, hostWay(host, field))
	}
	return ways
}

func waysToService(o map[string]any) []wayIn {
	var ways []wayIn
	ips, _, _ := unstructured.NestedStringSlice(o, "spec", "externalIPs")
	for _, ip := range ips {
		ways = append(ways, wayIn{from: "the address " + ip, to: "it", field: "spec.externalIPs"})
	}
	from := map[string]string{"LoadBalancer": "a load balancer", "NodePort": "every node"}[text(o, "spec", "type")]
	ports, _, _ := unstructured.NestedSlice(o, "spec", "ports")
	for _, port := range holders(ports) {
		if from != "" {
			ways = append(ways, wayIn{from: from, to: "its port " + Text(port["port"]), field: "spec.type"})
		}
	}
	return ways
}
