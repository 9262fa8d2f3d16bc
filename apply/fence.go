package apply

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// A process may be stopped at any instruction, and so between the check of its
// lock and the request that the check allowed. So every change that is made
// under a lock is checked once more where it is handed to the network, and a
// body that is not sent by then never is. What is left is the time that the
// network and the server take, which the rest of the lease covers.

// fence says until when a lock is surely held.
type fence struct {
	mu       sync.Mutex
	renewed  time.Time // when the last successful renewal was begun
	duration time.Duration
	lost     error
}

type fenceKey struct{}

// under returns a context whose changes need the lock.
func (f *fence) under(ctx context.Context) context.Context {
	return context.WithValue(ctx, fenceKey{}, f)
}

// unfenced returns a context for the requests that keep the lock itself: the
// server compares their resourceVersion.
func unfenced(ctx context.Context) context.Context {
	return context.WithValue(ctx, fenceKey{}, (*fence)(nil))
}

func (f *fence) set(renewed time.Time, lost error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed, f.lost = renewed, lost
}

func (f *fence) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// lastWrite is how long after its last renewal a holder may still hand a
// request to the network: a quarter of the lease is left for the way.
func lastWrite(duration time.Duration) time.Duration { return duration * 3 / 4 }

// check returns an error when the lock may be somebody else's by the time a
// request gets there.
func (f *fence) check() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost != nil {
		return &fencedError{f.lost}
	}
	if age := since(f.renewed); age >= lastWrite(f.duration) {
		return &fencedError{&LockLostError{Reason: fmt.Sprintf("it was last renewed %s before the request was to be sent", age.Round(time.Millisecond))}}
	}
	return nil
}

// since is how long ago something was. The monotonic clock stands still while
// a machine sleeps, the wall clock may be set: the larger of the two is the age.
func since(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// fencedError says that a change was not sent, since the lock is no longer
// surely held. Who asks for the lock again may try again.
type fencedError struct{ err error }

func (e *fencedError) Error() string { return e.err.Error() }
func (e *fencedError) Unwrap() error { return e.err }

// fencing is the transport next to the network.
type fencing struct{ next http.RoundTripper }

func (t fencing) RoundTrip(r *http.Request) (*http.Response, error) {
	f, _ := r.Context().Value(fenceKey{}).(*fence)
	if f == nil || !changes(r) {
		return t.next.RoundTrip(r)
	}
	if err := f.check(); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	if r.Body == nil || r.Body == http.NoBody {
		return t.next.RoundTrip(r)
	}
	body := &fencedBody{ReadCloser: r.Body, fence: f}
	request := r.Clone(r.Context())
	request.Body = body
	if r.GetBody != nil {
		request.GetBody = func() (io.ReadCloser, error) {
			again, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			return &fencedBody{ReadCloser: again, fence: f}, nil
		}
	}
	return t.next.RoundTrip(request)
}

// fencedBody is a request's body that ends with an error once the lock is not
// surely held: a request without its whole body is none.
type fencedBody struct {
	io.ReadCloser
	fence *fence
}

func (b *fencedBody) Read(p []byte) (int, error) {
	if err := b.fence.check(); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p)
}
