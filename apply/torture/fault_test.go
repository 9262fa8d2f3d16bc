package torture

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// faultTimes are those of runs that meet faults: an answer that takes 3 s is
// slow, and one that never comes is given up before the end of the lock.
var faultTimes = []string{"STACKCTL_LEASE_DURATION=15s", "STACKCTL_REQUEST_TIMEOUT=5s"}

// faultPoint is a fault of one request of an operation.
type faultPoint struct {
	operation operation
	fault     *fault
	request   int // among those that the fault is for
}

func (p faultPoint) String() string {
	return fmt.Sprintf("%s, request %d, %s", p.operation.name, p.request, p.fault)
}

// faultPoints lists every kind of fault at every request that it is for.
func (c *campaign) faultPoints(t *testing.T) []faultPoint {
	var all []faultPoint
	requests := map[string][]Request{}
	for _, p := range c.points(t, BeforeSend) {
		requests[p.operation.name] = p.requests
	}
	for _, f := range faults {
		for _, o := range operations {
			k := 0
			for _, r := range requests[o.name] {
				if f.on == nil || f.on(&r) {
					k++
					all = append(all, faultPoint{o, f, k})
				}
			}
		}
	}
	return all
}

// TestTortureFaults lets every kind of fault befall every request. The run
// succeeds, or says why it does not, and then the next one succeeds without
// help. What no repetition mends is not repeated but once.
func TestTortureFaults(t *testing.T) {
	c := start(t, "faults", 11)
	defer c.done()
	points := c.faultPoints(t)
	pick := c.spread(len(points))
	var mu sync.Mutex
	survived := 0
	c.each(3, func(t *testing.T, i int) {
		p, r := points[pick(i)], c.Rand(i)
		count := 1
		if r.IntN(5) == 0 {
			count += r.IntN(4) // it lasts
		}
		t.Logf("%s, %d in a row", p, count)
		x := c.prepared(t, i, p.operation)
		victim := x.wait(x.start("victim", p.operation.files, faultTimes, func(*Run) []*Trouble {
			return []*Trouble{{At: p.request, Count: count, Match: p.fault.on, Fault: p.fault}}
		}, p.operation.args...))
		if victim.Exit == 0 {
			mu.Lock()
			survived++
			mu.Unlock()
		}
		if p.fault.permanent && count == 1 {
			x.patient(victim)
		}
		x.mend(p.operation.files, p.operation.args...)
		x.judge(x.history())
	})
	c.figure("%d runs succeeded in spite of it", survived)
}

// TestTortureFaultPairs lets two faults befall one run.
func TestTortureFaultPairs(t *testing.T) {
	c := start(t, "fault pairs", 2)
	defer c.done()
	c.each(3, func(t *testing.T, i int) {
		r := c.Rand(i)
		o := operations[r.IntN(len(operations))]
		a, b := faults[r.IntN(len(faults))], faults[r.IntN(len(faults))]
		k, l := 1+r.IntN(90), 1+r.IntN(90)
		t.Logf("%s, request %d, %s, and request %d, %s", o.name, k, a, l, b)
		x := c.prepared(t, i, o)
		x.wait(x.start("victim", o.files, faultTimes, func(*Run) []*Trouble {
			return []*Trouble{{At: k, Match: a.on, Fault: a}, {At: l, Match: b.on, Fault: b}}
		}, o.args...))
		x.mend(o.files, o.args...)
		x.judge(x.history())
	})
}

// patient checks that a write was not repeated more than once after an answer
// that says it never will succeed.
func (x *trial) patient(r *Run) {
	var at Request
	again := 0
	for _, q := range r.Proxy.Requests() {
		switch {
		case q.Fault != "" && q.Writes() && !strings.Contains(q.URI, "/leases"):
			at = q
		case at.N != 0 && q.Method == at.Method && q.URI == at.URI && q.Method != "POST":
			again++
		}
	}
	if again > 1 {
		x.fail(x.i, "%s: %s %s was sent %d times more after %q", r, at.Method, at.URI, again, at.Fault)
	}
}
