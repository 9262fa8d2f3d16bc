package apply

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// apiTransport is what every request of the engine goes through. It makes of an
// answer either one of the API server or an error: a body that ends too early,
// the page of a load balancer and a connection that hangs are failures, not
// answers. It repeats reads and dry-runs by the policy of retry.go, unless they
// are part of a write that is repeated, sends a
// request whose credentials were refused once more, and ends watches.
type apiTransport struct {
	next    http.RoundTripper
	timeout time.Duration // of one try
	// answered says that the server was reached: until then a refused
	// connection is a cluster that is not there, which no patience mends.
	answered atomic.Bool
}

// watchLife is how long the API server keeps a watch open; the transport cuts
// it a request time-out later. What a silent watch hides is seen by the next.
const watchLife = 10 * time.Second

func (t *apiTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close() // each try reads a body of its own
		if r.GetBody == nil {
			return nil, fmt.Errorf("%s %s: the body cannot be sent twice", r.Method, r.URL.Path)
		}
	}
	var (
		first      string
		b          backoff
		begun      = time.Now()
		idempotent = !changes(r) && !isRepeated(r.Context())
		again      bool // a permanent failure was given its second try
	)
	for {
		resp, refusal, err := t.try(r)
		if refusal == nil && err == nil {
			return resp, nil
		}
		var asked time.Duration
		transient := isTransient(err)
		if refusal != nil {
			transient = transientStatus(refusal)
			if refusal.Details != nil {
				asked = time.Duration(refusal.Details.RetryAfterSeconds) * time.Second
			}
		}
		repeat := idempotent && transient && time.Since(begun) < readPatience
		if !again && secondTry(refusal, err, idempotent) {
			// The first may have been the last with old credentials, or have
			// met a stranger on the way.
			again, repeat = true, true
		}
		if first == "" {
			first = brief(refusal, err)
		}
		if !repeat || r.Context().Err() != nil || !pause(r.Context(), b.next(asked)) {
			if way := (*wayError)(nil); errors.As(err, &way) && first != brief(refusal, err) {
				way.first = first
			}
			return resp, err
		}
	}
}

// secondTry reports a failure that is given one more try though it does not
// look as if it would pass.
func secondTry(refusal *metav1.Status, err error, idempotent bool) bool {
	if refusal != nil {
		return refusal.Code == http.StatusUnauthorized // nothing was done
	}
	answer := (*AnswerError)(nil)
	return idempotent && errors.As(err, &answer) && !transientCode(answer.Code)
}

// try sends a request once. It returns the answer, with the refusal in it, or
// an error.
func (t *apiTransport) try(r *http.Request) (*http.Response, *metav1.Status, error) {
	watch := watches(r)
	life := t.timeout
	if watch {
		life += watchLife
	}
	ctx, cancel := context.WithTimeout(r.Context(), life)
	request := r.Clone(ctx)
	if r.Body != nil {
		var err error
		if request.Body, err = r.GetBody(); err != nil {
			cancel()
			return nil, nil, err
		}
	}
	header := time.AfterFunc(t.timeout, cancel) // a watch lives longer than its first answer may take
	resp, err := t.next.RoundTrip(request)
	header.Stop()
	if err != nil {
		cancel()
		return nil, nil, t.failed(r, err)
	}
	if watch && resp.StatusCode == http.StatusOK && isAPIType(resp.Header.Get("Content-Type")) {
		t.answered.Store(true)
		resp.Body = &watchBody{ReadCloser: resp.Body, cancel: cancel}
		return resp, nil, nil
	}
	defer cancel()
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, nil, t.failed(r, err)
	}
	t.answered.Store(true)
	refusal, err := readAnswer(r, resp, body)
	if err != nil {
		return nil, nil, err
	}
	if refusal != nil {
		body = refuse(resp, refusal)
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, refusal, nil
}

// failed says how a try failed that got no answer.
func (t *apiTransport) failed(r *http.Request, err error) error {
	if fenced := (*fencedError)(nil); errors.As(err, &fenced) {
		return fenced
	}
	if r.Context().Err() != nil {
		return err
	}
	if text := lost(err); text != "" {
		return &wayError{text: text, err: err, transient: true}
	}
	if netErr := net.Error(nil); errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &netErr) && netErr.Timeout() {
		// Who waits for the answer did not give up: it was this try that did.
		return &wayError{text: fmt.Sprintf("no answer within %s", t.timeout), err: context.DeadlineExceeded, transient: true}
	}
	if !passes(err) {
		return err
	}
	return &wayError{text: err.Error(), err: err, transient: t.answered.Load() || !unreachable(err)}
}

// lost says in words how a connection was lost, "" if it was not.
func lost(err error) string {
	var (
		alert  tls.AlertError
		record tls.RecordHeaderError
	)
	switch text := err.Error(); {
	case errors.As(err, &alert), errors.As(err, &record):
		return "the TLS handshake was broken off"
	case strings.Contains(text, "http2: "), strings.Contains(text, "stream error: "), strings.Contains(text, "server closed idle connection"),
		strings.Contains(text, "gzip: invalid"), strings.Contains(text, "malformed HTTP"):
		return "the connection was cut"
	}
	for _, one := range cutErrors {
		if errors.Is(err, one) {
			return "the connection was cut"
		}
	}
	return ""
}

// wayError says that a request was lost on its way, or its answer. It wraps
// nothing that client-go would repeat a request for.
type wayError struct {
	text, first string
	err         error
	transient   bool
}

func (e *wayError) Error() string {
	if e.first != "" {
		return e.text + " (at first: " + e.first + ")"
	}
	return e.text
}

// Is reports what the failure was, without giving it away to errors.As.
func (e *wayError) Is(target error) bool { return errors.Is(e.err, target) }

// Timeout reports that there was no answer in time.
func (e *wayError) Timeout() bool { return errors.Is(e.err, context.DeadlineExceeded) }

// brief says how a try failed without a text that may hold values of an object.
func brief(refusal *metav1.Status, err error) string {
	if refusal == nil {
		return err.Error()
	}
	text := fmt.Sprintf("%d %s", refusal.Code, refusal.Reason)
	if by := admissionOf(refusal); by.Name != "" {
		text += ", " + by.String()
	}
	return text
}

// changes reports a request that may change the cluster.
func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.URL.Query().Get("dryRun") != metav1.DryRunAll
}

func watches(r *http.Request) bool {
	if r.Method != http.MethodGet || !strings.Contains(r.URL.RawQuery, "watch=") {
		return false
	}
	w := r.URL.Query().Get("watch")
	return w == "true" || w == "1"
}

// watchBody ends in good order whatever ends the watch: the next one goes on
// from what was seen last.
type watchBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *watchBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

func (b *watchBody) Close() error {
	b.cancel()
	return b.ReadCloser.Close()
}

// dialer connects to the API server. A connection on which nothing arrives for
// longer than any request may take is dead: it is closed, so that no request
// waits on it that a new connection would answer.
func dialer(silence time.Duration) func(context.Context, string, string) (net.Conn, error) {
	d := &net.Dialer{Timeout: silence, KeepAlive: 15 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &mortalConn{conn, silence}, nil
	}
}

type mortalConn struct {
	net.Conn
	silence time.Duration
}

func (c *mortalConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}
