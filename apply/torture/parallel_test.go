package torture

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestTortureParallel applies N different contents of one stack at once. They
// queue and all succeed; numbers are gapless, and the last one is live. With
// --lock-timeout 0 they succeed or say that another run holds the lock.
func TestTortureParallel(t *testing.T) {
	c := start(t, "parallel", 3)
	defer c.done()
	c.each(2, func(t *testing.T, i int) {
		n, queue := []int{2, 4, 8, 16}[i%4], i%8 < 4 || i%3 == 0 // 50 rounds of each: TRIALS=200
		if !c.full() {
			n = min(n, 8)
		}
		t.Logf("%d at once, queue %v", n, queue)
		x := c.trial(t, i)
		if i%2 == 1 {
			x.must("base", first, "apply")
		}
		args := []string{"apply", "--allow-prune", "25", "--lock-timeout", "0"}
		if queue {
			args[4] = "4m"
		}
		var all []*Run
		for j := range n {
			all = append(all, x.start("rival", version(j), nil, nil, args...))
		}
		succeeded, newest := 0, &Run{}
		for _, r := range all {
			switch x.wait(r); {
			case r.Exit == 0:
				succeeded++
				if r.recorded() > newest.recorded() {
					newest = r
				}
			case queue:
				x.fail(i, "%s\n%s", r, indent(r.Stderr))
			case r.Exit != 4 && !strings.Contains(r.Stderr, "plan is stale"):
				x.fail(i, "%s: neither succeeded nor said who holds the lock\n%s", r, indent(r.Stderr))
			}
		}
		if succeeded == 0 {
			x.fail(i, "no run succeeded")
		} else if want := fmt.Sprint("v", slices.Index(all, newest)); x.live("config-0") != want {
			x.fail(i, "live is %q, revision %d has %q", x.live("config-0"), newest.recorded(), want)
		}
		x.mend(version(max(0, slices.Index(all, newest))), "apply")
		x.judge(x.history())
	})
}

// TestTortureMixed lets apply, rollback, delete and scale run at once. Whatever
// the order, their writes do not mix, and the next apply succeeds.
func TestTortureMixed(t *testing.T) {
	c := start(t, "mixed", 2)
	defer c.done()
	c.each(2, func(t *testing.T, i int) {
		x, r := c.trial(t, i), c.Rand(i)
		x.must("base", first, "apply")
		x.must("base", second, "apply")
		verbs := [][]string{
			{"apply", "--allow-prune", "25"}, {"apply", "--allow-prune", "25"},
			{"rollback", "--to", "1"}, {"rollback"},
		}
		if x.knows("scale") {
			verbs = append(verbs, []string{"scale", stackName + "/web", fmt.Sprint(1 + r.IntN(3))})
		}
		deletes := r.IntN(3) == 0
		if deletes {
			verbs = append(verbs, []string{"delete"})
		}
		var all []*Run
		for j := range 3 + r.IntN(4) {
			verb := verbs[r.IntN(len(verbs))]
			all = append(all, x.start("rival", version(j), nil, nil, slices.Clone(verb)...))
		}
		for _, run := range all {
			if x.wait(run); !slices.Contains([]int{0, 3, 4}, run.Exit) {
				if deletes && run.Exit == 2 && run.Args[0] != "apply" {
					continue // the revision to go back to is gone
				}
				x.fail(i, "%s\n%s", run, indent(run.Stderr))
			}
		}
		x.mend(first, "apply", "--allow-prune", "25")
		h := x.history()
		h.Restarted = deletes
		x.judge(h)
	})
}

// knows reports whether the program has a command.
func (x *trial) knows(verb string) bool {
	out, err := exec.Command(x.program, "--help").Output()
	return err == nil && strings.Contains(string(out), "\n  "+verb+" ")
}
