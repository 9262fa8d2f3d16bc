package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// testEnv is a world of buffers without a terminal.
func testEnv(args ...string) (e *env, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &env{
		args:   append([]string{"stackctl"}, args...),
		getenv: func(string) string { return "" },
		now:    func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
		stdin:  strings.NewReader(""),
		stdout: &output{w: stdout},
		stderr: &output{w: stderr},
		size:   func() (int, int) { return 80, 24 },
	}, stdout, stderr
}

// allCommands returns all commands below one, in the order of the overview.
func allCommands(parent *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, c := range parent.Commands() {
		all = append(append(all, c), allCommands(c)...)
	}
	return all
}

// TestHelp compares the help of every command with testdata/ui/help.txt.
func TestHelp(t *testing.T) {
	var got strings.Builder
	lines := [][]string{{"--help"}}
	e, _, _ := testEnv()
	for _, c := range allCommands(newRoot(e)) {
		lines = append(lines, append(strings.Fields(c.CommandPath())[1:], "--help"))
	}
	for _, line := range lines {
		e, stdout, stderr := testEnv(line...)
		if code := run(e); code != 0 || stderr.Len() > 0 {
			t.Fatalf("stackctl %s exits %d: %s", strings.Join(line, " "), code, stderr)
		}
		fmt.Fprintf(&got, "$ stackctl %s\n%s\n", strings.Join(line, " "), stdout)
	}
	golden(t, "help.txt", got.String())
}

// TestHelpIsComplete asks of every command what a reader needs.
func TestHelpIsComplete(t *testing.T) {
	e, _, _ := testEnv()
	for _, c := range allCommands(newRoot(e)) {
		if c.Name() == "help" {
			continue
		}
		if c.Short == "" || c.Long == "" || c.Example == "" || c.GroupID == "" && !c.Parent().HasParent() {
			t.Errorf("%s lacks a short text, a long text, an example or a group", c.Name())
		}
		if strings.ToLower(c.Short[:1]) != c.Short[:1] || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: %q: a short text is lower case without a full stop", c.Name(), c.Short)
		}
		if _, line, _ := strings.Cut(c.Long, "\n  3 "); !strings.Contains(line, "the output") {
			t.Errorf("%s does not say that it ends with 3 when its output is lost", c.Name())
		}
		for line := range strings.Lines(c.Long) {
			if len(strings.TrimRight(line, "\n")) > 80 {
				t.Errorf("%s: a line of the long text is wider than 80: %s", c.Name(), line)
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "..", "testdata", "ui", name)
	if update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("testdata/ui/%s differs (-want +got); STACKCTL_UPDATE=1 go test rewrites it:\n%s", name, diff)
	}
}
