package schema

import (
	"strings"
)

// rootImages are well-known images that start as root, which the default
// security refuses, and the fix that works for each.
var rootImages = map[string]string{
	"nginx":     "use nginxinc/nginx-unprivileged on port 8080, or write security: baseline",
	"httpd":     "write security: baseline",
	"caddy":     "write security: baseline",
	"traefik":   "listen on a port above 1024 and write security: {user: 65532}, or write security: baseline",
	"redis":     "write security: {user: 999} (999 on Debian, 999 with group 1000 on Alpine)",
	"valkey":    "write security: {user: 999}",
	"postgres":  "write security: {user: 999} (70 for the alpine tags)",
	"mysql":     "write security: {user: 999}",
	"mariadb":   "write security: {user: 999}",
	"mongo":     "write security: {user: 999}",
	"rabbitmq":  "write security: {user: 999} (100 for the alpine tags)",
	"wordpress": "write security: baseline",
	"ghost":     "write security: {user: 1000}",
	"node":      "write security: {user: 1000}",
	"python":    "write security: {user: 1000}, or add USER to the Dockerfile",
	"golang":    "write security: {user: 1000}, or add USER to the Dockerfile",
	"ruby":      "write security: {user: 1000}, or add USER to the Dockerfile",
	"php":       "write security: baseline",
	"alpine":    "write security: {user: 1000}",
	"debian":    "write security: {user: 1000}",
	"ubuntu":    "write security: {user: 1000}",
	"busybox":   "write security: {user: 1000}",
}

// warnings are what is legal and will hurt.
func (s *Stack) warnings() []Error {
	var out []Error
	for _, app := range s.Apps {
		r := &review{stack: s, app: app}
		rootImage(r)
		if app.Ingress != nil {
			singleReplica(r)
			unanswered(r)
		}
		out = append(out, r.errs...)
	}
	return out
}

func rootImage(r *review) {
	security := r.app.Security
	if security.User != nil || security.Preset != "restricted" && security.Preset != "hardened" {
		return
	}
	fix := rootImages[officialName(r.app.Image.Repository)]
	if fix != "" {
		r.fail("the image "+r.app.Image.Repository+" starts as root, which the kubelet will refuse", fix, "image")
	}
}

// officialName returns the name of an image of Docker's official library, ""
// for any other.
func officialName(repository string) string {
	for _, prefix := range []string{"docker.io/library/", "index.docker.io/library/", "docker.io/", "library/"} {
		if rest, ok := strings.CutPrefix(repository, prefix); ok {
			repository = rest
			break
		}
	}
	if strings.Contains(repository, "/") {
		return ""
	}
	return repository
}

func singleReplica(r *review) {
	if r.app.Replicas == nil || *r.app.Replicas != 1 {
		return
	}
	at := []string{"replicas"}
	if !r.wrote("replicas") {
		at = nil
	}
	r.fail("one replica behind an ingress: every node drain and every crash is an outage", "write replicas: 2", at...)
}

func unanswered(r *review) {
	health := r.app.Health
	switch {
	case isFalse(health.Enabled):
		r.fail("no health check behind an ingress: requests go to pods that are not ready", "write health: /healthz, a path that answers 200 when the app can work", "health")
	case !r.wrote("health"):
		r.fail("only an open port is checked behind an ingress, which says little about the program", "write health: /healthz, a path that answers 200 when the app can work")
	}
}
