package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

// env is the world outside of a command: what it reads, writes and asks.
type env struct {
	args   []string // the command line as typed, the program first
	getenv func(string) string
	now    func() time.Time

	stdin    io.Reader
	stdinTTY bool
	stdout   *output
	stderr   *output
	size     func() (width, height int) // of the terminal behind stderr

	command  string                      // what hints repeat with other flags; empty: the one typed
	input    []byte                      // what was read from stdin for -f -
	log      *ui.Log                     // instead of text on stderr; nil for text
	progress atomic.Pointer[ui.Progress] // of the run in progress
	signal   atomic.Int32                // that ended the context, 0 if none
}

// newEnv returns the world of this process.
func newEnv() *env {
	return &env{
		args: os.Args, getenv: os.Getenv, now: time.Now,
		stdin: os.Stdin, stdinTTY: term.IsTerminal(int(os.Stdin.Fd())),
		stdout: newOutput(os.Stdout), stderr: newOutput(os.Stderr),
		size: func() (int, int) {
			width, height, err := term.GetSize(int(os.Stderr.Fd()))
			if err != nil || width <= 0 || height <= 0 {
				return 80, 24
			}
			return width, height
		},
	}
}

// output is a stream to write to. A reader that went away, or a full disk,
// must not stop a run that is changing a cluster: the first error is kept for
// the exit code and everything after it is thrown away.
type output struct {
	mu  sync.Mutex
	w   io.Writer
	tty bool
	err error

	width func() int // of the terminal; nil when there is none
}

func newOutput(f *os.File) *output {
	o := &output{w: f, tty: term.IsTerminal(int(f.Fd()))}
	if o.tty {
		o.width = func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 0
			}
			return width
		}
	}
	return o
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		_, o.err = o.w.Write(b)
	}
	return len(b), nil
}

// lost returns why output was lost. A reader that had enough is no error: it
// got what it wanted.
func (o *output) lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if errors.Is(o.err, syscall.EPIPE) {
		return nil
	}
	return o.err
}

// options say how to write to a stream.
func (e *env) options(o *output) ui.Options {
	options := ui.Options{Color: e.color(o), Now: e.now()}
	if o.width != nil {
		options.Width = o.width()
	}
	return options
}

// color honours NO_COLOR (no-color.org) and TERM=dumb, on terminals only.
func (e *env) color(o *output) bool {
	return o.tty && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}

// live reports whether lines on stderr can be redrawn.
func (e *env) live() bool { return e.stderr.tty && e.getenv("TERM") != "dumb" }

// interactive reports whether there is a person to ask.
func (e *env) interactive() bool { return e.stdinTTY && e.stderr.tty }

// startLog makes stderr a log for machines, if the command has a flag that says
// so.
func (e *env) startLog(c *cobra.Command) {
	if format := c.Flags().Lookup("log-format"); format == nil || format.Value.String() != "json" || e.log != nil {
		return
	}
	e.stderr.mu.Lock()
	defer e.stderr.mu.Unlock()
	e.log = ui.NewLog(e.stderr.w, e.now)
	e.stderr.w, e.stderr.tty = e.log, false // nobody reads questions
}

// note writes a line about the run to stderr.
func (e *env) note(line string) {
	if p := e.progress.Load(); p != nil {
		p.Note(line)
		return
	}
	fmt.Fprintln(e.stderr, ui.Clean(line))
}

// maxInput bounds what is read from stdin; the loader has a lower limit of its
// own, with an error that says so.
const maxInput = 64 << 20

// readInput returns all of stdin, which may be asked for more than once.
func (e *env) readInput() (io.Reader, error) {
	if e.input == nil {
		text, err := io.ReadAll(io.LimitReader(e.stdin, maxInput))
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		e.input = append([]byte{}, text...)
	}
	return bytes.NewReader(e.input), nil
}

// confirm asks a person a question; only yes is yes.
func (e *env) confirm(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(e.stderr, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // a read of a terminal cannot be interrupted
		line, _ := bufio.NewReader(e.stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(e.stderr)
		return false, &apply.InterruptedError{Err: ctx.Err()}
	case line := <-answer:
		return line == "y" || line == "yes", nil
	}
}

// interruptible returns a context that ends with the first SIGINT or SIGTERM.
// The second one ends the process at once: nothing has to be restored, since
// the terminal is never put into another mode.
func (e *env) interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGPIPE) // a write then fails, and output decides
	go func() {
		e.signal.Store(number(<-signals))
		if e.progress.Load() != nil {
			e.note("interrupted: finishing what is in flight; once more stops at once")
		}
		cancel()
		os.Exit(128 + int(number(<-signals)))
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel()
	}
}

func number(s os.Signal) int32 {
	if n, ok := s.(syscall.Signal); ok {
		return int32(n)
	}
	return int32(syscall.SIGINT)
}
