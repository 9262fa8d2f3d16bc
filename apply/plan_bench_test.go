package apply_test

import (
	"testing"

	"stackctl.dev/stackctl/apply"
)

// BenchmarkPlan plans a stack of 300 objects, as a process does that knows
// nothing of the cluster yet: before its first apply, with nothing changed
// since, and with one object changed.
func BenchmarkPlan(b *testing.B) {
	const apps = 150
	s := newStoryOf(b)
	plan := func(value string, want apply.Counts) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				s.process()
				if got := s.plan(s.apps(apps, value)...).Counts(); got != want {
					b.Fatalf("%+v, want %+v", got, want)
				}
			}
		}
	}
	b.Run("first", plan("1", apply.Counts{Created: 2 * apps}))
	quick := run
	quick.Wait = false
	if _, err := s.engine.Apply(b.Context(), s.plan(s.apps(apps, "1")...), quick); err != nil {
		b.Fatal(err)
	}
	b.Run("unchanged", plan("1", apply.Counts{Unchanged: 2 * apps}))
	b.Run("one-changed", plan("2", apply.Counts{Updated: 1, Unchanged: 2*apps - 1}))
}
