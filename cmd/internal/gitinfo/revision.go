package gitinfo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNoRevision is returned for a revision that the repository does not have.
var ErrNoRevision = errors.New("no such revision")

// commitOf returns the hash of the commit that a revision names: a branch, a
// tag, a remote branch, a hash or the beginning of one, with ~n, ^ and ^n behind
// it for the commits before.
func (r *repository) commitOf(revision string) (string, error) {
	name, steps := revision, ""
	if i := strings.IndexAny(revision, "~^"); i >= 0 {
		name, steps = revision[:i], revision[i:]
	}
	hash, err := r.named(name)
	if err != nil {
		return "", err
	}
	if hash, err = r.peel(hash); err != nil {
		return "", err
	}
	for steps != "" {
		step := steps[0]
		digits := len(steps[1:]) - len(strings.TrimLeft(steps[1:], "0123456789"))
		n := 1
		if digits > 0 {
			if n, err = strconv.Atoi(steps[1 : 1+digits]); err != nil || n > maxSteps {
				return "", fmt.Errorf("%w: %s", ErrNoRevision, revision)
			}
		}
		if steps = steps[1+digits:]; steps != "" && steps[0] != '~' && steps[0] != '^' {
			return "", fmt.Errorf("%s: only ~n and ^n are understood behind a name", revision)
		}
		if hash, err = r.before(hash, step, n); err != nil {
			return "", err
		}
		if hash == "" {
			return "", fmt.Errorf("%w: %s: there is no commit before", ErrNoRevision, revision)
		}
	}
	return hash, nil
}

// maxSteps bounds how far back a revision may lead.
const maxSteps = 100_000

// before returns a commit before one: its ancestor n steps back on the first
// line (~), or its nth parent (^); "" when it has none.
func (r *repository) before(hash string, step byte, n int) (string, error) {
	if step == '^' {
		if n == 0 {
			return hash, nil
		}
		parents, err := r.parents(hash)
		if err != nil || n > len(parents) {
			return "", err
		}
		return parents[n-1], nil
	}
	for range n {
		parents, err := r.parents(hash)
		if err != nil || len(parents) == 0 {
			return "", err
		}
		hash = parents[0]
	}
	return hash, nil
}

// parents returns the hashes of the commits that a commit is made from. In a
// shallow clone the last commits that are there have none.
func (r *repository) parents(hash string) ([]string, error) {
	commit, err := r.read(hash)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range bytes.Lines(commit) {
		key, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		switch {
		case key == "parent" && isHash(value):
			all = append(all, value)
		case key == "tree":
		default:
			return r.unlessShallow(hash, all), nil
		}
	}
	return all, nil
}

func (r *repository) unlessShallow(hash string, parents []string) []string {
	text, err := os.ReadFile(filepath.Join(r.common, "shallow"))
	if err == nil && slices.Contains(strings.Fields(string(text)), hash) {
		return nil
	}
	return parents
}

// peel follows a tag that is an object of its own to its commit.
func (r *repository) peel(hash string) (string, error) {
	for range 10 {
		content, err := r.read(hash)
		if err != nil {
			return "", err
		}
		line, _, _ := bytes.Cut(content, []byte("\n"))
		target, ok := strings.CutPrefix(string(line), "object ")
		if !ok || !isHash(target) {
			return hash, nil
		}
		hash = target
	}
	return "", fmt.Errorf("tag %s leads nowhere", hash)
}

// named returns the hash that a name without ~ and ^ stands for, as git looks
// for it: a ref before a hash.
func (r *repository) named(name string) (string, error) {
	if name == "" || name == "@" {
		name = "HEAD"
	}
	if filepath.IsLocal(name) && !strings.HasPrefix(name, "-") {
		for _, form := range []string{"%s", "refs/%s", "refs/tags/%s", "refs/heads/%s", "refs/remotes/%s", "refs/remotes/%s/HEAD"} {
			ref := fmt.Sprintf(form, name)
			if form == "%s" && !strings.HasPrefix(name, "refs/") && name != strings.ToUpper(name) {
				continue // a file such as config, and no ref
			}
			if hash, err := r.resolve("ref: "+ref, 0); hash != "" || err != nil {
				return hash, err
			}
		}
	}
	if isHash(name) {
		return name, nil
	}
	if len(name) >= 4 && len(name) < 64 && strings.Trim(name, "0123456789abcdef") == "" {
		return r.abbreviated(name)
	}
	if _, err := os.Stat(filepath.Join(r.common, "reftable")); err == nil {
		return "", fmt.Errorf("%w: %s: the refs of this repository are a reftable, which is not read; name a commit by its hash", ErrNoRevision, name)
	}
	return "", fmt.Errorf("%w: %s", ErrNoRevision, name)
}

// abbreviated returns the object whose hash begins so, if it is the only one.
func (r *repository) abbreviated(start string) (string, error) {
	var all []string
	for _, dir := range r.stores() {
		entries, err := os.ReadDir(filepath.Join(dir, start[:2]))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		for _, entry := range entries {
			if hash := start[:2] + entry.Name(); isHash(hash) && strings.HasPrefix(hash, start) {
				all = append(all, hash)
			}
		}
		packed, err := packedHashes(filepath.Join(dir, "pack"), start)
		if err != nil {
			return "", err
		}
		all = append(all, packed...)
	}
	slices.Sort(all)
	switch all = slices.Compact(all); len(all) {
	case 0:
		return "", fmt.Errorf("%w: %s", ErrNoRevision, start)
	case 1:
		return all[0], nil
	}
	// As git does, a commit is meant where other objects begin alike.
	all = slices.DeleteFunc(all, func(hash string) bool { _, err := r.treeOf(hash); return err != nil })
	if len(all) != 1 {
		return "", fmt.Errorf("%w: %s is the beginning of %d commits", ErrNoRevision, start, len(all))
	}
	return all[0], nil
}
