package apply

import (
	"testing"

	"stackctl.dev/stackctl/apply/applytest"
)

// TestTwoMarkedDeployed: a run that died before its very last write has left two
// revisions marked as deployed. All that shows them takes the higher one for
// what is live.
func TestTwoMarkedDeployed(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	ctx := t.Context()
	for n := 1; n <= 2; n++ {
		d := l.draft(n, l.objects(1, 600, -1, ""))
		if err := l.engine.records.create(ctx, d); err != nil {
			t.Fatal(err)
		}
		end := d.summary
		end.Status = StatusDeployed
		if err := l.engine.records.finish(ctx, end, d.run, outcome{}); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := l.engine.records.list(ctx)
	if err != nil || len(raw) != 2 || raw[0].Status != StatusDeployed || raw[1].Status != StatusDeployed {
		t.Fatalf("%v, %v", raw, err)
	}
	all, err := l.engine.History(ctx)
	if err != nil || len(all) != 2 || all[0].Status != StatusSuperseded || all[1].Status != StatusDeployed {
		t.Errorf("history: %v, %v", all, err)
	}
	for n, want := range []RevisionStatus{StatusSuperseded, StatusDeployed} {
		if r, err := l.engine.Record(ctx, n+1); err != nil || r.Status != want || r.Flaw != "" {
			t.Errorf("record %d: %v, %v", n+1, r, err)
		}
	}
	stacks, err := Stacks(ctx, applytest.Start(t).Config(), l.engine.stack.Namespace)
	if err != nil || len(stacks) != 1 || stacks[0].Latest.Revision != 2 || stacks[0].Deployed != 2 {
		t.Errorf("stacks: %v, %v", stacks, err)
	}
	status, err := l.engine.Status(ctx)
	if err != nil || status.Revision.Revision != 2 || status.Deployed != 2 {
		t.Errorf("status: %v, %v", status, err)
	}
	if to, err := l.engine.RollbackTarget(ctx); err != nil || to != 1 {
		t.Errorf("back to %d, %v", to, err)
	}
}
