package plane

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// Process names a process beyond doubt: a pid alone may by now belong to
// someone else, a pid with its start time may not.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot
}

// identify returns the identity of a running process.
func identify(pid int) (Process, error) {
	start, _, err := stat(pid)
	return Process{PID: pid, Start: start}, err
}

// Alive reports whether this very process still runs. A zombie does not.
func (p Process) Alive() bool {
	start, state, err := stat(p.PID)
	return err == nil && start == p.Start && state != 'Z' && state != 'X'
}

// Signal sends a signal to this very process, and nothing to a stranger that
// has inherited its pid.
func (p Process) Signal(signal syscall.Signal) error {
	if !p.Alive() {
		return os.ErrProcessDone
	}
	return syscall.Kill(p.PID, signal)
}

// stat reads start time and state from /proc. The second field is the name in
// parentheses and may itself contain any character, so we read from the last
// parenthesis on.
func stat(pid int) (start uint64, state byte, err error) {
	if pid <= 0 {
		return 0, 0, errors.New("no process")
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const startField = 22 - 3 // proc_pid_stat(5) counts from 1, and we begin at field 3
	if len(fields) <= startField {
		return 0, 0, fmt.Errorf("unexpected content of /proc/%d/stat", pid)
	}
	start, err = strconv.ParseUint(string(fields[startField]), 10, 64)
	return start, fields[0][0], err
}
