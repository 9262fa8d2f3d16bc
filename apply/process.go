package apply

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// process identifies an operating system process, as far as it can be known.
type process struct {
	boot  string // identity of the running kernel and pid namespace; empty if unknown
	pid   int
	start string // start time of the process, in ticks since boot
}

// thisProcess returns the identity of the calling process.
func thisProcess() process {
	return process{boot: bootID(), pid: os.Getpid(), start: startOf(os.Getpid())}
}

// bootID names the running kernel together with the pid namespace, since two
// containers on one kernel do not see each other's processes. Both come from
// Linux's /proc; elsewhere it is empty, and a dead holder is found out by its
// silence alone.
func bootID() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	ns, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(boot)) + " " + ns
}

// startOf returns field 22 of /proc/PID/stat. What is left of a process that
// has ended and was not waited for starts "never"; nothing is returned where
// the file cannot be read.
func startOf(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The command in parentheses may itself hold spaces and parentheses.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	switch {
	case len(fields) < 20:
		return ""
	case fields[0] == "Z":
		return "never"
	}
	return fields[19]
}

// dead reports that the process is known to have ended: it ran on this kernel
// in this pid namespace, and its pid is free or was given to another process.
// A process that may not be looked at is alive.
func (p process) dead() bool {
	if p.boot == "" || p.boot != bootID() || p.start == "" {
		return false
	}
	if start := startOf(p.pid); start != "" {
		return start != p.start
	}
	target, err := os.FindProcess(p.pid)
	if err != nil {
		return false
	}
	return errors.Is(target.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
