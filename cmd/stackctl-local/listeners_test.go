package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/plane"
)

// checkListeners reads from /proc where each process listens.
func checkListeners(t *testing.T, processes []plane.Process) {
	t.Helper()
	listening := map[string]string{} // socket inode to local address, as /proc writes it
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"} {
		for inode, address := range sockets(t, table) {
			listening[inode] = address
		}
	}
	found := 0
	for _, process := range processes {
		descriptors, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", process.PID))
		if err != nil {
			t.Fatal(err)
		}
		for _, descriptor := range descriptors {
			target, _ := os.Readlink(descriptor) // it may be closed by now
			inode, ok := strings.CutPrefix(target, "socket:[")
			address, listens := listening[strings.TrimSuffix(inode, "]")]
			if !ok || !listens {
				continue
			}
			found++
			const loopback4, loopback6 = "0100007F:", "00000000000000000000000001000000:"
			if !strings.HasPrefix(address, loopback4) && !strings.HasPrefix(address, loopback6) {
				t.Errorf("pid %d listens on %s, which is not loopback", process.PID, address)
			}
		}
	}
	if want := 4; found != want { // API, etcd's two, logs
		t.Errorf("found %d listeners, want %d: does this test still see them?", found, want)
	}
}

// sockets reads one table of /proc/net: TCP sockets that listen, and UDP
// sockets without a peer.
func sockets(t *testing.T, table string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(table)
	if os.IsNotExist(err) {
		return nil // no IPv6
	}
	if err != nil {
		t.Fatal(err)
	}
	const listen, unconnected = "0A", "07"
	found := map[string]string{}
	for _, line := range strings.Split(string(text), "\n")[1:] {
		fields := strings.Fields(line)
		if len(fields) < 10 {
			continue
		}
		if state := fields[3]; state == listen || (state == unconnected && strings.Contains(table, "udp")) {
			found[fields[9]] = fields[1]
		}
	}
	return found
}
