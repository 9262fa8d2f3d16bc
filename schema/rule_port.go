package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// The rules about ports and the Service that carries them.

// portsDiffer refuses two names for one port, and two ports of one name. All
// containers of a pod share its ports.
func portsDiffer(r *review) {
	numbers, names := make(map[string]string), make(map[string]bool)
	r.programs(func(p *Program, path ...string) {
		if len(path) > 0 && path[0] == "init" {
			return
		}
		for _, name := range p.PortNames() {
			at := append(path[:len(path):len(path)], "ports", name)
			key := fmt.Sprintf("%d/%s", p.Ports[name].Port, p.Ports[name].Protocol)
			switch other := numbers[key]; {
			case other != "" && other == name:
				r.fail("another container of the pod listens on "+key+" too", "give one of them another number", at...)
			case other != "":
				r.fail("the port "+key+" is also the port "+quote(other), "keep one of the two", at...)
			case names[name]:
				r.fail("another container of the pod has a port "+quote(name), "give one of them another name", at...)
			}
			numbers[key], names[name] = name, true
		}
	})
}

// serviceFits checks that the Service has ports to carry and one place for each.
func serviceFits(r *review) {
	ports := r.app.ServicePorts()
	if r.app.Service != nil && !isFalse(r.app.Service.Enabled) && !r.serviceCarries(ports) {
		return
	}
	taken := make(map[string]string)
	for _, port := range ports {
		taken[address(port.Port, port.Protocol)] = ""
	}
	for _, port := range ports {
		here := address(port.Port, port.Protocol)
		if other := taken[here]; other != "" {
			free := port.Port
			for {
				if _, used := taken[address(free, port.Protocol)]; !used {
					break
				}
				free++
			}
			r.fail(fmt.Sprintf("the service carries both %q and %q on %s", other, port.Name, here),
				fmt.Sprintf("give one of them another number: service: {ports: {%s: %d}}", port.Name, free), r.pathOfPort(port.Name)...)
		}
		taken[here] = port.Name
	}
	if begin := r.app.Name[0]; (len(ports) > 0 || r.app.Kind == Stateful) && begin >= '0' && begin <= '9' {
		hint := "give the app another name"
		if r.app.Kind != Stateful {
			hint += ", or write service: false"
		}
		r.fail("the name of a service begins with a letter", hint)
	}
}

func address(port int32, protocol string) string { return fmt.Sprintf("%d/%s", port, protocol) }

// pathOfPort returns where a port of the app, or of a sidecar, is written.
func (r *review) pathOfPort(name string) []string {
	for _, sidecar := range slices.Sorted(maps.Keys(r.app.Sidecars)) {
		if _, own := r.app.Ports[name]; !own && r.wrote("sidecars", sidecar, "ports", name) {
			return []string{"sidecars", sidecar, "ports", name}
		}
	}
	return []string{"ports", name}
}

// serviceCarries checks what the user wrote about the service, and reports
// whether it has ports at all.
func (r *review) serviceCarries(ports []ServicePort) bool {
	service := r.app.Service
	main, hasMain := r.app.MainPort()
	switch {
	case len(ports) == 0 && len(r.app.Ports) == 0:
		r.fail("a service needs a port of the app", "add port: 8080", "service")
		return false
	case len(ports) == 0:
		r.fail("the service carries no port, since all say service: false", "remove service: false from one of the ports", "service")
		return false
	case service.Port != 0 && !hasMain:
		r.fail("the app has several ports and none is named http, so it is open which one is meant",
			"name one of the ports http, or write service: {ports: {"+r.app.PortNames()[0]+": "+strconv.Itoa(int(service.Port))+"}}", "service", "port")
	case service.Port != 0 && service.Ports[main] != 0:
		r.fail("is the port "+quote(main)+", which ports has too", "keep one of the two", "service", "port")
	}
	if service.Headless && service.Type != "" && service.Type != "ClusterIP" {
		r.fail("a headless service has no address, so it cannot be a "+service.Type, "remove headless or type", "service", "headless")
	}
	for _, name := range slices.Sorted(maps.Keys(service.Ports)) {
		switch _, own := r.app.Ports[name]; {
		case r.app.carries(name):
		case own:
			r.fail("the port "+quote(name)+" says service: false", "remove one of the two", "service", "ports", name)
		default:
			r.portExists(&r.app.Program, name, "service", "ports", name)
		}
	}
	return true
}

// external checks an app that is only a name for another host.
func (r *review) external() {
	app := r.node()
	for _, name := range app.names {
		if n := app.fields[name]; n.at().IsValid() && !n.inherited && !n.bad && !slices.Contains([]string{"service", "labels", "annotations", "patches"}, name) {
			r.fail("has no meaning beside service.external, which leads to no pod", "remove it", name)
		}
	}
	for _, name := range []string{"enabled", "type", "port", "ports", "headless"} {
		if r.wrote("service", name) && !r.node("service", name).inherited {
			r.fail("has no meaning beside external, which leads to no pod", "remove it", "service", name)
		}
	}
	if begin := r.app.Name[0]; begin >= '0' && begin <= '9' {
		r.fail("the name of a service begins with a letter", "give the app another name")
	}
	labelsAreFree(r)
	patchesFit(r)
}

// IsExternal reports whether the app is only a name for another host: it has
// no pods.
func (a *App) IsExternal() bool { return a.Service != nil && a.Service.External != "" }

// carries reports whether the Service carries a port of a name.
func (a *App) carries(name string) bool {
	return slices.ContainsFunc(a.ServicePorts(), func(p ServicePort) bool { return p.Name == name })
}
