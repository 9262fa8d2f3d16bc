package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/apply/applytest"
)

// trial is one trial of a campaign on the stack of the campaigns: it has a
// namespace, decoys that must stay as they are, and the runs made so far.
type trial struct {
	*campaign
	t     *testing.T
	i     int
	rand  *rand.Rand
	plane *applytest.Plane
	stack apply.Stack
	built built

	program string        // that is run: with failpoints, unless it is said otherwise
	env     []string      // of every run
	timeout time.Duration // of every run, for its waiting
	http2   bool
	memory  *Memory

	mu     sync.Mutex
	runs   []*Run
	before []Object
}

var audits = struct {
	sync.Mutex
	byPath map[string]*Audit
}{byPath: map[string]*Audit{}}

// auditOf returns the one reader of a plane's audit log.
func auditOf(p *applytest.Plane) *Audit {
	audits.Lock()
	defer audits.Unlock()
	if audits.byPath[p.AuditLog()] == nil {
		audits.byPath[p.AuditLog()] = NewAudit(p.AuditLog())
	}
	return audits.byPath[p.AuditLog()]
}

// trial prepares trial i.
func (c *campaign) trial(t *testing.T, i int) *trial {
	t.Helper()
	plane := applytest.Start(t)
	b, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	x := &trial{
		campaign: c, t: t, i: i, rand: c.Rand(i), plane: plane, built: b, program: b.failpoints,
		stack: apply.Stack{Namespace: plane.Namespace(t), Name: stackName}, timeout: 60 * time.Second, memory: &Memory{},
	}
	x.http2 = x.rand.IntN(4) > 0
	x.makeDecoys()
	return x
}

// makeDecoys makes objects that look like the stack's and are not: without
// labels, of another stack, and with the labels of this one.
func (x *trial) makeDecoys() {
	x.t.Helper()
	for name, labels := range map[string]map[string]string{
		"decoy-plain":   nil,
		"decoy-other":   {apply.LabelStack: "other", apply.LabelNamespace: x.stack.Namespace, "app.kubernetes.io/managed-by": "stackctl"},
		"decoy-alike":   {apply.LabelStack: x.stack.Name, apply.LabelNamespace: x.stack.Namespace, "app.kubernetes.io/managed-by": "stackctl"},
		"stackctl.note": {"stackctl.dev/record": "note"},
	} {
		_, err := x.plane.Client().CoreV1().ConfigMaps(x.stack.Namespace).Create(x.t.Context(),
			&v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Data: map[string]string{"key": "decoy"}}, metav1.CreateOptions{})
		if err != nil {
			x.t.Fatal(err)
		}
	}
	x.before = x.decoys()
}

// decoys reads the decoys as they are.
func (x *trial) decoys() []Object {
	x.t.Helper()
	list, err := x.plane.Client().CoreV1().ConfigMaps(x.stack.Namespace).List(x.t.Context(), metav1.ListOptions{})
	if err != nil {
		x.t.Fatal(err)
	}
	var all []Object
	for i := range list.Items {
		if o := &list.Items[i]; strings.HasPrefix(o.Name, "decoy-") || o.Name == "stackctl.note" {
			all = append(all, Object{Key: keyOf("ConfigMap", o.Namespace, o.Name), UID: string(o.UID), ResourceVersion: o.ResourceVersion})
		}
	}
	return all
}

// start starts a run through a proxy of its own. The arguments are a verb and
// flags; v is what the files in its directory say.
func (x *trial) start(role string, v variant, env []string, troubles func(*Run) []*Trouble, args ...string) *Run {
	x.t.Helper()
	x.mu.Lock()
	n := len(x.runs)
	x.runs = append(x.runs, nil)
	x.mu.Unlock()
	dir, err := v.dir(x.t.TempDir(), fmt.Sprint("run-", n))
	if err != nil {
		x.t.Fatal(err)
	}
	proxy, err := NewProxy(x.plane.Config(), x.memory, x.http2)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(proxy.Close)
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := proxy.WriteKubeconfig(kubeconfig, x.stack.Namespace); err != nil {
		x.t.Fatal(err)
	}
	limit := x.timeout
	if !slices.Contains(args, "--lock-timeout") {
		args = append(args, "--lock-timeout", "60s")
		limit += 60 * time.Second
	}
	args = append(args, "-y", "-o", "json", "--timeout", x.timeout.String())
	c := command{
		program: x.program, dir: dir, proxy: proxy, role: role, args: args, timeout: limit,
		env: slices.Concat([]string{"KUBECONFIG=" + kubeconfig, "HOME=" + dir, "USER=" + role, "NO_COLOR=1"}, x.env, env),
	}
	// A trouble befalls a process that is not there yet when it is armed.
	r, ready := &Run{}, make(chan struct{})
	if troubles != nil {
		all := troubles(r)
		for _, t := range all {
			if do := t.Do; do != nil {
				t.Do = func(q *Request) { <-ready; do(q) }
			}
		}
		proxy.Disturb(all...)
	}
	if err := c.begin(r); err != nil {
		x.t.Fatal(err)
	}
	close(ready)
	x.mu.Lock()
	x.runs[n] = r
	x.mu.Unlock()
	return r
}

// wait waits for the end of a run.
func (x *trial) wait(r *Run) *Run {
	x.t.Helper()
	if err := r.Wait(auditOf(x.plane), r.Timeout+60*time.Second); err != nil {
		x.fail(x.i, "%v\n%s\n%s", err, indent(r.Stdout), indent(r.Stderr))
	}
	return r
}

// run runs the program undisturbed.
func (x *trial) run(role string, v variant, args ...string) *Run {
	x.t.Helper()
	return x.wait(x.start(role, v, nil, nil, args...))
}

// must is run for a run that a trial builds on.
func (x *trial) must(role string, v variant, args ...string) *Run {
	x.t.Helper()
	r := x.run(role, v, args...)
	if r.Exit != 0 {
		x.t.Fatalf("trial %d: %s\n%s\nagain: %s", x.i, r, indent(r.Stderr), x.again(x.i))
	}
	return r
}

// mend runs the same once more, which must succeed, and again, which must find
// nothing to do.
func (x *trial) mend(v variant, args ...string) {
	x.t.Helper()
	if r := x.run("mend", v, args...); r.Exit == 0 {
		x.run("idle", v, args...)
	}
}

// history gathers what there is to judge.
func (x *trial) history() *History {
	x.t.Helper()
	// The end of the test must not end the reading.
	state, err := ReadState(context.WithoutCancel(x.t.Context()), x.plane.Config(), x.stack)
	if err != nil {
		x.t.Fatal(err)
	}
	return &History{Stack: x.stack, Runs: x.runs, Before: x.before, After: x.decoys(), State: state}
}

// judge checks the history of the trial and reports what is wrong.
func (x *trial) judge(h *History) {
	x.t.Helper()
	violations := h.Check()
	if len(violations) == 0 {
		return
	}
	var b strings.Builder
	for _, v := range violations {
		fmt.Fprintf(&b, "\n  %s", v)
	}
	b.WriteString("\nruns:")
	for _, r := range h.Runs {
		fmt.Fprintf(&b, "\n  %s", r)
		if r.Stderr != "" && r.Exit != 0 {
			fmt.Fprintf(&b, "\n%s", indent(r.Stderr))
		}
	}
	for _, r := range h.State.Records {
		fmt.Fprintf(&b, "\n  revision %d: %s %s", r.Number, r.Status, r.Error)
	}
	x.fail(x.i, "%s", b.String())
}

// live returns the value that is live in a ConfigMap of the stack.
func (x *trial) live(name string) string {
	x.t.Helper()
	o, err := x.plane.Client().CoreV1().ConfigMaps(x.stack.Namespace).Get(x.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err.Error()
	}
	return o.Data["key"]
}
