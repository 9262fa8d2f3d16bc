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

// maxStack is how much the stacks of goroutines may grow. The limits of a
// description keep recursion below it. Should one slip through, this is well
// before the 512 MiB at which Go ends the process without a word of ours.
const maxStack = 320 << 20

// guarded runs work until it ends, ctx ends, or it passes a ceiling. Then it
// is abandoned, since neither a CUE value nor a parser can be interrupted. A
// panic becomes an error: no input may crash the program.
func guarded[T any](ctx context.Context, file string, limit ceiling, work func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	done := make(chan result, 1)
	before := memory()
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				done <- result{err: Errors{{
					Pos: Pos{File: file}, Msg: fmt.Sprintf("cannot be understood: %v", cause),
					Hint: "this is a bug; please report it with the file",
				}}}
			}
		}()
		value, err := work()
		done <- result{value, err}
	}()

	timeout := time.NewTimer(limit.time)
	defer timeout.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case r := <-done:
			return r.value, r.err
		case <-ctx.Done():
			return none, ctx.Err()
		case <-timeout.C:
			return none, tooMuch(file, fmt.Sprintf("more than %s", limit.time))
		case <-look.C:
			now := memory()
			switch {
			case now.heap > before.heap+limit.heap:
				return none, tooMuch(file, fmt.Sprintf("more than %d MiB of memory", limit.heap>>20))
			case now.stacks > before.stacks+maxStack:
				return none, tooMuch(file, fmt.Sprintf("more than %d MiB of stack", maxStack>>20))
			}
		}
	}
}

func tooMuch(file, what string) Errors {
	return Errors{{
		Pos: Pos{File: file}, Msg: "takes " + what + " to evaluate",
		Hint: "look for values that refer to each other in long chains, and for repetition such as list.Range with a large number",
	}}
}

// memoryUse is what the process holds, in bytes.
type memoryUse struct{ heap, stacks uint64 }

// memory returns the bytes of live and not yet collected objects, and those of
// the stacks.
func memory() memoryUse {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return memoryUse{samples[0].Value.Uint64(), samples[1].Value.Uint64()}
}
