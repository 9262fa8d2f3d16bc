package schema

import (
	"sync/atomic"
	"testing"
)

// TestConcurrently: every index is worked on once, before it returns, and what
// one of them panics with reaches whoever called, who makes an error of it.
func TestConcurrently(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		calls := make([]atomic.Int32, n)
		Concurrently(n, func(i int) { calls[i].Add(1) })
		for i := range calls {
			if got := calls[i].Load(); got != 1 {
				t.Errorf("%d of %d: %d calls", i, n, got)
			}
		}
	}
	defer func() {
		if cause := recover(); cause != "boom" {
			t.Errorf("the panic of one came as %v", cause)
		}
	}()
	Concurrently(1000, func(i int) {
		if i == 500 {
			panic("boom")
		}
	})
	t.Error("a panic was lost")
}
