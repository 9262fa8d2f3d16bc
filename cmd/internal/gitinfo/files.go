package gitinfo

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Files is a directory of a working tree as it was at a revision, as a file
// system. As in an [os.Root] no path and no symbolic link leads out of it.
type Files struct {
	Commit string // the full hash of the revision
	Dir    string // of the directory in the repository, with slashes, "." for all of it

	objects objects
	root    string // the hash of its tree, "" when the revision has no such directory
}

var (
	_ fs.StatFS    = (*Files)(nil)
	_ fs.ReadDirFS = (*Files)(nil)
)

// Open returns what the directory held at a revision: a branch, a tag, a remote
// branch, HEAD, a hash or the beginning of one, with ~n or ^n behind it. A
// directory that was not there then is empty.
func Open(dir, revision string) (*Files, error) {
	r, err := open(dir)
	if err != nil {
		return nil, err
	}
	commit, err := r.commitOf(revision)
	if err != nil {
		return nil, explain(err, revision)
	}
	below, inside := r.path(filepath.Join(dir, "x"))
	if !inside {
		return nil, ErrNoRepository
	}
	f := &Files{Commit: commit, Dir: path.Dir(below), objects: r.objects}
	if f.root, err = r.treeOf(commit); err != nil {
		return nil, explain(err, revision)
	}
	if f.Dir == "." {
		return f, nil
	}
	for name := range strings.SplitSeq(f.Dir, "/") {
		entries, err := f.entries(f.root)
		if err != nil {
			return nil, explain(err, revision)
		}
		i := slices.IndexFunc(entries, func(e entryInfo) bool { return e.name == name && e.IsDir() })
		if i < 0 {
			f.root = ""
			return f, nil
		}
		f.root = entries[i].hash
	}
	return f, nil
}

// explain says of a missing object what brings it here: a clone may hold only
// a part of the repository.
func explain(err error, revision string) error {
	if errors.Is(err, errNoObject) {
		return fmt.Errorf("%s is not complete in this clone: %w", revision, err)
	}
	return err
}

// errEscapes is what [os.Root] says of a path that leads out.
var errEscapes = errors.New("path escapes from parent")

// Open opens a file or a directory; symbolic links are followed.
func (f *Files) Open(name string) (fs.File, error) {
	info, err := f.find("open", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		entries, err := f.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return &openDir{info: info, left: entries}, nil
	}
	return &openFile{info: info, Reader: bytes.NewReader(info.content)}, nil
}

// Stat looks at a file or a directory; symbolic links are followed.
func (f *Files) Stat(name string) (fs.FileInfo, error) {
	info, err := f.find("stat", name)
	if err != nil {
		return nil, err
	}
	return info, nil
}

// ReadDir lists a directory, sorted by name.
func (f *Files) ReadDir(name string) ([]fs.DirEntry, error) {
	info, err := f.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	entries, err := f.entries(info.hash)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	out := make([]fs.DirEntry, len(entries))
	for i, e := range entries {
		e.read = f.objects.read
		out[i] = fs.FileInfoToDirEntry(&e)
	}
	return out, nil
}

// maxLinks bounds how many symbolic links a path may lead through.
const maxLinks = 40

// find returns what is at a path, with the content of a file.
func (f *Files) find(op, name string) (*entryInfo, error) {
	fail := func(err error) (*entryInfo, error) { return nil, &fs.PathError{Op: op, Path: name, Err: err} }
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	if f.root == "" {
		return fail(fs.ErrNotExist)
	}
	todo := strings.Split(name, "/")
	above := []entryInfo{{name: ".", mode: modeTree, hash: f.root}} // where the path has led so far
	for links := 0; len(todo) > 0; {
		at, step := above[len(above)-1], todo[0]
		todo = todo[1:]
		switch step {
		case ".", "":
			continue
		case "..":
			if len(above) == 1 {
				return fail(errEscapes)
			}
			above = above[:len(above)-1]
			continue
		}
		if !at.IsDir() {
			return fail(fs.ErrNotExist)
		}
		entries, err := f.entries(at.hash)
		if err != nil {
			return fail(err)
		}
		i := slices.IndexFunc(entries, func(e entryInfo) bool { return e.name == step })
		if i < 0 {
			return fail(fs.ErrNotExist)
		}
		next := entries[i]
		if next.mode != modeLink {
			above = append(above, next)
			continue
		}
		target, err := f.objects.read(next.hash)
		switch links++; {
		case err != nil:
			return fail(err)
		case links > maxLinks:
			return fail(errors.New("too many levels of symbolic links"))
		case strings.HasPrefix(string(target), "/"):
			return fail(errEscapes)
		}
		todo = append(strings.Split(string(target), "/"), todo...)
	}
	found := above[len(above)-1]
	found.name = path.Base(name)
	switch {
	case found.mode == modeModule:
		return fail(errors.New("is a submodule, which another repository holds"))
	case !found.IsDir():
		content, err := f.objects.read(found.hash)
		if err != nil {
			return fail(err)
		}
		found.content = content
	}
	return &found, nil
}

// The modes that git knows.
const (
	modeTree    = "40000"
	modeLink    = "120000"
	modeModule  = "160000"
	modeProgram = "100755"
)

// entries returns what a tree lists, sorted by name.
func (f *Files) entries(tree string) ([]entryInfo, error) {
	content, err := f.objects.read(tree)
	if err != nil {
		return nil, err
	}
	var all []entryInfo
	for size := len(tree) / 2; len(content) > 0; {
		head, rest, ok := bytes.Cut(content, []byte{0})
		mode, name, two := strings.Cut(string(head), " ")
		if !ok || !two || len(rest) < size || name == "" || strings.Contains(name, "/") {
			return nil, fmt.Errorf("broken tree object %s", tree)
		}
		all = append(all, entryInfo{name: name, mode: mode, hash: hex.EncodeToString(rest[:size])})
		content = rest[size:]
	}
	slices.SortFunc(all, func(a, b entryInfo) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// entryInfo is one entry of a tree. It has no times: git keeps none.
type entryInfo struct {
	name, mode, hash string
	content          []byte
	read             func(string) ([]byte, error) // the content, where that was not done
}

func (e *entryInfo) Name() string       { return e.name }
func (e *entryInfo) IsDir() bool        { return e.mode == modeTree }
func (e *entryInfo) ModTime() time.Time { return time.Time{} }
func (e *entryInfo) Sys() any           { return nil }

func (e *entryInfo) Size() int64 {
	if e.content == nil && e.read != nil && !e.IsDir() && e.mode != modeModule {
		e.content, _ = e.read(e.hash)
	}
	return int64(len(e.content))
}

func (e *entryInfo) Mode() fs.FileMode {
	switch e.mode {
	case modeTree:
		return fs.ModeDir | 0o755
	case modeLink:
		return fs.ModeSymlink | 0o777
	case modeModule:
		return fs.ModeDir | fs.ModeIrregular
	case modeProgram:
		return 0o755
	}
	return 0o644
}

// openFile is an open file.
type openFile struct {
	info *entryInfo
	*bytes.Reader
}

func (o *openFile) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openFile) Close() error               { return nil }

// openDir is an open directory.
type openDir struct {
	info *entryInfo
	left []fs.DirEntry
}

func (o *openDir) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openDir) Close() error               { return nil }

func (o *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: o.info.name, Err: errors.New("is a directory")}
}

// ReadDir returns the next n entries, or all that are left.
func (o *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(o.left) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(o.left) {
		n = len(o.left)
	}
	out := o.left[:n]
	o.left = o.left[n:]
	return out, nil
}
