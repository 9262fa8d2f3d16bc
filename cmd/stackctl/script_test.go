package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"stackctl.dev/stackctl/apply/applytest"
)

func TestMain(m *testing.M) {
	quiet() // for the tests that run a command line in this process
	testscript.Main(m, map[string]func(){"stackctl": main})
}

// update rewrites goldens instead of comparing with them.
var update = os.Getenv("STACKCTL_UPDATE") != ""

// TestScript runs the scripts that need no cluster.
func TestScript(t *testing.T) {
	checkScripts(t, "script")
	params := scriptParams("script")
	params.Setup = func(env *testscript.Env) error {
		env.Setenv("KUBECONFIG", filepath.Join(env.WorkDir, "no-kubeconfig"))
		return isolate(env)
	}
	testscript.Run(t, params)
}

// TestCluster runs the scripts that need one, each in a namespace of its own,
// $NS, that enforces Pod Security "restricted".
func TestCluster(t *testing.T) {
	checkScripts(t, "cluster")
	params := clusterParams(applytest.Start(t))
	testscript.Run(t, params)
}

// clusterParams are those of scripts on a cluster.
func clusterParams(plane *applytest.Plane) testscript.Params {
	params := scriptParams("cluster")
	params.Setup = func(env *testscript.Env) error {
		namespace := plane.Namespace(env.T().(testing.TB))
		env.Setenv("NS", namespace)
		env.Setenv("KUBECONFIG", filepath.Join(env.WorkDir, ".kubeconfig"))
		if err := useNamespace(plane, env.WorkDir, namespace); err != nil {
			return err
		}
		return isolate(env)
	}
	params.Cmds["pipeline"] = pipeline
	params.Cmds["kubectl"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if err := ts.Exec(plane.Binary, append([]string{"kubectl"}, args...)...); (err != nil) != neg {
			ts.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
		}
	}
	return params
}

// useNamespace writes a kubeconfig whose context has the test's namespace.
func useNamespace(plane *applytest.Plane, dir, namespace string) error {
	text, err := os.ReadFile(plane.Kubeconfig)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, ".kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	return exec.Command(plane.Binary, "kubectl", "--kubeconfig", path, "config", "set-context", "--current", "--namespace", namespace).Run()
}

func scriptParams(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", dir),
		UpdateScripts:       update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"edit":   edit,
			"commit": commit,
			"lines":  jsonLines,
		},
	}
}

// isolate keeps what the machine knows about its user out of a script.
func isolate(env *testscript.Env) error {
	examples, err := filepath.Abs(filepath.Join("..", "..", "examples"))
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLES", examples)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("USER", "tester")
	env.Setenv("GIT_AUTHOR_NAME", "Ann Example")
	return nil
}

// exits is the command "exits CODE PROGRAM ARGS...": it runs a program and
// expects an exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s exits %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// edit is the command "edit FILE REGEXP TEXT": it replaces every match in a
// file, and fails when there is none.
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE REGEXP TEXT")
	}
	text, pattern := ts.ReadFile(args[0]), regexp.MustCompile(args[1])
	if !pattern.MatchString(text) {
		ts.Fatalf("%s: nothing matches %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(pattern.ReplaceAllString(text, args[2])), 0o644))
}

// commit is the command "commit DIR BRANCH": it commits all that is in a
// directory to a branch of the git repository there, and makes one if there is
// none.
func commit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: commit DIR BRANCH")
	}
	dir := ts.MkAbs(args[0])
	git := func(args ...string) {
		settings := []string{"-c", "user.name=Ann Example", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"}
		cmd := exec.Command("git", append(settings, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_DATE=2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2026-01-01T00:00:00Z") // so that hashes can be written down
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		git("init", "-q", "-b", args[1])
	}
	git("add", "-A")
	git("commit", "-q", "-m", "test")
}

// checkScripts keeps scripts short enough to be read, and their names useful.
func checkScripts(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in testdata/%s: %v", dir, err)
	}
	name := regexp.MustCompile(`^[a-z]+_[a-z_]+\.txtar$`)
	for _, file := range files {
		if !name.MatchString(filepath.Base(file)) {
			t.Errorf("%s: a script is named <command>_<behaviour>.txtar", file)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(string(text), "\n"); lines > 40 {
			t.Errorf("%s: %d lines; a script tells one story in at most 40", file, lines)
		}
	}
}
