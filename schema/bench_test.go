package schema

import (
	"context"
	"testing"
)

// BenchmarkCompile is what every run of the program pays once.
func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		newLanguage()
	}
}

// BenchmarkLoad loads a file with most fields of the language.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(context.Background(), Options{Filename: "../examples/full/stack.yaml"}); err != nil {
			b.Fatal(err)
		}
	}
}
