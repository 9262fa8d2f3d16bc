package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"stackctl.dev/stackctl/schema"
)

// treeList is the file that lists what was written below a directory, so that
// nothing else is ever replaced or deleted.
const treeList = ".stackctl-files"

const treeHead = "# Written by `stackctl render --output-dir`, which replaces these files.\n"

// renderedName is the path of a stack's objects below the output directory,
// without the ending.
func renderedName(s *schema.Stack) string { return path.Join(s.Environment, s.Name) }

// isGone reports whether a file of an earlier run has no place any more: one of
// what is rendered now in another format, and when all environments are
// rendered, one of another environment of the same stack.
func (o *renderOptions) isGone(f *family, name string) bool {
	stem := strings.TrimSuffix(name, path.Ext(name))
	return o.allEnvironments && path.Base(stem) == f.base.Name ||
		slices.ContainsFunc(f.members, func(s *schema.Stack) bool { return stem == renderedName(s) })
}

// writeTree writes files below a directory, each in one step, and deletes those
// of earlier runs that are gone. It returns what it did, a line each. A file
// that no earlier run wrote stops it before the first write, and so does a
// symbolic link.
func writeTree(directory string, files map[string][]byte, gone func(string) bool) (steps []string, err error) {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, unwritable(directory, err)
	}
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, unwritable(directory, err)
	}
	defer root.Close()
	t := &tree{root: root, directory: directory}
	listed, err := t.listed()
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if err := t.mayWrite(name, slices.Contains(listed, name)); err != nil {
			return nil, err
		}
	}
	// Listed first: what is cut short can be taken up again.
	after := slices.Compact(slices.Sorted(slices.Values(slices.Concat(listed, names))))
	if err := t.list(after); err != nil {
		return nil, err
	}
	for _, name := range names {
		step, err := t.write(name, files[name])
		if err != nil {
			return t.steps, err
		}
		t.steps = append(t.steps, step+" "+filepath.Join(directory, name))
	}
	var kept []string
	for _, name := range after {
		if files[name] != nil || !gone(name) {
			kept = append(kept, name)
			continue
		}
		if err := t.remove(name); err != nil {
			return t.steps, err
		}
		t.steps = append(t.steps, "deleted "+filepath.Join(directory, name))
	}
	return t.steps, t.list(kept)
}

// tree is a directory that nothing leads out of.
type tree struct {
	root      *os.Root
	directory string
	steps     []string
}

// listed returns the files of earlier runs that are still there.
func (t *tree) listed() ([]string, error) {
	if err := t.mayWrite(treeList, true); err != nil {
		return nil, err
	}
	text, err := t.root.ReadFile(treeList)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unwritable(filepath.Join(t.directory, treeList), err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		name := strings.TrimSpace(line)
		// It may come from a repository of somebody else's.
		if name == "" || strings.HasPrefix(name, "#") || !filepath.IsLocal(name) || strings.Count(name, "/") > 1 || path.Clean(name) != name {
			continue
		}
		if info, err := t.root.Lstat(name); err == nil && info.Mode().IsRegular() {
			names = append(names, name)
		}
	}
	return names, nil
}

// mayWrite refuses a file that somebody else wrote, and any symbolic link.
func (t *tree) mayWrite(name string, ours bool) error {
	for _, part := range []string{path.Dir(name), name} {
		info, err := t.root.Lstat(part)
		shown := filepath.Join(t.directory, part)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return unwritable(shown, err)
		case info.Mode()&fs.ModeSymlink != 0:
			return &usageError{msg: shown + " is a symbolic link; nothing was written", hint: "remove it, or choose another --output-dir"}
		case part != name && !info.IsDir():
			return &usageError{msg: shown + " is not a directory; nothing was written", hint: "remove it, or choose another --output-dir"}
		case part == name && !info.Mode().IsRegular():
			return &usageError{msg: shown + " is not a regular file; nothing was written", hint: "remove it, or choose another --output-dir"}
		case part == name && !ours:
			return &usageError{msg: shown + " exists and was not written by stackctl; nothing was written", hint: "remove it, or choose another --output-dir"}
		}
	}
	return nil
}

// list keeps the names of the files that were written.
func (t *tree) list(names []string) error {
	_, err := t.write(treeList, []byte(treeHead+strings.Join(append(names, ""), "\n")))
	return err
}

// write gives a file its text and says what happened.
func (t *tree) write(name string, text []byte) (step string, err error) {
	shown := filepath.Join(t.directory, name)
	if now, err := t.root.ReadFile(name); err == nil && bytes.Equal(now, text) {
		return "unchanged", nil
	}
	if err := t.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return "", unwritable(shown, err)
	}
	temp := path.Join(path.Dir(name), fmt.Sprintf(".stackctl-%d", os.Getpid()))
	defer t.root.Remove(temp) // it has another name when all went well
	file, err := t.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", unwritable(shown, err)
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err == nil {
		err = t.root.Rename(temp, name)
	}
	if err != nil {
		return "", unwritable(shown, err)
	}
	return "wrote", nil
}

// remove deletes a file, and its directory when that was the last one.
func (t *tree) remove(name string) error {
	if err := t.root.Remove(name); err != nil {
		return unwritable(filepath.Join(t.directory, name), err)
	}
	if dir := path.Dir(name); dir != "." {
		_ = t.root.Remove(dir) // refused as long as it has other files
	}
	return nil
}
