package gitinfo

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Kinds of entries in a pack that are stored as a difference to another one.
const (
	offsetDelta = 6
	refDelta    = 7
)

// maxChain bounds how many differences lie on top of each other; git itself
// makes at most 4095.
const maxChain = 4096

// readPacked returns an object from the packs in a folder, errNoObject when
// none has it.
func readPacked(dir, name string) ([]byte, error) {
	indexes, err := filepath.Glob(filepath.Join(dir, "*.idx"))
	if err != nil {
		return nil, err
	}
	want, err := hex.DecodeString(name)
	if err != nil {
		return nil, err
	}
	for _, index := range indexes {
		offset, ok, err := find(index, want)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", index, err)
		}
		if !ok {
			continue
		}
		pack := strings.TrimSuffix(index, ".idx") + ".pack"
		f, err := os.Open(pack)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		content, err := unpack(f, offset, len(want), 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pack, err)
		}
		return content, nil
	}
	return nil, errNoObject
}

// unpack returns the object at an offset of a pack.
func unpack(pack *os.File, offset int64, size, depth int) ([]byte, error) {
	if depth > maxChain {
		return nil, errors.New("chain of differences is too long")
	}
	r := bufio.NewReader(io.NewSectionReader(pack, offset, 1<<62))
	first, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	for b := first; b&0x80 != 0; { // the object's length, which zlib tells as well
		if b, err = r.ReadByte(); err != nil {
			return nil, err
		}
	}
	var base []byte
	switch first >> 4 & 7 {
	case offsetDelta:
		back, err := readOffset(r)
		if err != nil {
			return nil, err
		}
		if back <= 0 || back > offset {
			return nil, errors.New("difference to nothing")
		}
		base, err = unpack(pack, offset-back, size, depth+1)
		if err != nil {
			return nil, err
		}
	case refDelta:
		name := make([]byte, size)
		if _, err := io.ReadFull(r, name); err != nil {
			return nil, err
		}
		at, ok, err := find(strings.TrimSuffix(pack.Name(), ".pack")+".idx", name)
		if err != nil || !ok {
			return nil, errors.Join(errors.New("base of a difference is missing"), err)
		}
		if base, err = unpack(pack, at, size, depth+1); err != nil {
			return nil, err
		}
	default:
		return inflate(r)
	}
	delta, err := inflate(r)
	if err != nil {
		return nil, err
	}
	return patch(base, delta)
}

// readOffset reads how far back in the pack the base of a difference is.
func readOffset(r io.ByteReader) (int64, error) {
	b, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	n := int64(b & 0x7f)
	for b&0x80 != 0 {
		if b, err = r.ReadByte(); err != nil {
			return 0, err
		}
		n = (n+1)<<7 | int64(b&0x7f)
	}
	return n, nil
}

// patch applies a difference: two lengths, then commands that copy a part of
// the base or insert new bytes.
func patch(base, delta []byte) ([]byte, error) {
	broken := errors.New("broken difference")
	_, n := binary.Uvarint(delta)
	if n <= 0 {
		return nil, broken
	}
	delta = delta[n:]
	length, n := binary.Uvarint(delta)
	if n <= 0 || length > maxObject {
		return nil, broken
	}
	delta = delta[n:]
	result := make([]byte, 0, length)
	for len(delta) > 0 {
		command := delta[0]
		delta = delta[1:]
		if command&0x80 == 0 {
			if int(command) > len(delta) || command == 0 {
				return nil, broken
			}
			result = append(result, delta[:command]...)
			delta = delta[command:]
			continue
		}
		var args [7]int // four bytes of offset, three of length, each optional
		for i := range args {
			if command&(1<<i) == 0 {
				continue
			}
			if len(delta) == 0 {
				return nil, broken
			}
			args[i] = int(delta[0])
			delta = delta[1:]
		}
		from := args[0] | args[1]<<8 | args[2]<<16 | args[3]<<24
		count := args[4] | args[5]<<8 | args[6]<<16
		if count == 0 {
			count = 0x10000
		}
		if from+count > len(base) || len(result)+count > int(length) {
			return nil, broken
		}
		result = append(result, base[from:from+count]...)
	}
	if len(result) != int(length) {
		return nil, broken
	}
	return result, nil
}
