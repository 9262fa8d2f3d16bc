package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// fileNames are what a description is called when nobody says.
var fileNames = []string{"stack.cue", "stack.yaml", "stack.yml", "stack.json"}

// Find returns the path of the description in dir. None, or more than one, is
// an error.
func Find(dir string) (string, error) {
	name, err := findIn(dir, func(name string) (fs.FileInfo, error) { return os.Stat(filepath.Join(dir, name)) })
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, name), nil
}

// FindIn returns the name of the description in a directory, called dir, that
// need not be on the disk.
func FindIn(view fs.FS, dir string) (string, error) { return findIn(dir, statIn(view)) }

func findIn(dir string, stat func(string) (fs.FileInfo, error)) (string, error) {
	var found []string
	for _, name := range fileNames {
		info, err := stat(name)
		switch {
		case err == nil && !info.IsDir():
			found = append(found, name)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no stack.yaml, stack.json or stack.cue in %s: name a file with -f, or write one with `stackctl init`", dir)
	case 1:
		return found[0], nil
	}
	for i := range found {
		found[i] = filepath.Join(dir, found[i])
	}
	return "", fmt.Errorf("found %s: name one with -f", strings.Join(found, " and "))
}

// input is a description that was read and not yet understood.
type input struct {
	file  string // for positions
	files []string
	text  []byte
	view  fs.FS // its directory, nil for the disk
}

// read returns the bytes of the description. Only regular files are read, so
// that no device or pipe can hang it; a pipe goes through Stdin.
func read(opts Options) (*input, error) {
	in := &input{file: opts.Filename, view: opts.View}
	var err error
	switch {
	case opts.View != nil:
		in.files = []string{in.file}
		in.text, err = readRegular(statIn(in.view), in.view.Open, filepath.Base(in.file), maxBytes)
	case opts.Filename == "-":
		if opts.Stdin == nil {
			return nil, errors.New("-f -: there is no standard input")
		}
		in.text, err = io.ReadAll(io.LimitReader(opts.Stdin, maxBytes+1))
	case opts.Filename == "":
		if in.file, err = Find("."); err != nil {
			return nil, err
		}
		fallthrough
	default:
		in.files = []string{in.file}
		in.text, err = readRegular(os.Stat, openOnDisk, in.file, maxBytes)
	}
	var irregular *irregularError
	switch {
	case errors.As(err, &irregular):
		return nil, fmt.Errorf("%w: use -f - to read standard input", err)
	case err != nil:
		return nil, err
	}
	if errs := in.check(); len(errs) > 0 {
		return nil, errs
	}
	return in, nil
}

// check refuses what is too large or no UTF-8. A byte order mark of UTF-8 is
// no part of the text.
func (in *input) check() Errors {
	at := Pos{in.file, 1, 1}
	switch {
	case len(in.text) > maxBytes:
		return Errors{{Pos: at, Msg: "the file is larger than 8 MiB", Hint: "a description holds no data; put data into an image or an object of its own"}}
	case bytes.HasPrefix(in.text, []byte{0xff, 0xfe}), bytes.HasPrefix(in.text, []byte{0xfe, 0xff}),
		len(in.text) > 1 && (in.text[0] == 0) != (in.text[1] == 0):
		return Errors{{Pos: at, Msg: "the file is UTF-16", Hint: "save it as UTF-8"}}
	}
	in.text = bytes.TrimPrefix(in.text, []byte("\ufeff"))
	if bad := firstBad(in.text); bad >= 0 {
		return Errors{{
			Pos: placeAt(in.file, in.text, bad), Msg: fmt.Sprintf("the byte 0x%02x is no UTF-8 text", in.text[bad]),
			Hint: "save the file as UTF-8",
		}}
	}
	return nil
}

// firstBad returns the offset of the first byte that is no UTF-8 or is NUL,
// -1 when there is none.
func firstBad(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == 0 || r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// parse reads the text by the name of the file. Standard input is YAML, of
// which JSON is a part. A CUE file may consist of more files; they are added.
func (in *input) parse() (*node, Errors) {
	switch strings.ToLower(filepath.Ext(in.file)) {
	case ".cue":
		return parseCUE(in)
	case ".json":
		return parseJSON(in.file, in.text)
	}
	return parseYAML(in.file, in.text)
}
