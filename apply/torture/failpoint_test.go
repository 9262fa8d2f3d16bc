package torture

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

// TestAReleaseHasNoFailpoints looks for them in the program: they are compiled
// only with their build tag.
func TestAReleaseHasNoFailpoints(t *testing.T) {
	b, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{b.plain: false, b.failpoints: true} {
		program, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"STACKCTL_FAILPOINT", "STACKCTL_LEASE_DURATION", "STACKCTL_REQUEST_TIMEOUT", "before-supersede"} {
			if bytes.Contains(program, []byte(text)) != want {
				t.Errorf("%s contains %q: %v", path, text, !want)
			}
		}
	}
}

// failpoints are the named places of the engine, with the operations that pass
// them and how often.
var failpoints = []struct {
	name   string
	passes int
}{
	{"before-lock", 1}, {"before-record", 1}, {"after-record", 1}, {"before-object", 13}, {"after-object", 13},
	{"before-health", 1}, {"before-prune", 1}, {"before-delete", 7}, {"before-finalize", 1}, {"after-outcome", 1},
	{"before-supersede", 1}, {"before-retire", 1}, {"before-release", 1},
}

// TestTortureFailpoints lets a run die, panic or fail at each named point of
// the engine. A panic is exit 3; the next run succeeds without help.
func TestTortureFailpoints(t *testing.T) {
	c := start(t, "failpoints", 7)
	defer c.done()
	actions := []string{"kill", "panic", "error"}
	pick := c.spread(len(failpoints) * len(actions) * 4)
	c.each(3, func(t *testing.T, i int) {
		n, r := pick(i), c.Rand(i)
		p, action := failpoints[n/4/len(actions)], actions[(n+i)%len(actions)]
		o := operations[r.IntN(len(operations))]
		if p.name == "before-prune" || p.name == "before-delete" {
			o = operations[2]
		}
		armed := fmt.Sprintf("STACKCTL_FAILPOINT=%s:%s@%d", p.name, action, 1+r.IntN(p.passes))
		t.Log(o.name, armed)
		x := c.prepared(t, i, o)
		victim := x.wait(x.start("victim", o.files, []string{armed}, nil, o.args...))
		switch {
		case victim.Exit == -1:
			victim.Killed = true // by its own hand
			if action != "kill" {
				x.fail(i, "%s: died", victim)
			}
		case action == "panic" && victim.Exit != 3 && victim.Exit != 0: // 0: the point was not passed so often
			x.fail(i, "%s: after a panic\n%s", victim, indent(victim.Stderr))
		}
		x.mend(o.files, o.args...)
		x.judge(x.history())
	})
}
