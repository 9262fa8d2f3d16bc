package apply_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// interposed is a transport that answers one request, the n-th from 1, itself.
type interposed struct {
	mu     sync.Mutex
	n      int
	count  int
	answer func(*http.Request, http.RoundTripper) (*http.Response, error)
	next   http.RoundTripper
}

func (f *interposed) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.count++
	hit := f.count == f.n
	f.mu.Unlock()
	if hit {
		return f.answer(r, f.next)
	}
	return f.next.RoundTrip(r)
}

// through returns an engine of the story's stack whose requests go through f.
func (s *story) through(f func(next http.RoundTripper) http.RoundTripper, o apply.Options) *apply.Engine {
	s.Helper()
	config := s.plane.Config()
	config.UserAgent = "story/" + s.stack.Namespace
	config.Wrap(f)
	e, err := apply.New(config, s.stack, o)
	if err != nil {
		s.Fatal(err)
	}
	return e
}

// respond makes an answer up.
func respond(r *http.Request, code int, contentType, body string, header ...string) *http.Response {
	if r.Body != nil {
		r.Body.Close()
	}
	h := http.Header{"Content-Type": {contentType}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{
		Status: http.StatusText(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}

type answer = func(*http.Request, http.RoundTripper) (*http.Response, error)

func madeUp(code int, contentType, body string, header ...string) answer {
	return func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		return respond(r, code, contentType, body, header...), nil
	}
}

// rewritten lets the server do what it is asked for, and spoils its answer.
func rewritten(spoil func(body []byte) io.Reader) answer {
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if strings.Contains(r.URL.RawQuery, "watch=") {
			resp.Body = io.NopCloser(strings.NewReader(""))
			return resp, nil
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Body, resp.ContentLength = io.NopCloser(spoil(body)), -1
		resp.Header.Del("Content-Length")
		return resp, nil
	}
}

const page = "<html><body>Bad Gateway: the answer of a balancer</body></html>"

// spoiled lists what can happen to one request. The server is asked or not, but
// no answer of it arrives.
var spoiled = map[string]answer{
	"reset before": func(r *http.Request, _ http.RoundTripper) (*http.Response, error) { return nil, syscall.ECONNRESET },
	"reset after": func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if resp, err := next.RoundTrip(r); err == nil {
			resp.Body.Close()
		}
		return nil, syscall.ECONNRESET
	},
	"EOF after": func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if resp, err := next.RoundTrip(r); err == nil {
			resp.Body.Close()
		}
		return nil, io.EOF
	},
	"429":                  madeUp(429, "text/plain; charset=utf-8", "Too many requests, please try again later.\n"),
	"429 with Retry-After": madeUp(429, "text/plain; charset=utf-8", "Too many requests, please try again later.\n", "Retry-After", "1"),
	"500": madeUp(500, "application/json",
		`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Internal error occurred: etcdserver: leader changed","reason":"InternalError","code":500}`),
	"502 page":  madeUp(502, "text/html", page),
	"503":       madeUp(503, "application/json", `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"shutting down","reason":"ServiceUnavailable","code":503}`, "Retry-After", "1"),
	"504 page":  madeUp(504, "text/html", page),
	"401 once":  madeUp(401, "application/json", `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`),
	"page":      madeUp(200, "text/html", page),
	"404 page":  madeUp(404, "text/html", page),
	"404 text":  madeUp(404, "text/plain", "default backend - 404"),
	"no object": madeUp(200, "application/json", `{}`),
	"truncated": rewritten(func(b []byte) io.Reader {
		return io.MultiReader(bytes.NewReader(b[:len(b)/2]), failing{io.ErrUnexpectedEOF})
	}),
	"truncated in silence": rewritten(func(b []byte) io.Reader { return bytes.NewReader(b[:len(b)/2]) }),
	"garbage":              rewritten(func(b []byte) io.Reader { return strings.NewReader("\x1f\x8b not what it was") }),
	"hang": func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	},
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestOneFaultIsMendedUnaided: whatever happens to any single request of a
// run, the run succeeds, and the cluster and the record are what they would
// have been.
func TestOneFaultIsMendedUnaided(t *testing.T) {
	for i, name := range slices.Sorted(maps.Keys(spoiled)) {
		answer := spoiled[name]
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			s.apply(s.configMap("a", "0"), s.configMap("c-0", "0"), s.secret("login", "0"))
			last := 0
			for at := 1 + i%9; ; at += 9 { // each kind meets other requests
				f := &interposed{n: at, answer: answer}
				s.engine = s.through(func(next http.RoundTripper) http.RoundTripper { f.next = next; return f },
					apply.Options{LeaseDuration: 6 * time.Second, RequestTimeout: 2 * time.Second, KeepRevisions: 100})
				v := fmt.Sprint(at)
				all := []*obj{s.configMap("a", v), s.configMap("c-"+v, v), s.secret("login", v)}
				p, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: all})
				if err != nil {
					t.Fatalf("request %d: plan: %v", at, err)
				}
				if _, err := s.engine.Apply(t.Context(), p, run); err != nil {
					t.Fatalf("request %d: apply: %v", at, err)
				}
				last++
				f.mu.Lock()
				over := f.count < at
				f.mu.Unlock()
				s.engine = s.newEngine(apply.Options{})
				s.want(fmt.Sprintf("request %d: values", at),
					s.kubectl("get", "configmap", "-l", "stackctl.dev/stack", "-o", "jsonpath={range .items[*]}{.metadata.name}={.data.key} {end}"), "a="+v+" c-"+v+"="+v)
				s.want(fmt.Sprintf("request %d: newest revision", at), s.history()[strings.LastIndex(s.history(), ",")+2:], fmt.Sprintf("%d deployed", last+1))
				if p := s.plan(all...); !p.Empty() {
					t.Errorf("request %d: the next plan: %s", at, actions(p))
				}
				if over {
					return
				}
			}
		})
	}
}

// TestPermanentRefusalsAreNotRepeated counts how often a request is sent that
// no repeating helps.
func TestPermanentRefusalsAreNotRepeated(t *testing.T) {
	refused := func(code int, reason, message string) answer {
		return madeUp(code, "application/json", fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code), "Retry-After", "1")
	}
	for name, one := range map[string]struct {
		answer answer
		most   int
	}{
		"a mistake": {refused(500, "", "failed to create typed patch object: .data.key: expected string"), 1},
		"400":       {refused(400, "BadRequest", "no"), 1},
		"403":       {refused(403, "Forbidden", "no"), 1},
		"422":       {refused(422, "Invalid", "no"), 1},
		"401":       {refused(401, "Unauthorized", "Unauthorized"), 2},
		"login":     {madeUp(200, "text/html", "<html>please log in</html>"), 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			var mu sync.Mutex
			sent := 0
			s.engine = s.through(func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.Method != http.MethodPatch || !strings.Contains(r.URL.Path, "/configmaps/") {
						return next.RoundTrip(r)
					}
					mu.Lock()
					sent++
					mu.Unlock()
					return one.answer(r, next)
				})
			}, apply.Options{})
			_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "1")}})
			if err == nil {
				t.Error("the plan succeeded")
			}
			if sent > one.most {
				t.Errorf("sent %d times: %v", sent, err)
			}
			if err != nil && strings.Contains(err.Error(), "<html>") {
				t.Errorf("a page in an error: %v", err)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAStrangersAnswerIsNamed: what answers in the API server's place is told
// with its address, without query and without its page.
func TestAStrangersAnswerIsNamed(t *testing.T) {
	s := newStory(t)
	s.engine = s.through(func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) { return respond(r, 404, "text/html", page), nil })
	}, apply.Options{})
	_, err := s.engine.History(t.Context())
	if err == nil || !strings.Contains(err.Error(), s.plane.Config().Host+"/api/v1/namespaces/"+s.stack.Namespace+"/secrets: ") ||
		!strings.Contains(err.Error(), "404 Not Found with text/html") || strings.Contains(err.Error(), "balancer") {
		t.Errorf("the error: %v", err)
	}
}

// TestWaitingEndsWithTheContext: nobody waits for a pause between two tries.
func TestWaitingEndsWithTheContext(t *testing.T) {
	s := newStory(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.engine = s.through(func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			cancel()
			return respond(r, 429, "text/plain", "Too many requests", "Retry-After", "25"), nil
		})
	}, apply.Options{})
	began := time.Now()
	_, err := s.engine.History(ctx)
	if err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}

// TestAStoppedProcessDoesNotWriteWhenItResumes: it stops between the check of
// its lock and the request, another run takes the lock over and finishes, and
// then it goes on.
func TestAStoppedProcessDoesNotWriteWhenItResumes(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "0"))
	var (
		mu      sync.Mutex
		frozen  bool
		stopped = make(chan struct{})
		resume  = make(chan struct{})
	)
	sleeper := s.through(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/configmaps/") && !strings.Contains(r.URL.RawQuery, "dryRun") && !frozen {
				frozen = true
				close(stopped)
			}
			wait := frozen
			mu.Unlock()
			if wait {
				<-resume
			}
			return next.RoundTrip(r)
		})
	}, apply.Options{LeaseDuration: time.Second, RequestTimeout: time.Minute})
	p, err := sleeper.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{s.configMap("a", "stale")}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		asleep := run
		asleep.Holder = "sleeper"
		_, err := sleeper.Apply(t.Context(), p, asleep)
		ended <- err
	}()
	<-stopped
	// The lock is taken over only once its holder is silent for a lease.
	patient := run
	patient.LockTimeout = time.Minute
	s.kubectl("patch", "lease", "stackctl.shop", "--type=merge", "-p", `{"metadata":{"annotations":{"stackctl.dev/holder":null}}}`)
	if _, err := s.engine.Apply(t.Context(), s.plan(s.configMap("a", "fresh")), patient); err != nil {
		t.Fatal(err)
	}
	before := s.kubectl("get", "configmap", "a", "-o", "jsonpath={.metadata.resourceVersion}")
	close(resume)
	if err := <-ended; err == nil {
		t.Error("the sleeper succeeded")
	}
	s.want("the object", s.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.key} {.metadata.resourceVersion}"), "fresh "+before)
}

// TestASilentWatchHidesNothing: the first watch of Deployments is accepted, and
// then nothing ever comes of it.
func TestASilentWatchHidesNothing(t *testing.T) {
	s := newStory(t)
	var silenced sync.Once
	s.engine = s.through(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && strings.Contains(r.URL.RawQuery, "watch=") && strings.Contains(r.URL.Path, "/deployments") {
				silenced.Do(func() { resp.Body = silent{resp.Body, r.Context()} })
			}
			return resp, err
		})
	}, apply.Options{RequestTimeout: 2 * time.Second, LeaseDuration: 6 * time.Second})
	patient := run
	patient.Timeout = 2 * time.Minute
	if _, err := s.engine.Apply(t.Context(), s.plan(s.deployment("web", "web:v1", 1, "")), patient); err != nil {
		t.Fatal(err)
	}
}

// silent is a body that nothing comes from.
type silent struct {
	io.ReadCloser
	ctx context.Context
}

func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// TestALockWhoseAnswerIsLostIsOurs: it is not somebody else's, and not waited
// for.
func TestALockWhoseAnswerIsLostIsOurs(t *testing.T) {
	s := newStory(t)
	for i, method := range []string{http.MethodPost, http.MethodPut} {
		lost := false
		s.engine = s.through(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == method && strings.Contains(r.URL.Path, "/leases") && !lost {
					lost = true
					return spoiled["reset after"](r, next)
				}
				return next.RoundTrip(r)
			})
		}, apply.Options{LeaseDuration: time.Minute})
		impatient := run
		impatient.LockTimeout = 0
		if _, err := s.engine.Apply(t.Context(), s.plan(s.configMap("a", fmt.Sprint(i))), impatient); err != nil || !lost {
			t.Fatalf("%s: lost %v: %v", method, lost, err)
		}
	}
}
