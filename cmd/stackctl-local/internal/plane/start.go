package plane

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/kubelet"
	"stackctl.dev/stackctl/cmd/stackctl-local/internal/pki"
)

// start brings everything up in the order in which it is needed and returns
// when a Deployment has become ready, or the API server if nothing else is asked
// for. It gives up when ctx ends; what it leaves running lives as long as life.
func start(ctx, life context.Context, o Options, p ports, g *group, logs net.Listener) error {
	d, begin := o.Dir, time.Now()
	progress := func(format string, arguments ...any) {
		o.Progress(fmt.Sprintf("%4.1fs  ", time.Since(begin).Seconds()) + fmt.Sprintf(format, arguments...))
	}

	if err := g.add("etcd", d.etcdArguments(p)); err != nil {
		return err
	}
	if err := g.add("kube-apiserver", d.apiserverArguments(p, o.AuditLog)); err != nil {
		return err
	}
	progress("etcd, kube-apiserver: started")
	client, err := d.client()
	if err != nil {
		return err
	}
	if err := awaitAPI(ctx, client); err != nil {
		return err
	}
	progress("kube-apiserver: answers at %s", p.server())
	if o.APIOnly {
		return nil
	}

	if err := g.add("kube-controller-manager", d.controllerArguments()); err != nil {
		return err
	}
	if err := g.add("kube-scheduler", d.schedulerArguments()); err != nil {
		return err
	}
	if err := g.add("kwok", d.kwokArguments()); err != nil {
		return err
	}
	if err := d.writeState(g.state(p, false)); err != nil {
		return err
	}
	progress("kube-controller-manager, kube-scheduler, kwok: started")
	if err := d.serveLogs(life, client, logs); err != nil {
		return err
	}
	if err := createStorageClass(ctx, client); err != nil {
		return err
	}
	port := logs.Addr().(*net.TCPAddr).Port
	if err := createNodes(ctx, client, o.Nodes, port); err != nil {
		return err
	}
	if err := awaitNodes(ctx, client, o.Nodes); err != nil {
		return err
	}
	progress("nodes: %d Ready", o.Nodes)
	if err := proveDeployment(ctx, client); err != nil {
		return err
	}
	progress("a Deployment became ready, and went away")
	return nil
}

// client returns a client with the administrator's rights and no throttle.
func (d *Dir) client() (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", d.Kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	config.UserAgent = "stackctl-local"
	return kubernetes.NewForConfig(config)
}

// awaitAPI asks until the API server says it is ready. There is nothing to
// watch before that, so this is the one place that polls.
func awaitAPI(ctx context.Context, client kubernetes.Interface) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := client.CoreV1().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

func (d *Dir) serveLogs(ctx context.Context, client kubernetes.Interface, listener net.Listener) error {
	server, err := pki.ReadPair(d.pki("kubelet"))
	if err != nil {
		return err
	}
	certificate, err := tls.X509KeyPair(server.Cert, server.Key)
	if err != nil {
		return err
	}
	pair, err := pki.ReadPair(d.pki("internal-ca"))
	if err != nil {
		return err
	}
	authority, err := pki.ParseAuthority(pair)
	if err != nil {
		return err
	}
	go kubelet.Serve(ctx, listener, kubelet.Options{
		Certificate: certificate,
		Clients:     authority.Pool(),
		Caller:      kubeletClientUser,
		API:         client,
	})
	return nil
}
