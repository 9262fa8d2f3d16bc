// Package gitinfo reads from a git repository what a record of a release
// names: the commit, whether the files that were released differ from it, and
// who the user is; and what a directory held at another revision. It runs no
// program and writes nothing.
//
// # Limits
//
// Reftables and config includes are not read, and a packed object must lie in
// one pack with its bases; what cannot be read is an error or left out, never
// guessed.
package gitinfo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Info is the state of the repository around some files.
type Info struct {
	// Commit is the full hash of HEAD; empty when the files are in no
	// repository, or it has no commit.
	Commit string
	// Dirty says that a file is not, byte for byte, the one of Commit.
	Dirty bool
}

// ErrNoRepository is returned for a folder that is in no git repository.
var ErrNoRepository = errors.New("not in a git repository")

// Read returns the commit that is checked out around dir and whether any of
// the files differs from it. Files outside the repository are dirty: the
// commit does not bring them back.
func Read(dir string, files []string) (Info, error) {
	r, err := open(dir)
	if err != nil {
		return Info{}, err
	}
	commit, err := r.head()
	if err != nil || commit == "" {
		return Info{}, err
	}
	info := Info{Commit: commit}
	for _, file := range files {
		same, err := r.holds(commit, file)
		if err != nil {
			return Info{}, fmt.Errorf("compare %s with commit %s: %w", file, commit, err)
		}
		info.Dirty = info.Dirty || !same
	}
	return info, nil
}

// repository is an open repository with a working tree.
type repository struct {
	root string // of the working tree
	dir  string // .git, or that of a worktree
	objects
}

// open finds the repository that dir is in.
func open(dir string) (*repository, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	for root := dir; ; root = filepath.Dir(root) {
		git, err := gitDir(filepath.Join(root, ".git"))
		if err == nil {
			return &repository{root: root, dir: git, objects: objects{common: commonDir(git)}}, nil
		}
		if filepath.Dir(root) == root {
			return nil, ErrNoRepository
		}
	}
}

// gitDir follows a .git file, as worktrees and submodules have one, to the
// folder it names.
func gitDir(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		target, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
		if !ok {
			return "", fmt.Errorf("%s names no gitdir", path)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	_, err = os.Stat(filepath.Join(path, "HEAD"))
	return path, err
}

// commonDir is where a worktree's repository keeps what its worktrees share.
func commonDir(git string) string {
	text, err := os.ReadFile(filepath.Join(git, "commondir"))
	if err != nil {
		return git
	}
	common := strings.TrimSpace(string(text))
	if !filepath.IsAbs(common) {
		common = filepath.Join(git, common)
	}
	return common
}

// head returns the hash of the commit that is checked out, "" before the
// first one.
func (r *repository) head() (string, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, "HEAD"))
	if err != nil {
		return "", err
	}
	return r.resolve(strings.TrimSpace(string(text)), 0)
}

// resolve follows symbolic refs to a hash.
func (r *repository) resolve(value string, depth int) (string, error) {
	name, symbolic := strings.CutPrefix(value, "ref: ")
	if !symbolic {
		if !isHash(value) {
			return "", fmt.Errorf("HEAD is neither a ref nor a hash")
		}
		return value, nil
	}
	if depth > 5 || !filepath.IsLocal(name) {
		return "", fmt.Errorf("ref %s cannot be followed", name)
	}
	for _, dir := range []string{r.dir, r.common} {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err == nil {
			return r.resolve(strings.TrimSpace(string(text)), depth+1)
		}
	}
	packed, err := os.ReadFile(filepath.Join(r.common, "packed-refs"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	for line := range strings.Lines(string(packed)) {
		hash, ref, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && ref == name && isHash(hash) {
			return hash, nil
		}
	}
	return "", nil // an unborn branch
}

// isHash reports a SHA-1 or SHA-256 in hexadecimal.
func isHash(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// holds reports whether the commit has the file as it is on disk. Line ends
// that git converts on checkout are no difference.
func (r *repository) holds(commit, file string) (bool, error) {
	path, inside := r.path(file)
	if !inside {
		return false, nil
	}
	want, err := r.blob(commit, path)
	if want == "" || err != nil {
		return false, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	if hashObject(len(want), "blob", text) == want {
		return true, nil
	}
	unix := bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	return hashObject(len(want), "blob", unix) == want, nil
}

// path returns the file's path below the root of the working tree, with
// slashes.
func (r *repository) path(file string) (string, bool) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", false
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		abs = filepath.Join(dir, filepath.Base(abs))
	}
	path, err := filepath.Rel(r.root, abs)
	if err != nil || !filepath.IsLocal(path) {
		return "", false
	}
	return filepath.ToSlash(path), true
}
