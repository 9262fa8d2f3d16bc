package apply

import (
	"fmt"
	"testing"
)

// BenchmarkHistory reads the history of 50 revisions of a 5 MB stack. Its cost
// is that of three lists of metadata.
func BenchmarkHistory(b *testing.B) {
	l := newLedger(b)
	var base map[string]bool
	for n := 1; n <= 50; n++ {
		l.release(n, l.objects(1200, 3000, n*20, fmt.Sprint("value ", n)), base)
		if n == 1 {
			rev, err := l.engine.records.read(b.Context(), n)
			if err != nil {
				b.Fatal(err)
			}
			base = rev.chunks
		}
	}
	b.ReportMetric(float64(len(l.chunks())), "chunks")
	for b.Loop() {
		if all, err := l.engine.History(b.Context()); err != nil || len(all) != 50 {
			b.Fatal(len(all), err)
		}
	}
}

// BenchmarkRecord encodes and decodes the objects of a 5 MB stack.
func BenchmarkRecord(b *testing.B) {
	content := manyObjects(6000, -1)
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			if _, _, err := pack(map[string][]byte{partObjects: content}); err != nil {
				b.Fatal(err)
			}
		}
	})
	e := encode(b, "v1", map[string][]byte{partObjects: content})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			if _, err := e.open("v1"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
