package render

import (
	"cmp"

	"stackctl.dev/stackctl/schema"
)

// probe emits one probe, nil when it is off: its own handler, else the one of
// the container's health. Its numbers are those that were written or are a
// named default.
func probe(app *schema.Program, p *schema.Probe) fields {
	health := app.Health
	if p == nil || isOff(p.Enabled) || isOff(health.Enabled) {
		return nil
	}
	out := fields{
		"initialDelaySeconds":           given(p.InitialDelaySeconds),
		"periodSeconds":                 given(p.PeriodSeconds),
		"timeoutSeconds":                given(p.TimeoutSeconds),
		"successThreshold":              given(p.SuccessThreshold),
		"failureThreshold":              given(p.FailureThreshold),
		"terminationGracePeriodSeconds": given(int64(p.TerminationGracePeriodSeconds)),
	}
	main := schema.PortRef{}
	switch {
	case p.HTTPGet != nil:
		out["httpGet"] = httpGet(app, p.HTTPGet)
	case p.TCPSocket != nil:
		out["tcpSocket"] = fields{"port": probePort(app, p.TCPSocket.Port), "host": given(p.TCPSocket.Host)}
	case p.GRPC != nil:
		out["grpc"] = fields{"port": portNumber(app, p.GRPC.Port), "service": given(p.GRPC.Service)}
	case p.Exec != nil:
		out["exec"] = fields{"command": p.Exec.Command}
	case health.Path != "":
		out["httpGet"] = fields{"path": health.Path, "port": probePort(app, main)}
	case health.GRPC:
		out["grpc"] = fields{"port": portNumber(app, main)}
	case len(health.Command) > 0:
		out["exec"] = fields{"command": health.Command}
	default:
		out["tcpSocket"] = fields{"port": probePort(app, main)}
	}
	return out
}

func httpGet(app *schema.Program, get *schema.HTTPGet) fields {
	var headers []fields
	for _, header := range get.HTTPHeaders {
		headers = append(headers, fields{"name": header.Name, "value": header.Value})
	}
	return fields{
		"path":        given(cmp.Or(get.Path, app.Health.Path)),
		"port":        probePort(app, get.Port),
		"host":        given(get.Host),
		"scheme":      given(get.Scheme),
		"httpHeaders": headers,
	}
}

// probePort is the port a probe asks: its own, else that of health, else the
// main port. A port of the container goes by its name.
func probePort(app *schema.Program, own schema.PortRef) schema.PortRef {
	ref := cmp.Or(own, app.Health.Port)
	if ref.IsZero() {
		ref.Name, _ = app.MainPort()
	}
	return ref
}

// portNumber is probePort where Kubernetes takes only a number.
func portNumber(app *schema.Program, own schema.PortRef) int32 {
	ref := probePort(app, own)
	if ref.Name != "" {
		return app.Ports[ref.Name].Port
	}
	return ref.Number
}
