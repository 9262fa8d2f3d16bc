package plane

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Dir is the directory of one plane. Everything in it can be made again.
//
// It is ours when it holds a state file, and only then is anything in it
// removed, and of that only the names below: a file somebody put beside them
// stays. While a plane runs, its supervisor holds a lock on the directory
// itself, which the kernel takes away when the supervisor ends in any way.
type Dir struct {
	path string
	lock *os.File
}

const (
	stateFile      = "state.json"
	kubeconfigFile = "kubeconfig"
	auditFile      = "audit.log"
	logsDir        = "logs"
)

// owned are all names we ever make in the directory. The state file comes
// last: until it is gone, the rest can still be recognised as ours.
var owned = []string{kubeconfigFile, auditFile, "pki", "etcd", "etc", "home", "cache", logsDir, stateFile + ".new", stateFile}

// State is what a supervisor tells about itself.
type State struct {
	Supervisor Process     `json:"supervisor"`
	Server     string      `json:"server,omitempty"`
	Ready      bool        `json:"ready"`
	Components []Component `json:"components,omitempty"`
}

// Component is one process of a plane.
type Component struct {
	Name string `json:"name"`
	Process
}

// DefaultDir is where a plane lives when nobody says otherwise.
func DefaultDir() (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) { // the XDG rules say to ignore a relative one
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no default directory: %w; say --dir", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "stackctl-local"), nil
}

// Open names a directory. It does not touch the disk.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	return &Dir{path: path}, err
}

func (d *Dir) file(elements ...string) string {
	return filepath.Join(append([]string{d.path}, elements...)...)
}

// Path returns the directory itself.
func (d *Dir) Path() string { return d.path }

// Kubeconfig returns the path of the administrator's kubeconfig.
func (d *Dir) Kubeconfig() string { return d.file(kubeconfigFile) }

// AuditLog returns the path of the audit log.
func (d *Dir) AuditLog() string { return d.file(auditFile) }

func (d *Dir) home() string           { return d.file("home") }
func (d *Dir) pki(name string) string { return d.file("pki", name) }
func (d *Dir) log(name string) string { return d.file(logsDir, name+".log") }

// errBusy says that another supervisor holds the directory.
var errBusy = errors.New("already up")

// claim takes the directory for a new plane: makes it, locks it, checks that it
// is ours, and clears what an earlier plane left.
func (d *Dir) claim() error {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	if err := d.tryLock(); err != nil {
		return err
	}
	ours, err := d.ours()
	if err == nil && !ours {
		err = fmt.Errorf("%s is not empty and was not made by stackctl-local: choose another --dir", d.path)
	}
	if err == nil {
		err = d.clear()
	}
	if err == nil {
		err = d.writeState(State{Supervisor: self()})
	}
	for _, name := range []string{"pki", "etc", "home", logsDir} {
		if err == nil {
			err = os.Mkdir(d.file(name), 0o700)
		}
	}
	if err != nil {
		d.unlock()
	}
	return err
}

// ours reports whether the directory is empty or marked as ours.
func (d *Dir) ours() (bool, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		if entry.Name() == stateFile {
			return true, nil
		}
	}
	return len(entries) == 0, nil
}

// tryLock locks the directory or returns errBusy. Between opening and locking,
// a plane that ends may have removed the directory: what we hold then is a
// nameless one, so we look again.
func (d *Dir) tryLock() error {
	handle, err := os.Open(d.path)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(handle.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		handle.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return errBusy
		}
		return fmt.Errorf("lock %s: %w", d.path, err)
	}
	held, err := handle.Stat()
	if err != nil {
		handle.Close()
		return err
	}
	named, err := os.Stat(d.path)
	if err != nil || !os.SameFile(held, named) {
		handle.Close()
		return errBusy
	}
	d.lock = handle
	return nil
}

func (d *Dir) unlock() {
	if d.lock != nil {
		d.lock.Close()
		d.lock = nil
	}
}

// clear removes what we made, except the names in keep.
func (d *Dir) clear(keep ...string) error {
	for _, name := range owned {
		if slices.Contains(keep, name) {
			continue
		}
		if err := os.RemoveAll(d.file(name)); err != nil {
			return err
		}
	}
	return nil
}

// remove clears the directory and removes it too when nothing else is in it.
func (d *Dir) remove() error {
	if err := d.clear(); err != nil {
		return err
	}
	err := os.Remove(d.path)
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// State reads the state file; ok is false when there is none.
func (d *Dir) State() (state State, ok bool, err error) {
	text, err := os.ReadFile(d.file(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, false, nil
	}
	if err != nil {
		return State{}, false, err
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return State{}, false, fmt.Errorf("%s: %w", d.file(stateFile), err)
	}
	return state, true, nil
}

// writeState replaces the state file in one step: others read it meanwhile.
func (d *Dir) writeState(state State) error {
	text, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	next := d.file(stateFile + ".new")
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(next, d.file(stateFile))
}

func self() Process {
	process, _ := identify(os.Getpid()) // /proc/self is always there
	return process
}

// await calls done until it is true or the time is over.
func await(limit time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return done()
}

// Cache is a place clients of the plane may use; it goes with the plane.
func (d *Dir) Cache() string { return d.file("cache") }

// LogToFile makes standard error of this process a file in the directory. It
// replaces the descriptor itself, so that a panic is recorded too.
func (d *Dir) LogToFile() error {
	log, err := os.OpenFile(d.log("supervisor"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	return syscall.Dup3(int(log.Fd()), 2, syscall.O_CLOEXEC)
}
