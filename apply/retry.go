package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// There is one policy for what is sent again, and when. The transport follows
// it for what changes nothing (reads and dry-runs), [retry] for writes: each of
// them has its own way to find out that an earlier try succeeded whose answer
// was lost. What a write reads on its way is repeated with it, and only so: there
// is one layer that repeats a request. Only what may pass by itself is tried again, for as long as the
// patience lasts; the request time-out bounds one try. client-go repeats
// nothing: the transport keeps from it what would make it.

const (
	// readPatience is how long a read is tried that fails for a reason that may
	// pass. It is longer than a frozen connection lives.
	readPatience = 20 * time.Second
	// longestDelay bounds what a server may ask for with Retry-After.
	longestDelay = 30 * time.Second
)

// backoff is the pauses between the tries of one request: they double from
// 200 ms up to 5 s, and are spread at random, so that the many requests that
// failed together do not come back together.
type backoff struct{ delay time.Duration }

// next returns the next pause, at least as long as the server asked for.
func (b *backoff) next(asked time.Duration) time.Duration {
	b.delay = min(max(2*b.delay, 200*time.Millisecond), 5*time.Second)
	return max(b.delay/2+rand.N(b.delay), min(asked, longestDelay))
}

// pause waits, and reports false when the context or the run it belongs to
// ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-interruption(ctx):
		return false
	}
}

// retry calls f until it succeeds, fails for good, the patience is used up or
// the context ends. Only what may pass by itself is tried again; f must be
// safe to repeat. The error is that of the last try, and tells of the first if
// that was another.
func retry(ctx context.Context, patience time.Duration, f func(context.Context) error) error {
	var (
		first error
		b     backoff
		again bool
		start = time.Now()
	)
	repeated := context.WithValue(ctx, repeatedKey{}, true)
	for {
		err := f(repeated)
		switch {
		case err == nil:
			return nil
		case first == nil:
			first = err
		case errors.Is(err, context.Canceled):
			// Not an answer: what failed before says more.
		case err.Error() != first.Error():
			err = &retriedError{last: err, first: first}
		}
		repeat := isTransient(err) && time.Since(start) < patience
		if answer := (*AnswerError)(nil); !again && errors.As(err, &answer) {
			again, repeat = true, true // a stranger met on the way is tried to be passed once
		}
		if !repeat || ctx.Err() != nil {
			return err
		}
		asked, _ := apierrors.SuggestsClientDelay(err)
		if !pause(ctx, b.next(time.Duration(asked)*time.Second)) {
			return err
		}
	}
}

type repeatedKey struct{}

// isRepeated reports a context whose requests are repeated by [retry].
func isRepeated(ctx context.Context) bool { return ctx.Value(repeatedKey{}) != nil }

// retriedError is the failure of the last of several tries, which would hide
// why there was more than one.
type retriedError struct{ last, first error }

func (e *retriedError) Error() string { return fmt.Sprintf("%v (at first: %v)", e.last, e.first) }
func (e *retriedError) Unwrap() error { return e.last }

// notServedError is the refusal of an object whose kind or namespace was made
// a moment ago, and which will be known in another.
type notServedError struct{ err error }

func (e *notServedError) Error() string { return e.err.Error() }
func (e *notServedError) Unwrap() error { return e.err }

// movedError is the refusal of a write that was meant for the very state of an
// object that was read before. Its status moves it all the time.
type movedError struct{ err error }

func (e *movedError) Error() string { return e.err.Error() }
func (e *movedError) Unwrap() error { return e.err }

// isTransient reports a failure that may pass by itself.
func isTransient(err error) bool {
	var (
		notServed *notServedError
		moved     *movedError
		fenced    *fencedError
		answer    *AnswerError
		way       *wayError
	)
	switch {
	case err == nil:
		return false
	case errors.As(err, &notServed), errors.As(err, &moved), errors.As(err, &fenced):
		return true
	case errors.As(err, &answer):
		return transientCode(answer.Code)
	case errors.As(err, &way):
		return way.transient
	}
	if s := status(err); s != nil {
		return transientStatus(s)
	}
	return passes(err)
}

// transientStatus reports a refusal that may pass by itself. A 500 without a
// reason is a mistake in the object.
func transientStatus(s *metav1.Status) bool {
	if s.Code == http.StatusInternalServerError {
		return s.Reason != "" && !isMistake(s)
	}
	return transientCode(int(s.Code))
}

func transientCode(code int) bool {
	switch code {
	case http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// passes reports a failure of the way to the server that may pass by itself.
func passes(err error) bool {
	var netErr net.Error
	if errors.As(err, &netErr) && netErr.Timeout() || lost(err) != "" {
		return true
	}
	for _, one := range []error{
		context.DeadlineExceeded, syscall.ECONNREFUSED, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// unreachable reports that no connection came about at all.
func unreachable(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH)
}

// cutErrors are the ways in which a connection ends too early.
var cutErrors = []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, net.ErrClosed}
