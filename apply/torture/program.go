package torture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"stackctl.dev/stackctl/apply"
)

// built are the programs under test: stackctl as it is released, and one with
// failpoints, which also lets tests shorten the times of the lock.
type built struct{ plain, failpoints string }

// programs builds them once, into a directory that [cleanup] removes.
var programs = sync.OnceValues(func() (built, error) {
	dir, err := os.MkdirTemp("", "stackctl-torture-")
	if err != nil {
		return built{}, err
	}
	workDir = dir
	b := built{filepath.Join(dir, "stackctl"), filepath.Join(dir, "stackctl-failpoints")}
	_, file, _, _ := runtime.Caller(0)
	for path, tags := range map[string]string{b.plain: "", b.failpoints: "failpoints"} {
		cmd := exec.Command("go", "build", "-tags", tags, "-o", path, "./cmd/stackctl")
		cmd.Dir = filepath.Join(filepath.Dir(file), "..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			return built{}, fmt.Errorf("build stackctl: %w\n%s", err, out)
		}
	}
	return b, nil
})

var workDir string

// cleanup removes what was built.
func cleanup() {
	if workDir != "" {
		_ = os.RemoveAll(workDir)
	}
}

// Run is one run of the program, from its start to its end.
type Run struct {
	// Role says what the run is in its trial: "base", "victim", "mend" (the
	// next apply after a disturbance), "idle" (the one after that), "rival".
	Role string
	Args []string
	// ID is the one in its User-Agent; empty if it never sent a request.
	ID      string
	Timeout time.Duration // that it was given for all its waiting; 0: unknown
	Began   time.Time
	Ended   time.Time
	// Exit is the exit code; -1 when a signal ended it.
	Exit   int
	Signal syscall.Signal // that ended it, or that it was sent; 0: none
	Killed bool           // by SIGKILL
	Stdout string
	Stderr string
	// Result is what it printed with -o json; nil when it printed nothing.
	Result *apply.Result
	Events []Event
	// Disturbed says that answers were falsified: what the run believes to
	// have seen need not be what happened.
	Disturbed bool

	Proxy *Proxy `json:"-"`

	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	ended          chan struct{}
}

// command is what is to be run.
type command struct {
	program string
	dir     string
	env     []string
	proxy   *Proxy
	role    string
	args    []string
	timeout time.Duration
}

// begin starts a run.
func (c command) begin(r *Run) error {
	r.Role, r.Args, r.Timeout, r.Proxy, r.ended = c.role, c.args, c.timeout, c.proxy, make(chan struct{})
	r.cmd = exec.Command(c.program, c.args...)
	r.cmd.Dir = c.dir
	r.cmd.Env = append(os.Environ(), c.env...)
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	r.Began = time.Now()
	if err := r.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = r.cmd.Wait()
		r.Ended = time.Now()
		close(r.ended)
	}()
	return nil
}

// Send sends the process a signal.
func (r *Run) Send(s syscall.Signal) {
	if r.cmd.Process.Signal(s) != nil {
		return // it has ended
	}
	switch s {
	case syscall.SIGSTOP, syscall.SIGCONT:
	case syscall.SIGKILL:
		r.Killed, r.Signal = true, s
		<-r.ended // nothing is done any more
	default:
		r.Signal = s
	}
}

// Wait waits for the end of the process, no longer than limit, and reads what
// it left. A process that does not end is killed, and that is an error.
func (r *Run) Wait(audit *Audit, limit time.Duration) error {
	var late error
	select {
	case <-r.ended:
	case <-time.After(limit):
		_ = r.cmd.Process.Signal(syscall.SIGQUIT) // tells where it hangs
		select {
		case <-r.ended:
		case <-time.After(5 * time.Second):
			_ = r.cmd.Process.Kill()
			<-r.ended
		}
		late = fmt.Errorf("stackctl %s did not end within %s", strings.Join(r.Args, " "), limit)
	}
	state := r.cmd.ProcessState
	r.Exit = state.ExitCode()
	r.Stdout, r.Stderr = r.stdout.String(), r.stderr.String()
	var result apply.Result
	if json.Unmarshal([]byte(r.Stdout), &result) == nil {
		r.Result = &result
	}
	if r.Proxy != nil {
		r.Proxy.Settle()
		r.ID = r.Proxy.Run()
	}
	events, err := audit.Take(r.ID)
	r.Events = events
	return errors.Join(late, err)
}

var runOfAgent = regexp.MustCompile(`^stackctl/\S+ run=([A-Z0-9]+)$`)

// String describes the run for a report.
func (r *Run) String() string {
	end := fmt.Sprintf("exit %d", r.Exit)
	if r.Killed {
		end = "killed"
	}
	return fmt.Sprintf("%s: stackctl %s: %s after %s", r.Role, strings.Join(r.Args, " "), end, r.Ended.Sub(r.Began).Round(time.Millisecond))
}
