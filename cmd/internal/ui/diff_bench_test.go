package ui

import (
	"bytes"
	"maps"
	"slices"
	"testing"
)

// BenchmarkDiff writes 100 changed objects of 100 lines each in every format.
func BenchmarkDiff(b *testing.B) {
	diffs := []Diff{large(100, 50, "settings-%d")}
	for _, format := range slices.Sorted(maps.Keys(diffFormats)) {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var out bytes.Buffer
				if err := WriteDiffs(&out, format, diffs, noon); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(out.Len()))
			}
		})
	}
}
