package schema

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
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
		if app.IsExternal() {
			continue
		}
		rootImage(r)
		if app.Ingress != nil || app.Gateway != nil {
			singleReplica(r)
			unanswered(r)
			shutOut(r)
		}
		budgetBlocks(r)
		volumeOfRoot(r)
		startsLate(r)
		manyCores(r)
		openSecrets(r)
		jobOnlyStarted(r)
		out = append(out, r.errs...)
	}
	return out
}

func rootImage(r *review) {
	preset := r.app.Security.Preset
	r.programs(func(p *Program, path ...string) {
		security := p.Security
		if security.Preset == "" {
			security.Preset = preset
		}
		security.User = cmp.Or(security.User, r.app.Security.User)
		if security.User != nil || security.PodContext != nil || security.ContainerContext != nil ||
			security.Preset != "restricted" && security.Preset != "hardened" {
			return
		}
		if fix := rootImages[officialName(p.Image.Repository)]; fix != "" {
			r.fail("the image "+p.Image.Repository+" starts as root, which the kubelet will refuse", fix, append(path, "image")...)
		}
	})
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
	pods, ok := r.app.Pods()
	switch at := []string{"replicas"}; {
	case !ok || pods != 1:
	case r.app.Autoscale != nil:
		r.fail("the least is one pod behind an ingress: every node drain and every crash is an outage then",
			fmt.Sprintf("write autoscale: 2..%d", max(2, r.app.Autoscale.Max)), "autoscale")
	default:
		if !r.wrote("replicas") {
			at = nil
		}
		r.fail("one replica behind an ingress: every node drain and every crash is an outage", "write replicas: 2", at...)
	}
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

// shutOut warns of a policy that keeps the ingress controller out.
func shutOut(r *review) {
	network := r.app.Network
	if network == nil || network.Preset == "open" || network.Preset == "" && network.From == nil {
		return
	}
	outside := func(peer Peer) bool {
		return peer.Namespace != "" || peer.NamespaceSelector != nil || peer.CIDR != "" || peer.IPBlock != nil
	}
	if !slices.ContainsFunc(network.From, outside) {
		r.fail("the policy keeps out the ingress controller, which runs in another namespace", "add it: from: [namespace/ingress-nginx]", "network")
	}
}

// budgetBlocks warns of a budget that lets no node be drained.
func budgetBlocks(r *review) {
	budget := r.app.Disruption
	pods, ok := r.app.Pods()
	if !ok || pods == 0 || !budget.Pos.IsValid() || isFalse(budget.Enabled) {
		return
	}
	if budget.MaxUnavailable != nil && budget.MaxUnavailable.isZero() || budget.MinAvailable != nil && budget.MinAvailable.of(pods) >= pods {
		r.fail(fmt.Sprintf("with %d replicas this budget lets no node be drained", pods), "allow one pod to be missing: disruption: 1, with two replicas or more", "disruption")
	}
}

// of returns a number of pods out of all; a budget rounds percentages up.
func (v IntOrPercent) of(all int32) int32 {
	percent, err := strconv.Atoi(strings.TrimSuffix(v.Percent, "%"))
	if err != nil {
		return v.Int
	}
	return (all*int32(percent) + 99) / 100
}

// volumeOfRoot warns of a fresh volume that the program may not write to.
func volumeOfRoot(r *review) {
	security := r.app.Security
	if security.FSGroup != nil || security.User != nil || security.PodContext != nil || security.Preset == "baseline" || security.Preset == "none" {
		return
	}
	if claims := r.app.Claims(); len(claims) > 0 {
		r.fail("a fresh volume belongs to root, and the program runs as another user", "write the user of the image, such as security: {user: 999}", "volumes", claims[0])
	}
}

// startsLate warns of a deadline within which no run may ever start: the
// controller looks every ten seconds.
func startsLate(r *review) {
	if schedule := r.app.Schedule; schedule != nil && schedule.Deadline != nil && *schedule.Deadline < 10 {
		r.fail("Kubernetes looks for runs every 10 s, so many would miss a deadline below that", "write deadline: 60s", "schedule", "deadline")
	}
}

// jobOnlyStarted warns of an app that does not wait for the end of a job.
func jobOnlyStarted(r *review) {
	for _, name := range slices.Sorted(maps.Keys(r.app.Needs)) {
		if needed := r.stack.App(name); needed != nil && needed.Kind == JobKind && r.app.Needs[name] == Started {
			r.fail(quote(name)+" is a job, and started does not wait for its end", "write needs: {"+name+": complete}", "needs", name)
		}
	}
}

// manyCores warns of a number of cores that was meant as thousandths.
func manyCores(r *review) {
	r.programs(func(p *Program, path ...string) {
		if cpu := p.Resources.CPU; cpu != "" && cpu.amount().Cmp(big.NewRat(32, 1)) > 0 {
			r.fail(fmt.Sprintf("asks for %s cores, which few nodes have", cpu), fmt.Sprintf("for thousandths of a core write %sm", strings.TrimSuffix(string(cpu), "m")),
				append(path[:len(path):len(path)], "resources", "cpu")...)
		}
	})
}

var secretName = onUse(`(?i)(^|_)(password|passwd|passphrase|secret|token|api_?key|private_?key|credentials)$`)

// openSecrets warns of what looks like a secret and stands in the file.
func openSecrets(r *review) {
	r.programs(func(p *Program, path ...string) {
		for _, name := range slices.Sorted(maps.Keys(p.Env)) {
			if value := p.Env[name].Value; value != nil && *value != "" && secretName().MatchString(name) {
				before := len(r.errs)
				r.fail("looks like a secret, and everybody who may see the pods can read it", "write secrets: {"+name+": {secret: name/key}}, or {fromEnv: "+name+"}",
					append(path[:len(path):len(path)], "env", name)...)
				for i := range r.errs[before:] {
					r.errs[before+i].Hidden = true // logs have more readers than the file
				}
			}
		}
	})
}
