package plane

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClaimRefusesWhatIsNotOurs(t *testing.T) {
	d := testDir(t)
	stranger := filepath.Join(d.path, "thesis.txt")
	write(t, stranger)
	err := d.claim()
	if err == nil || !strings.Contains(err.Error(), "was not made by stackctl-local") {
		t.Errorf("claiming somebody's directory: got %v", err)
	}
	if was, err := d.Stop(); was || err != nil {
		t.Errorf("stopping there: got %v, %v", was, err)
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Error(err)
	}
}

func TestClaimIsExclusive(t *testing.T) {
	d := testDir(t)
	if err := d.claim(); err != nil {
		t.Fatal(err)
	}
	other := &Dir{path: d.path}
	if err := other.claim(); !errors.Is(err, errBusy) {
		t.Errorf("a second claim: got %v, want that it is busy", err)
	}
	d.unlock()
	if err := other.claim(); err != nil {
		t.Errorf("a claim after the first is over: %v", err)
	}
	other.unlock()
}

func TestRemoveLeavesOnlyStrangers(t *testing.T) {
	d := testDir(t)
	if err := d.claim(); err != nil {
		t.Fatal(err)
	}
	defer d.unlock()
	if err := d.writeSecrets(); err != nil {
		t.Fatal(err)
	}
	if err := d.writeConfig("https://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	stranger := filepath.Join(d.path, "notes")
	write(t, stranger)
	if err := d.remove(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(d.path); err != nil || len(entries) != 1 || entries[0].Name() != "notes" {
		t.Errorf("left are %v (%v), want the notes alone", entries, err)
	}
	if err := os.Remove(stranger); err != nil {
		t.Fatal(err)
	}
	if err := d.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty directory is still there: %v", err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	d := testDir(t)
	d.path = filepath.Join(d.path, "new")
	if err := d.claim(); err != nil {
		t.Fatal(err)
	}
	defer d.unlock()
	if err := d.writeSecrets(); err != nil {
		t.Fatal(err)
	}
	if err := d.writeConfig("https://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(d.path, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v: others may look", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStopClearsWhatAKilledSupervisorLeft(t *testing.T) {
	d := testDir(t)
	if err := d.claim(); err != nil {
		t.Fatal(err)
	}
	gone := Process{PID: os.Getpid(), Start: 1} // our pid, another process
	state := State{Supervisor: gone, Ready: true, Components: []Component{{Name: "etcd", Process: gone}}}
	if err := d.writeState(state); err != nil {
		t.Fatal(err)
	}
	d.unlock()
	if status, err := d.Look(); err != nil || status.Up || !status.Known {
		t.Errorf("look says %+v, %v", status, err)
	}
	if was, err := d.Stop(); !was || err != nil {
		t.Errorf("stop says %v, %v", was, err)
	}
	if _, err := os.Stat(d.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	for state, want := range map[string]string{
		"":         "/home/ann/.local/state/stackctl-local",
		"relative": "/home/ann/.local/state/stackctl-local",
		"/state":   "/state/stackctl-local",
	} {
		t.Setenv("XDG_STATE_HOME", state)
		if got, err := DefaultDir(); err != nil || got != want {
			t.Errorf("XDG_STATE_HOME=%q: got %q (%v), want %q", state, got, err, want)
		}
	}
}

func testDir(t *testing.T) *Dir {
	t.Helper()
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
}
