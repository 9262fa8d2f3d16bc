package schema

import (
	"context"
	"fmt"
	"runtime/metrics"
	"time"
)

// ceiling is how long one load may take and how much memory, in bytes on top
// of what the process held before.
type ceiling struct {
	time time.Duration
	heap uint64
}

// ordinary is far above an ordinary stack, which takes milliseconds and MiB.
var ordinary = ceiling{time: 10 * time.Second, heap: 1 << 30}

// guarded runs load until it ends, ctx ends, or it passes a ceiling. Then it
// is abandoned, since neither a CUE value nor a parser can be interrupted. A
// panic becomes an error: no input may crash the program.
func guarded(ctx context.Context, file string, limit ceiling, load func() (*Stack, error)) (*Stack, error) {
	type result struct {
		stack *Stack
		err   error
	}
	done := make(chan result, 1)
	before := heap()
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				done <- result{err: Errors{{
					Pos: Pos{File: file}, Msg: fmt.Sprintf("cannot be understood: %v", cause),
					Hint: "this is a bug; please report it with the file",
				}}}
			}
		}()
		stack, err := load()
		done <- result{stack, err}
	}()

	timeout := time.NewTimer(limit.time)
	defer timeout.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case r := <-done:
			return r.stack, r.err
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timeout.C:
			return nil, tooMuch(file, fmt.Sprintf("more than %s", limit.time))
		case <-look.C:
			if heap() > before+limit.heap {
				return nil, tooMuch(file, fmt.Sprintf("more than %d MiB of memory", limit.heap>>20))
			}
		}
	}
}

func tooMuch(file, what string) Errors {
	return Errors{{
		Pos: Pos{File: file}, Msg: "takes " + what + " to evaluate",
		Hint: "look for repetition without an end, such as strings.Repeat or list.Range with a large number",
	}}
}

// heap returns the bytes of live and not yet collected objects.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
