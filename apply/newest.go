package apply

import (
	"context"
	"fmt"
)

// Newest returns the newest revision that can be read, whatever became of it,
// with all that it wanted, the data of Secrets included. A stack without
// records is ErrNoStack.
func (e *Engine) Newest(ctx context.Context) (_ *Revision, err error) {
	defer e.cluster.redact.leaving(&err)
	history, err := e.records.list(ctx)
	if err != nil {
		return nil, err
	}
	if len(history) == 0 {
		return nil, fmt.Errorf("%s: %w", e.stack, ErrNoStack)
	}
	rev, _, err := e.records.newestReadable(ctx, history)
	if err != nil {
		return nil, err
	}
	if rev.Revision == 0 {
		return nil, fmt.Errorf("no revision of %s can be read", e.stack)
	}
	return rev, e.records.restore(ctx, rev)
}
