package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/plane"
)

// TestPlane is the life of one plane, told with the binary a user has.
func TestPlane(t *testing.T) {
	p := newTestPlane(t)
	if out, _, code := p.run(t, "status"); code != 1 || !strings.HasPrefix(out, "not up in") {
		t.Errorf("status before: exit code %d, %q", code, out)
	}
	line := p.mustRun(t, "up", "--audit-log")
	if want := "export KUBECONFIG=" + p.dir.Kubeconfig() + "\n"; line != want {
		t.Fatalf("up says %q, want %q", line, want)
	}
	again, notes, code := p.run(t, "up")
	if again != line || code != 0 || !strings.Contains(notes, "already up") {
		t.Errorf("up when up: exit code %d, %q, %q", code, again, notes)
	}
	if out := p.mustRun(t, "status"); !strings.HasPrefix(out, "up in") || strings.Count(out, "runs") != 6 {
		t.Errorf("status is %q, want six processes that run", out)
	}
	processes := p.processes(t)

	t.Run("listens on loopback only", func(t *testing.T) { checkListeners(t, processes) })
	t.Run("plays", func(t *testing.T) { testPlays(t, p.client(t)) })
	t.Run("workloads", func(t *testing.T) { testWorkloads(t, p.client(t)) })
	t.Run("logs", func(t *testing.T) { testLogs(t, p.client(t)) })
	t.Run("users", func(t *testing.T) { testUsers(t, p) })
	t.Run("audit log", func(t *testing.T) { testAuditLog(t, p) })

	p.mustRun(t, "down")
	p.checkGone(t, processes)
	if _, notes, code := p.run(t, "down"); code != 0 || !strings.Contains(notes, "nothing to end") {
		t.Errorf("down when down: exit code %d, %q", code, notes)
	}
}

// TestAPIOnly is a plane on which objects are accepted, and no more.
func TestAPIOnly(t *testing.T) {
	p := newTestPlane(t)
	p.mustRun(t, "up", "--api-only")
	if out := p.mustRun(t, "status"); !strings.HasPrefix(out, "up in") || strings.Count(out, "runs") != 3 {
		t.Errorf("status is %q, want three processes that run", out)
	}
	processes := p.processes(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	if _, err := p.client(t).CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Error(err)
	}
	p.mustRun(t, "down")
	p.checkGone(t, processes)
}

// TestUntilEOF is how other tests hold a plane.
func TestUntilEOF(t *testing.T) {
	p := newTestPlane(t)
	command, stdin := p.start(t)
	processes := p.processes(t)
	stdin.Close()
	if err := command.Wait(); err != nil {
		t.Errorf("run ended with %v", err)
	}
	p.checkGone(t, processes)
}

func TestKilledSupervisorTakesAllAlong(t *testing.T) {
	p := newTestPlane(t)
	command, _ := p.start(t)
	processes := p.processes(t)
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	p.checkEnded(t, processes)
	if _, _, code := p.run(t, "status"); code != 1 {
		t.Errorf("status has exit code %d, want 1", code)
	}
	p.mustRun(t, "down")
	p.checkGone(t, processes)
}

func TestDeadComponentIsNamed(t *testing.T) {
	p := newTestPlane(t)
	command, _ := p.start(t)
	processes := p.processes(t)
	status, err := p.dir.Look()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range status.Components {
		if c.Name == "kube-scheduler" {
			if err := c.Signal(9); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("run ended with %v, want exit code 1", err)
	}
	notes := command.Stderr.(*bytes.Buffer).String()
	log := filepath.Join(p.dir.Path(), "logs", "kube-scheduler.log")
	if !strings.Contains(notes, "kube-scheduler ended: signal: killed") || !strings.Contains(notes, log) {
		t.Errorf("run says %q, want the name and the log", notes)
	}
	if _, err := os.Stat(log); err != nil {
		t.Errorf("the log it names: %v", err)
	}
	p.checkEnded(t, processes)
	p.mustRun(t, "down")
	p.checkGone(t, processes)
}

func TestStrangeDirectoryIsRefused(t *testing.T) {
	p := newTestPlane(t)
	stranger := filepath.Join(p.dir.Path(), "thesis.txt")
	if err := os.MkdirAll(p.dir.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, notes, code := p.run(t, "up"); code != 1 || !strings.Contains(notes, "choose another --dir") {
		t.Errorf("up: exit code %d, %q", code, notes)
	}
	p.mustRun(t, "down")
	if _, err := os.Stat(stranger); err != nil {
		t.Error(err)
	}
}

// testPlane is a plane in a directory of its own, driven by the binary.
type testPlane struct {
	binary string
	dir    *plane.Dir
}

func newTestPlane(t *testing.T) *testPlane {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	dir, err := plane.Open(filepath.Join(t.TempDir(), "plane"))
	if err != nil {
		t.Fatal(err)
	}
	p := &testPlane{binary: binary(t), dir: dir}
	t.Cleanup(func() { _, _ = p.dir.Stop() })
	return p
}

// binary returns bin/stackctl-local, or builds one when it is not there.
func binary(t *testing.T) string {
	t.Helper()
	built, err := filepath.Abs(filepath.Join("..", "..", "bin", "stackctl-local"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(built); err == nil {
		return built
	}
	release, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes").Output()
	if err != nil {
		t.Fatal(err)
	}
	built = filepath.Join(t.TempDir(), "stackctl-local")
	flags := "-s -w -X k8s.io/component-base/version.gitVersion=" + strings.TrimSpace(string(release))
	command := exec.Command("go", "build", "-trimpath", "-ldflags", flags, "-o", built, ".")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return built
}

func (p *testPlane) run(t *testing.T, args ...string) (out, notes string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, p.binary, append(args, "--dir", p.dir.Path())...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), command.ProcessState.ExitCode()
}

func (p *testPlane) mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, notes, code := p.run(t, args...)
	if code != 0 {
		t.Fatalf("stackctl-local %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, notes)
	}
	return out
}

// start runs the plane in the foreground until it is up.
func (p *testPlane) start(t *testing.T) (*exec.Cmd, interface{ Close() error }) {
	t.Helper()
	command := exec.Command(p.binary, "run", "--until-eof", "--nodes=1", "--dir", p.dir.Path())
	command.Stderr = &bytes.Buffer{}
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	line := make([]byte, 4096)
	if n, err := stdout.Read(line); err != nil || !strings.HasPrefix(string(line[:n]), "export KUBECONFIG=") {
		t.Fatalf("run says %q (%v)\n%s", line[:n], err, command.Stderr)
	}
	return command, stdin
}

// processes returns the supervisor and its components.
func (p *testPlane) processes(t *testing.T) []plane.Process {
	t.Helper()
	status, err := p.dir.Look()
	if err != nil || !status.Up {
		t.Fatalf("look: %+v, %v", status, err)
	}
	processes := []plane.Process{status.Supervisor}
	for _, c := range status.Components {
		processes = append(processes, c.Process)
	}
	return processes
}

func (p *testPlane) client(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", p.dir.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	config.UserAgent = "e2e-test"
	return kubernetes.NewForConfigOrDie(config)
}

func (p *testPlane) checkEnded(t *testing.T, processes []plane.Process) {
	t.Helper()
	for _, process := range processes {
		if !within(5*time.Second, func() bool { return !process.Alive() }) {
			t.Errorf("pid %d still runs", process.PID)
		}
	}
}

func (p *testPlane) checkGone(t *testing.T, processes []plane.Process) {
	t.Helper()
	p.checkEnded(t, processes)
	if _, err := os.Stat(p.dir.Path()); !errors.Is(err, os.ErrNotExist) {
		entries, _ := os.ReadDir(p.dir.Path())
		t.Errorf("the directory is still there (%v), with %v", err, entries)
	}
}

// settle is how long a change may take to reach everybody.
const settle = 10 * time.Second

// within asks until it is true or the time is over.
func within(limit time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return done()
}

// namespace makes a fresh one.
func namespace(t *testing.T, client kubernetes.Interface, labels map[string]string) string {
	t.Helper()
	fresh := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-", Labels: labels}}
	ns, err := client.CoreV1().Namespaces().Create(t.Context(), fresh, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ready := within(10*time.Second, func() bool {
		_, err := client.CoreV1().ServiceAccounts(ns.Name).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil
	})
	if !ready {
		t.Fatal("no default service account")
	}
	return ns.Name
}
