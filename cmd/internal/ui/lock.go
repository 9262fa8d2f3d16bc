package ui

import (
	"io"
	"time"

	"stackctl.dev/stackctl/apply"
)

// WriteLock writes who holds the lock of a stack, for somebody who has to
// decide whether to break it.
func WriteLock(w io.Writer, stack apply.Stack, l *apply.Lock, context string, o Options) error {
	p := NewPrinter(w, o)
	p.printf("stack %s in namespace %s, context %s\n", styled{bold, stack.Name}, styled{bold, stack.Namespace}, context)
	if l == nil {
		p.printf("Nobody holds the lock.\n")
		return p.Err()
	}
	p.printf("locked by %s for %s, since %s\n", styled{bold, l.Holder.Author}, orNone(string(l.Holder.Verb)), l.Holder.Since.UTC().Format(time.RFC3339))
	if l.Holder.CI != "" {
		p.printf("CI run: %s\n", l.Holder.CI)
	}
	switch l.Process {
	case apply.ProcessDead:
		p.printf("process %d ran on this machine and is %s: the next run takes the lock over at once\n", l.PID, styled{green, "dead"})
		return p.Err()
	case apply.ProcessAlive:
		p.printf("process %d runs on this machine and is %s\n", l.PID, styled{red, "alive"})
	default:
		p.printf("whether its process lives cannot be seen from here\n")
	}
	silence := round(time.Duration(l.Duration))
	if l.Renewed.IsZero() {
		p.printf("the next run takes the lock over after %s without a sign of life\n", silence)
		return p.Err()
	}
	p.printf("last sign of life %s ago, by its clock; the next run takes the lock over after %s without one\n", Age(o.Now, l.Renewed), silence)
	return p.Err()
}
