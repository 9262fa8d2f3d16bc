package gitinfo

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repo is a real repository, made by git itself.
type repo struct {
	t   *testing.T
	dir string
}

func newRepo(t *testing.T, args ...string) repo {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	r := repo{t, t.TempDir()}
	r.git(append([]string{"init", "-q", "-b", "main"}, args...)...)
	r.git("config", "user.name", "Ann Example")
	r.git("config", "user.email", "ann@example.org")
	return r
}

func (r repo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r repo) write(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func (r repo) commit(message string) {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "-m", message)
}

// check compares what Read says with git's own answer and the wanted dirt.
func (r repo) check(reason, dir string, dirty bool, files ...string) {
	r.t.Helper()
	cmd := exec.Command("git", "rev-parse", "HEAD")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatal(err)
	}
	want := Info{Commit: strings.TrimSpace(string(out)), Dirty: dirty}
	if got, err := Read(dir, files); err != nil || got != want {
		r.t.Errorf("%s: got %+v, %v, want %+v", reason, got, err, want)
	}
}

func TestRead(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			r := newRepo(t, "--object-format="+format)
			file := r.write("deploy/prod/stack.yaml", "name: recipes\n")
			other := r.write("README", "hello\n")
			if got, err := Read(r.dir, []string{file}); err != nil || got != (Info{}) {
				t.Errorf("before the first commit: got %+v, %v", got, err)
			}
			r.commit("one")
			r.check("loose objects", r.dir, false, file, other)
			r.check("from a folder below", filepath.Dir(file), false, file)

			r.write("README", "changed\n")
			r.check("another file is changed", r.dir, false, file)
			r.check("one of the files is changed", r.dir, true, file, other)

			r.write("deploy/prod/stack.yaml", "name: other\n")
			r.check("the file is changed", r.dir, true, file)
			r.git("add", "-A")
			r.check("staged is not committed", r.dir, true, file)
			r.commit("two")
			r.check("committed", r.dir, false, file)

			r.check("a file git does not know", r.dir, true, r.write("deploy/new.yaml", "name: new\n"))
			r.check("a file outside the repository", r.dir, true, newFile(t))

			r.git("checkout", "-q", "--detach")
			r.check("detached", r.dir, false, file)
		})
	}
}

func newFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "stack.yaml")
	if err := os.WriteFile(path, []byte("name: x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadLineEnds(t *testing.T) {
	r := newRepo(t)
	file := r.write("stack.yaml", "name: recipes\napps: {}\n")
	r.commit("one")
	r.write("stack.yaml", "name: recipes\r\napps: {}\r\n")
	r.check("line ends converted on checkout", r.dir, false, file)
}

// TestReadPacked makes a history whose folders git stores as differences to
// each other, with both kinds of reference to the base.
func TestReadPacked(t *testing.T) {
	for _, kind := range []string{"true", "false"} {
		t.Run("delta base offset "+kind, func(t *testing.T) {
			r := newRepo(t)
			r.git("config", "repack.useDeltaBaseOffset", kind)
			var file string
			for i := range 12 {
				for n := range 200 {
					r.write(fmt.Sprintf("deploy/app-%03d.yaml", n), fmt.Sprintf("name: app-%d\n", n))
				}
				file = r.write("deploy/app-100.yaml", fmt.Sprintf("name: version-%d\n", i))
				r.commit(fmt.Sprintf("commit %d", i))
			}
			r.git("repack", "-q", "-a", "-d", "-f", "--depth=50", "--window=50")
			r.git("pack-refs", "--all")
			r.git("prune-packed")
			if objects := r.git("count-objects"); !strings.HasPrefix(objects, "0 ") {
				t.Fatalf("loose objects are left: %s", objects)
			}
			r.check("packed", r.dir, false, file)
			// Every older commit too, so that chains of any length are walked.
			for i := range 11 {
				r.git("checkout", "-q", fmt.Sprintf("main~%d", i+1))
				r.check(fmt.Sprintf("main~%d", i+1), r.dir, false, file)
				r.write("deploy/app-100.yaml", "changed")
				r.check(fmt.Sprintf("main~%d changed", i+1), r.dir, true, file)
				r.git("checkout", "-q", "--", ".")
			}
		})
	}
}

func TestReadWorktree(t *testing.T) {
	r := newRepo(t)
	r.write("stack.yaml", "name: recipes\n")
	r.commit("one")
	tree := filepath.Join(t.TempDir(), "tree")
	r.git("worktree", "add", "-q", "-b", "feature", tree)
	file := filepath.Join(tree, "stack.yaml")
	if err := os.WriteFile(file, []byte("name: feature\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	work := repo{t, tree}
	work.check("a worktree, changed", tree, true, file)
	work.commit("two")
	work.check("a worktree, committed", tree, false, file)
	if main, own := r.git("rev-parse", "HEAD"), work.git("rev-parse", "HEAD"); main == own {
		t.Fatal("both trees are at one commit, so the test proves nothing")
	}
}

func TestReadOutside(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir, nil); !errors.Is(err, ErrNoRepository) {
		t.Errorf("got %v, want ErrNoRepository", err)
	}
}

func TestReadBroken(t *testing.T) {
	r := newRepo(t)
	file := r.write("stack.yaml", "name: recipes\n")
	r.commit("one")
	head := r.git("rev-parse", "HEAD")
	if err := os.Remove(filepath.Join(r.dir, ".git", "objects", head[:2], head[2:])); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(r.dir, []string{file}); !errors.Is(err, errNoObject) || got != (Info{}) {
		t.Errorf("a missing commit: got %+v, %v", got, err)
	}
}

func TestUserName(t *testing.T) {
	r := newRepo(t)
	home := t.TempDir()
	env := map[string]string{"HOME": home}
	getenv := func(key string) string { return env[key] }
	expect := func(reason, dir, want string) {
		t.Helper()
		if got := UserName(dir, getenv); got != want {
			t.Errorf("%s: got %q, want %q", reason, got, want)
		}
	}
	expect("of the repository", r.dir, "Ann Example")
	outside := t.TempDir()
	expect("nothing is configured", outside, "")

	config := filepath.Join(home, ".config", "git", "config")
	if err := os.MkdirAll(filepath.Dir(config), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(config, "[core]\n\tname = no\n[User]\n\t# name = no\n\tname = \"Bob \\\"B\\\" Example\" ; yes\n[user \"x\"]\n\tname = no\n")
	expect("of the user's config folder", outside, `Bob "B" Example`)
	write(filepath.Join(home, ".gitconfig"), "[user]\nname = Carol # comment\n")
	expect("of .gitconfig, which git reads last", outside, "Carol")
	expect("the repository wins", r.dir, "Ann Example")
	env["GIT_AUTHOR_NAME"] = "Dave"
	expect("the environment wins", r.dir, "Dave")
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte("hello world"), []byte("\x0b\x05\x90\x05"))
	f.Add([]byte("abc"), []byte("\x03\x02\x02xy"))
	f.Fuzz(func(t *testing.T, base, delta []byte) {
		if got, err := patch(base, delta); err == nil && len(got) > maxObject {
			t.Errorf("%d bytes", len(got))
		}
	})
}
