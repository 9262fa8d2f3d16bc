package torture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stackctl.dev/stackctl/apply/applytest"
)

// leastBugs is how many seeded bugs the drill has to have.
const leastBugs = 20

// bug is a patch with a defect as somebody could make it, and the test that
// must catch it: `breaks: …`, `caught-by: PACKAGE TEST [TRIALS=n]`, the patch. A
// trial of a campaign is a test, too: TestTortureX/trial/3.
type bug struct {
	file, breaks, pkg, test, trials string
}

var bugHead = regexp.MustCompile(`^breaks: (.+)\ncaught-by: (\S+) (\S+)(?: TRIALS=(\d+))?\n\n`)

func bugs(t *testing.T) []bug {
	t.Helper()
	files, err := filepath.Glob("../../testdata/torture/bugs/*.patch")
	if err != nil {
		t.Fatal(err)
	}
	var all []bug
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := bugHead.FindStringSubmatch(string(text))
		if m == nil {
			t.Errorf("%s does not begin with what it breaks and what catches it", file)
			continue
		}
		file, err = filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bug{file, m[1], m[2], m[3], m[4]})
	}
	if len(all) < leastBugs {
		t.Errorf("there are %d seeded bugs, want %d", len(all), leastBugs)
	}
	return all
}

// TestSeededBugsApply: a patch that no longer applies proves nothing.
func TestSeededBugsApply(t *testing.T) {
	for _, b := range bugs(t) {
		if out, err := git("../..", "apply", "--check", b.file); err != nil {
			t.Errorf("%s does not apply to the engine as it is; make it anew: %v\n%s", filepath.Base(b.file), err, out)
		}
	}
}

// TestTortureBugs is the drill: with each defect in turn, the test that is named
// for it has to fail. It builds the module once for each, so it runs only when
// it is asked for: by `make torture CAMPAIGN=bugs`, or with TORTURE_BUGS=1.
func TestTortureBugs(t *testing.T) {
	if os.Getenv("TORTURE_BUGS") == "" && os.Getenv("TORTURE_RESULTS") == "" {
		t.Skip("the drill takes about half an hour: TORTURE_BUGS=1")
	}
	plane := applytest.Start(t)
	all := bugs(t)
	c := start(t, "bugs", len(all))
	c.Trials = min(c.Trials, len(all))
	tree := copyOfTheModule(t)
	sound := map[string]error{} // by test: it has to pass without a bug
	caught := 0
	c.each(1, func(t *testing.T, i int) {
		b := all[i]
		name := filepath.Base(b.file)
		what := b.pkg + b.test + b.trials
		if _, ok := sound[what]; !ok {
			var out []byte
			out, sound[what] = b.run(tree, plane.Binary)
			if sound[what] != nil {
				t.Logf("%s", out)
			}
		}
		if err := sound[what]; err != nil {
			c.fail(i, "%s: %s fails without it: %v", name, b.test, err)
			return
		}
		if out, err := git(tree, "apply", b.file); err != nil {
			c.fail(i, "%s does not apply: %v\n%s", name, err, out)
			return
		}
		defer func() {
			if out, err := git(tree, "apply", "-R", b.file); err != nil {
				t.Fatalf("%s cannot be taken back: %v\n%s", name, err, out)
			}
		}()
		out, err := b.run(tree, plane.Binary)
		switch {
		case err == nil:
			c.fail(i, "%s survived %s: %s", name, b.test, b.breaks)
		case !bytes.Contains(out, []byte("--- FAIL")):
			c.fail(i, "%s broke more than the engine: %v\n%s", name, err, out)
		default:
			caught++
		}
	})
	c.figure("%d of %d caught", caught, len(all))
	c.done()
}

// run runs the test that has to catch a bug, with seed 1.
func (b bug) run(tree, plane string) ([]byte, error) {
	cmd := exec.Command("go", "test", "-count=1", "-vet=off", "-ldflags=-s -w", "-timeout=10m", "-run=^("+strings.ReplaceAll(b.test, "/", ")$/^(")+")$", b.pkg)
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "STACKCTL_LOCAL="+plane, "STACKCTL_CONTROL_PLANE=required", "TORTURE_BUGS=", "TORTURE_RESULTS=", "SEED=1", "TRIALS="+b.trials)
	return cmd.CombinedOutput()
}

// git runs in a directory that need not be a repository.
func git(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

// copyOfTheModule copies what git knows of, with the changes that are not
// committed yet.
func copyOfTheModule(t *testing.T) string {
	t.Helper()
	out, err := git("../..", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		t.Fatalf("the drill needs the repository: %v\n%s", err, out)
	}
	tree := t.TempDir()
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		from, to := filepath.Join("../..", name), filepath.Join(tree, name)
		content, err := os.ReadFile(from)
		if os.IsNotExist(err) {
			continue // removed, and not committed yet
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, content, 0o644)
		}
		if err != nil {
			t.Fatal(fmt.Errorf("copy the module: %w", err))
		}
	}
	return tree
}
