// Package kubelet answers the one question clients ask a node directly: what a
// container has logged. The nodes of a local plane run nothing, so the lines
// are made up from what the pod plays, or come from the annotation
// local.stackctl.dev/logs. Only the API server may ask: it shows a client
// certificate, and every other caller is refused.
package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/stage"
)

// Options say how to serve. All fields are required.
type Options struct {
	Certificate tls.Certificate
	Clients     *x509.CertPool // who signs the callers
	Caller      string         // the name of the one caller allowed
	API         kubernetes.Interface
}

// Serve answers on listener until ctx ends.
func Serve(ctx context.Context, listener net.Listener, o Options) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		if name := r.TLS.PeerCertificates[0].Subject.CommonName; name != o.Caller {
			http.Error(w, name+" may not read logs", http.StatusForbidden)
			return
		}
		pod, err := o.API.CoreV1().Pods(r.PathValue("namespace")).Get(r.Context(), r.PathValue("pod"), metav1.GetOptions{})
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		query := r.URL.Query()
		lines, err := Logs(pod, r.PathValue("container"), query.Get("previous") == "true")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, line := range tail(lines, query.Get("tailLines")) {
			fmt.Fprintln(w, line)
		}
	})
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{o.Certificate},
			ClientCAs:    o.Clients,
			ClientAuth:   tls.RequireAndVerifyClientCert,
			MinVersion:   tls.VersionTLS13,
		},
	}
	context.AfterFunc(ctx, func() { server.Close() })
	_ = server.ServeTLS(listener, "", "") // ends with ctx; without logs a plane is still of use
}

// Logs returns what a container of a pod has logged.
func Logs(pod *corev1.Pod, container string, previous bool) ([]string, error) {
	status, ok := find(pod, container)
	if !ok {
		return nil, fmt.Errorf("container %s is not known in pod %s", container, pod.Name)
	}
	last := status.LastTerminationState.Terminated
	if previous && last == nil {
		return nil, fmt.Errorf("previous terminated container %q in pod %q not found", container, pod.Name)
	}
	if waiting := status.State.Waiting; waiting != nil && last == nil {
		return nil, fmt.Errorf("container %q in pod %q is waiting to start: %s", container, pod.Name, waiting.Reason)
	}
	run := status.State.Terminated
	if run == nil {
		run = last
	}
	if text := pod.Annotations[stage.AnnotationLogs]; text != "" {
		return strings.Split(strings.TrimRight(text, "\n"), "\n"), nil
	}
	if run != nil && run.ExitCode != 0 {
		return []string{"starting " + container, "error: required setting DATABASE_URL is not set"}, nil
	}
	if run != nil {
		return []string{"starting " + container, "done"}, nil
	}
	return []string{"starting " + container, "listening"}, nil
}

func find(pod *corev1.Pod, container string) (corev1.ContainerStatus, bool) {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for _, status := range list {
			if status.Name == container {
				return status, true
			}
		}
	}
	return corev1.ContainerStatus{}, false
}

// tail keeps the last lines; anything but a number keeps all.
func tail(lines []string, count string) []string {
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > len(lines) {
		return lines
	}
	return lines[len(lines)-n:]
}
