package torture

import (
	"fmt"
	"sync"
	"syscall"
	"testing"

	"stackctl.dev/stackctl/apply/applytest"
)

// operation is a verb of the kill campaign: what is there before, and what is
// run then.
type operation struct {
	name   string
	before []variant
	files  variant
	args   []string
}

var operations = []operation{
	{"create", nil, first, []string{"apply"}},
	{"update", []variant{first}, second, []string{"apply"}},
	{"prune", []variant{first}, fewer, []string{"apply"}},
	{"rollback", []variant{first, second}, second, []string{"rollback", "--to", "1"}},
}

// point is a moment of an operation.
type point struct {
	operation operation
	request   int
	moment    Moment
	requests  []Request // of the operation, when nothing disturbs it
}

func (p point) String() string {
	return fmt.Sprintf("%s, request %d, %s", p.operation.name, p.request, p.moment)
}

// prepared is a trial in which all is as it is before the operation.
func (c *campaign) prepared(t *testing.T, i int, o operation) *trial {
	t.Helper()
	x := c.trial(t, i)
	for _, v := range o.before {
		x.must("base", v, "apply")
	}
	return x
}

// counted are the requests of each operation, when nothing disturbs it.
var counted struct {
	sync.Mutex
	requests [][]Request
}

// points lists every request of every operation with its moments. How many
// requests an operation has is tried out.
func (c *campaign) points(t *testing.T, moments ...Moment) []point {
	t.Helper()
	applytest.Start(t)
	counted.Lock()
	defer counted.Unlock()
	if counted.requests == nil {
		requests := make([][]Request, len(operations))
		t.Run("count", func(t *testing.T) {
			for i, o := range operations {
				t.Run(o.name, func(t *testing.T) {
					t.Parallel()
					x := c.prepared(t, -1-i, o)
					requests[i] = x.must("victim", o.files, o.args...).Proxy.Requests()
				})
			}
		})
		if t.Failed() {
			t.FailNow()
		}
		counted.requests = requests
	}
	requests := counted.requests
	var all []point
	for i, o := range operations {
		for k := range requests[i] {
			for _, m := range moments {
				all = append(all, point{o, k + 1, m, requests[i]})
			}
		}
	}
	return all
}

// spread limits the trials of a campaign to its points, and returns which
// point a trial is about: evenly spread ones if not all are tried.
func (c *campaign) spread(points int) func(i int) int {
	c.Trials = min(c.Trials, points)
	c.figure("of %d points", points)
	trials := c.Trials
	return func(i int) int { return i * points / trials }
}

// TestTortureKill kills a run at each of its requests: before the API server
// hears of it, after it did what was asked and before the run knows, and right
// after the run was told. The next one succeeds without help.
func TestTortureKill(t *testing.T) {
	c := start(t, "kill", 8)
	defer c.done()
	points := c.points(t, BeforeSend, AfterCommit, AfterReply)
	pick := c.spread(len(points))
	var mu sync.Mutex
	killed := 0
	c.each(3, func(t *testing.T, i int) {
		p := points[pick(i)]
		t.Log(p)
		x := c.prepared(t, i, p.operation)
		if i == 0 {
			x.program = x.built.plain // the very program that is released
		}
		victim := x.wait(x.start("victim", p.operation.files, nil, func(r *Run) []*Trouble {
			return []*Trouble{{At: p.request, Moment: p.moment, Drop: true, Do: func(*Request) { r.Send(syscall.SIGKILL) }}}
		}, p.operation.args...))
		if victim.Killed {
			mu.Lock()
			killed++
			mu.Unlock()
		}
		x.mend(p.operation.files, p.operation.args...)
		x.judge(x.history())
	})
	c.figure("%d killed", killed)
}
