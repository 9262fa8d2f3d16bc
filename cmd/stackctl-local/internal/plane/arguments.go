package plane

import "fmt"

// The addresses of Services; nothing routes them, they only have to exist.
const (
	serviceRange   = "10.96.0.0/16"
	serviceAddress = "10.96.0.1" // the first: the API server's own Service
	podRange       = "10.244.0.0/16"
)

// etcdArguments are those of component.etcd, not of the etcd command.
func (d *Dir) etcdArguments(p ports) []string {
	return []string{
		"--data-dir=" + d.file("etcd"),
		"--listen-client=" + address(p.etcd),
		"--listen-peer=" + address(p.etcdPeer),
		"--cert=" + d.pki("etcd.crt"),
		"--key=" + d.pki("etcd.key"),
		"--ca=" + d.pki("internal-ca.crt"),
	}
}

func (d *Dir) apiserverArguments(p ports, audit bool) []string {
	arguments := []string{
		"--bind-address=" + loopback,
		"--advertise-address=" + loopback,
		fmt.Sprintf("--secure-port=%d", p.api),
		// The Endpoints of the kubernetes Service may not name a loopback
		// address, so nothing writes them.
		"--endpoint-reconciler-type=none",
		"--etcd-servers=https://" + address(p.etcd),
		"--etcd-cafile=" + d.pki("internal-ca.crt"),
		"--etcd-certfile=" + d.pki("etcd-client.crt"),
		"--etcd-keyfile=" + d.pki("etcd-client.key"),
		"--tls-cert-file=" + d.pki("apiserver.crt"),
		"--tls-private-key-file=" + d.pki("apiserver.key"),
		"--client-ca-file=" + d.pki("ca.crt"),
		"--anonymous-auth=false",
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + d.pki("tokens.crt"),
		"--service-account-signing-key-file=" + d.pki("tokens.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--kubelet-certificate-authority=" + d.pki("internal-ca.crt"),
		"--kubelet-client-certificate=" + d.pki("kubelet-client.crt"),
		"--kubelet-client-key=" + d.pki("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--profiling=false",
	}
	if audit {
		arguments = append(arguments,
			"--audit-policy-file="+d.file("etc", "audit.yaml"),
			"--audit-log-path="+d.AuditLog(),
			"--audit-log-format=json",
			// A request is answered after its line is written, so a test
			// that reads the file after its request finds it.
			"--audit-log-mode=blocking",
		)
	}
	return arguments
}

func (d *Dir) controllerArguments() []string {
	return []string{
		"--kubeconfig=" + d.componentKubeconfig("controller"),
		"--secure-port=0", // would listen on every interface
		"--leader-elect=false",
		// One client for all controllers: they are ready in half the time,
		// as no token has to be made for each.
		"--use-service-account-credentials=false",
		"--service-account-private-key-file=" + d.pki("tokens.key"),
		"--root-ca-file=" + d.pki("ca.crt"),
		// A busy machine may miss a heartbeat, and then every pod would turn
		// NotReady in the middle of somebody's test.
		"--node-monitor-grace-period=1h",
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--profiling=false",
	}
}

func (d *Dir) schedulerArguments() []string {
	return []string{
		"--kubeconfig=" + d.componentKubeconfig("scheduler"),
		"--secure-port=0",
		"--leader-elect=false",
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--profiling=false",
	}
}

func (d *Dir) kwokArguments() []string {
	return []string{
		"--kubeconfig=" + d.componentKubeconfig("kwok"),
		"--config=" + d.file("etc", "stages.yaml"),
		"--manage-all-nodes=true",
		"--node-lease-duration-seconds=40",
		"--node-ip=" + loopback,
		"--cidr=" + podRange,
		// No --node-port and no --server-address: kwok would serve plain HTTP
		// beside TLS, and with the port alone on every interface. Logs are
		// served by package kubelet.
	}
}
