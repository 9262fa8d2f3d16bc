package schema

// The rules about health.

// probesFit checks that every probe has something to ask, on a port that
// exists.
func probesFit(r *review) {
	r.programs(func(p *Program, path ...string) {
		if ports := r.node(append(path[:len(path):len(path)], "ports")...); len(path) > 0 && path[0] == "init" || isFalse(p.Health.Enabled) || ports != nil && ports.anyBad() {
			return
		}
		r.healthFits(p, append(path[:len(path):len(path)], "health"))
	})
}

func (r *review) healthFits(p *Program, at []string) {
	health := &p.Health
	below := func(path ...string) []string { return append(at[:len(at):len(at)], path...) }
	if name := health.Port.Name; name != "" {
		r.portExists(p, name, below("port")...)
	}
	if r.wrote(below("command")...) && len(health.Command) == 0 {
		r.fail("command is empty", "write the program to run, such as [cat, /tmp/ready]", below("command")...)
		return
	}
	handler := health.Path != "" || health.TCP || health.GRPC || len(health.Command) > 0
	for _, name := range []string{"path", "tcp", "grpc", "command"} {
		n := r.node(below(name)...)
		handler = handler || n != nil && n.anyBad()
	}
	asksPort := false
	for _, one := range []struct {
		name  string
		probe *Probe
	}{{"startup", health.Startup}, {"readiness", health.Readiness}, {"liveness", health.Liveness}} {
		probe := one.probe
		if probe == nil || isFalse(probe.Enabled) {
			continue
		}
		asks, port := probe.asks()
		switch {
		case probe.Exec != nil && len(probe.Exec.Command) == 0:
			r.fail("command is empty", "write the program to run, such as [cat, /tmp/ready]", below(one.name, "exec", "command")...)
		case !asks && !handler:
			r.fail("the probe has nothing to ask", "add health: {path: /healthz} or a handler such as exec: {command: [cat, /tmp/ready]}", below(one.name)...)
		case asks && port == nil, !asks && len(health.Command) > 0:
		case asks && port.Name != "":
			r.portExists(p, port.Name, below(one.name, probe.handler(), "port")...)
		case (!asks || port.IsZero()) && health.Port.IsZero():
			asksPort = true
		}
		if one.name != "readiness" && probe.SuccessThreshold > 1 {
			r.fail("a "+one.name+" probe succeeds at the first answer", "remove it", below(one.name, "successThreshold")...)
		}
		if one.name == "readiness" && probe.TerminationGracePeriodSeconds != 0 {
			r.fail("a readiness probe ends no container", "remove it", below(one.name, "terminationGracePeriodSeconds")...)
		}
	}
	if asksPort {
		r.portToAsk(p, at)
	}
}

// portToAsk checks that it is clear which port the probes of a program ask.
func (r *review) portToAsk(p *Program, at []string) {
	if !r.wrote(at...) {
		at = append(at[:len(at)-1:len(at)-1], "ports")
	}
	main, ok := p.MainPort()
	switch {
	case len(p.Ports) == 0:
		r.fail("a probe needs a port", "add port: 8080, or write health: {port: 8080}", at...)
	case !ok:
		r.fail("there are several ports and none is named http, so it is open which one the probes ask",
			"name one of the ports http, or write health: {port: "+p.PortNames()[0]+"} or health: false", at...)
	case p.Ports[main].Protocol != "TCP":
		r.fail("probes ask over TCP, and the port "+quote(main)+" is "+p.Ports[main].Protocol, "write health: {port: 8080} with a TCP port, or health: false", at...)
	}
}

// handler returns the name of the probe's own handler.
func (p *Probe) handler() string {
	switch {
	case p.HTTPGet != nil:
		return "httpGet"
	case p.TCPSocket != nil:
		return "tcpSocket"
	case p.GRPC != nil:
		return "grpc"
	case p.Exec != nil:
		return "exec"
	}
	return ""
}

// asks returns whether a probe has a handler of its own, and the port of it.
func (p *Probe) asks() (own bool, port *PortRef) {
	switch {
	case p.HTTPGet != nil:
		return true, &p.HTTPGet.Port
	case p.TCPSocket != nil:
		return true, &p.TCPSocket.Port
	case p.GRPC != nil:
		return true, &p.GRPC.Port
	}
	return p.Exec != nil, nil
}

func (r *review) portExists(p *Program, name string, path ...string) {
	if _, ok := p.Ports[name]; ok {
		return
	}
	names := p.PortNames()
	hint := didYouMean(name, names)
	switch {
	case hint != "":
	case len(names) == 0:
		hint = "there are no ports; add ports: {" + name + ": 8080}"
	default:
		hint = "its ports are " + either(names)
	}
	r.fail("there is no port "+quote(name), hint, path...)
}
