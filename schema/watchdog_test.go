package schema

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestGuarded ends work that does not end by itself.
func TestGuarded(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := guarded(ctx, "stack.cue", ceiling{time: time.Minute, heap: 1 << 40}, func() (*Stack, error) { <-release; return nil, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	_, err = guarded(context.Background(), "stack.cue", ceiling{time: time.Millisecond, heap: 1 << 40}, func() (*Stack, error) { <-release; return nil, nil })
	if err == nil || !strings.Contains(err.Error(), "stack.cue: takes more than 1ms to evaluate") {
		t.Errorf("slow: %v", err)
	}
	runtime.GC() // garbage of other tests would make room for what is to be too much
	_, err = guarded(context.Background(), "stack.cue", ceiling{time: time.Minute, heap: 16 << 20}, func() (*Stack, error) {
		kept := make([]byte, 64<<20)
		<-release
		return nil, errors.New(string(kept[:1]))
	})
	if err == nil || !strings.Contains(err.Error(), "of memory to evaluate") {
		t.Errorf("large: %v", err)
	}
	_, err = guarded(context.Background(), "stack.cue", ordinary, func() (*Stack, error) { panic("boom") })
	if err == nil || !strings.Contains(err.Error(), "stack.cue: cannot be understood: boom") {
		t.Errorf("panic: %v", err)
	}
}

// TestBomb evaluates a CUE file of a few bytes that wants far more memory, under
// a ceiling lower than the ordinary one: its goroutine stays until it is done.
func TestBomb(t *testing.T) {
	in := &input{file: "stack.cue", text: []byte("import \"list\"\nx: list.Range(0, 500000, 1)\n")}
	runtime.GC()
	_, err := guarded(context.Background(), in.file, ceiling{time: time.Minute, heap: 32 << 20}, func() (*Stack, error) { return load(in, "") })
	if err == nil || !strings.Contains(err.Error(), "stack.cue: takes more than 32 MiB of memory to evaluate") {
		t.Errorf("got %v", err)
	}
}
