//go:build unix

package main

import (
	"strings"
	"syscall"
	"testing"
)

// TestInterruptedPrompt ends a question that nobody answers.
func TestInterruptedPrompt(t *testing.T) {
	p, file := newPerson(t)
	p.before = func() {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		select {} // nobody answers
	}
	code, _, stderr := p.stackctl("apply", "-f", file)
	if code != 143 || !strings.Contains(stderr, "error: interrupted: nothing was written") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if got := p.objects(); got != "" {
		t.Errorf("there is %s", got)
	}
}
