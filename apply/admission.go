package apply

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The API server asks others before it stores an object: webhooks and policies.
// Its own code says little about whose refusal it is, its text names them.

// admission is who had a say in a refusal; without a name it was the server.
type admission struct {
	Kind   string // webhook or policy
	Name   string
	Denied bool // else it could not be asked
	// DryRun says that it is the dry run that is refused, so that nothing is
	// known about the object.
	DryRun bool
}

func (a admission) String() string {
	if a.Denied {
		return fmt.Sprintf("denied by %s %q", a.Kind, a.Name)
	}
	return fmt.Sprintf("%s %q cannot be called", a.Kind, a.Name)
}

var (
	webhookFailed = onUse(`failed calling webhook "([^"]+)": ?`)
	webhookDenied = onUse(`admission webhook "([^"]+)" (?:denied the request(?:: )?|attempted to )`)
	webhookNoDry  = onUse(`admission webhook "([^"]+)" does not support dry run`)
	policyDenied  = onUse(`(?:Validating|Mutating)AdmissionPolicy '([^']+)'(?: with binding '[^']*')? denied request: ?`)
	aboutDryRun   = onUse(`(?i)\bdry[- ]?run`)
)

// admissionOf finds out who refused. Webhooks choose the code and the text of
// a denial; one that speaks of dry runs is about them.
func admissionOf(s *metav1.Status) admission {
	switch {
	case webhookNoDry().MatchString(s.Message):
		return admission{Kind: "webhook", Name: webhookNoDry().FindStringSubmatch(s.Message)[1], Denied: true, DryRun: true}
	case s.Code == http.StatusInternalServerError && webhookFailed().MatchString(s.Message):
		return admission{Kind: "webhook", Name: webhookFailed().FindStringSubmatch(s.Message)[1]}
	case webhookDenied().MatchString(s.Message):
		at := webhookDenied().FindStringSubmatchIndex(s.Message)
		return admission{Kind: "webhook", Name: s.Message[at[2]:at[3]], Denied: true, DryRun: aboutDryRun().MatchString(s.Message[at[1]:])}
	case policyDenied().MatchString(s.Message):
		return admission{Kind: "policy", Name: policyDenied().FindStringSubmatch(s.Message)[1], Denied: true}
	}
	return admission{}
}

// text says who refused an object and why, without values of it.
func (a admission) text(key ObjectKey, s *metav1.Status) string {
	if key.isSecret() {
		return a.String() + " (the text is withheld, it may hold secret values)"
	}
	why := s.Message
	for _, begin := range []func() *regexp.Regexp{webhookFailed, webhookDenied, policyDenied} {
		if at := begin().FindStringIndex(why); at != nil {
			why = why[at[1]:]
			break
		}
	}
	why = strings.TrimPrefix(withoutValue(key, why), "failed to call webhook: ")
	if why == "" {
		return a.String()
	}
	return a.String() + ": " + why
}

// AdmissionError says that a webhook or a policy of the cluster refused an
// object, or that a webhook that must be asked does not answer.
type AdmissionError struct {
	admission
	text string
	err  error
}

func (e *AdmissionError) Error() string { return e.text }
func (e *AdmissionError) Unwrap() error { return e.err }

// Hint says how to go on.
func (e *AdmissionError) Hint() string {
	switch {
	case e.Denied && e.Kind == "policy":
		return "change the object, or ask who owns the policy: `kubectl get validatingadmissionpolicy " + e.Name + "`"
	case e.Denied:
		return "change the object, or ask who runs the webhook"
	}
	return "the cluster's rules want it to be asked: see that its pods and Service work; " +
		"`kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations` lists the webhooks"
}

// UnpreviewedError refuses a plan with objects that nobody could preview.
type UnpreviewedError struct {
	Objects []ObjectKey
	Reasons []string // one for each object
}

func (e *UnpreviewedError) Error() string {
	lines := make([]string, len(e.Objects))
	for i, key := range e.Objects {
		lines[i] = fmt.Sprintf("%s: cannot be previewed: %s", key, e.Reasons[i])
	}
	return strings.Join(lines, "\n")
}

// Hint says how to go on.
func (e *UnpreviewedError) Hint() string {
	return "nothing was written; to apply what nobody has seen: --allow-unpreviewed"
}
