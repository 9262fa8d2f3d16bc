package apply

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A Job runs once. What is known of its end outlives it: the API server
// removes a finished Job after its ttlSecondsAfterFinished.

const noteFinished = "complete; removed since, as its ttlSecondsAfterFinished says"

// isFinished reports a Job that was seen complete and is gone, or on its way,
// because its time to live is over. Sending it again would run it again.
func (p *planner) isFinished(o *unstructured.Unstructured, live *metav1.PartialObjectMetadata, sent sentFact) bool {
	gone := live == nil || live.DeletionTimestamp != nil
	return gone && sent.Complete && expires(o) && p.sameAsSent(o, sent)
}

// expires reports a Job that is removed some time after it has finished.
func expires(o *unstructured.Unstructured) bool {
	_, ok := state{o.Object}.lookup("spec", "ttlSecondsAfterFinished")
	return ok && keyOf(o).isJob()
}

// recallFinished looks up what the deployed revision saw of Jobs that are not
// there, where the newest one did not come to see it: its run may have been
// killed.
func (p *planner) recallFinished(ctx context.Context) error {
	last := deployed(p.history)
	if last == 0 || last == p.base.Revision {
		return nil
	}
	var missing []ObjectKey
	for _, o := range p.objects {
		key := keyOf(o)
		if _, known := p.base.sent[key]; !known && expires(o) && p.live[key] == nil {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	rev, err := p.engine.records.read(ctx, last)
	if errors.Is(err, errCorrupt) {
		return nil // as if nobody had looked
	}
	if err != nil {
		return err
	}
	for _, key := range missing {
		if sent, ok := rev.sent[key]; ok {
			if p.base.sent == nil {
				p.base.sent = map[ObjectKey]sentFact{}
			}
			p.base.sent[key] = sent
		}
	}
	return nil
}

// lookAtJobs reads the Jobs that stay as they are and were not seen complete
// yet. One that failed stays failed, which a reader of the plan should know.
func (p *planner) lookAtJobs(ctx context.Context) error {
	var jobs []*Change
	for i := range p.plan.Changes {
		c := &p.plan.Changes[i]
		if c.Object.isJob() && c.Action == ActionUnchanged && !c.sent.Complete {
			jobs = append(jobs, c)
		}
	}
	return p.engine.cluster.each(ctx, len(jobs), func(ctx context.Context, i int) error {
		c := jobs[i]
		live, err := p.engine.cluster.get(ctx, c.Object, c.send.GroupVersionKind().Version)
		if err != nil {
			return forbidden(describe("read", c.Object, err))
		}
		h := judge(c.Object, live)
		c.sent.Complete = h.complete
		if h.State == StateFailed {
			c.Note = h.Message
		}
		return nil
	})
}

// failedJob says how a failed Job runs again: as it is, it never will.
func failedJob(key ObjectKey) string {
	return fmt.Sprintf("failed; `kubectl -n %s delete job %s` and another apply run it again", key.Namespace, key.Name)
}

// goneJob is the health of a Job that was there when the plan was made and, not
// written since, is gone: its time to live was over, perhaps before anybody saw
// its end.
func goneJob(key ObjectKey, complete bool) Health {
	if complete {
		return seenFinished(key)
	}
	return Health{
		Object: key, State: StateFailed,
		Message: "is gone, and nobody saw how it ended: it is removed after its ttlSecondsAfterFinished; another apply runs it again",
	}
}

// seenFinished is the health of a Job that is done and gone.
func seenFinished(key ObjectKey) Health {
	return Health{Object: key, State: StateReady, Message: noteFinished, started: true, complete: true}
}
