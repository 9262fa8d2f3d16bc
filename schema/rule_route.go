package schema

import (
	"fmt"
	"strconv"
)

// The rules about how the world reaches an app.

// ingressFits checks that an ingress has somewhere to send requests.
func ingressFits(r *review) {
	if in := r.app.Ingress; in != nil {
		r.routeFits("ingress", "an ingress", in.Paths)
		if len(in.Hosts) == 0 {
			r.fail("hosts is empty", "add host: shop.example.org", "ingress", "hosts")
		}
	}
}

// gatewayFits does so for a route of a Gateway.
func gatewayFits(r *review) {
	if gateway := r.app.Gateway; gateway != nil {
		r.routeFits("gateway", "a route", gateway.Paths)
	}
}

func (r *review) routeFits(field, what string, paths []string) {
	main, hasMain := r.app.MainPort()
	switch {
	case len(r.app.Ports) == 0:
		r.fail(what+" needs a port of the app", "add port: 8080", field)
	case !hasMain:
		r.fail("the app has several ports and none is named http, so it is open which one is meant", "name one of the ports http", field)
	case r.app.Ports[main].Protocol != "TCP":
		r.fail(what+" needs a TCP port, and "+quote(main)+" is "+r.app.Ports[main].Protocol, "name a TCP port http", field)
	case !r.app.carries(main):
		hint := "write service: 80, or kind: web"
		if service := r.app.Service; service != nil && isFalse(service.Enabled) {
			hint = "remove service: false"
		} else if isFalse(r.app.Ports[main].Service) {
			hint = "remove service: false from the port " + quote(main)
		}
		r.fail(what+" leads to a service, and there is none for the port "+quote(main), hint, field)
	}
	if len(paths) == 0 {
		r.fail("paths is empty", "add path: /", field, "paths")
	}
}

// route is an address that leads to an app.
type route struct {
	way        string // what tells apart those that are not in each other's way
	host, path string
	item       int // which of the hosts it is
}

// routesDiffer refuses one address that leads to two apps.
func (s *Stack) routesDiffer() []Error {
	var errs []Error
	for _, field := range []string{"ingress", "gateway"} {
		seen := make(map[route]*App)
		for _, app := range s.Apps {
			if r := (&review{stack: s, app: app}); r.isBad(field) || !r.hasMeaning(field) || app.IsExternal() {
				continue
			}
			for _, one := range app.routes(field) {
				item := one.item
				one.item = 0
				first := seen[one]
				if first == nil {
					seen[one] = app
					continue
				}
				at := []string{"apps", app.Name, field, "hosts", "[" + strconv.Itoa(item) + "]"}
				e := Error{Pos: s.PosOf(at...), Path: join(s.written(at)...)}
				e.Msg, e.Hint = one.host+one.path+" leads to the app "+quote(first.Name)+" already", "change the host or the path of one of them"
				if first == app {
					e.Msg, e.Hint = one.host+one.path+" is written twice", "remove one of the two"
				}
				errs = append(errs, e)
			}
		}
	}
	return errs
}

// routes returns the addresses that lead to the app by an ingress or a gateway.
func (a *App) routes(field string) []route {
	var hosts, paths []string
	way := ""
	switch {
	case field == "ingress" && a.Ingress != nil:
		hosts, paths = a.Ingress.Hosts, a.Ingress.Paths
		way = a.Ingress.Class + " " + a.Ingress.PathType
	case field == "gateway" && a.Gateway != nil:
		hosts, paths = a.Gateway.Hosts, a.Gateway.Paths
		way = fmt.Sprint(a.Gateway.Parent)
		if len(hosts) == 0 {
			hosts = []string{""}
		}
	}
	var routes []route
	for i, host := range hosts {
		for _, path := range paths {
			routes = append(routes, route{way, host, path, i})
		}
	}
	return routes
}
