package apply

import (
	"bytes"
	"os"
	"strconv"
	"strings"
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

// startOf returns field 22 of /proc/PID/stat, empty when there is no such
// process or only what is left of one.
func startOf(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The command in parentheses may itself hold spaces and parentheses.
	_, rest, ok := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	fields := strings.Fields(rest)
	if ok && len(fields) > 19 && fields[0] != "Z" { // Z: ended, not yet waited for
		return fields[19]
	}
	return ""
}

// dead reports that the process is known to have ended: it ran on this kernel
// in this pid namespace, and no process with its pid and start time is left.
func (p process) dead() bool {
	if p.boot == "" || p.boot != bootID() || p.start == "" {
		return false
	}
	return startOf(p.pid) != p.start
}
