package gitinfo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// TestOpen looks at a history with the eyes of git.
func TestOpen(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			r := newRepo(t, "--object-format="+format)
			for _, version := range []string{"one", "two", "three"} {
				r.write("deploy/stack.yaml", "name: "+version+"\n")
				r.write("deploy/"+version+"/values.txt", version)
				r.commit(version)
			}
			r.git("tag", "v1", "main~2")
			r.git("tag", "-a", "-m", "second", "v2", "main~1")
			r.git("branch", "feature/x", "main~1")
			r.git("checkout", "-q", "feature/x")
			r.write("deploy/stack.yaml", "name: branch\n")
			r.commit("branch")
			r.git("merge", "-q", "-s", "ours", "main")
			r.git("update-ref", "refs/remotes/origin/main", "main")
			r.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
			short := r.git("rev-parse", "--short=7", "main~1")

			revisions := []string{
				"main", "HEAD", "@", "HEAD~", "HEAD~1", "HEAD^", "HEAD^1", "HEAD^2", "HEAD^^", "HEAD^2~1", "HEAD^0", "v1", "v2", "v2~1", "tags/v2",
				"feature/x", "heads/main", "refs/heads/main", "origin/main", "origin", "main~2", short, r.git("rev-parse", "main"),
			}
			check := func(reason string) {
				t.Helper()
				for _, revision := range revisions {
					f, err := Open(filepath.Join(r.dir, "deploy"), revision)
					if err != nil {
						t.Errorf("%s: %s: %v", reason, revision, err)
						continue
					}
					if want := r.git("rev-parse", revision+"^{commit}"); f.Commit != want {
						t.Errorf("%s: %s is %s, want %s", reason, revision, f.Commit, want)
					}
					got, err := fs.ReadFile(f, "stack.yaml")
					if want := r.git("show", revision+":deploy/stack.yaml"); err != nil || strings.TrimSpace(string(got)) != want {
						t.Errorf("%s: %s has %q, %v, want %q", reason, revision, got, err, want)
					}
				}
			}
			check("loose objects")
			r.git("repack", "-q", "-a", "-d", "-f")
			r.git("pack-refs", "--all")
			r.git("prune-packed")
			check("packed objects")

			for _, revision := range []string{"nothing", "main~3", "HEAD^3", "abcdef0", "config", "../HEAD", "main~99999999999", "-", "main@{1}", "main^{tree}", ""} {
				if revision == "" {
					continue // HEAD
				}
				if f, err := Open(r.dir, revision); err == nil {
					t.Errorf("%s is %s", revision, f.Commit)
				}
			}
		})
	}
}

// TestFiles holds a directory of the past to what a file system promises.
func TestFiles(t *testing.T) {
	r := newRepo(t)
	r.write("deploy/stack.cue", "package a\n")
	r.write("deploy/lib/lib.cue", "package lib\n")
	r.write("deploy/lib-old", "sorted by git before lib/\n")
	if err := os.Chmod(r.write("deploy/run.sh", "#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.commit("one")
	r.write("deploy/late.cue", "package a\n")
	f, err := Open(filepath.Join(r.dir, "deploy"), "main")
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(f, "stack.cue", "lib/lib.cue", "lib-old", "run.sh"); err != nil {
		t.Error(err)
	}
	if _, err := fs.Stat(f, "late.cue"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not committed: %v", err)
	}
	if info, err := fs.Stat(f, "run.sh"); err != nil || info.Mode() != 0o755 || info.Size() != 10 {
		t.Errorf("a program: %v, %v", info, err)
	}
	empty, err := Open(r.git("rev-parse", "--show-toplevel"), "main")
	if err != nil || empty.Dir != "." {
		t.Errorf("the whole repository: %+v, %v", empty, err)
	}
	if err := os.Mkdir(filepath.Join(r.dir, "new"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err = Open(filepath.Join(r.dir, "new"), "main")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open("stack.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that was not there: %v", err)
	}
}

// TestFilesLinks follows symbolic links as the disk would, and none that leads
// out.
func TestFilesLinks(t *testing.T) {
	r := newRepo(t)
	r.write("outside.txt", "outside")
	r.write("deploy/a/text", "inside")
	for link, target := range map[string]string{
		"file": "a/text", "dir": "a", "a/up": "../file", "chain": "dir/up",
		"out": "../outside.txt", "absolute": "/etc/hostname", "through": "dir/../../outside.txt", "loop": "loop", "gone": "nothing",
	} {
		if err := os.Symlink(target, filepath.Join(r.dir, "deploy", link)); err != nil {
			t.Fatal(err)
		}
	}
	r.commit("one")
	f, err := Open(filepath.Join(r.dir, "deploy"), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"file": "", "dir/text": "", "a/up": "", "chain": "",
		"out": "escapes", "absolute": "escapes", "through": "escapes", "loop": "too many", "gone": "not exist", "../outside.txt": "invalid",
	} {
		text, err := fs.ReadFile(f, name)
		if want == "" && (err != nil || string(text) != "inside") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %q, %v, want %q", name, text, err, want)
		}
	}
}

// TestOpenShallow: the last commit of a shallow clone has no parents here, and
// a partial clone has no files.
func TestOpenShallow(t *testing.T) {
	r := newRepo(t)
	r.write("stack.yaml", "name: one\n")
	r.commit("one")
	r.write("stack.yaml", "name: two\n")
	r.commit("two")
	r.git("config", "uploadpack.allowFilter", "true")
	clone := t.TempDir()
	r.git("clone", "-q", "--depth=1", "file://"+r.dir, clone)
	if _, err := Open(clone, "HEAD"); err != nil {
		t.Errorf("the commit of a shallow clone: %v", err)
	}
	if _, err := Open(clone, "HEAD~1"); !errors.Is(err, ErrNoRevision) {
		t.Errorf("the one before: %v, want ErrNoRevision", err)
	}
	partial := t.TempDir()
	r.git("clone", "-q", "--bare", "--filter=blob:none", "file://"+r.dir, filepath.Join(partial, ".git"))
	f, err := Open(partial, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.ReadFile(f, "stack.yaml"); !errors.Is(err, errNoObject) {
		t.Errorf("a file of a partial clone: %v, want errNoObject", err)
	}
}
