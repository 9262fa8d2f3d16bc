package gitinfo

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1" // git's own name of an object, no protection
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxObject bounds what is unpacked for one object. To tell whether a file
// differs it is compared by hash, and not read.
const maxObject = 64 << 20

// objects reads the object store of a repository.
type objects struct {
	common string // the folder that has objects/
}

// errNoObject says that an object is in no place that was looked at, as in a
// partial clone.
var errNoObject = errors.New("object not found")

// hashObject returns git's name of an object, in the repository's kind of
// hash, which its length in hexadecimal tells.
func hashObject(length int, kind string, content []byte) string {
	var h hash.Hash = sha1.New()
	if length == 64 {
		h = sha256.New()
	}
	fmt.Fprintf(h, "%s %d\x00", kind, len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

// blob returns the hash of the file at a path in a commit, "" when the commit
// has none.
func (o objects) blob(commit, path string) (string, error) {
	node, err := o.treeOf(commit)
	if err != nil {
		return "", err
	}
	for name := range strings.SplitSeq(path, "/") {
		tree, err := o.read(node)
		if err != nil {
			return "", err
		}
		if node, err = entry(tree, name, len(commit)/2); node == "" || err != nil {
			return "", err
		}
	}
	return node, nil
}

// treeOf returns the hash of the folder that a commit is of.
func (o objects) treeOf(commit string) (string, error) {
	content, err := o.read(commit)
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(content, []byte("\n"))
	tree, ok := strings.CutPrefix(string(line), "tree ")
	if !ok || !isHash(tree) {
		return "", fmt.Errorf("%s is no commit", commit)
	}
	return tree, nil
}

// entry returns the hash of a name in the content of a folder ("tree").
func entry(tree []byte, name string, size int) (string, error) {
	for len(tree) > 0 {
		head, rest, ok := bytes.Cut(tree, []byte{0})
		if !ok || len(rest) < size {
			return "", errors.New("broken tree object")
		}
		if _, found, _ := bytes.Cut(head, []byte(" ")); string(found) == name {
			return hex.EncodeToString(rest[:size]), nil
		}
		tree = rest[size:]
	}
	return "", nil
}

// read returns the content of an object, loose or packed.
func (o objects) read(name string) ([]byte, error) {
	for _, dir := range o.stores() {
		content, err := readLoose(filepath.Join(dir, name[:2], name[2:]))
		if err == nil {
			return content, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		content, err = readPacked(filepath.Join(dir, "pack"), name)
		if !errors.Is(err, errNoObject) {
			return content, err
		}
	}
	return nil, fmt.Errorf("%w: %s", errNoObject, name)
}

// stores are the repository's folder of objects and those it borrows from.
func (o objects) stores() []string {
	all := []string{filepath.Join(o.common, "objects")}
	text, err := os.ReadFile(filepath.Join(all[0], "info", "alternates"))
	if err != nil {
		return all
	}
	for line := range strings.Lines(string(text)) {
		dir := strings.TrimSpace(line)
		if dir == "" || strings.HasPrefix(dir, "#") {
			continue
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(all[0], dir)
		}
		all = append(all, dir)
	}
	return all
}

// readLoose reads an object that is a file of its own.
func readLoose(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := inflate(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	_, content, ok := bytes.Cut(all, []byte{0})
	if !ok {
		return nil, fmt.Errorf("%s: broken object", path)
	}
	return content, nil
}

func inflate(r io.Reader) ([]byte, error) {
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(z, maxObject+1))
	if err == nil && len(content) > maxObject {
		err = errors.New("object is too large")
	}
	return content, err
}
