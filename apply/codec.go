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

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A record is an index Secret and, for what does not fit into it, chunk
// Secrets. Its content comes in parts; each is canonical JSON, compressed, and
// stands in the index itself or, when the parts are large together, in chunks.

const (
	inlineLimit = 512 << 10 // bytes of all parts together that stay in the index
	chunkSize   = 900 << 10 // a Secret holds at most 1 MiB
	partLimit   = 64 << 20  // bytes a part may inflate to: a record is no place for a bomb
)

// index is the manifest of a record: what its parts are and what they must be.
type index struct {
	Format int             `json:"format"`
	Parts  map[string]part `json:"parts"`
	// Run tells the records of two runs with the same content apart.
	Run string `json:"run,omitempty"`
	// Digest covers namespace, name, number and the digests of all parts, so
	// that a record that was renamed or put together from others is found out.
	Digest string `json:"digest"`
}

// part describes one part: the compressed bytes are in the index under the
// part's name, or in the chunks, in order.
type part struct {
	SHA256 string   `json:"sha256"` // of the uncompressed content
	Size   int      `json:"size"`   // bytes, uncompressed
	Chunks []string `json:"chunks,omitempty"`
}

const recordFormat = 1

// The parts of a revision.
const (
	partObjects   = "objects"   // []object, in order of execution
	partInventory = "inventory" // []item
	partSource    = "source"    // what the user wrote
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

// deflate compresses content; equal content gives equal bytes.
func deflate(content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // fails only for an unknown level
	w.Write(content)                                      // a Buffer takes all
	w.Close()
	return b.Bytes()
}

// inflate reverses deflate, reading no more than the declared size.
func inflate(p part, compressed []byte) ([]byte, error) {
	if p.Size < 0 || p.Size > partLimit {
		return nil, corrupt("a part declares %d bytes", p.Size)
	}
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, corrupt("%v", err)
	}
	content, err := io.ReadAll(io.LimitReader(r, int64(p.Size)+1))
	if err != nil {
		return nil, corrupt("%v", err)
	}
	if len(content) != p.Size || sum(content) != p.SHA256 {
		return nil, corrupt("a part does not match its digest")
	}
	return content, nil
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// seal computes the digest of an index for a place in the history.
func (x index) seal(stack Stack, record string) string {
	sums := make(map[string]string, len(x.Parts))
	for name, p := range x.Parts {
		sums[name] = p.SHA256
	}
	return sum(canonical([]any{x.Format, x.Run, stack.Namespace, stack.Name, record, sums}))
}

// split cuts compressed bytes into chunks.
func split(b []byte) [][]byte {
	var chunks [][]byte
	for len(b) > chunkSize {
		chunks, b = append(chunks, b[:chunkSize]), b[chunkSize:]
	}
	return append(chunks, b)
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
