// Package plane runs a local Kubernetes control plane: it owns its directory,
// starts its processes, proves that it works, and ends it without a trace.
//
// It promises that a plane is up only when a Deployment has become ready on it,
// or of one without controllers when the API server says so, that a supervisor
// that ends, in whatever way, takes every process along, and that nothing
// listens beyond 127.0.0.1 or answers without a certificate. It does not promise
// that data survives, and it is no boundary against other processes of the same
// user.
package plane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// Options say how to run a plane. Dir is required.
type Options struct {
	Dir      *Dir
	Nodes    int
	APIOnly  bool // neither controllers nor nodes
	AuditLog bool
	Timeout  time.Duration // how long a start may take
	Progress func(line string)
	Claimed  func() error // called when the directory is ours, before anything starts
	Ready    func() error // called when the plane has proven itself
}

// attempts bounds how often a start is tried when somebody else takes a port
// between our looking for it and a component's opening it.
const attempts = 3

// Run runs a plane until ctx ends, which is no error, or until something of it
// fails. It removes what it made, but leaves the logs when something failed.
func Run(ctx context.Context, o Options) (err error) {
	d := o.Dir
	if err := d.claim(); errors.Is(err, errBusy) {
		return fmt.Errorf("%w in %s: run stackctl-local down, or choose another --dir", err, d.path)
	} else if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.clear(logsDir, stateFile))
		} else {
			err = d.remove()
		}
		d.unlock()
	}()
	if err := o.Claimed(); err != nil {
		return err
	}
	if err := d.writeSecrets(); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := runOnce(ctx, o)
		if attempt < attempts && portTaken(err) {
			o.Progress("a port was taken by somebody else: trying others")
			if err := os.RemoveAll(d.file("etcd")); err != nil {
				return err
			}
			continue
		}
		return err
	}
}

// runOnce starts everything on one set of ports and stays until it ends.
func runOnce(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	logs, err := net.Listen("tcp4", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return err
	}
	defer logs.Close()
	p, err := pickPorts()
	if err != nil {
		return err
	}
	if err := o.Dir.writeConfig(p.server()); err != nil {
		return err
	}
	g := &group{dir: o.Dir, launcher: newLauncher(), failed: make(chan error, 16)}
	defer g.stop()

	begin := time.Now()
	started := make(chan error, 1)
	startContext, cancelStart := context.WithTimeout(ctx, o.Timeout)
	defer cancelStart()
	go func() { started <- start(startContext, ctx, o, p, g, logs) }()

	select {
	case err := <-g.failed:
		cancelStart()
		<-started // it may be about to add another component
		return err
	case err := <-started:
		if ctx.Err() != nil {
			return nil // asked to end while starting
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("not ready after %v: %w\n  logs: %s", o.Timeout, err, o.Dir.file(logsDir))
		}
		if err != nil {
			return err
		}
	}

	o.Progress(fmt.Sprintf("up in %.1fs", time.Since(begin).Seconds()))
	if err := o.Dir.writeState(g.state(p, true)); err != nil {
		return err
	}
	if err := o.Ready(); err != nil {
		return err
	}
	select {
	case err := <-g.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// group is the running components.
type group struct {
	dir      *Dir
	launcher launcher
	children []*child
	failed   chan error // the first component that ends by itself
}

// add starts a component and watches it.
func (g *group) add(name string, arguments []string) error {
	c, err := g.launcher.launch(g.dir, name, arguments)
	if err != nil {
		return err
	}
	g.children = append(g.children, c)
	go func() {
		<-c.ended
		g.failed <- &ComponentError{Name: c.Name, Log: c.log, Tail: lastLines(c.log, 10), Err: c.err}
	}()
	return nil
}

// stop ends all components, the last started first, and waits for each.
func (g *group) stop() {
	for _, c := range slices.Backward(g.children) {
		c.stop()
	}
	g.launcher.close()
}

func (g *group) state(p ports, ready bool) State {
	state := State{Supervisor: self(), Server: p.server(), Ready: ready}
	for _, c := range g.children {
		state.Components = append(state.Components, Component{Name: c.Name, Process: c.Process})
	}
	return state
}

// ComponentError says that a component ended though nobody asked it to.
type ComponentError struct {
	Name string
	Log  string   // path of its log
	Tail []string // the end of that log
	Err  error    // its exit status; nil when that was 0
}

func (e *ComponentError) Unwrap() error { return e.Err }

func (e *ComponentError) Error() string {
	why := "exit status 0"
	if e.Err != nil {
		why = e.Err.Error()
	}
	text := fmt.Sprintf("%s ended: %s\n  log: %s", e.Name, why, e.Log)
	for _, line := range e.Tail {
		text += "\n  | " + line
	}
	return text
}

// portTaken reports whether a component ended because of its port.
func portTaken(err error) bool {
	var failed *ComponentError
	return errors.As(err, &failed) && slices.ContainsFunc(failed.Tail, func(line string) bool {
		return strings.Contains(line, "address already in use")
	})
}

// lastLines returns the end of a log. A log that cannot be read is an empty
// one: this is for an error message that has more to say.
func lastLines(path string, count int) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[max(0, len(lines)-count):]
}
