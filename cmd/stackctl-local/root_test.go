package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	for _, path := range []string{"/tmp/plane/kubeconfig", "/tmp/my plane/it's here", "/tmp/$HOME/`id`"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(path)).Output()
		if err != nil || string(out) != path {
			t.Errorf("a shell reads %s as %q (%v), want %q", quote(path), out, err, path)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"up", "--nodes=0"}, "--nodes: want 1 to 100, got 0"},
		{[]string{"run", "--timeout=-1s"}, "--timeout: want more than 0, got -1s"},
		{[]string{"up", "extra"}, `up takes no argument, got "extra"`},
		{[]string{"status", "--nope"}, "unknown flag: --nope"},
		{[]string{"kubeconfig", "--group=dev"}, "--group needs --user"},
	} {
		var out, notes bytes.Buffer
		if code := run(tt.args, strings.NewReader(""), &out, &notes); code != 2 {
			t.Errorf("%v: exit code %d, want 2", tt.args, code)
		}
		if !strings.Contains(notes.String(), tt.want) {
			t.Errorf("%v: says %q, want %q", tt.args, notes.String(), tt.want)
		}
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	root := newRoot(&streams{})
	for _, command := range root.Commands() {
		if !command.Hidden && command.Name() != "help" && command.Name() != "completion" && command.Example == "" {
			t.Errorf("%s has no example", command.Name())
		}
	}
}

// A binary without its release would start a server that clients refuse; a test
// binary is one.
func TestUnstampedBinaryRefuses(t *testing.T) {
	var out, notes bytes.Buffer
	code := run([]string{"up", "--dir", t.TempDir()}, strings.NewReader(""), &out, &notes)
	if code != 1 || !strings.Contains(notes.String(), "build it with make local") {
		t.Errorf("exit code %d, says %q", code, notes.String())
	}
}
