package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExamplesAreApplied: an example that nobody applies will rot.
func TestExamplesAreApplied(t *testing.T) {
	script, err := os.ReadFile("../../testdata/cluster/apply_examples.txtar")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob("../../examples/*/stack.*")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, example := range examples {
		if name := strings.TrimPrefix(example, "../../examples/"); strings.Count(string(script), "$EXAMPLES/"+name) < 3 {
			t.Errorf("apply_examples.txtar does not validate, apply and diff %s", name)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(example), "README.md")); err != nil {
			t.Error(err)
		}
	}
}
