package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile gives a file of the user's a new text, in one step: a reader
// sees the old text or the new one. The mode stays, and a symbolic link goes
// on leading to the file. before is what the file is expected to hold.
func replaceFile(name string, before, after []byte) error {
	fail := func(err error) error { return unwritable(name, err) }
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return fail(err)
	}
	file, err := os.OpenFile(real, os.O_RDWR, 0) // a file that may not be written is not to be replaced
	if err != nil {
		return fail(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fail(err)
	}
	now, err := io.ReadAll(file)
	if err != nil {
		return fail(err)
	}
	if !bytes.Equal(bytes.TrimPrefix(now, []byte("\ufeff")), before) {
		return &usageError{msg: name + " was changed meanwhile; it is left as it is", hint: "run the command again"}
	}
	temp, err := os.CreateTemp(filepath.Dir(real), ".stackctl-*")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(temp.Name()) // it has another name when all went well
	_, err = temp.Write(after)
	err = errors.Join(err, temp.Chmod(info.Mode().Perm()), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), real)
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

// createFile writes a file that must not exist yet; none is left behind when
// that fails.
func createFile(name string, text []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return unwritable(name, err)
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		os.Remove(name)
		return unwritable(name, err)
	}
	return nil
}

// writePrivate writes a file that nobody else may read, in one step and for good:
// whatever happens, there is the file that was there or the new one.
func writePrivate(name string, text []byte) error {
	real, err := filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		real, err = name, nil
	}
	if err != nil {
		return unwritable(name, err)
	}
	temp, err := os.CreateTemp(filepath.Dir(real), ".stackctl-*") // with mode 0600
	if err != nil {
		return unwritable(name, err)
	}
	defer os.Remove(temp.Name()) // it has another name when all went well
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), real)
	}
	if err != nil {
		return unwritable(name, err)
	}
	if dir, err := os.Open(filepath.Dir(real)); err == nil {
		_ = dir.Sync() // where a directory cannot be, its name may be lost with the power
		dir.Close()
	}
	return nil
}

// unwritable says which file cannot be written, and why.
func unwritable(name string, err error) error {
	reason := err
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		reason = path.Err
	case errors.As(err, &link):
		reason = link.Err
	}
	return &usageError{msg: fmt.Sprintf("write %s: %v", name, reason), err: err}
}
