package schema

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Limits of what a description may consist of.
const (
	maxCUEFiles = 1_000
	maxEntries  = 10_000 // of a directory that is looked into
)

// directory is what a description may read beside itself: regular files at or
// below the directory it is in. A symbolic link may not lead out of it, nor
// may a path with "..". It is opened when it is first used.
type directory struct {
	name string // as the user typed it, for positions
	view fs.FS  // what is in it; nil until it is opened on the disk
	disk *os.Root
}

func (d *directory) open() (fs.FS, error) {
	if d.view == nil {
		root, err := os.OpenRoot(cmp.Or(d.name, "."))
		if err != nil {
			return nil, err
		}
		d.disk, d.view = root, diskView{root}
	}
	return d.view, nil
}

func (d *directory) close() {
	if d.disk != nil {
		d.disk.Close()
	}
}

// diskView is a directory on the disk that nothing leads out of.
type diskView struct{ root *os.Root }

// Open opens a file without waiting for a writer, should it be a pipe.
func (v diskView) Open(name string) (fs.File, error) {
	return v.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// Stat follows symbolic links, as [fs.StatFS] asks.
func (v diskView) Stat(name string) (fs.FileInfo, error) {
	return v.root.Stat(filepath.FromSlash(name))
}

// shown returns the path of a file as it can be opened from the working
// directory.
func (d *directory) shown(file string) string {
	return filepath.Join(d.name, filepath.FromSlash(file))
}

// read returns the content of a regular file of at most limit bytes, of a
// larger one a byte more; its path is below the directory, with slashes.
func (d *directory) read(file string, limit int) ([]byte, error) {
	view, err := d.open()
	if err != nil {
		return nil, err
	}
	if !filepath.IsLocal(filepath.FromSlash(file)) {
		return nil, fmt.Errorf("%s leads out of the directory of the description", shown(file))
	}
	text, err := readRegular(statIn(view), view.Open, path.Clean(file), limit)
	if err != nil {
		return nil, d.explained(err)
	}
	return text, nil
}

// explained says in the user's words, and by a path that can be opened, why a
// file was not read.
func (d *directory) explained(err error) error {
	var irregular *irregularError
	if errors.As(err, &irregular) {
		return &irregularError{d.shown(irregular.name)}
	}
	var at *fs.PathError
	switch {
	case !errors.As(err, &at):
		return err
	case strings.Contains(at.Err.Error(), "escapes"): // what os.Root says
		return fmt.Errorf("%s leads out of the directory of the description", shown(d.shown(at.Path)))
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", shown(d.shown(at.Path)))
	}
	return fmt.Errorf("%s cannot be read: %w", shown(d.shown(at.Path)), at.Err)
}

// cueDir is the directory of a description in CUE, of which only so much is
// read.
type cueDir struct {
	directory
	left int      // bytes that may still be read
	read []string // files that were read, as shown
}

// openCUEDir opens the directory of a description that was read.
func openCUEDir(in *input) (*cueDir, error) {
	d := &cueDir{directory: directory{name: filepath.Dir(in.file), view: in.view}, left: maxBytes - len(in.text)}
	_, err := d.open()
	return d, err
}

// names returns the files directly in dir whose name ends like suffix, sorted.
// Hidden ones, and those that begin with "_", are left out, as CUE does.
func (d *cueDir) names(dir, suffix string) ([]string, error) {
	if !filepath.IsLocal(filepath.FromSlash(dir)) {
		return nil, fmt.Errorf("%s leads out of the directory of the description", dir)
	}
	opened, err := d.view.Open(path.Clean(dir))
	if err != nil {
		return nil, d.explained(err)
	}
	defer opened.Close()
	listed, ok := opened.(fs.ReadDirFile)
	if !ok {
		return nil, fmt.Errorf("%s is no directory", d.shown(dir))
	}
	entries, err := listed.ReadDir(maxEntries + 1)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(entries) > maxEntries:
		return nil, fmt.Errorf("%s has more than %d files", d.shown(dir), maxEntries)
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasSuffix(name, suffix) && !strings.ContainsAny(name[:1], "._") && !entry.IsDir() {
			names = append(names, path.Join(dir, name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// text reads a file by its path below the directory, with slashes.
func (d *cueDir) text(file string) ([]byte, error) {
	if len(d.read) >= maxCUEFiles {
		return nil, fmt.Errorf("more than %d files", maxCUEFiles)
	}
	text, err := d.directory.read(file, d.left)
	if err != nil {
		return nil, err
	}
	d.left -= len(text)
	d.read = append(d.read, d.shown(file))
	return text, nil
}

// forget takes back the file that was read last: it is no part of the
// description.
func (d *cueDir) forget(file string) {
	if last := len(d.read) - 1; last >= 0 && d.read[last] == d.shown(file) {
		d.read = d.read[:last]
	}
}

// readRegular reads a regular file of at most limit bytes; of a larger one it
// returns one byte more. Anything else, such as a pipe or a device, is refused
// before it is opened, and again after: it may have been replaced in between,
// and opening a pipe must not wait for a writer.
func readRegular(
	stat func(string) (fs.FileInfo, error), open func(string) (fs.File, error), name string, limit int,
) ([]byte, error) {
	info, err := stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &irregularError{name}
	}
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &irregularError{name}
	}
	return io.ReadAll(io.LimitReader(file, int64(limit)+1))
}

// statIn returns the function that looks at a file of a view.
func statIn(view fs.FS) func(string) (fs.FileInfo, error) {
	return func(name string) (fs.FileInfo, error) { return fs.Stat(view, name) }
}

// openOnDisk opens a file without waiting for a writer, should it be a pipe.
func openOnDisk(name string) (fs.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// irregularError refuses a pipe, a device or a directory.
type irregularError struct{ name string }

func (e *irregularError) Error() string { return e.name + " is not a regular file" }
