package apply

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A record, format 2, is an index Secret and, for what does not fit into it,
// chunk Secrets.
//
// Its content comes in parts; each is canonical JSON (the source is bytes as
// the user wrote them). A part is cut into blocks at places its own bytes decide
// (see [cutAt]), and each block is compressed by itself. A part of one small
// block is in the index, under the part's name; else each block is a chunk
// Secret named by the hash of its bytes, so that two revisions share all blocks
// that are the same: a small change of a large stack writes one or two.
//
// Nothing has a ceiling but the sizes the API server has: a Secret holds
// 1,048,576 bytes, its annotations 262,144, a request about 3 MiB.
//
// # What a record proves
//
// The digest in the index covers everything in the Secret's data, the bytes of
// every block, and the place of the record: namespace, stack and name. So any
// change, swap, copy under another name or loss is found out. There is no
// signature: who may write Secrets in the namespace can forge a record that is
// consistent in itself.

const (
	recordFormat = 2

	minBlock = 64 << 10  // bytes, uncompressed, but for the last block of a part
	maxBlock = 768 << 10 // what does not compress must still fit a Secret

	// inlineLimit is how many compressed bytes of a part stay in the index, so
	// that the indexes of all revisions are read at little cost.
	inlineLimit = 64 << 10
	partLimit   = 64 << 20 // bytes a part may inflate to: a record is no place for a bomb
)

// index is the manifest of a record: what its parts are and what they must be.
type index struct {
	Format int             `json:"format"`
	Parts  map[string]part `json:"parts"`
	// Run tells the records of two runs with the same content apart.
	Run string `json:"run,omitempty"`
	// Summary is what the annotation must say: at the start of a run in the
	// index of the revision, at its end in that of the outcome.
	Summary Summary `json:"summary"`
	// Digest covers all other fields, the random key, and the place of the record.
	Digest string `json:"digest"`
}

// part is its blocks in order.
type part struct {
	Inline bool    `json:"inline,omitempty"` // its one block is in the index
	Blocks []block `json:"blocks"`
}

type block struct {
	SHA256 string `json:"sha256"` // of the compressed bytes
	Size   int    `json:"size"`   // bytes, uncompressed
}

// chunkDigits is how many hex digits of the hash are in the name of a chunk.
const chunkDigits = 40

// chunk is the name of the Secret of a block without the stack's prefix.
func (b block) chunk() string { return "c-" + b.SHA256[:min(chunkDigits, len(b.SHA256))] }

// The parts of a revision.
const (
	partObjects   = "objects"   // []storedObject, in order of execution
	partInventory = "inventory" // []item
	partSource    = "source"    // what the user wrote
	partValues    = "values"    // []string: namespace/name of each value Secret
	partOutcome   = "outcome"   // outcome
)

// storedObject is one object of the objects part.
type storedObject struct {
	Object map[string]any `json:"object"`
	// Value names the Secret of the same namespace that holds the data.
	Value string `json:"value,omitempty"`
}

// outcome is the content of the record written at the end of a run.
type outcome struct {
	Sent     []sentObject `json:"sent"`
	Outcomes []Outcome    `json:"outcomes"`
}

type sentObject struct {
	ObjectKey
	sentFact
}

// errCorrupt says that a record is not what was written.
var errCorrupt = errors.New("record is corrupt")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errCorrupt, fmt.Sprintf(format, args...))
}

// NewerRecordError says that a record was written by a later version of
// stackctl, which knows more about it than this one.
type NewerRecordError struct{ Revision, Format int }

func (e *NewerRecordError) Error() string {
	return fmt.Sprintf("revision %d was written by a newer stackctl (record format %d, this one knows %d)", e.Revision, e.Format, recordFormat)
}

// Hint says how to go on.
func (e *NewerRecordError) Hint() string {
	return "use the version that wrote it, or a later one; `stackctl history -o json` names it"
}

// pack cuts and compresses the parts of a record. stored are the bytes of all
// blocks by their hash; those of inline parts go into the index.
func pack(contents map[string][]byte) (parts map[string]part, stored map[string][]byte, err error) {
	parts, stored = map[string]part{}, map[string][]byte{}
	for name, content := range contents {
		if len(content) > partLimit {
			return nil, nil, fmt.Errorf("%d MiB of %s are more than a revision records (%d MiB)", len(content)>>20, name, partLimit>>20)
		}
		p := part{Blocks: []block{}}
		for first := true; first || len(content) > 0; first = false {
			n := cutAt(content)
			compressed := deflate(content[:n])
			b := block{SHA256: sum(compressed), Size: n}
			p.Blocks, stored[b.SHA256] = append(p.Blocks, b), compressed
			content = content[n:]
		}
		p.Inline = len(p.Blocks) == 1 && len(stored[p.Blocks[0].SHA256]) <= inlineLimit
		parts[name] = p
	}
	return parts, stored, nil
}

// chunks lists the blocks that are not in the index, each once.
func (x index) chunks() []block {
	seen := map[string]bool{}
	var all []block
	for _, name := range slices.Sorted(maps.Keys(x.Parts)) {
		for _, b := range x.Parts[name].Blocks {
			if !x.Parts[name].Inline && !seen[b.SHA256] {
				seen[b.SHA256] = true
				all = append(all, b)
			}
		}
	}
	return all
}

// openIndex reads the index from the data of its Secret and proves all of it
// but the chunks. newer tells what the Secret's label says its format is.
func openIndex(stack Stack, record string, data map[string][]byte, newer int) (index, error) {
	x, err := decode[index](data[keyIndex])
	if err != nil {
		return x, err
	}
	if x.Format != recordFormat {
		if x.Format > recordFormat && x.Format == newer { // both say so: no flipped bit
			_, n, _ := parseIndexName(strings.TrimSuffix(record, outcomeSuffix))
			return x, &NewerRecordError{Revision: n, Format: x.Format}
		}
		return x, corrupt("there is no record format %d", x.Format)
	}
	// Nothing beside what the digest covers: what was written is written again.
	if !bytes.Equal(canonical(x), data[keyIndex]) || x.Digest != x.seal(stack, record, data[keyRandom]) {
		return x, corrupt("the index is not what was written")
	}
	for name, content := range data {
		switch p, ok := x.Parts[name]; {
		case name == keyIndex, name == keyRandom:
		case !ok || !p.Inline:
			return x, corrupt("the index holds %q, which is none of its parts", name)
		case len(p.Blocks) != 1 || sum(content) != p.Blocks[0].SHA256:
			return x, corrupt("the part %s is not what was written", name)
		}
	}
	for name, p := range x.Parts {
		if _, ok := data[name]; p.Inline && !ok {
			return x, corrupt("the part %s is missing", name)
		}
		size := 0
		for _, b := range p.Blocks {
			if b.Size < 0 || b.Size > maxBlock || len(b.SHA256) != 2*sha256.Size {
				return x, corrupt("the part %s has a block of %d bytes", name, b.Size)
			}
			size += b.Size
		}
		if size > partLimit {
			return x, corrupt("the part %s has %d bytes", name, size)
		}
	}
	return x, nil
}

// unpack returns a part: inline from the index's data, or from the chunks,
// which are the bytes of the blocks by their hash.
func (x index) unpack(name string, data, chunks map[string][]byte) ([]byte, error) {
	p, ok := x.Parts[name]
	if !ok {
		return nil, corrupt("the part %s is missing", name)
	}
	content := []byte{}
	for _, b := range p.Blocks {
		compressed := chunks[b.SHA256]
		if p.Inline {
			compressed = data[name]
		}
		if sum(compressed) != b.SHA256 {
			return nil, corrupt("a block of the part %s is not what was written", name)
		}
		plain, err := inflate(b, compressed)
		if err != nil {
			return nil, err
		}
		content = append(content, plain...)
	}
	return content, nil
}

// seal computes the digest of an index for a place in the history.
func (x index) seal(stack Stack, record string, key []byte) string {
	x.Digest = ""
	return sum(canonical([]any{stack.Namespace, stack.Name, record, key, x}))
}

// deflate compresses content; equal content gives equal bytes.
func deflate(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(content) // a Buffer takes all
	w.Close()
	return b.Bytes()
}

// inflate reverses deflate, reading no more than the declared size.
func inflate(b block, compressed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, corrupt("%v", err)
	}
	content, err := io.ReadAll(io.LimitReader(r, int64(b.Size)+1))
	if err != nil {
		return nil, corrupt("%v", err)
	}
	if len(content) != b.Size {
		return nil, corrupt("a block is not as large as it says")
	}
	return content, nil
}

// cutAt returns where the first block of content ends. The place depends on
// the 64 bytes before it alone (a gear hash), so that after a change the cuts
// soon are where they were before. Blocks have about 192 KiB.
func cutAt(content []byte) int {
	if len(content) <= minBlock {
		return len(content)
	}
	const often = 17 // bits: a cut every 128 KiB on average, after minBlock
	var hash uint64
	end := min(len(content), maxBlock)
	for i := minBlock - 64; i < end; i++ {
		hash = hash<<1 + gear[content[i]]
		if i >= minBlock && hash>>(64-often) == 0 {
			return i
		}
	}
	return end
}

// gear gives each byte a random, and always the same, number.
var gear = func() (table [256]uint64) {
	for i := range table {
		s := sha256.Sum256([]byte{byte(i)})
		for _, b := range s[:8] {
			table[i] = table[i]<<8 | uint64(b)
		}
	}
	return table
}()

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// keyed returns a digest that cannot be computed, and so not be guessed from
// a likely value, without the stack's random key.
func keyed(key, b []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(b)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// strip returns an object without the data of a Secret, and that data.
func strip(o *unstructured.Unstructured) (stripped, data map[string]any) {
	if !keyOf(o).isSecret() {
		return o.Object, nil
	}
	stripped, data = map[string]any{}, map[string]any{}
	for k, v := range o.Object {
		if k == "data" || k == "stringData" {
			data[k] = v
		} else {
			stripped[k] = v
		}
	}
	return stripped, data
}

func decode[T any](content []byte) (v T, err error) {
	if err := json.Unmarshal(content, &v); err != nil {
		return v, corrupt("%v", err)
	}
	return v, nil
}
