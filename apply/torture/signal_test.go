package torture

import (
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestTortureSignals ends runs at a random moment: by SIGKILL, by SIGINT (one in
// four of them twice) and by SIGTERM, as 5 : 2 : 1. Who can still act ends in 5
// seconds with the exit code of the signal, and says on record that it was
// interrupted. The next run succeeds without help.
func TestTortureSignals(t *testing.T) {
	c := start(t, "signals", 6)
	defer c.done()
	limit := 15 * time.Second // on a machine that does other things besides
	if c.full() {
		limit = 5 * time.Second
	}
	var mu sync.Mutex
	slowest, count := time.Duration(0), map[syscall.Signal]int{}
	c.each(3, func(t *testing.T, i int) {
		r := c.Rand(i)
		signal := []syscall.Signal{9, 9, 9, 9, 9, 2, 2, 15}[r.IntN(8)]
		o := operations[r.IntN(len(operations))]
		twice := signal == syscall.SIGINT && r.IntN(4) == 0
		request, moment := 1+r.IntN(90), Moment(r.IntN(3))
		var sent time.Time
		send := func(victim *Run) {
			mu.Lock()
			sent = time.Now()
			count[signal]++
			mu.Unlock()
			victim.Send(signal)
			if twice {
				time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond) // a person presses again
				victim.Send(signal)
			}
		}
		x := c.prepared(t, i, o)
		var victim *Run
		if r.IntN(3) > 0 {
			t.Logf("%s: signal %d at request %d, %s", o.name, signal, request, moment)
			victim = x.start("victim", o.files, nil, func(r *Run) []*Trouble {
				return []*Trouble{{At: request, Moment: moment, Drop: signal == syscall.SIGKILL, Do: func(*Request) { send(r) }}}
			}, o.args...)
		} else {
			after := time.Duration(r.IntN(2500)) * time.Millisecond
			t.Logf("%s: signal %d after %s", o.name, signal, after)
			victim = x.start("victim", o.files, nil, nil, o.args...)
			select {
			case <-time.After(after):
				send(victim)
			case <-victim.ended:
			}
		}
		x.wait(victim)
		mu.Lock()
		defer mu.Unlock()
		if took := victim.Ended.Sub(sent); !sent.IsZero() && victim.Signal != 0 && !victim.Killed {
			slowest = max(slowest, took)
			if took > limit {
				x.fail(i, "%s: ended %s after signal %d", victim, took, signal)
			}
			// It may have been done by then; or not have begun to listen.
			if !slices.Contains([]int{0, 128 + int(signal)}, victim.Exit) && (victim.Exit != -1 || len(victim.Proxy.Requests()) > 0) {
				x.fail(i, "%s: after signal %d\n%s", victim, signal, indent(victim.Stderr))
			}
			if victim.Exit == -1 {
				victim.Killed = true
			}
		}
		mu.Unlock()
		x.mend(o.files, o.args...)
		x.judge(x.history())
		mu.Lock()
	})
	c.figure("%d SIGKILL, %d SIGINT, %d SIGTERM, slowest end %s", count[9], count[2], count[15], slowest.Round(time.Millisecond))
}
