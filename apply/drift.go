package apply

import (
	"context"
	"fmt"
)

// Drift compares the cluster with what the last deployed revision recorded: the
// plan it returns is what it takes to get back there, and is empty when nobody
// changed anything. It only reads. The number is that of the revision.
//
// Objects of a later run that did not end well are a difference too. If the
// newest record cannot be read, not all that belongs to the stack is known, and
// that is an error rather than an answer.
func (e *Engine) Drift(ctx context.Context) (plan *Plan, revision int, err error) {
	defer e.cluster.redact.leaving(&err)
	history, err := e.records.list(ctx)
	if err != nil {
		return nil, 0, err
	}
	last := newest(history)
	if last == nil {
		return nil, 0, fmt.Errorf("%s: %w", e.stack, ErrNoStack)
	}
	if last.Status == StatusCorrupt {
		return nil, 0, fmt.Errorf("the record of revision %d of %s is corrupt: %s", last.Revision, e.stack, last.Error)
	}
	n := deployed(history)
	if n == 0 {
		return nil, 0, fmt.Errorf("%s has no revision that ended well to compare with", e.stack)
	}
	if n != last.Revision {
		if _, err := e.records.read(ctx, last.Revision); err != nil {
			return nil, 0, err
		}
	}
	rev, err := e.Revision(ctx, n)
	if err != nil {
		return nil, 0, err
	}
	plan, err = e.Plan(ctx, Target{Verb: VerbApply, Objects: rev.Objects, Source: rev.Source, Environment: rev.Environment})
	return plan, n, err
}
