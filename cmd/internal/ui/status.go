package ui

import (
	"fmt"
	"io"
	"strings"

	"stackctl.dev/stackctl/apply"
)

// WriteStatus writes how a stack is doing.
func WriteStatus(w io.Writer, s *apply.Status, context string, c ErrorContext) error {
	t := errorText{NewPrinter(w, c.Options), c, map[string][]string{}}
	t.printf("stack %s in namespace %s, context %s\n", styled{bold, s.Stack.Name}, styled{bold, s.Stack.Namespace}, context)
	if r := s.Revision; r != nil {
		t.printf("revision %d: %s %s ago by %s", r.Revision, revisionStatus(*r), Age(t.o.Now, r.CreatedAt), orNone(r.Author))
		if r.Cause != "" {
			t.printf(": %s", r.Cause)
		}
		t.printf("\n")
		switch s.Deployed {
		case r.Revision:
		case 0:
			t.printf("%s no revision ended well yet; `stackctl apply` converges\n", styled{yellow, "note:"})
		default:
			t.printf("%s the last revision that ended well is %d; `stackctl apply` converges\n", styled{yellow, "note:"}, s.Deployed)
		}
	}
	if s.Lock != nil {
		t.printf("%s locked by %s\n", styled{yellow, "note:"}, s.Lock)
	}
	t.objects(s)
	t.routes(s.Routes)
	return t.Err()
}

func (t errorText) objects(s *apply.Status) {
	if len(s.Objects) == 0 {
		t.printf("\nno objects\n")
		return
	}
	var rows table
	rows.row("OBJECT", "STATE", "READY", "PODS", "MESSAGE")
	for _, h := range s.Objects {
		rows.row(objectName(h.Object, s.Stack.Namespace), state(h.State), replicas(h.Replicas), pods(h.Pods), h.Message)
	}
	t.printf("\n")
	rows.write(t.Printer)
	for _, h := range s.Objects {
		if h.Cause != nil {
			t.printf("\n  %s:\n", objectName(h.Object, s.Stack.Namespace))
			t.cause(h)
		}
	}
}

func (t errorText) routes(routes []apply.Route) {
	if len(routes) == 0 {
		return
	}
	t.printf("\n")
	for _, r := range routes {
		ready := styled{green, fmt.Sprintf("%d of %d pods ready", r.Ready, r.Pods)}
		if r.Ready < r.Pods || r.Pods == 0 {
			ready.style = yellow
		}
		if r.Ready == 0 {
			ready.style = red
		}
		t.printf("%s → Ingress/%s → Service/%s:%s → %s\n", r.URL, r.Ingress, r.Service, r.Port, ready)
	}
}

func state(s apply.State) styled { return styled{stateStyle(s), s} }

func stateStyle(s apply.State) style {
	switch s {
	case apply.StateReady:
		return green
	case apply.StateProgressing:
		return yellow
	}
	return red
}

func replicas(r *apply.Replicas) string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d", r.Ready, r.Desired)
}

// pods writes what pods are doing: "3 Running, 1 ContainerCreating, 2 old Running".
func pods(groups []apply.PodGroup) string {
	var all []string
	for _, g := range groups {
		old := ""
		if g.Old {
			old = "old "
		}
		all = append(all, fmt.Sprintf("%d %s%s", g.Count, old, g.Reason))
	}
	return orNone(strings.Join(all, ", "))
}
