package torture

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
)

// Proxy is the way of one run to the API server. It counts the requests that
// come by, and disturbs those that a [Trouble] names. To the client it is an
// API server with a certificate of its own; to the real one it is whoever
// config says. It listens on loopback, and speaks HTTP/2 unless told not to.
type Proxy struct {
	url       string
	upstream  *url.URL
	transport http.RoundTripper
	server    *http.Server
	memory    *Memory

	tlsFailures atomic.Int32 // handshakes still to be spoilt
	busy        inFlight

	mu       sync.Mutex
	run      string
	requests []*Request
	troubles []*Trouble
}

// Request is what the proxy saw of one request.
type Request struct {
	N      int    // 1 for the first of the run
	Method string // of HTTP
	URI    string
	Code   int    // of the real answer; 0 when there was none
	Fault  string // that was injected, if any
	Begun  time.Time
	Ended  time.Time
}

// Watch reports a request whose answer does not end by itself.
func (r *Request) Watch() bool { return strings.Contains(r.URI, "watch=true") }

// List reports a request for several objects.
func (r *Request) List() bool {
	return r.Method == http.MethodGet && !r.Watch() && strings.Contains(r.URI, "limit=") || strings.Contains(r.URI, "labelSelector=") && !r.Watch()
}

// Writes reports a request that asks for a change, and not only to try it.
func (r *Request) Writes() bool {
	return r.Method != http.MethodGet && !strings.Contains(r.URI, "dryRun=All")
}

// Moment is when something is done about a request.
type Moment int

// The moments of a request.
const (
	BeforeSend  Moment = iota // the API server knows nothing of it
	AfterCommit               // the API server has answered, the client does not know
	AfterReply                // the client has the answer
)

func (m Moment) String() string {
	return [...]string{"before send", "after commit", "after reply"}[m]
}

// Trouble is something that happens to requests.
type Trouble struct {
	// At is the first request that is disturbed, counted from 1 among those
	// that Match; Count is how many are (0: one).
	At, Count int
	Match     func(*Request) bool // nil: all

	// Do is called at the Moment. With Drop the request goes no further, and
	// the connection is cut: the client is dead.
	Moment Moment
	Do     func(*Request)
	Drop   bool
	// Fault replaces the proper handling of the request.
	Fault Fault

	matched, acted int
}

// Memory is what proxies remember of earlier answers, to give them again.
type Memory struct {
	mu      sync.Mutex
	answers map[string]*reply // the first one by URI
}

type reply struct {
	code   int
	header http.Header
	body   []byte
}

// NewProxy starts a proxy to the API server of config. Several proxies may
// share a memory.
func NewProxy(config *rest.Config, memory *Memory, http2 bool) (*Proxy, error) {
	upstream, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	own := rest.CopyConfig(config)
	own.DisableCompression = true // answers pass as they are
	transport, err := rest.TransportFor(own)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{url: "https://" + listener.Addr().String(), upstream: upstream, transport: transport, memory: memory}
	p.server = &http.Server{
		Handler: p, ErrorLog: log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		TLSConfig: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if p.tlsFailures.Add(-1) >= 0 {
				return identities().wrong, nil
			}
			return identities().right, nil
		}},
	}
	if !http2 {
		p.server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	go func() { _ = p.server.ServeTLS(listener, "", "") }()
	return p, nil
}

type connKey struct{}

// Close ends the proxy and waits for what is on its way.
func (p *Proxy) Close() {
	_ = p.server.Close()
	p.busy.wait()
}

// Settle waits until no request is on its way to the API server any more, so
// that what a dead client sent has arrived or never will.
func (p *Proxy) Settle() { p.busy.wait() }

// Disturb arms troubles; the first one that matches a request acts.
func (p *Proxy) Disturb(troubles ...*Trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.troubles = append(p.troubles, troubles...)
}

// Requests returns what has come by so far, in the order of arrival.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Request, len(p.requests))
	for i, r := range p.requests {
		all[i] = *r
	}
	return all
}

// Run returns the id of the run that came by, from its User-Agent.
func (p *Proxy) Run() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

// WriteKubeconfig writes a kubeconfig that leads to the proxy.
func (p *Proxy) WriteKubeconfig(path, namespace string) error {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: torture
clusters: [{name: torture, cluster: {server: %q, certificate-authority-data: %s}}]
contexts: [{name: torture, context: {cluster: torture, user: torture, namespace: %s}}]
users: [{name: torture, user: {}}]
`, p.url, base64.StdEncoding.EncodeToString(identities().ca), namespace)
	return os.WriteFile(path, []byte(text), 0o600)
}

// arrive counts a request and finds the trouble that is in store for it.
func (p *Proxy) arrive(r *http.Request) (*Request, *Trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := &Request{N: len(p.requests) + 1, Method: r.Method, URI: r.URL.RequestURI(), Begun: time.Now()}
	p.requests = append(p.requests, seen)
	if m := runOfAgent.FindStringSubmatch(r.UserAgent()); m != nil {
		p.run = m[1]
	}
	for _, t := range p.troubles {
		if t.Match != nil && !t.Match(seen) {
			continue
		}
		t.matched++
		if t.matched >= t.At && t.acted < max(1, t.Count) {
			t.acted++
			if t.Fault != nil {
				seen.Fault = t.Fault.String()
			}
			return seen, t
		}
	}
	return seen, nil
}

func (p *Proxy) update(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// ServeHTTP takes one request on its way.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.busy.begin()
	defer p.busy.end()
	seen, trouble := p.arrive(r)
	defer p.update(func() { seen.Ended = time.Now() })
	body, err := io.ReadAll(r.Body)
	if err != nil {
		cut(r)
		return
	}
	x := &exchange{Proxy: p, seen: seen, w: w, r: r, body: body}
	if trouble == nil {
		x.pass()
		return
	}
	if trouble.Fault != nil {
		trouble.Fault.inject(x)
		return
	}
	x.disturbed(trouble)
}

// exchange is one request and its answer.
type exchange struct {
	*Proxy
	seen *Request
	w    http.ResponseWriter
	r    *http.Request
	body []byte
}

// disturbed passes the request on and does what the trouble says on the way.
func (x *exchange) disturbed(t *Trouble) {
	if t.Moment == BeforeSend {
		t.Do(x.seen)
		if t.Drop {
			cut(x.r)
			return
		}
	}
	response, err := x.send()
	if err != nil {
		cut(x.r)
		return
	}
	defer response.Body.Close()
	if t.Moment == AfterCommit && !x.seen.Watch() {
		content, err := io.ReadAll(response.Body)
		if err != nil {
			cut(x.r)
			return
		}
		response.Body = io.NopCloser(bytes.NewReader(content))
	}
	if t.Moment == AfterCommit {
		t.Do(x.seen)
		if t.Drop {
			cut(x.r)
			return
		}
	}
	if t.Moment == AfterReply && x.seen.Watch() {
		t.Do(x.seen) // the answer has no end to wait for
	}
	x.answer(response)
	if t.Moment == AfterReply && !x.seen.Watch() {
		t.Do(x.seen)
	}
}

// pass takes request and answer through as they are.
func (x *exchange) pass() {
	response, err := x.send()
	if err != nil {
		cut(x.r)
		return
	}
	defer response.Body.Close()
	x.answer(response)
}

// send sends the request to the API server and returns when the answer begins.
func (x *exchange) send() (*http.Response, error) {
	target := *x.upstream
	target.Path, target.RawPath, target.RawQuery = x.r.URL.Path, x.r.URL.RawPath, x.r.URL.RawQuery
	ctx := x.r.Context()
	if !x.seen.Watch() {
		ctx = context.WithoutCancel(ctx) // what was sent arrives, even if nobody waits for the answer
	}
	request, err := http.NewRequestWithContext(ctx, x.r.Method, target.String(), bytes.NewReader(x.body))
	if err != nil {
		return nil, err
	}
	request.Header = x.r.Header.Clone()
	for _, hop := range []string{"Connection", "Keep-Alive", "Te", "Upgrade"} {
		request.Header.Del(hop)
	}
	response, err := x.transport.RoundTrip(request)
	if err == nil {
		x.update(func() { x.seen.Code = response.StatusCode })
	}
	return response, err
}

// answer gives an answer to the client, as it comes.
func (x *exchange) answer(response *http.Response) {
	copyHeader(x.w.Header(), response.Header)
	x.w.WriteHeader(response.StatusCode)
	flush := http.NewResponseController(x.w).Flush
	if !x.seen.Watch() {
		content, err := io.ReadAll(response.Body)
		if err != nil {
			cut(x.r)
			return
		}
		x.memory.keep(x.seen, &reply{code: response.StatusCode, header: response.Header.Clone(), body: content})
		_, _ = x.w.Write(content)
		_ = flush()
		return
	}
	_ = flush()
	buffer := make([]byte, 32<<10)
	for {
		n, err := response.Body.Read(buffer)
		if n > 0 {
			if _, err := x.w.Write(buffer[:n]); err != nil {
				return
			}
			_ = flush()
		}
		if err == io.EOF {
			return
		}
		if x.r.Context().Err() != nil {
			panic(http.ErrAbortHandler) // the client has seen enough
		}
		if err != nil {
			cut(x.r)
		}
	}
}

func copyHeader(to, from http.Header) {
	for name, values := range from {
		switch name {
		case "Connection", "Transfer-Encoding", "Keep-Alive", "Upgrade":
			continue
		}
		to[name] = append([]string(nil), values...)
	}
}

func (m *Memory) keep(r *Request, a *reply) {
	if m == nil || !r.List() || a.code != http.StatusOK {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answers == nil {
		m.answers = map[string]*reply{}
	}
	if m.answers[r.URI] == nil {
		m.answers[r.URI] = a
	}
}

func (m *Memory) recall(r *Request) *reply {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.answers[r.URI]
}

// cut resets the connection of a request, with all that is on it.
func cut(r *http.Request) {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // close sends a reset
	}
	if conn != nil {
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// certificates are those of the proxies: one that kubeconfigs trust, and one
// of somebody else.
type certificates struct {
	ca           []byte // PEM
	right, wrong *tls.Certificate
}

var identities = sync.OnceValue(func() certificates {
	right, ca, err := certificate()
	if err != nil {
		panic(err)
	}
	wrong, _, err := certificate()
	if err != nil {
		panic(err)
	}
	return certificates{ca: ca, right: right, wrong: wrong}
})

// certificate makes a certificate for loopback that is its own authority.
func certificate() (*tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "torture"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(7 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, ca, nil
}

// inFlight counts requests. Unlike a WaitGroup it lets one begin while somebody
// waits for the others.
type inFlight struct {
	mu    sync.Mutex
	n     int
	ended sync.Cond
}

func (f *inFlight) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
}

func (f *inFlight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n--
	f.ended.Broadcast()
}

// wait returns when none is in flight.
func (f *inFlight) wait() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended.L = &f.mu
	for f.n > 0 {
		f.ended.Wait()
	}
}
