package apply

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// TestADeadConnectionIsClosed: the other side accepts and then says nothing.
func TestADeadConnectionIsClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := dialer(50*time.Millisecond)(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	read := make(chan error, 1)
	go func() { _, err := conn.Read(make([]byte, 1)); read <- err }()
	select {
	case err := <-read:
		if netErr := net.Error(nil); !errors.As(err, &netErr) || !netErr.Timeout() {
			t.Errorf("read: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the connection hangs")
	}
}

// TestClientGoRepeatsNothing: it would repeat a read for what it recognises in
// an error, beside our own policy.
func TestClientGoRepeatsNothing(t *testing.T) {
	for _, err := range cutErrors {
		way := &wayError{text: lost(err), err: err, transient: true}
		if utilnet.IsConnectionReset(way) || utilnet.IsProbableEOF(way) || utilnet.IsHTTP2ConnectionLost(way) {
			t.Errorf("%v is recognised", err)
		}
		if !errors.Is(way, err) || !isTransient(way) {
			t.Errorf("%v is not what it was", err)
		}
	}
}

func TestRetryTellsOfTheFirstFailure(t *testing.T) {
	tries := 0
	err := retry(t.Context(), time.Minute, func(context.Context) error {
		if tries++; tries == 1 {
			return apierrors.NewInternalError(errors.New(`failed calling webhook "w.example.org": connection refused`))
		}
		return apierrors.NewForbidden(secretsResource.GroupResource(), "a", errors.New("no"))
	})
	text := describe("apply", ObjectKey{Kind: "ConfigMap", Name: "a"}, err).Error()
	if want := `apply ConfigMap/a: secrets "a" is forbidden: no (at first: webhook "w.example.org" cannot be called: connection refused)`; tries != 2 || text != want {
		t.Errorf("%d tries: %s", tries, text)
	}
	if !apierrors.IsForbidden(err) {
		t.Error("the last failure is hidden")
	}
	// Of a Secret neither text is told.
	text = describe("apply", ObjectKey{Kind: "Secret", Name: "a"}, err).Error()
	if want := `apply Secret/a: Forbidden (the server's text is withheld, it may hold secret values) (at first: webhook "w.example.org" cannot be called (the text is withheld, it may hold secret values))`; text != want {
		t.Errorf("of a Secret: %s", text)
	}
}

func TestRetryGivesUpAndEnds(t *testing.T) {
	tries := 0
	again := func(context.Context) error {
		tries++
		return &wayError{text: "cut", err: syscall.ECONNRESET, transient: true}
	}
	if err := retry(t.Context(), time.Millisecond, again); err == nil || tries > 2 {
		t.Errorf("%d tries: %v", tries, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	run, stop := grace(ctx, time.Hour)
	defer stop()
	cancel()
	tries = 0
	if err := retry(run, time.Hour, again); err == nil || tries != 1 {
		t.Errorf("after an interrupt: %d tries: %v", tries, err)
	}
}

func TestAdmissionIsRecognised(t *testing.T) {
	for message, want := range map[string]admission{
		`Internal error occurred: failed calling webhook "a.b": failed to call webhook: Post "https://x/": EOF`: {Kind: "webhook", Name: "a.b"},
		`admission webhook "a.b" denied the request: no`:                                                        {Kind: "webhook", Name: "a.b", Denied: true},
		`admission webhook "a.b" denied the request: DryRun is not supported`:                                   {Kind: "webhook", Name: "a.b", Denied: true, DryRun: true},
		`admission webhook "a.b" does not support dry run`:                                                      {Kind: "webhook", Name: "a.b", Denied: true, DryRun: true},
		`pods "x" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'q' denied request: no dry run`:      {Kind: "policy", Name: "p", Denied: true},
		`Internal error occurred: etcdserver: leader changed`:                                                   {},
	} {
		if got := admissionOf(&metav1.Status{Code: 500, Message: message}); got != want {
			t.Errorf("%s: %s", message, fmt.Sprintf("%+v", got))
		}
	}
}

// answering is a transport that answers each request by itself.
type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestOneLayerRepeats: what a write reads on its way fails once for each try of
// the write, and is not tried again by the transport as a read alone is.
func TestOneLayerRepeats(t *testing.T) {
	reads := 0
	transport := &apiTransport{timeout: time.Second, next: answering(func(*http.Request) (*http.Response, error) {
		reads++
		return nil, syscall.ECONNRESET
	})}
	read := func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://cluster/api/v1/secrets", nil)
		if err != nil {
			return err
		}
		resp, err := transport.RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	writes := 0
	err := retry(t.Context(), time.Second, func(ctx context.Context) error {
		writes++
		return read(ctx)
	})
	if err == nil || writes < 2 || reads != writes {
		t.Errorf("%d tries of a write made %d reads: %v", writes, reads, err)
	}
	reads = 0
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := read(ctx); err == nil || reads < 2 {
		t.Errorf("a read alone was tried %d times: %v", reads, err)
	}
}
