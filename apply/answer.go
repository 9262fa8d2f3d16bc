package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// AnswerError says that what answered a request was not the API server: a load
// balancer, a login page, or something that cut the answer short.
type AnswerError struct {
	Method string
	URL    string // without the query
	Code   int    // of HTTP
	What   string // that came instead
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("%s %s: the answer is not one of an API server: %d %s with %s", e.Method, e.URL, e.Code, http.StatusText(e.Code), e.What)
}

// Hint says where to look.
func (e *AnswerError) Hint() string {
	return "something between here and the API server answered in its place: look at the server's address in the kubeconfig, at proxies and load balancers"
}

const (
	typeJSON     = "application/json"
	typeProtobuf = "application/vnd.kubernetes.protobuf"
)

// protobufPrefix begins every object in the API's binary form.
var protobufPrefix = []byte("k8s\x00")

func isAPIType(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == typeJSON || media == typeProtobuf)
}

// readAnswer returns the refusal in an answer, nil when it is none, and an
// error when it is no answer of an API server.
func readAnswer(r *http.Request, resp *http.Response, body []byte) (*metav1.Status, error) {
	contentType := resp.Header.Get("Content-Type")
	media, _, _ := mime.ParseMediaType(contentType)
	strange := func(what string) error {
		at := *r.URL
		at.RawQuery, at.User = "", nil
		return &AnswerError{Method: r.Method, URL: at.String(), Code: resp.StatusCode, What: what}
	}
	refused := resp.StatusCode >= http.StatusBadRequest
	switch {
	case !refused && media == "text/plain" && strings.HasSuffix(r.URL.Path, "/log"):
		return nil, nil // what a container wrote
	case media == typeProtobuf:
		var u runtime.Unknown
		if !bytes.HasPrefix(body, protobufPrefix) || u.Unmarshal(body[len(protobufPrefix):]) != nil {
			return nil, strange("a damaged body")
		}
		if !refused {
			return nil, nil
		}
		s := &metav1.Status{}
		if u.Kind != "Status" || s.Unmarshal(u.Raw) != nil {
			return nil, strange("an object of another kind than Status")
		}
		return completed(s, resp), nil
	case media == typeJSON:
		s := &metav1.Status{}
		if refused {
			if json.Unmarshal(body, s) != nil || s.Kind != "Status" {
				return nil, strange("JSON that is no Status")
			}
			return completed(s, resp), nil
		}
		var head metav1.TypeMeta
		if json.Unmarshal(body, &head) != nil {
			return nil, strange("damaged JSON")
		}
		if head.Kind == "" {
			return nil, strange("JSON that is no object of the API")
		}
		return nil, nil
	case refused && media == "text/plain" && plain(resp.StatusCode, body):
		s := apierrors.NewGenericServerResponse(resp.StatusCode, r.Method, schema.GroupResource{}, "", strings.TrimSpace(string(body)), 0, true).ErrStatus
		return completed(&s, resp), nil
	case contentType == "":
		return nil, strange("a body of no content type")
	}
	return nil, strange(media)
}

// plain reports a refusal in plain text as the filters before the API server's
// handlers write it: one short line. Where something does not exist there is
// only one such text, and what a load balancer knows nothing of is not gone.
func plain(code int, body []byte) bool {
	text := strings.TrimSpace(string(body))
	if code == http.StatusNotFound {
		return text == "404 page not found"
	}
	return len(text) <= 300 && !strings.Contains(text, "\n")
}

// completed puts into a refusal what the header says beyond it.
func completed(s *metav1.Status, resp *http.Response) *metav1.Status {
	s.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	if s.Code == 0 {
		s.Code = int32(resp.StatusCode)
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		if s.Details == nil {
			s.Details = &metav1.StatusDetails{}
		}
		s.Details.RetryAfterSeconds = max(s.Details.RetryAfterSeconds, int32(min(seconds, 1<<20)))
	}
	return s
}

// refuse makes an answer of a refusal, and returns its body. client-go repeats
// what has a Retry-After in its header; the refusal has it too.
func refuse(resp *http.Response, s *metav1.Status) []byte {
	resp.Header.Del("Retry-After")
	resp.Header.Del("Content-Length")
	resp.Header.Set("Content-Type", typeJSON)
	body, err := json.Marshal(s)
	if err != nil {
		panic(err) // a Status is text and numbers
	}
	return body
}
