package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/component-base/version"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/plane"
)

// planeFlags are what up and run share: up hands them on.
type planeFlags struct {
	dirFlag
	nodes    int
	apiOnly  bool
	auditLog bool
	timeout  time.Duration
}

func (f *planeFlags) set(cmd *cobra.Command) {
	f.dirFlag.set(cmd)
	cmd.Flags().IntVar(&f.nodes, "nodes", 2, "how many nodes to play")
	cmd.Flags().BoolVar(&f.apiOnly, "api-only", false, "run etcd and the API server only: objects are accepted, and nothing becomes of them")
	cmd.Flags().BoolVar(&f.auditLog, "audit-log", false, "write every request to audit.log in the directory, one JSON object a line")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 2*time.Minute, "how long the start may take")
}

func (f *planeFlags) check() error {
	if f.nodes < 1 || f.nodes > 100 {
		return usageError{fmt.Errorf("--nodes: want 1 to 100, got %d", f.nodes)}
	}
	if f.timeout <= 0 {
		return usageError{fmt.Errorf("--timeout: want more than 0, got %v", f.timeout)}
	}
	if v := version.Get().GitVersion; strings.HasPrefix(v, "v0.0.0") {
		return fmt.Errorf("this binary does not know its Kubernetes release (it says %s), and clients would refuse it: build it with make local", v)
	}
	return nil
}

type runOptions struct {
	planeFlags
	untilEOF bool
	detached bool
}

func newRun(s *streams) *cobra.Command {
	o := &runOptions{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "run a control plane in the foreground",
		Long: `run starts a control plane and stays until it is interrupted. When the plane is
up, it prints the line that points KUBECONFIG at it.`,
		Example: `  stackctl-local run --dir ./plane

  # in a test: the plane ends with the test, however the test ends
  stackctl-local run --dir "$TMP/plane" --until-eof < pipe`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRun(cmd.Context(), s, o) },
	}
	o.set(cmd)
	cmd.Flags().BoolVar(&o.untilEOF, "until-eof", false, "end when standard input ends, too")
	cmd.Flags().BoolVar(&o.detached, "detached", false, "report on file descriptor 3, log to a file")
	_ = cmd.Flags().MarkHidden("detached") // it exists
	return cmd
}

func runRun(ctx context.Context, s *streams, o *runOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	d, err := o.open()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if o.untilEOF {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		go func() {
			_, _ = io.Copy(io.Discard, s.in) // an error ends it as well
			cancel()
		}()
	}

	report := s.err
	options := plane.Options{
		Dir: d, Nodes: o.nodes, APIOnly: o.apiOnly, AuditLog: o.auditLog, Timeout: o.timeout,
		Progress: func(line string) { fmt.Fprintln(report, line) },
		Claimed:  func() error { return nil },
		Ready:    func() error { _, err := fmt.Fprintln(s.out, exportLine(d)); return err },
	}
	if o.detached {
		// Up reads the pipe until it ends, so the components must not hold it
		// open. Closing it says: look at the state.
		syscall.CloseOnExec(3)
		pipe := os.NewFile(3, "report")
		report = pipe
		options.Claimed = d.LogToFile
		options.Ready = func() error { report = s.err; return pipe.Close() }
	}
	if err := plane.Run(ctx, options); err != nil {
		fmt.Fprintf(report, "stackctl-local: %v\n", err)
		return exitCode(1)
	}
	return nil
}

// exportLine is the product of up and run: a line for a shell.
func exportLine(d *plane.Dir) string { return "export KUBECONFIG=" + quote(d.Kubeconfig()) }

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`)

// quote makes a word a shell reads as one.
func quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
