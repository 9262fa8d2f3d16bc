package apply

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	v1 "k8s.io/api/core/v1"
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

// isMistake reports the refusal of an object that no retry makes acceptable.
func isMistake(s *metav1.Status) bool {
	return s.Code == http.StatusInternalServerError &&
		(strings.HasPrefix(s.Message, "failed to create typed patch object") ||
			strings.HasPrefix(s.Message, "failed to convert new object"))
}

func status(err error) *metav1.Status {
	var s apierrors.APIStatus
	if !errors.As(err, &s) {
		return nil
	}
	st := s.Status()
	return &st
}

// describe turns an API error about an object into one for people. Server
// texts repeat values of the object (a whole pod template, the value of a
// Secret), so only field, short scalar and reason are kept, and nothing but
// the field for a Secret.
func describe(act string, key ObjectKey, err error) error {
	if err == nil {
		return nil
	}
	if retried := (*retriedError)(nil); errors.As(err, &retried) {
		last := described(key, retried.last)
		if first := described(key, retried.first); first.Error() != last.Error() {
			last = &retriedError{last: last, first: first}
		}
		return fmt.Errorf("%s %s: %w", act, key, last)
	}
	return fmt.Errorf("%s %s: %w", act, key, described(key, err))
}

func described(key ObjectKey, err error) error {
	s := status(err)
	if s == nil {
		return err
	}
	if ns := terminatingNamespace(key, s); ns != "" {
		return &TerminatingError{Namespace: ns}
	}
	if by := admissionOf(s); by.Name != "" {
		return &AdmissionError{admission: by, text: by.text(key, s), err: err}
	}
	return &apiError{text: statusText(key, s), err: err}
}

// apiError has a text that is safe to print and still unwraps to the cause.
type apiError struct {
	text string
	err  error
}

func (e *apiError) Error() string { return e.text }
func (e *apiError) Unwrap() error { return e.err }

func statusText(key ObjectKey, s *metav1.Status) string {
	if quota := exceededQuota().FindStringSubmatch(s.Message); quota != nil && s.Code == http.StatusForbidden {
		return fmt.Sprintf("exceeds the quota %q: %s", quota[1], quota[2]) // names and numbers
	}
	if s.Reason == metav1.StatusReasonInvalid && s.Details != nil && len(s.Details.Causes) > 0 {
		texts := make([]string, len(s.Details.Causes))
		for i, c := range s.Details.Causes {
			texts[i] = c.Field + ": " + withoutValue(key, c.Message)
		}
		return strings.Join(texts, "; ")
	}
	if missing := missingRight().FindString(s.Message); s.Reason == metav1.StatusReasonForbidden && missing != "" {
		return "forbidden: " + missing // the authorizer does not know the object
	}
	if key.isSecret() {
		return fmt.Sprintf("%s (the server's text is withheld, it may hold secret values)", cmp.Or(string(s.Reason), "rejected by the API server"))
	}
	return withoutValue(key, s.Message)
}

var (
	exceededQuota = onUse(`exceeded quota: ([^,\s]+), ([^\n]*)`)

	quotedValue = onUse(`((?:Invalid|Unsupported|Duplicate) value|Too long|Too many): ("(?:[^"\\]|\\.)*"|\{.*\}|&?[a-zA-Z0-9.]+\{.*\}|\[.*\]|[^\s:]+)(: |$)`)
	// missingRight is what Kubernetes' own authorizer says.
	missingRight = onUse(`User "[^"]{0,300}" cannot [a-z]+ resource "[a-z0-9./-]+" in API group "[a-z0-9.-]*"( in the namespace "[a-z0-9-]+"| at the cluster scope)?`)
	gotValue     = onUse(`got &value[^\n]*`)
	shortScalar  = onUse(`^(-?[0-9.]+|"[^"\s]{0,63}")$`)
)

// withoutValue cuts the values out of a server's text, but for short scalars
// of objects that hold no data of their own.
func withoutValue(key ObjectKey, text string) string {
	text, _, _ = strings.Cut(text, "\n") // what follows compares objects value by value
	text = gotValue().ReplaceAllString(text, "got another type")
	return quotedValue().ReplaceAllStringFunc(text, func(m string) string {
		parts := quotedValue().FindStringSubmatch(m)
		if shortScalar().MatchString(parts[2]) && !key.isSecret() && key.Kind != "ConfigMap" {
			return m
		}
		return parts[1] + parts[3]
	})
}

// terminatingNamespace returns the namespace whose deletion is why an object is
// refused, "" when that is not why.
func terminatingNamespace(key ObjectKey, s *metav1.Status) string {
	if s.Details == nil {
		return ""
	}
	for _, c := range s.Details.Causes {
		if c.Type == v1.NamespaceTerminatingCause {
			return key.Namespace
		}
	}
	return ""
}

// forbidden marks a read that the cluster refused.
func forbidden(err error) error {
	if apierrors.IsForbidden(err) {
		return &ForbiddenError{Err: err}
	}
	return err
}
