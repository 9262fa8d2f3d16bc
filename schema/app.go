package schema

import (
	"maps"
	"slices"
	"strconv"
)

// settle fills in what depends on several fields: the names of containers, and
// how a pod ends.
func (a *App) settle() {
	for _, containers := range []map[string]Container{a.Init, a.Sidecars} {
		for name, container := range containers {
			container.Name = name
			containers[name] = container
		}
	}
	if a.Shutdown.Drain == nil {
		drain := Seconds(0)
		if len(a.ServicePorts()) > 0 {
			drain = defaultSeconds("drain")
		}
		a.Shutdown.Drain = &drain
	}
	if a.Shutdown.Grace == nil {
		grace := *a.Shutdown.Drain + defaultSeconds("grace")
		a.Shutdown.Grace = &grace
	}
}

// defaultSeconds reads the table shutdown of #Defaults.
func defaultSeconds(name string) Seconds {
	n, _ := strconv.Atoi(language().defaults.get("shutdown", name).text)
	return Seconds(n)
}

// PortNames returns the names of the container's ports, sorted.
func (p *Program) PortNames() []string { return slices.Sorted(maps.Keys(p.Ports)) }

// MainPort returns the name of the port that is meant where one is meant: the
// one named http (which port: is), else the only one, else none.
func (p *Program) MainPort() (name string, ok bool) {
	if _, ok := p.Ports["http"]; ok {
		return "http", true
	}
	if names := p.PortNames(); len(names) == 1 {
		return names[0], true
	}
	return "", false
}

// ServicePort is one port of the app's Service; Name is the port of the app or
// of a sidecar that it leads to.
type ServicePort struct {
	Name     string
	Port     int32
	Protocol string
	// Target is the number of a sidecar's port, 0 for a port of the app: API
	// servers before 1.32 do not find a sidecar's port by its name.
	Target int32
}

// ServicePorts returns the ports of the app's Service by name, none when there
// is no Service. The main port of a web app answers on 80 unless another
// number is written, every other port on its own number. A sidecar's port is
// carried only when it says so.
func (a *App) ServicePorts() []ServicePort {
	asked := a.Kind == Web || a.Kind == Stateful
	switch {
	case a.Kind == JobKind || a.Kind == Cron:
		return nil
	case a.Service == nil && !asked, a.Service != nil && (isFalse(a.Service.Enabled) || a.Service.External != ""):
		return nil
	}
	main, _ := a.MainPort()
	var ports []ServicePort
	for _, name := range a.PortNames() {
		port := a.Ports[name]
		if isFalse(port.Service) {
			continue
		}
		number := port.Port
		switch {
		case a.Service != nil && a.Service.Ports[name] != 0:
			number = a.Service.Ports[name]
		case name == main && a.Service != nil && a.Service.Port != 0:
			number = a.Service.Port
		case name == main && port.Protocol == "TCP" && a.Kind != Stateful:
			number = 80
		}
		ports = append(ports, ServicePort{Name: name, Port: number, Protocol: port.Protocol})
	}
	for _, sidecar := range slices.Sorted(maps.Keys(a.Sidecars)) {
		carried := a.Sidecars[sidecar].Ports
		for _, name := range slices.Sorted(maps.Keys(carried)) {
			port := carried[name]
			if port.Service == nil || !*port.Service {
				continue
			}
			number := port.Port
			if a.Service != nil && a.Service.Ports[name] != 0 {
				number = a.Service.Ports[name]
			}
			ports = append(ports, ServicePort{Name: name, Port: number, Protocol: port.Protocol, Target: port.Port})
		}
	}
	return ports
}

// Claims returns the mount paths of the volumes the app claims, sorted.
func (a *App) Claims() []string {
	var paths []string
	for _, path := range slices.Sorted(maps.Keys(a.Volumes)) {
		if a.Volumes[path].IsClaim() {
			paths = append(paths, path)
		}
	}
	return paths
}

// Pods returns the least number of pods that run at once, and whether the app
// has a number at all.
func (a *App) Pods() (least int32, ok bool) {
	switch {
	case a.Autoscale != nil:
		return a.Autoscale.Min, true
	case a.Replicas != nil:
		return *a.Replicas, true
	}
	return 0, false
}

// TLSSecret returns the name of the secret with the certificate of an ingress, ""
// without TLS.
func (a *App) TLSSecret() string {
	switch {
	case a.Ingress == nil || a.Ingress.TLS == nil || isFalse(a.Ingress.TLS.Enabled):
		return ""
	case a.Ingress.TLS.Secret != "":
		return a.Ingress.TLS.Secret
	}
	return a.Name + "-tls"
}

// isFalse reports whether a switch is written and off.
func isFalse(value *bool) bool { return value != nil && !*value }
