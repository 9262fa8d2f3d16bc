package schema

import (
	"maps"
	"slices"
	"strconv"
)

// settle infers what depends on several fields: the kind, and how a pod ends.
func (a *App) settle() {
	if a.Kind == "" {
		a.Kind = Worker
		if len(a.Ports) > 0 {
			a.Kind = Web
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

// PortNames returns the names of the app's ports, sorted.
func (a *App) PortNames() []string { return slices.Sorted(maps.Keys(a.Ports)) }

// MainPort returns the name of the port that is meant where one is meant: the
// one named http (which port: is), else the only one, else none.
func (a *App) MainPort() (name string, ok bool) {
	if _, ok := a.Ports["http"]; ok {
		return "http", true
	}
	if names := a.PortNames(); len(names) == 1 {
		return names[0], true
	}
	return "", false
}

// ServicePort is one port of the app's Service; Name is the app's port it
// leads to.
type ServicePort struct {
	Name     string
	Port     int32
	Protocol string
}

// ServicePorts returns the ports of the app's Service by name, none when there
// is no Service. The main port answers on 80 unless another number is written,
// every other port on its own number.
func (a *App) ServicePorts() []ServicePort {
	if a.Service == nil && a.Kind != Web || a.Service != nil && isFalse(a.Service.Enabled) {
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
		case name == main && port.Protocol == "TCP":
			number = 80
		}
		ports = append(ports, ServicePort{Name: name, Port: number, Protocol: port.Protocol})
	}
	return ports
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
