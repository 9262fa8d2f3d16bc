package schema

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Concurrently calls f for every index below n on the processors there are, and
// returns when all calls have. A panic of one is a panic of the caller's. What
// works on a stack app by app, or on what comes of it, does so with this.
func Concurrently(n int, f func(int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers < 2 {
		for i := range n {
			f(i)
		}
		return
	}
	var (
		next  atomic.Int64
		group sync.WaitGroup
		cause atomic.Pointer[any]
	)
	for range workers {
		group.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					cause.Store(&v)
				}
			}()
			for cause.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				f(i)
			}
		})
	}
	group.Wait()
	if v := cause.Load(); v != nil {
		panic(*v)
	}
}
