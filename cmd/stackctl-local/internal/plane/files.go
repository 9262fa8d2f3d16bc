package plane

import (
	_ "embed"
	"fmt"
	"os"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/pki"
	"stackctl.dev/stackctl/cmd/stackctl-local/internal/stage"
)

// auditPolicy says what the audit log holds: each request once, when it is
// answered, without bodies.
//
//go:embed audit.yaml
var auditPolicy []byte

// Users of the plane's own clients. The names are those the built-in roles
// expect. All but the scheduler are above roles: the controllers share one
// client, so it needs the rights of each.
const (
	adminUser      = "stackctl-local-admin"
	adminGroup     = "system:masters"
	controllerUser = "system:kube-controller-manager"
	schedulerUser  = "system:kube-scheduler"
	kwokUser       = "stackctl-local-kwok"
	// kubeletClientUser is how the API server calls when it asks for logs.
	kubeletClientUser = "kube-apiserver-kubelet-client"
)

// writeSecrets makes authorities, certificates and keys. They do not depend on
// ports, so they are made once even when a start has to be tried again.
func (d *Dir) writeSecrets() error {
	users, err := pki.NewAuthority("stackctl-local")
	if err != nil {
		return err
	}
	internal, err := pki.NewAuthority("stackctl-local-internal")
	if err != nil {
		return err
	}
	tokens, err := pki.NewAuthority("stackctl-local-tokens") // signs service account tokens
	if err != nil {
		return err
	}
	pairs := map[string]pki.Pair{"ca": users.Pair, "internal-ca": internal.Pair, "tokens": tokens.Pair}
	for name, issue := range map[string]func() (pki.Pair, error){
		"apiserver": func() (pki.Pair, error) {
			return users.Server("kube-apiserver", loopback, "localhost", serviceAddress,
				"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
		},
		"admin":          func() (pki.Pair, error) { return users.Client(adminUser, adminGroup) },
		"controller":     func() (pki.Pair, error) { return users.Client(controllerUser, adminGroup) },
		"scheduler":      func() (pki.Pair, error) { return users.Client(schedulerUser) },
		"kwok":           func() (pki.Pair, error) { return users.Client(kwokUser, adminGroup) },
		"etcd":           func() (pki.Pair, error) { return internal.Peer("etcd", loopback) },
		"etcd-client":    func() (pki.Pair, error) { return internal.Client("kube-apiserver-etcd-client") },
		"kubelet":        func() (pki.Pair, error) { return internal.Server("kubelet", loopback) },
		"kubelet-client": func() (pki.Pair, error) { return internal.Client(kubeletClientUser) },
	} {
		if pairs[name], err = issue(); err != nil {
			return err
		}
	}
	for name, pair := range pairs {
		if err := pair.Write(d.pki(name)); err != nil {
			return err
		}
	}
	return nil
}

// writeConfig writes what components read besides their flags.
func (d *Dir) writeConfig(server string) error {
	stages, err := stage.Config()
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.file("etc", "stages.yaml"), []byte(stages), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(d.file("etc", "audit.yaml"), auditPolicy, 0o600); err != nil {
		return err
	}
	for _, client := range []struct{ pair, user, path string }{
		{"admin", adminUser, d.Kubeconfig()},
		{"controller", controllerUser, d.componentKubeconfig("controller")},
		{"scheduler", schedulerUser, d.componentKubeconfig("scheduler")},
		{"kwok", kwokUser, d.componentKubeconfig("kwok")},
	} {
		pair, err := pki.ReadPair(d.pki(client.pair))
		if err != nil {
			return err
		}
		if err := d.writeKubeconfig(client.path, server, client.user, pair); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) writeKubeconfig(path, server, user string, pair pki.Pair) error {
	authority, err := os.ReadFile(d.pki("ca.crt"))
	if err != nil {
		return err
	}
	text, err := pki.Kubeconfig(server, authority, user, pair)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func (d *Dir) componentKubeconfig(name string) string { return d.file("etc", name+".kubeconfig") }

// UserKubeconfig signs a certificate for one more user of a running plane and
// returns the kubeconfig that carries it. The user has no rights until a role
// is bound to the name or to one of the groups.
func (d *Dir) UserKubeconfig(user string, groups []string) ([]byte, error) {
	state, _, err := d.State()
	if err != nil {
		return nil, err
	}
	if !state.Ready || !state.Supervisor.Alive() {
		return nil, fmt.Errorf("not up in %s: run stackctl-local up", d.path)
	}
	if user == "" {
		return os.ReadFile(d.Kubeconfig())
	}
	pair, err := pki.ReadPair(d.pki("ca"))
	if err != nil {
		return nil, err
	}
	authority, err := pki.ParseAuthority(pair)
	if err != nil {
		return nil, err
	}
	client, err := authority.Client(user, groups...)
	if err != nil {
		return nil, err
	}
	return pki.Kubeconfig(state.Server, authority.Cert, user, client)
}
