package torture

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stopped waits until a process is stopped; it reports false if that ended
// instead.
func (r *Run) stopped() bool {
	for {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
		if err == nil {
			if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(rest, "T") {
				return true
			}
		}
		select {
		case <-r.ended:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestTorturePause stops a run (SIGSTOP, as a laptop that sleeps) at a random
// request or failpoint for longer than its lock lasts. Another run takes over
// and finishes; then the first goes on, and must find out before it writes.
func TestTorturePause(t *testing.T) {
	c := start(t, "pause", 4)
	defer c.done()
	var mu sync.Mutex
	zombies, refused := 0, 0
	points := []string{"after-record", "before-object", "after-object", "before-health", "before-prune", "before-delete", "before-finalize", "after-outcome", "before-supersede", "before-retire", "before-release"}
	c.each(2, func(t *testing.T, i int) {
		r := c.Rand(i)
		o := operations[r.IntN(3)] // a rollback is an apply, and its rival would be another
		x := c.prepared(t, i, o)
		env := []string{"STACKCTL_LEASE_DURATION=1s"}
		var troubles func(*Run) []*Trouble
		if r.IntN(2) == 0 {
			point := points[r.IntN(len(points))]
			k := 1
			if strings.HasSuffix(point, "object") || strings.HasSuffix(point, "delete") {
				k += r.IntN(12)
			}
			t.Logf("%s: stopped at %s, passage %d", o.name, point, k)
			env = append(env, fmt.Sprintf("STACKCTL_FAILPOINT=%s:stop@%d", point, k))
		} else {
			request := 40 + r.IntN(60)
			t.Logf("%s: stopped at request %d", o.name, request)
			troubles = func(r *Run) []*Trouble {
				return []*Trouble{{At: request, Moment: Moment(request % 3), Do: func(*Request) { r.Send(syscall.SIGSTOP) }}}
			}
		}
		zombie := x.start("victim", o.files, env, troubles, o.args...)
		if !zombie.stopped() {
			x.wait(zombie) // it was done before
			x.mend(o.files, o.args...)
			x.judge(x.history())
			return
		}
		rival := x.run("rival", version(i), "apply", "--allow-prune", "25")
		if rival.Exit != 0 {
			x.fail(i, "the other run does not take over: %s\n%s", rival, indent(rival.Stderr))
		}
		zombie.Send(syscall.SIGCONT)
		x.wait(zombie)
		mu.Lock()
		zombies++
		if zombie.Exit != 0 {
			refused++
		}
		mu.Unlock()
		if zombie.Exit != 0 && x.live("config-0") != fmt.Sprint("v", i) {
			x.fail(i, "%s: and what is live is not what the other run applied", zombie)
		}
		x.mend(version(i), "apply", "--allow-prune", "25")
		x.judge(x.history())
	})
	c.figure("%d resumed after another run had finished, %d of them refused", zombies, refused)
}
