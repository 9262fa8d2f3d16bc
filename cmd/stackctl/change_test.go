package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply/applytest"
)

// person is a terminal with somebody at it.
type person struct {
	t         *testing.T
	plane     *applytest.Plane
	namespace string
	before    func() // what happens while the question is open
	answer    string
	asked     int
}

func (p *person) Read(b []byte) (int, error) {
	if p.asked++; p.asked > 1 {
		return 0, io.EOF
	}
	if p.before != nil {
		p.before()
	}
	return copy(b, p.answer), nil
}

// stackctl runs a command line with the person at the terminal.
func (p *person) stackctl(args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	p.asked = 0
	e, out, errs := testEnv(append(args, "--kubeconfig", p.plane.Kubeconfig, "-n", p.namespace)...)
	e.now = time.Now
	e.getenv = func(key string) string { return map[string]string{"TERM": "dumb", "GIT_AUTHOR_NAME": "Ann"}[key] }
	e.stdin, e.stdinTTY, e.stderr.tty, e.stdout.tty = p, true, true, true
	code = run(e)
	return code, out.String(), errs.String()
}

func newPerson(t *testing.T) (*person, string) {
	plane := applytest.Start(t)
	file := filepath.Join(t.TempDir(), "stack.yaml")
	write(t, file, "v1")
	return &person{t: t, plane: plane, namespace: plane.Namespace(t)}, file
}

func write(t *testing.T, file, tag string) {
	t.Helper()
	text := fmt.Sprintf("name: hello\napps: {web: {image: 'example.org/hello:%s', replicas: 2, port: 8080}}\n", tag)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// objects lists what is in the namespace.
func (p *person) objects() string {
	p.t.Helper()
	return p.plane.Kubectl(p.t, "-n", p.namespace, "get", "deployment,service,secret,lease", "-o", "name")
}

// TestPrompt asks a person and does what they say.
func TestPrompt(t *testing.T) {
	p, file := newPerson(t)
	for _, answer := range []string{"n\n", "\n", "", "yep\n"} {
		p.answer = answer
		code, stdout, stderr := p.stackctl("apply", "-f", file)
		if code != 3 || !strings.Contains(stderr, "error: not confirmed: nothing was written") {
			t.Errorf("answer %q: exit code %d: %s", answer, code, stderr)
		}
		if !strings.Contains(stdout, "+ Deployment/web  you ") || !strings.Contains(stderr, "apply these changes? [y/N] ") {
			t.Errorf("answer %q: the plan or the question was not shown: %s%s", answer, stdout, stderr)
		}
	}
	if got := p.objects(); got != "" {
		t.Fatalf("no was the answer, and there is %s", got)
	}
	p.answer = "Y\n"
	if code, _, stderr := p.stackctl("apply", "-f", file); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if got := p.objects(); !strings.Contains(got, "deployment.apps/web") {
		t.Errorf("yes was the answer, and there is only %s", got)
	}
	if code, _, stderr := p.stackctl("apply", "-f", file); code != 0 || p.asked > 0 {
		t.Errorf("asked %d times about no change; exit code %d: %s", p.asked, code, stderr)
	}
	p.answer = "n\n"
	if code, _, _ := p.stackctl("delete", "hello"); code != 3 || p.objects() == "" {
		t.Errorf("delete exits %d after no", code)
	}
}

// TestStaleAfterYes changes the cluster while the question is open: what was
// approved no longer is what would happen.
func TestStaleAfterYes(t *testing.T) {
	p, file := newPerson(t)
	if code, _, stderr := p.stackctl("apply", "-f", file, "-y"); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	write(t, file, "v2")
	p.answer = "y\n"
	p.before = func() { p.plane.Kubectl(t, "-n", p.namespace, "delete", "deployment/web") }
	code, _, stderr := p.stackctl("apply", "-f", file)
	if code != 3 || !strings.Contains(stderr, "error: plan is stale") || !strings.Contains(stderr, "hint: nothing was written; run the command again") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if got := p.objects(); strings.Contains(got, "deployment.apps/web") {
		t.Errorf("a stale plan was carried out: %s", got)
	}
}

// saboteur does something the first time it is written to.
type saboteur struct {
	bytes.Buffer
	act func()
}

func (s *saboteur) Write(b []byte) (int, error) {
	n, err := s.Buffer.Write(b)
	if act := s.act; act != nil && strings.Contains(s.String(), "Plan: ") {
		s.act = nil
		act()
	}
	return n, err
}

// TestStaleUnattended changes the cluster between plan and lock where nobody
// approved anything: the new plan is shown and carried out.
func TestStaleUnattended(t *testing.T) {
	p, file := newPerson(t)
	if code, _, stderr := p.stackctl("apply", "-f", file, "-y"); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	write(t, file, "v2")
	e, _, stderr := testEnv("apply", "-f", file, "--lock-timeout", "0", "--kubeconfig", p.plane.Kubeconfig, "-n", p.namespace)
	out := &saboteur{act: func() { p.plane.Kubectl(t, "-n", p.namespace, "delete", "deployment/web") }}
	e.stdout.w, e.now = out, time.Now
	if code := run(e); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if !strings.Contains(stderr.String(), "the cluster changed since the plan was made") || strings.Count(out.String(), "Plan: ") != 2 {
		t.Errorf("the new plan was not shown:\n%s%s", out, stderr)
	}
	if !strings.Contains(out.String(), "Applied hello: revision 2, 1 created, ") {
		t.Errorf("the new plan was not carried out:\n%s", out)
	}
}

// failing is a stdout that cannot be written to.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestLostOutput keeps a run going whose reader went away or whose disk is full.
func TestLostOutput(t *testing.T) {
	for _, c := range []struct {
		reason string
		err    error
		want   int
	}{
		{"the reader had enough", syscall.EPIPE, 0},
		{"the disk is full", syscall.ENOSPC, 3},
	} {
		p, file := newPerson(t)
		e, _, stderr := testEnv("apply", "-f", file, "--kubeconfig", p.plane.Kubeconfig, "-n", p.namespace)
		e.stdout.w, e.now = failing{c.err}, time.Now
		if code := run(e); code != c.want {
			t.Errorf("%s: exit code %d, want %d: %s", c.reason, code, c.want, stderr)
		}
		if got := p.objects(); !strings.Contains(got, "deployment.apps/web") {
			t.Errorf("%s: the run stopped: %s", c.reason, got)
		}
	}
}

// TestLostDifferences: half of a diff is not taken for the answer that there
// are differences.
func TestLostDifferences(t *testing.T) {
	for _, c := range []struct {
		reason string
		err    error
		want   int
	}{
		{"the reader had enough", syscall.EPIPE, 1},
		{"the disk is full", syscall.ENOSPC, 3},
	} {
		e, _, stderr := testEnv("env", "diff", "-f", "../../examples/recipes/stack.yaml", "base", "dev")
		e.stdout.w = failing{c.err}
		if code := run(e); code != c.want {
			t.Errorf("%s: exit code %d, want %d: %s", c.reason, code, c.want, stderr)
		}
	}
}

func TestOutputKeepsTheFirstError(t *testing.T) {
	first := errors.New("first")
	o := &output{w: failing{first}}
	for range 2 {
		if n, err := o.Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("a lost write returns %d, %v", n, err)
		}
		o.w = failing{errors.New("second")}
	}
	if got := o.lost(); got != first {
		t.Errorf("got %v", got)
	}
}
