package apply

import (
	"context"
	"time"
)

type graceKey struct{}

// grace returns a context that ends a while after its parent: requests in
// flight may finish, while whoever asks graceEnded begins nothing new.
func grace(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(parent), graceKey{}, parent))
	stop := context.AfterFunc(parent, func() {
		select {
		case <-time.After(d):
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { stop(); cancel() }
}

// graceEnded reports whether the parent of a grace context has ended.
func graceEnded(ctx context.Context) bool {
	parent, ok := ctx.Value(graceKey{}).(context.Context)
	if !ok {
		return ctx.Err() != nil
	}
	return parent.Err() != nil
}

// closed returns a context for what closes a run: it ends with nothing, and
// its requests are repeated though the run was interrupted.
func closed(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), graceKey{}, context.Background())
}
