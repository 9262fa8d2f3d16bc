package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/plane"
)

func newUp(s *streams) *cobra.Command {
	f := &planeFlags{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "start a control plane in the background",
		Long: `up starts a control plane in the background and waits until a Deployment has
become ready on it. It prints the line that points KUBECONFIG at it; progress
goes to standard error. A plane that is up already is left as it is.`,
		Example: `  eval "$(stackctl-local up)"
  stackctl-local up --dir ./plane --nodes 3 --audit-log`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUp(cmd.Context(), s, f) },
	}
	f.set(cmd)
	return cmd
}

func runUp(ctx context.Context, s *streams, f *planeFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	d, err := f.open()
	if err != nil {
		return err
	}
	status, err := d.Look()
	if err != nil {
		return err
	}
	if status.Alive && !status.Up {
		fmt.Fprintf(s.err, "somebody else is starting it in %s: waiting\n", d.Path())
		if status, err = d.Await(f.timeout); err != nil {
			return err
		}
	}
	if status.Up {
		fmt.Fprintf(s.err, "already up in %s (pid %d)\n", d.Path(), status.Supervisor.PID)
	} else if err := startSupervisor(ctx, s, f, d); err != nil {
		return err
	}
	fmt.Fprintln(s.out, exportLine(d))
	return nil
}

// startSupervisor starts this binary once more, away from the terminal, and
// shows what it reports until it closes the pipe: then it is up or has failed.
func startSupervisor(ctx context.Context, s *streams, f *planeFlags, d *plane.Dir) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	args := []string{"run", "--detached", "--dir", d.Path(), fmt.Sprintf("--nodes=%d", f.nodes),
		fmt.Sprintf("--api-only=%v", f.apiOnly), fmt.Sprintf("--audit-log=%v", f.auditLog), fmt.Sprintf("--timeout=%v", f.timeout)}
	command := exec.Command(self, args...)
	command.Args[0] = "stackctl-local"
	command.Dir = "/" // not to hold the caller's directory
	command.ExtraFiles = []*os.File{writer}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = command.Start()
	writer.Close() // the child has its own
	if err != nil {
		return err
	}

	// Interrupting up interrupts the start, and leaves nothing.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	forward := context.AfterFunc(ctx, func() { _ = command.Process.Signal(syscall.SIGTERM) })
	defer forward()

	if _, err := io.Copy(s.err, reader); err != nil {
		return err
	}
	status, err := d.Look()
	if err != nil {
		return err
	}
	if status.Up && ctx.Err() == nil {
		return command.Process.Release()
	}
	_ = command.Wait() // it has said why
	return exitCode(1)
}
