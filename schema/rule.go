package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// rules are what several fields must agree on, each with the fields it reads:
// it is left out where one of them was reported already, since it would only
// repeat that.
var rules = []struct {
	check func(*review)
	reads []string
}{
	{imageIsPinned, []string{"image"}},
	{kindFits, []string{"kind", "ports"}},
	{portsDiffer, []string{"ports"}},
	{serviceFits, []string{"kind", "ports", "service"}},
	{ingressFits, []string{"kind", "ports", "service", "ingress"}},
	{probesHaveHandlers, []string{"ports", "health"}},
	{envHasSource, []string{"env"}},
	{updateMoves, []string{"update"}},
	{shutdownFits, []string{"kind", "ports", "service", "shutdown"}},
	{limitsCoverRequests, []string{"resources"}},
	{userFitsPreset, []string{"security"}},
	{labelsAreFree, []string{"labels", "annotations"}},
}

// review is one app under the rules.
type review struct {
	stack *Stack
	app   *App
	errs  []Error
}

// fail reports a broken rule at a field of the app.
func (r *review) fail(msg, hint string, path ...string) {
	full := append([]string{"apps", r.app.Name}, path...)
	r.errs = append(r.errs, Error{Pos: r.stack.PosOf(full...), Path: join(full...), Msg: msg, Hint: hint})
}

// wrote reports whether the user wrote a field, as opposed to a default.
func (r *review) wrote(path ...string) bool {
	n := r.stack.tree.get(append([]string{"apps", r.app.Name}, path...)...)
	return n != nil && n.at().IsValid()
}

// isBad reports whether something in a field was reported already.
func (r *review) isBad(field string) bool {
	n := r.stack.tree.get("apps", r.app.Name, field)
	return n != nil && n.anyBad()
}

// rules applies every rule to every app, and those between apps.
func (s *Stack) rules() []Error {
	var errs []Error
	for _, app := range s.Apps {
		r := &review{stack: s, app: app}
		for _, rule := range rules {
			if !slices.ContainsFunc(rule.reads, r.isBad) {
				rule.check(r)
			}
		}
		errs = append(errs, r.errs...)
	}
	errs = append(errs, s.routesDiffer()...)
	errs = append(errs, s.secretsDiffer()...)
	return append(errs, s.reserved()...)
}

// imageIsPinned refuses an image that means something else tomorrow.
func imageIsPinned(r *review) {
	image := r.app.Image
	if allow := r.stack.tree.get("allowLatest"); allow != nil && allow.bad {
		return
	}
	if r.stack.AllowLatest || image.Digest != "" || image.Tag != "" && image.Tag != "latest" {
		return
	}
	msg := "the image has no tag"
	if image.Tag != "" {
		msg = "the tag latest names another image after every push"
	}
	r.fail(msg, "write the release you mean, such as "+image.Repository+":1.4.2: a rollback could not bring the old code back; allowLatest: true on the stack or an environment allows it", "image")
}

func kindFits(r *review) {
	if r.app.Kind == Web && len(r.app.Ports) == 0 {
		r.fail("a web app needs a port", "add port: 8080, or write kind: worker", "kind")
	}
}

// portsDiffer refuses two names for one port.
func portsDiffer(r *review) {
	seen := make(map[string]string)
	for _, name := range r.app.PortNames() {
		port := r.app.Ports[name]
		key := fmt.Sprintf("%d/%s", port.Port, port.Protocol)
		if other := seen[key]; other != "" {
			r.fail(fmt.Sprintf("the port %s is also the port %q", key, other), "keep one of the two", "ports", name)
		}
		seen[key] = name
	}
}

// serviceFits checks that the Service has ports to carry and one place for each.
func serviceFits(r *review) {
	service := r.app.Service
	main, hasMain := r.app.MainPort()
	if service != nil && !isFalse(service.Enabled) {
		switch {
		case len(r.app.Ports) == 0:
			r.fail("a service needs a port of the app", "add port: 8080", "service")
			return
		case service.Port != 0 && !hasMain:
			r.fail("the app has several ports and none is named http, so it is open which one is meant",
				"name one of the ports http, or write service: {ports: {"+r.app.PortNames()[0]+": "+strconv.Itoa(int(service.Port))+"}}", "service", "port")
		case service.Port != 0 && service.Ports[main] != 0:
			r.fail("is the port "+quote(main)+", which ports has too", "keep one of the two", "service", "port")
		}
		if service.Headless && service.Type != "" && service.Type != "ClusterIP" {
			r.fail("a headless service cannot be a "+service.Type, "remove headless or type", "service", "headless")
		}
		for _, name := range slices.Sorted(maps.Keys(service.Ports)) {
			if _, ok := r.app.Ports[name]; !ok {
				r.fail("the app has no port "+quote(name), "its ports are "+strings.Join(r.app.PortNames(), ", "), "service", "ports", name)
			}
		}
	}
	ports := r.app.ServicePorts()
	seen := make(map[string]string)
	for _, port := range ports {
		key := fmt.Sprintf("%d/%s", port.Port, port.Protocol)
		if other := seen[key]; other != "" {
			r.fail(fmt.Sprintf("the service carries both %q and %q on %s", other, port.Name, key),
				"give one of them another number: service: {ports: {"+port.Name+": "+strconv.Itoa(int(port.Port)+1)+"}}", "ports", port.Name)
		}
		seen[key] = port.Name
	}
	if len(ports) > 0 && r.app.Name[0] >= '0' && r.app.Name[0] <= '9' {
		r.fail("the name of a service begins with a letter", "rename the app, or write service: false")
	}
}

// ingressFits checks that an ingress has somewhere to send requests.
func ingressFits(r *review) {
	in := r.app.Ingress
	if in == nil {
		return
	}
	main, hasMain := r.app.MainPort()
	switch {
	case len(r.app.Ports) == 0:
		r.fail("an ingress needs a port of the app", "add port: 8080", "ingress")
	case !hasMain:
		r.fail("the app has several ports and none is named http, so it is open which one is meant", "name one of the ports http", "ingress")
	case !slices.ContainsFunc(r.app.ServicePorts(), func(p ServicePort) bool { return p.Name == main }):
		r.fail("an ingress needs a service for the port "+quote(main), "remove service: false", "ingress")
	}
	if len(in.Hosts) == 0 {
		r.fail("hosts is empty", "add host: shop.example.org", "ingress", "hosts")
	}
	if len(in.Paths) == 0 {
		r.fail("paths is empty", "add path: /", "ingress", "paths")
	}
}

// routesDiffer refuses one address that leads to two apps.
func (s *Stack) routesDiffer() []Error {
	var errs []Error
	seen := make(map[string]*App)
	for _, app := range s.Apps {
		if r := (&review{stack: s, app: app}); app.Ingress == nil || r.isBad("ingress") {
			continue
		}
		for _, host := range app.Ingress.Hosts {
			for _, path := range app.Ingress.Paths {
				route := host + path
				first := seen[route]
				if first == nil {
					seen[route] = app
					continue
				}
				hint := "change the host or the path of one of them"
				msg := route + " leads to the app " + quote(first.Name) + " already"
				if first == app {
					msg, hint = route+" is written twice", "remove one of the two"
				}
				errs = append(errs, Error{
					Pos: s.PosOf("apps", app.Name, "ingress", "hosts"), Path: join("apps", app.Name, "ingress"), Msg: msg, Hint: hint,
				})
			}
		}
	}
	return errs
}

// secretsDiffer refuses the same pull secret twice, which the API server would.
func (s *Stack) secretsDiffer() []Error {
	var errs []Error
	for i, name := range s.ImagePullSecrets {
		if slices.Contains(s.ImagePullSecrets[:i], name) {
			errs = append(errs, Error{Pos: s.PosOf("imagePullSecrets"), Path: "imagePullSecrets", Msg: name + " is written twice", Hint: "remove one of the two"})
		}
	}
	return errs
}

// probesHaveHandlers checks that every probe has something to ask, on a port
// that exists.
func probesHaveHandlers(r *review) {
	health := r.app.Health
	if isFalse(health.Enabled) {
		return
	}
	if name := health.Port.Name; name != "" {
		r.portExists(name, "health", "port")
	}
	if r.wrote("health", "command") && len(health.Command) == 0 {
		r.fail("command is empty", "write the program to run, such as [cat, /tmp/ready]", "health", "command")
		return
	}
	handler := health.Path != "" || health.TCP || health.GRPC || len(health.Command) > 0
	asksPort := false
	for _, one := range []struct {
		name  string
		probe *Probe
	}{{"startup", health.Startup}, {"readiness", health.Readiness}, {"liveness", health.Liveness}} {
		p := one.probe
		if p == nil || isFalse(p.Enabled) {
			continue
		}
		asks, port := p.asks()
		switch {
		case p.Exec != nil && len(p.Exec.Command) == 0:
			r.fail("command is empty", "write the program to run, such as [cat, /tmp/ready]", "health", one.name, "exec")
		case !asks && !handler:
			r.fail("the probe has nothing to ask", "add health: {path: /healthz} or a handler such as exec: {command: [...]}", "health", one.name)
		case asks && port == nil, !asks && len(health.Command) > 0:
		case asks && port.Name != "":
			r.portExists(port.Name, "health", one.name)
		case (!asks || port.IsZero()) && health.Port.IsZero():
			asksPort = true
		}
		if one.name != "readiness" && p.SuccessThreshold > 1 {
			r.fail("a "+one.name+" probe succeeds at the first answer", "remove successThreshold", "health", one.name, "successThreshold")
		}
		if one.name == "readiness" && p.TerminationGracePeriodSeconds != 0 {
			r.fail("a readiness probe ends no pod", "remove terminationGracePeriodSeconds", "health", one.name, "terminationGracePeriodSeconds")
		}
	}
	if _, ok := r.app.MainPort(); !asksPort || ok {
		return
	}
	if len(r.app.Ports) == 0 {
		r.fail("a probe needs a port of the app", "add port: 8080, or write health: {port: 8080}", "health")
		return
	}
	at := "health"
	if !r.wrote("health") {
		at = "ports"
	}
	r.fail("the app has several ports and none is named http, so it is open which one its probes ask",
		"name one of the ports http, or write health: {port: "+r.app.PortNames()[0]+"} or health: false", at)
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
	case p.Exec != nil:
		return true, nil
	}
	return false, nil
}

func (r *review) portExists(name string, path ...string) {
	if _, ok := r.app.Ports[name]; ok {
		return
	}
	hint := "the app has no ports"
	if len(r.app.Ports) > 0 {
		hint = "its ports are " + strings.Join(r.app.PortNames(), ", ")
	}
	r.fail("the app has no port "+quote(name), hint, path...)
}
