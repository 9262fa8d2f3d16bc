package ui

import (
	"bytes"
	"strings"
	"testing"
)

// TestDiffsKeepToTheTerminal: no line is wider than the terminal, with colours or
// without, and nothing is left out for that.
func TestDiffsKeepToTheTerminal(t *testing.T) {
	for name, d := range recordedDiffs(t) {
		for _, format := range []string{"text", "side-by-side"} {
			for _, width := range []int{40, 72, 133} {
				for _, color := range []bool{false, true} {
					var out bytes.Buffer
					if err := WriteDiff(&out, format, d, Options{Now: noon.Now, Width: width, Color: color}); err != nil {
						t.Fatal(err)
					}
					for line := range strings.Lines(out.String()) {
						if n := visible(strings.TrimSuffix(line, "\n")); n > width {
							t.Fatalf("%s of %s, width %d: %d columns in %q", format, name, width, n, line)
						}
					}
				}
			}
		}
		var whole, narrow bytes.Buffer
		if err := WriteDiff(&whole, "text", d, noon); err != nil {
			t.Fatal(err)
		}
		if err := WriteDiff(&narrow, "text", d, Options{Now: noon.Now, Width: 50}); err != nil {
			t.Fatal(err)
		}
		letters := func(s string) string { return strings.NewReplacer(" ", "", "\n", "", "…", "").Replace(s) }
		if letters(whole.String()) != letters(narrow.String()) {
			t.Errorf("%s: what is broken into lines is not what is written", name)
		}
	}
}
