// Package applytest gives tests a real control plane: the API server, etcd and
// controllers of stackctl-local, with pods that are played.
//
// There is one plane per test binary; it starts with the first test that asks
// and ends with the process, however that ends. Tests keep out of each other's
// way by a namespace of their own. The plane is the binary bin/stackctl-local
// of this repository (`make local`), or $STACKCTL_LOCAL. Without it tests are
// skipped, unless STACKCTL_CONTROL_PLANE=required.
package applytest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Plane is a running control plane.
type Plane struct {
	// Binary is the path of stackctl-local.
	Binary string
	// Kubeconfig is the path of a kubeconfig for its administrator.
	Kubeconfig string

	dir    string
	hold   io.Closer // the plane ends when this is closed, or collected
	config *rest.Config
	client *kubernetes.Clientset
}

var start = sync.OnceValues(launch)

// Start returns the control plane of the test binary.
func Start(t testing.TB) *Plane {
	t.Helper()
	if _, err := os.Stat(binary()); err != nil {
		if os.Getenv("STACKCTL_CONTROL_PLANE") == "required" {
			t.Fatalf("no control plane: %v (make local builds it)", err)
		}
		t.Skipf("no control plane: %v (make local builds it)", err)
	}
	p, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func binary() string {
	if path := os.Getenv("STACKCTL_LOCAL"); path != "" {
		return path
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "bin", "stackctl-local")
}

// launch starts the plane and keeps its standard input open: the plane ends
// when this process does, because the pipe closes then.
func launch() (*Plane, error) {
	dir, err := os.MkdirTemp("", "stackctl-plane-")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary(), "run", "--dir", dir, "--until-eof", "--audit-log")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		cmd.Wait()
		return nil, fmt.Errorf("start the control plane: %w\n%s", err, stderr.String())
	}
	_, path, _ := strings.Cut(strings.TrimSpace(line), "KUBECONFIG=")
	p := &Plane{Binary: binary(), Kubeconfig: strings.Trim(path, `'"`), dir: dir, hold: hold}
	if p.config, err = clientcmd.BuildConfigFromFlags("", p.Kubeconfig); err != nil {
		return nil, err
	}
	p.config.QPS = -1
	p.client, err = kubernetes.NewForConfig(p.config)
	return p, err
}

// Config returns a client configuration for the administrator.
func (p *Plane) Config() *rest.Config { return rest.CopyConfig(p.config) }

// Client returns a client of the administrator.
func (p *Plane) Client() *kubernetes.Clientset { return p.client }

// Namespace creates a namespace for the test that enforces Pod Security
// "restricted", and deletes it at the test's end.
func (p *Plane) Namespace(t testing.TB) string {
	t.Helper()
	ns, err := p.client.CoreV1().Namespaces().Create(t.Context(), &v1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "test-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.client.CoreV1().Namespaces().Delete(context.WithoutCancel(t.Context()), ns.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return ns.Name
}

// Kubectl runs kubectl as the administrator and returns what it printed.
func (p *Plane) Kubectl(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(p.Binary, append([]string{"kubectl", "--kubeconfig", p.Kubeconfig}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// AuditLog returns the path of the API server's audit log: one JSON object a
// line for each request, written before the request is answered. The server
// begins a new file of that name when it is large.
func (p *Plane) AuditLog() string { return filepath.Join(p.dir, "audit.log") }

// Requests returns the audit log's lines of finished requests so far that have
// all the given texts in them. The log is that of all tests of the package, and
// long: name what the requests have in common, such as a namespace.
func (p *Plane) Requests(t testing.TB, having ...string) []string {
	t.Helper()
	file, err := os.Open(p.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var lines []string
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		if hasAll(scanner.Bytes(), having) {
			lines = append(lines, scanner.Text())
		}
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func hasAll(line []byte, texts []string) bool {
	for _, text := range texts {
		if !bytes.Contains(line, []byte(text)) {
			return false
		}
	}
	return true
}
