package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"
)

// pipeline is the command "pipeline FILE JOB N": it runs the commands of a job
// of examples/ci that call stackctl, of which there are N, as a runner would.
func pipeline(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: pipeline FILE JOB N")
	}
	text, err := os.ReadFile(filepath.Join(ts.Getenv("EXAMPLES"), "ci", args[0]))
	ts.Check(err)
	type job struct {
		Steps  []struct{ Run string }
		Script []string
	}
	var jobs map[string]json.RawMessage
	ts.Check(yaml.Unmarshal(text, &jobs))
	if github := jobs["jobs"]; github != nil {
		ts.Check(json.Unmarshal(github, &jobs))
	}
	var one job
	ts.Check(json.Unmarshal(jobs[args[1]], &one))
	commands := one.Script
	for _, step := range one.Steps {
		commands = append(commands, step.Run)
	}
	ran := 0
	for _, command := range commands {
		if strings.Contains(command, "stackctl ") {
			ran++
			if err := ts.Exec("bash", "-eo", "pipefail", "-c", command); err != nil {
				ts.Fatalf("%s: %s: %v", args[0], command, err)
			}
		}
	}
	if strconv.Itoa(ran) != args[2] {
		ts.Fatalf("%s has %d commands of stackctl in %s, want %s", args[0], ran, args[1], args[2])
	}
}

// jsonLines is the command "lines STREAM json": every line of it is an event of
// the log for machines.
func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || args[1] != "json" {
		ts.Fatalf("usage: lines STREAM json")
	}
	n := 0
	for scan := bufio.NewScanner(strings.NewReader(ts.ReadFile(args[0]))); scan.Scan(); n++ {
		var e struct {
			V           int
			Time, Event string
		}
		if err := json.Unmarshal(scan.Bytes(), &e); err != nil || e.V != 1 || e.Time == "" || e.Event == "" {
			ts.Fatalf("line %d is no event: %v: %s", n+1, err, scan.Text())
		}
	}
	if n == 0 {
		ts.Fatalf("%s has no lines", args[0])
	}
}

func readRoot(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestImage: the image has no shell and no root, and the binary in it is built
// as make builds it.
func TestImage(t *testing.T) {
	text := readRoot(t, "Dockerfile")
	stages := strings.Split(text, "\nFROM ")
	last := stages[len(stages)-1]
	if !regexp.MustCompile(`^\S*distroless/static-\w+:nonroot\n`).MatchString(last) {
		t.Errorf("the last stage is not distroless without root: %s", last)
	}
	user := regexp.MustCompile(`(?m)^USER (\d+)(:\d+)?$`).FindStringSubmatch(last)
	if user == nil || user[1] == "0" {
		t.Errorf("no USER that is a number and not 0: %s", last)
	}
	for line := range strings.Lines(last) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "RUN" || word == "ADD" || word == "SHELL":
			t.Errorf("%s: there is no shell to run it", line)
		case (word == "ENTRYPOINT" || word == "CMD") && !strings.HasPrefix(rest, `["/`):
			t.Errorf("%s: needs a shell", line)
		}
	}
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readRoot(t, "go.mod"))
	if !strings.Contains(text, "FROM golang:"+goVersion[1]+" ") {
		t.Errorf("built with another Go than %s", goVersion[1])
	}
	makefile := readRoot(t, "Makefile")
	ldflags := regexp.MustCompile(`(?m)^LDFLAGS := (.*)\$\(VERSION\)$`).FindStringSubmatch(makefile)
	build := regexp.MustCompile(`(?m)^\t(CGO_ENABLED=0 go build -trimpath -ldflags) '\$\(LDFLAGS\)' -o \$@ \./cmd/stackctl$`).FindStringSubmatch(makefile)
	if ldflags == nil || build == nil {
		t.Fatal("the Makefile builds another way than this test knows")
	}
	want := build[1] + ` "` + ldflags[1] + `$VERSION"`
	for _, name := range []string{"Dockerfile", "action.yml"} {
		if !strings.Contains(readRoot(t, name), want) {
			t.Errorf("%s does not build with %s", name, want)
		}
	}
}

// TestAction: no input of a composite action becomes a part of its script.
func TestAction(t *testing.T) {
	var action struct {
		Runs struct {
			Using string
			Steps []struct{ Shell, Run string }
		}
	}
	if err := yaml.Unmarshal([]byte(readRoot(t, "action.yml")), &action); err != nil {
		t.Fatal(err)
	}
	if action.Runs.Using != "composite" || len(action.Runs.Steps) == 0 {
		t.Errorf("no composite action: %+v", action)
	}
	for _, step := range action.Runs.Steps {
		if step.Shell == "" || strings.Contains(step.Run, "${{") {
			t.Errorf("a step without a shell, or with an expression in its script: %+v", step)
		}
	}
}

// TestHooks runs the hooks for pre-commit on an example.
func TestHooks(t *testing.T) {
	var hooks []struct {
		ID, Entry, Language, Files string
		PassFilenames              *bool `json:"pass_filenames"`
	}
	if err := yaml.Unmarshal([]byte(readRoot(t, ".pre-commit-hooks.yaml")), &hooks); err != nil || len(hooks) != 2 {
		t.Fatalf("%+v, %v", hooks, err)
	}
	t.Chdir(filepath.Join("..", "..", "examples", "recipes"))
	for _, hook := range hooks {
		e, _, stderr := testEnv(strings.Fields(hook.Entry)[1:]...)
		if code := run(e); code != 0 {
			t.Errorf("%s exits %d: %s", hook.Entry, code, stderr)
		}
		if !regexp.MustCompile(hook.Files).MatchString("deploy/stack.yaml") || hook.PassFilenames == nil || *hook.PassFilenames {
			t.Errorf("%+v", hook)
		}
	}
}
