package plane

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestProcessIsNotAStrangerWithItsPID(t *testing.T) {
	command := exec.Command("sleep", "60")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer command.Wait()
	defer command.Process.Kill()
	process, err := identify(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if !process.Alive() {
		t.Error("a running process counts as ended")
	}

	stranger := Process{PID: process.PID, Start: process.Start + 1}
	if stranger.Alive() {
		t.Error("another process with the same pid counts as ours")
	}
	if err := stranger.Signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signalling a stranger: got %v, want that ours is done", err)
	}
	if !process.Alive() {
		t.Error("the stranger was killed")
	}

	if err := process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !await(orphanTime, func() bool { return !process.Alive() }) {
		t.Error("a killed process that nobody has waited for counts as running")
	}
}

func TestStatReadsAnyProcessName(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a) S 1 (b")
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	content, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(name, "60")
	if err := command.Start(); err != nil {
		t.Skip(err) // a sleep that is part of a larger program may refuse
	}
	defer command.Wait()
	defer command.Process.Kill()
	odd, err := identify(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if mine := self(); odd.Start < mine.Start {
		t.Errorf("a child started at %d, before its parent at %d", odd.Start, mine.Start)
	}
}

func TestPickPorts(t *testing.T) {
	p, err := pickPorts()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range []int{p.api, p.etcd, p.etcdPeer} {
		if seen[port] || port == 0 {
			t.Errorf("ports %+v are not all different", p)
		}
		seen[port] = true
		listener, err := net.Listen("tcp4", address(port))
		if err != nil {
			t.Errorf("port %d is not free: %v", port, err)
			continue
		}
		listener.Close()
	}
	if !strings.HasPrefix(p.server(), "https://127.0.0.1:") {
		t.Errorf("server is %s", p.server())
	}
}

func TestPortTaken(t *testing.T) {
	for _, tt := range []struct {
		reason string
		err    error
		want   bool
	}{
		{"nothing failed", nil, false},
		{"something else failed", errors.New("address already in use"), false},
		{"a component failed otherwise", &ComponentError{Tail: []string{"out of memory"}}, false},
		{"a component lost its port", &ComponentError{Tail: []string{"x", "bind: address already in use"}}, true},
	} {
		if got := portTaken(tt.err); got != tt.want {
			t.Errorf("%s: got %v", tt.reason, got)
		}
	}
}

func TestComponentErrorSaysWhatAndWhere(t *testing.T) {
	log := filepath.Join(t.TempDir(), "etcd.log")
	if err := os.WriteFile(log, []byte(strings.Repeat("old\n", 30)+"no space left\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := &ComponentError{Name: "etcd", Log: log, Tail: lastLines(log, 2), Err: errors.New("exit status 1")}
	want := "etcd ended: exit status 1\n  log: " + log + "\n  | old\n  | no space left"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
