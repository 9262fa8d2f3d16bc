package gitinfo

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// packIndex is the index of a pack (version 2): a table of how many hashes
// begin with at most each byte, the hashes, their checksums, their offsets, and
// the offsets beyond 2 GiB. It is read where it is looked at: that of a large
// repository has many megabytes.
type packIndex struct {
	file  *os.File
	size  int // of a hash
	count int
	err   error // the first one of reading
}

const (
	indexHead = 8
	indexFan  = 256 * 4
)

func openIndex(name string, size int) (*packIndex, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	x := &packIndex{file: f, size: size}
	if string(x.bytes(0, indexHead)) != "\xfftOc\x00\x00\x00\x02" {
		f.Close()
		return nil, errors.New("not a pack index of version 2")
	}
	x.count = int(binary.BigEndian.Uint32(x.bytes(indexHead+indexFan-4, 4)))
	if info, err := f.Stat(); err != nil || x.err != nil || info.Size() < x.large() {
		f.Close()
		return nil, errors.Join(errors.New("broken pack index"), err)
	}
	return x, nil
}

func (x *packIndex) close() { x.file.Close() }

// bytes reads a part; of zeros when that fails.
func (x *packIndex) bytes(at int64, n int) []byte {
	b := make([]byte, n)
	if _, err := x.file.ReadAt(b, at); err != nil && x.err == nil {
		x.err = err
	}
	return b
}

func (x *packIndex) offsets() int64 { return indexHead + indexFan + int64(x.count)*int64(x.size+4) }
func (x *packIndex) large() int64   { return x.offsets() + int64(x.count)*4 }

func (x *packIndex) hash(i int) string {
	return string(x.bytes(indexHead+indexFan+int64(i)*int64(x.size), x.size))
}

// search returns the place of the first hash that is not less than a text.
func (x *packIndex) search(text string) int {
	return sort.Search(x.count, func(i int) bool { return x.hash(i) >= text })
}

// find looks a hash up in the index of a pack.
func find(index string, want []byte) (offset int64, ok bool, err error) {
	x, err := openIndex(index, len(want))
	if err != nil {
		return 0, false, err
	}
	defer x.close()
	i := x.search(string(want))
	if i == x.count || x.hash(i) != string(want) {
		return 0, false, x.err
	}
	offset = int64(binary.BigEndian.Uint32(x.bytes(x.offsets()+int64(i)*4, 4)))
	if offset&(1<<31) != 0 {
		offset = int64(binary.BigEndian.Uint64(x.bytes(x.large()+(offset&^(1<<31))*8, 8)))
	}
	return offset, true, x.err
}

// packedHashes returns the hashes in the packs of a folder that begin so.
func packedHashes(dir, start string) ([]string, error) {
	indexes, err := filepath.Glob(filepath.Join(dir, "*.idx"))
	if err != nil {
		return nil, err
	}
	least, err := hex.DecodeString(start[:len(start)/2*2])
	if err != nil {
		return nil, err
	}
	var all []string
	for _, index := range indexes {
		size, err := hashSize(index)
		if err != nil {
			return nil, err
		}
		x, err := openIndex(index, size)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", index, err)
		}
		for i := x.search(string(least)); i < x.count; i++ {
			hash := hex.EncodeToString([]byte(x.hash(i)))
			if strings.HasPrefix(hash, start) {
				all = append(all, hash)
			} else if hash > start {
				break
			}
		}
		x.close()
		if x.err != nil {
			return nil, x.err
		}
	}
	return all, nil
}

// hashSize tells the size of the hashes in an index by its name, pack-HASH.idx.
func hashSize(index string) (int, error) {
	hash := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(index), "pack-"), ".idx")
	if !isHash(hash) {
		return 0, fmt.Errorf("%s: not the name of a pack index", index)
	}
	return len(hash) / 2, nil
}
