package plane

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// Status is what Look found.
type Status struct {
	State
	Known bool // there is a plane here, or what is left of one
	Alive bool // its supervisor runs
	Up    bool // it has proven itself, and all of it still runs
}

// Look tells how a plane is, without touching it.
func (d *Dir) Look() (Status, error) {
	state, known, err := d.State()
	if err != nil || !known {
		return Status{}, err
	}
	status := Status{State: state, Known: true, Alive: state.Supervisor.Alive()}
	status.Up = status.Alive && state.Ready
	for _, c := range state.Components {
		status.Up = status.Up && c.Alive()
	}
	return status, nil
}

// Await waits while a plane that somebody else is starting is not ready yet.
func (d *Dir) Await(limit time.Duration) (status Status, err error) {
	await(limit, func() bool {
		status, err = d.Look()
		return err != nil || status.Up || !status.Alive
	})
	return status, err
}

// How long a supervisor may take to end by itself, and how long the kernel may
// take to end what a killed supervisor leaves.
const (
	graceTime  = 15 * time.Second
	orphanTime = 5 * time.Second
)

// Stop ends a plane and removes what it made. It reports whether there was one.
func (d *Dir) Stop() (bool, error) {
	state, known, err := d.State()
	if err != nil || !known {
		return false, err
	}
	if err := end(state.Supervisor); err != nil {
		return true, err
	}
	for _, c := range state.Components {
		if !await(orphanTime, func() bool { return !c.Alive() }) {
			if err := c.Signal(syscall.SIGKILL); err != nil {
				return true, fmt.Errorf("%s (pid %d): %w", c.Name, c.PID, err)
			}
		}
	}
	err = d.tryLock()
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // the supervisor has removed everything
	}
	if err != nil {
		return true, err
	}
	defer d.unlock()
	return true, d.remove()
}

func end(supervisor Process) error {
	if err := supervisor.Signal(syscall.SIGTERM); err != nil {
		return nil // it ended before
	}
	gone := func() bool { return !supervisor.Alive() }
	if await(graceTime, gone) {
		return nil
	}
	_ = supervisor.Signal(syscall.SIGKILL)
	if !await(orphanTime, gone) {
		return fmt.Errorf("the supervisor (pid %d) does not end", supervisor.PID)
	}
	return nil
}
