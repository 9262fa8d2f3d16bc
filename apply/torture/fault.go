package torture

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Fault is a way for the API server, or for what is between it and the client,
// to misbehave.
type Fault interface {
	String() string
	inject(*exchange)
}

// SlowAnswer is how long the fault "slow" takes.
const SlowAnswer = 3 * time.Second

// fault is a Fault with a name.
type fault struct {
	name string
	do   func(*exchange)
	// on says which requests it is for; nil: all.
	on func(*Request) bool
	// permanent faults say that trying again is of no use.
	permanent bool
}

func (f *fault) String() string     { return f.name }
func (f *fault) inject(x *exchange) { f.do(x) }

// faults are all kinds of fault.
var faults = []*fault{
	{name: "reset before", do: func(x *exchange) { cut(x.r) }},
	{name: "reset after commit", do: func(x *exchange) {
		x.commit()
		cut(x.r)
	}},
	{name: "429", do: status(http.StatusTooManyRequests, "TooManyRequests", "the server has received too many requests", nil)},
	{name: "429 with Retry-After", do: status(http.StatusTooManyRequests, "TooManyRequests", "the server has received too many requests", http.Header{"Retry-After": {"1"}})},
	{name: "500 with a reason", do: status(http.StatusInternalServerError, "InternalError", "Internal error occurred: etcdserver: leader changed", nil)},
	{name: "500 without reason", do: status(http.StatusInternalServerError, "", "failed to create typed patch object: .spec.nonsense: field not declared in schema", nil), permanent: true},
	{name: "502 HTML", do: func(x *exchange) {
		x.w.Header().Set("Content-Type", "text/html")
		x.w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(x.w, "<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>")
	}},
	{name: "503", do: status(http.StatusServiceUnavailable, "ServiceUnavailable", "the server is currently unable to handle the request", nil)},
	{name: "504", do: status(http.StatusGatewayTimeout, "Timeout", "request did not complete within the allotted timeout", nil)},
	{name: "401", do: status(http.StatusUnauthorized, "Unauthorized", "Unauthorized", nil), permanent: true},
	{name: "403", do: status(http.StatusForbidden, "Forbidden", "forbidden: User \"torture\" cannot do this", nil), permanent: true},
	{name: "409", do: status(http.StatusConflict, "Conflict", "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again", nil), permanent: true},
	{name: "410", do: status(http.StatusGone, "Expired", "The provided continue parameter is too old", nil)},
	{name: "slow", do: func(x *exchange) {
		select {
		case <-time.After(SlowAnswer):
			x.pass()
		case <-x.r.Context().Done():
			cut(x.r)
		}
	}},
	{name: "freeze", do: func(x *exchange) {
		<-x.r.Context().Done() // until the client gives up
		cut(x.r)
	}},
	{name: "truncated", do: func(x *exchange) {
		response, content := x.commit()
		copyHeader(x.w.Header(), response.Header)
		x.w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		x.w.WriteHeader(response.StatusCode)
		_, _ = x.w.Write(content[:len(content)/2])
		_ = http.NewResponseController(x.w).Flush()
		panic(http.ErrAbortHandler) // in the middle of the answer
	}},
	{name: "garbage", do: func(x *exchange) {
		x.commit()
		x.w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(x.w, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"na`)
	}},
	{name: "broken gzip", do: func(x *exchange) {
		x.commit()
		x.w.Header().Set("Content-Type", "application/json")
		x.w.Header().Set("Content-Encoding", "gzip")
		_, _ = x.w.Write([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03this is no gzip"))
	}},
	{name: "delivered twice", do: func(x *exchange) {
		x.commit()
		x.pass() // and the second answer is the one that arrives
	}},
	{name: "stale list", do: func(x *exchange) {
		old := x.memory.recall(x.seen)
		if old == nil {
			x.pass()
			return
		}
		copyHeader(x.w.Header(), old.header)
		x.w.WriteHeader(old.code)
		_, _ = x.w.Write(old.body)
	}, on: (*Request).List},
	{name: "watch dropped", do: func(x *exchange) {
		response, err := x.send()
		if err != nil {
			cut(x.r)
		}
		defer response.Body.Close()
		copyHeader(x.w.Header(), response.Header)
		x.w.WriteHeader(response.StatusCode)
		_ = http.NewResponseController(x.w).Flush()
		panic(http.ErrAbortHandler)
	}, on: (*Request).Watch},
	{name: "wrong certificate", do: func(x *exchange) {
		x.tlsFailures.Store(1) // for the next connection
		cut(x.r)
	}},
}

// commit lets the API server do what is asked, and keeps the answer back.
func (x *exchange) commit() (*http.Response, []byte) {
	response, err := x.send()
	if err != nil {
		cut(x.r)
	}
	defer response.Body.Close()
	if x.seen.Watch() {
		return response, nil
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		cut(x.r)
	}
	response.Body = io.NopCloser(bytes.NewReader(content))
	return response, content
}

// status answers with an error as the API server writes it.
func status(code int, reason, message string, header http.Header) func(*exchange) {
	return func(x *exchange) {
		copyHeader(x.w.Header(), header)
		x.w.Header().Set("Content-Type", "application/json")
		x.w.WriteHeader(code)
		fmt.Fprintf(x.w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code)
	}
}
