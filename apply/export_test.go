package apply

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
)

// InflateAll returns the values of a record, uncompressed.
func InflateAll(data map[string][]byte) string {
	var b strings.Builder
	for _, v := range data {
		if r, err := gzip.NewReader(bytes.NewReader(v)); err == nil {
			io.Copy(&b, r)
		}
	}
	return b.String()
}
