package render_test

import (
	"io"
	"strings"
	"testing"

	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// TestAllocations: allocations are what most of the time of loading and
// rendering goes into, and can be counted where a clock cannot be trusted. Each
// ceiling is for one app of three objects, a fifth above what it was measured
// to be; raise one only for something that is worth it.
func TestAllocations(t *testing.T) {
	for _, c := range []struct {
		what    string
		ceiling int
		prepare func(apps int) func() error
	}{
		{"load", 800, func(apps int) func() error {
			text := describe(apps)
			return func() error {
				_, err := schema.Load(t.Context(), schema.Options{Filename: "-", Stdin: strings.NewReader(text)})
				return err
			}
		}},
		{"render", 390, func(apps int) func() error {
			stack := manyApps(t, apps)
			return func() error {
				_, err := render.Render(stack, render.Options{Namespace: "shop"})
				return err
			}
		}},
		{"write", 40, func(apps int) func() error {
			objects, err := render.Render(manyApps(t, apps), render.Options{Namespace: "shop"})
			if err != nil {
				t.Fatal(err)
			}
			return func() error { return objects.WriteYAML(io.Discard) }
		}},
	} {
		count := func(apps int) float64 {
			work := c.prepare(apps)
			return testing.AllocsPerRun(5, func() {
				if err := work(); err != nil {
					t.Error(err)
				}
			})
		}
		perApp := int((count(60) - count(20)) / 40)
		t.Logf("%s: %d allocations an app", c.what, perApp)
		if perApp > c.ceiling {
			t.Errorf("%s: %d allocations an app, want at most %d", c.what, perApp, c.ceiling)
		}
	}
}
