package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What an API failure means. An HTTP code alone says little: a mistake in a
// server-side apply is a 500 without a reason, 422 is a bad value as often as
// an immutable field, and 409 is an ownership conflict, a stale
// resourceVersion or a uid that does not match.

// isFieldConflict reports a field that somebody else owns.
func isFieldConflict(err error) bool {
	return apierrors.IsConflict(err) && apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict)
}

// isUIDMismatch reports that the object is not the one that was meant.
func isUIDMismatch(err error) bool {
	s := status(err)
	if s == nil {
		return false
	}
	switch s.Code {
	case http.StatusConflict:
		return strings.Contains(s.Message, "uid mismatch") || strings.Contains(s.Message, "Precondition failed: UID")
	case http.StatusUnprocessableEntity:
		return s.Details != nil && len(s.Details.Causes) > 0 && s.Details.Causes[0].Field == "metadata.uid"
	}
	return false
}

// isSpecMistake reports an object that no retry makes acceptable.
func isSpecMistake(err error) bool {
	s := status(err)
	return s != nil && s.Code == http.StatusInternalServerError &&
		(strings.HasPrefix(s.Message, "failed to create typed patch object") ||
			strings.HasPrefix(s.Message, "failed to convert new object"))
}

// notServedError is the refusal of an object whose kind or namespace was made
// a moment ago, and which will be known in another.
type notServedError struct{ err error }

func (e *notServedError) Error() string { return e.err.Error() }
func (e *notServedError) Unwrap() error { return e.err }

// isTransient reports a failure that may pass by itself.
func isTransient(err error) bool {
	if notServed := (*notServedError)(nil); errors.As(err, &notServed) {
		return true
	}
	if s := status(err); s != nil {
		switch s.Code {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		case http.StatusInternalServerError:
			return s.Reason != "" && !isSpecMistake(err)
		}
		return false
	}
	var netErr net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout() ||
		err != nil && strings.Contains(err.Error(), "http2: client connection lost")
}

func status(err error) *metav1.Status {
	var s apierrors.APIStatus
	if !errors.As(err, &s) {
		return nil
	}
	st := s.Status()
	return &st
}

// retry calls f until it succeeds, fails for good, the patience is used up or
// the context ends. Only what may pass by itself is tried again; f must be
// safe to repeat.
func retry(ctx context.Context, patience time.Duration, f func(context.Context) error) error {
	start := time.Now()
	delay := 200 * time.Millisecond
	for {
		err := f(ctx)
		if err == nil || !isTransient(err) || ctx.Err() != nil || time.Since(start) > patience {
			return err
		}
		pause := delay/2 + rand.N(delay)
		if s, ok := apierrors.SuggestsClientDelay(err); ok {
			pause = max(pause, time.Duration(s)*time.Second)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		delay = min(2*delay, 5*time.Second)
	}
}

// describe turns an API error about an object into one for people. Server
// texts repeat values of the object (a whole pod template, the value of a
// Secret), so only field, short scalar and reason are kept, and nothing but
// the field for a Secret.
func describe(act string, key ObjectKey, err error) error {
	if err == nil {
		return nil
	}
	s := status(err)
	if s == nil {
		return fmt.Errorf("%s %s: %w", act, key, err)
	}
	return fmt.Errorf("%s %s: %w", act, key, &apiError{text: statusText(key, s), err: err})
}

// apiError has a text that is safe to print and still unwraps to the cause.
type apiError struct {
	text string
	err  error
}

func (e *apiError) Error() string { return e.text }
func (e *apiError) Unwrap() error { return e.err }

func statusText(key ObjectKey, s *metav1.Status) string {
	if s.Reason == metav1.StatusReasonInvalid && s.Details != nil && len(s.Details.Causes) > 0 {
		texts := make([]string, len(s.Details.Causes))
		for i, c := range s.Details.Causes {
			texts[i] = c.Field + ": " + withoutValue(key, c.Message)
		}
		return strings.Join(texts, "; ")
	}
	if key.isSecret() {
		return fmt.Sprintf("%s (the server's text is withheld, it may hold secret values)", cmp.Or(string(s.Reason), "rejected by the API server"))
	}
	return withoutValue(key, s.Message)
}

var (
	quotedValue = regexp.MustCompile(`((?:Invalid|Unsupported|Duplicate) value|Too long|Too many): ("(?:[^"\\]|\\.)*"|\{.*\}|&?[a-zA-Z0-9.]+\{.*\}|\[.*\]|[^\s:]+)(: |$)`)
	gotValue    = regexp.MustCompile(`got &value[^\n]*`)
	shortScalar = regexp.MustCompile(`^(-?[0-9.]+|"[^"\s]{0,63}")$`)
)

// withoutValue cuts the values out of a server's text, but for short scalars
// of objects that hold no data of their own.
func withoutValue(key ObjectKey, text string) string {
	text, _, _ = strings.Cut(text, "\n") // what follows compares objects value by value
	text = gotValue.ReplaceAllString(text, "got another type")
	return quotedValue.ReplaceAllStringFunc(text, func(m string) string {
		parts := quotedValue.FindStringSubmatch(m)
		if shortScalar.MatchString(parts[2]) && !key.isSecret() && key.Kind != "ConfigMap" {
			return m
		}
		return parts[1] + parts[3]
	})
}

// forbidden marks a read that the cluster refused.
func forbidden(err error) error {
	if apierrors.IsForbidden(err) {
		return &ForbiddenError{Err: err}
	}
	return err
}
