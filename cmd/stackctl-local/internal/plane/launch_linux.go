package plane

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// launcher starts children that die with us, even when we are killed: the
// kernel sends them SIGKILL. It sends that when the *thread* that started them
// ends, so one goroutine keeps its thread for itself and starts them all.
type launcher chan func()

func newLauncher() launcher {
	l := make(launcher)
	go func() {
		runtime.LockOSThread()
		for start := range l {
			start()
		}
	}()
	return l
}

// close ends the thread, and with it what still runs.
func (l launcher) close() { close(l) }

func (l launcher) start(command *exec.Cmd) error {
	command.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		// A group of its own: Ctrl-C in a terminal goes to the supervisor
		// alone, which then ends the children in its order.
		Setpgid: true,
	}
	result := make(chan error, 1)
	l <- func() { result <- command.Start() }
	return <-result
}

// child is one running component.
type child struct {
	Name string
	Process
	log   string
	ended chan struct{} // closed when it has ended
	err   error         // why, readable once ended is closed
}

// launch starts a component: this same binary under another name.
func (l launcher) launch(d *Dir, name string, args []string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{Name: name, log: d.log(name), ended: make(chan struct{})}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()

	command := exec.Command(self)
	command.Args = append([]string{"stackctl-local: " + name, "component", name}, args...)
	command.Stdout, command.Stderr = log, log
	command.Dir = d.path
	// Nothing of the caller's environment but the path: no proxies, no
	// KUBECONFIG, no home with somebody's configuration in it.
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + d.home(),
		"TMPDIR=" + d.home(),
		"KWOK_WORKDIR=" + filepath.Join(d.home(), "kwok"),
	}
	if err := l.start(command); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// The child cannot be reaped before Wait below, so its pid is still its own.
	if c.Process, err = identify(command.Process.Pid); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		c.err = command.Wait()
		close(c.ended)
	}()
	return c, nil
}

// stop kills the component and waits until it is gone. There is nothing to
// save: the data dies with the plane.
func (c *child) stop() {
	select {
	case <-c.ended:
	default:
		_ = c.Signal(syscall.SIGKILL)
		<-c.ended
	}
}
