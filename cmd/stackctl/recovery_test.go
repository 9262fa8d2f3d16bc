//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"stackctl.dev/stackctl/apply/applytest"
)

// relay stands between stackctl and the API server, and may keep a request
// from it.
type relay struct {
	*httptest.Server
	// stop is asked about each request; it may answer itself, and reports
	// whether it did.
	stop atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
}

func newRelay(t *testing.T, plane *applytest.Plane) *relay {
	t.Helper()
	target, err := url.Parse(plane.Config().Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	if proxy.Transport, err = rest.TransportFor(plane.Config()); err != nil {
		t.Fatal(err)
	}
	proxy.FlushInterval = -1 // watches
	r := &relay{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if stop := r.stop.Load(); stop != nil && (*stop)(w, req) {
			return
		}
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(r.CloseClientConnections)
	return r
}

// kubeconfig writes one that leads through the relay.
func (r *relay) kubeconfig(t *testing.T, namespace string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := `{apiVersion: v1, kind: Config, current-context: relay, clusters: [{name: relay, cluster: {server: "` + r.URL + `"}}],
contexts: [{name: relay, context: {cluster: relay, user: "", namespace: ` + namespace + `}}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ends reports a request that records the end of a run.
func ends(r *http.Request) bool {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/secrets") {
		return false
	}
	body := new(bytes.Buffer)
	_, _ = body.ReadFrom(r.Body)
	r.Body = struct {
		*bytes.Reader
		nothing
	}{bytes.NewReader(body.Bytes()), nothing{}}
	return bytes.Contains(body.Bytes(), []byte("stackctl.dev/outcome"))
}

type nothing struct{}

func (nothing) Close() error { return nil }

// TestAnEndThatIsNotRecordedIsKeptInAFile: the cluster refuses only the last
// record. What was done is in a file that names no value, and the next apply
// finishes the record.
func TestAnEndThatIsNotRecordedIsKeptInAFile(t *testing.T) {
	p, file := newPerson(t)
	text := "name: hello\napps: {web: {image: 'example.org/hello:v1', port: 8080, env: {A: can4ry}, secrets: {TOKEN: {fromEnv: TOKEN}}}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRelay(t, p.plane)
	refuse := func(w http.ResponseWriter, req *http.Request) bool {
		if !ends(req) {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"not today"}`))
		return true
	}
	r.stop.Store(&refuse)
	t.Setenv("TOKEN", "s3cr3t-can4ry")
	t.Chdir(t.TempDir())
	kubeconfig := r.kubeconfig(t, p.namespace)
	stackctl := func() (int, string) {
		e, _, stderr := testEnv("apply", "-f", file, "-y", "--kubeconfig", kubeconfig)
		e.now, e.getenv = time.Now, os.Getenv
		return run(e), stderr.String()
	}
	const name = "stackctl-recovery-hello-1.json"
	code, stderr := stackctl()
	if code != 7 || !strings.Contains(stderr, "revision 1 could not be recorded") || !strings.Contains(stderr, "what was done is in "+name) {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	kept, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var got recovery
	if err := json.Unmarshal(kept, &got); err != nil || got.Revision != 1 || got.Status != "pending" || len(got.Outcomes) != 3 || got.Changes.Created != 3 {
		t.Errorf("%v in %s", err, kept)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if bytes.Contains(kept, []byte("can4ry")) {
		t.Errorf("the file holds values: %s", kept)
	}
	if got := p.statuses(); got != "pending" {
		t.Errorf("history: %s", got)
	}
	r.stop.Store(nil)
	if code, stderr := stackctl(); code != 0 {
		t.Errorf("the next apply: exit code %d: %s", code, stderr)
	}
	if got := p.statuses(); got != "interrupted deployed" {
		t.Errorf("history: %s", got)
	}
}

// listener keeps what is written to it, and tells when it has heard a text.
type listener struct {
	all   bytes.Buffer // not embedded: its ReadFrom would get round Write
	text  string
	heard chan bool
	once  sync.Once
}

func (l *listener) Write(b []byte) (int, error) {
	n, err := l.all.Write(b)
	if strings.Contains(l.all.String(), l.text) {
		l.once.Do(func() { close(l.heard) })
	}
	return n, err
}

// TestASecondInterruptEndsAtOnce: a process whose last request hangs is
// interrupted twice. After the first time it goes on trying to record the end.
func TestASecondInterruptEndsAtOnce(t *testing.T) {
	p, file := newPerson(t)
	write(t, file, "never-ready")
	program, err := exec.LookPath("stackctl")
	if err != nil {
		t.Fatal(err)
	}
	r := newRelay(t, p.plane)
	hangs, over := make(chan bool), make(chan bool)
	defer close(over)
	begun := sync.OnceFunc(func() { close(hangs) })
	hang := func(_ http.ResponseWriter, req *http.Request) bool {
		if !ends(req) {
			return false
		}
		begun()
		<-over
		return true
	}
	r.stop.Store(&hang)
	cmd := exec.Command(program, "apply", "-f", file, "-y", "--kubeconfig", r.kubeconfig(t, p.namespace))
	stderr := listener{text: "once more stops at once", heard: make(chan bool)}
	cmd.Stderr, cmd.Dir, cmd.Env = &stderr, t.TempDir(), append(os.Environ(), "HOME="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	go func() { _ = cmd.Wait(); close(ended) }()
	p.plane.Kubectl(t, "-n", p.namespace, "wait", "--for=create", "deployment/web", "--timeout=60s")
	for first := true; ; first = false {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		reached := ended
		if first {
			reached = hangs
		}
		select {
		case <-reached:
		case <-time.After(time.Minute):
			_ = cmd.Process.Kill()
			t.Fatalf("it does not end:\n%s", &stderr.all)
		}
		if !first {
			break
		}
		select { // what the first did is told before anybody can know of a second
		case <-stderr.heard:
		case <-ended:
		}
	}
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.all.String(), "once more stops at once") {
		t.Errorf("exit code %d:\n%s", code, &stderr.all)
	}
	if strings.Contains(stderr.all.String(), "error: ") {
		t.Errorf("it went on after the second interrupt:\n%s", &stderr.all)
	}
}
