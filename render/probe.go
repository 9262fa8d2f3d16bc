package render

import (
	"cmp"

	"k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1 "k8s.io/client-go/applyconfigurations/core/v1"

	"stackctl.dev/stackctl/schema"
)

// withProbes adds the probes a container has.
func withProbes(out *corev1.ContainerApplyConfiguration, app *schema.Program) *corev1.ContainerApplyConfiguration {
	if p := probe(app, app.Health.Startup); p != nil {
		out.WithStartupProbe(p)
	}
	if p := probe(app, app.Health.Readiness); p != nil {
		out.WithReadinessProbe(p)
	}
	if p := probe(app, app.Health.Liveness); p != nil {
		out.WithLivenessProbe(p)
	}
	return out
}

// probe emits one probe: its own handler, else the one of the container's health.
func probe(app *schema.Program, p *schema.Probe) *corev1.ProbeApplyConfiguration {
	health := app.Health
	if p == nil || p.Enabled != nil && !*p.Enabled || health.Enabled != nil && !*health.Enabled {
		return nil
	}
	out := corev1.Probe()
	switch {
	case p.HTTPGet != nil:
		out.WithHTTPGet(httpGet(app, p.HTTPGet))
	case p.TCPSocket != nil:
		tcp := corev1.TCPSocketAction().WithPort(probePort(app, p.TCPSocket.Port))
		if p.TCPSocket.Host != "" {
			tcp.WithHost(p.TCPSocket.Host)
		}
		out.WithTCPSocket(tcp)
	case p.GRPC != nil:
		grpc := corev1.GRPCAction().WithPort(portNumber(app, p.GRPC.Port))
		if p.GRPC.Service != "" {
			grpc.WithService(p.GRPC.Service)
		}
		out.WithGRPC(grpc)
	case p.Exec != nil:
		out.WithExec(corev1.ExecAction().WithCommand(p.Exec.Command...))
	case health.Path != "":
		out.WithHTTPGet(corev1.HTTPGetAction().WithPath(health.Path).WithPort(probePort(app, schema.PortRef{})))
	case health.GRPC:
		out.WithGRPC(corev1.GRPCAction().WithPort(portNumber(app, schema.PortRef{})))
	case len(health.Command) > 0:
		out.WithExec(corev1.ExecAction().WithCommand(health.Command...))
	default:
		out.WithTCPSocket(corev1.TCPSocketAction().WithPort(probePort(app, schema.PortRef{})))
	}
	timing(out, p)
	return out
}

func httpGet(app *schema.Program, get *schema.HTTPGet) *corev1.HTTPGetActionApplyConfiguration {
	out := corev1.HTTPGetAction().WithPort(probePort(app, get.Port))
	if path := cmp.Or(get.Path, app.Health.Path); path != "" {
		out.WithPath(path)
	}
	if get.Host != "" {
		out.WithHost(get.Host)
	}
	if get.Scheme != "" {
		out.WithScheme(v1.URIScheme(get.Scheme))
	}
	for _, header := range get.HTTPHeaders {
		out.WithHTTPHeaders(corev1.HTTPHeader().WithName(header.Name).WithValue(header.Value))
	}
	return out
}

// timing sets the numbers that were written or are a named default.
func timing(out *corev1.ProbeApplyConfiguration, p *schema.Probe) {
	for _, one := range []struct {
		value int32
		field **int32
	}{
		{p.InitialDelaySeconds, &out.InitialDelaySeconds},
		{p.PeriodSeconds, &out.PeriodSeconds},
		{p.TimeoutSeconds, &out.TimeoutSeconds},
		{p.SuccessThreshold, &out.SuccessThreshold},
		{p.FailureThreshold, &out.FailureThreshold},
	} {
		if value := one.value; value != 0 {
			*one.field = &value
		}
	}
	if p.TerminationGracePeriodSeconds != 0 {
		out.WithTerminationGracePeriodSeconds(int64(p.TerminationGracePeriodSeconds))
	}
}

// probePort is the port a probe asks: its own, else that of health, else the
// main port. A port of the container goes by its name.
func probePort(app *schema.Program, own schema.PortRef) intstr.IntOrString {
	ref := own
	if ref.IsZero() {
		ref = app.Health.Port
	}
	if ref.IsZero() {
		ref.Name, _ = app.MainPort()
	}
	if ref.Name != "" {
		return intstr.FromString(ref.Name)
	}
	return intstr.FromInt32(ref.Number)
}

// portNumber is probePort where Kubernetes takes only a number.
func portNumber(app *schema.Program, own schema.PortRef) int32 {
	port := probePort(app, own)
	if port.Type == intstr.String {
		return app.Ports[port.StrVal].Port
	}
	return port.IntVal
}
