package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/schema"
)

// groups are the headings of the overview, in its order.
var groups = []*cobra.Group{
	{ID: "start", Title: "Getting started:"},
	{ID: "change", Title: "Change:"},
	{ID: "look", Title: "Look:"},
	{ID: "other", Title: "Other:"},
}

// commands are all commands, in the order of the overview.
var commands = []struct {
	group string
	make  func(*env) *cobra.Command
}{
	{"start", newInit},
	{"start", newValidate},
	{"start", newFmt},
	{"start", newRender},
	{"start", newExplain},
	{"start", newSchema},
	{"change", newDiff},
	{"change", newApply},
	{"change", newScale},
	{"change", newRollback},
	{"change", newDelete},
	{"change", newUnlock},
	{"look", newEnvironments},
	{"look", newHistory},
	{"look", newStatus},
	{"look", newDrift},
	{"look", newList},
	{"other", newVersion},
	{"other", newCompletion},
}

const rootLong = `Describe your applications in one short file, see what a change would do,
apply it, and go back when it was wrong.

Every apply is recorded as a revision of the whole stack in the cluster:
what was applied, by whom, from which commit, and why.`

const rootExample = `  stackctl init                          a first stack.yaml
  stackctl validate                      is it right?
  stackctl diff                          what would change?
  stackctl apply --record                change it, and watch it become ready
  stackctl history                       who changed what, when and why
  stackctl rollback --to 1               every object as revision 1 had it`

// The overview has an order of its own. It is a setting of the library, made
// once: commands may be run side by side.
func init() { cobra.EnableCommandSorting = false }

// newRoot returns the whole command tree.
func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:     "stackctl",
		Short:   "release a stack of applications to Kubernetes from one file",
		Long:    rootLong,
		Example: rootExample,
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
		PersistentPreRun:  func(c *cobra.Command, _ []string) { e.startLog(c) },
		Version:           toolVersion(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetArgs(e.args[1:])
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(writeHelp)
	root.SetHelpCommand(&cobra.Command{Use: "help [COMMAND]", Short: "show the help of a command", GroupID: "other", RunE: runHelp})
	root.AddGroup(groups...)
	for _, c := range commands {
		command := c.make(e)
		command.GroupID = c.group
		root.AddCommand(command)
	}
	root.InitDefaultVersionFlag()
	root.Flags().Lookup("version").Usage = "print the version"
	root.InitDefaultHelpFlag()
	root.Flags().Lookup("help").Usage = "show this help"
	helpFlags(root)
	return root
}

// helpFlags gives all commands below one their --help.
func helpFlags(parent *cobra.Command) {
	for _, c := range parent.Commands() {
		c.InitDefaultHelpFlag()
		c.Flags().Lookup("help").Usage = "show this help"
		helpFlags(c)
	}
}

// run runs a command line and returns its exit code.
func run(e *env) int {
	ctx, stop := e.interruptible()
	defer stop()
	err := execute(ctx, newRoot(e))
	if err == nil || errors.Is(err, errDifferent) {
		if lost := e.stdout.lost(); lost != nil { // half of an answer is none
			err = fmt.Errorf("write to standard output: %w", lost)
		}
	}
	if err != nil {
		e.report(err)
	}
	code := exitCode(err, int(e.signal.Load()))
	if e.log != nil && err != nil && code != 1 {
		e.log.Error(e.text(err), code)
	}
	return code
}

// execute runs the command, and turns a defect into an error.
func execute(ctx context.Context, root *cobra.Command) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &apply.PanicError{Value: cause, Stack: debug.Stack()}
		}
	}()
	return root.ExecuteContext(ctx)
}

// report writes an error to stderr, unless that is a log, which says it with the
// exit code.
func (e *env) report(err error) {
	var said *saidError
	if e.log != nil || errors.Is(err, errDifferent) || errors.As(err, &said) {
		return // the output said it all
	}
	e.explain(e.stderr, err)
}

// text is what there is to say about an error.
func (e *env) text(err error) string {
	var text strings.Builder
	e.explain(&text, err)
	return text.String()
}

// explain writes an error with the ways out of it.
func (e *env) explain(w io.Writer, err error) {
	var at *stackError
	errors.As(err, &at)
	where := e.errorContext(at.locate())
	where.Origin = at.origin()
	ui.WriteError(w, err, where)
}

// exitCode maps an error to the exit code of the process. The table of codes
// is part of the interface: scripts branch on it. signal is the one that ended
// the context, 0 if none.
func exitCode(err error, signal int) int {
	var (
		invalid     schema.Errors
		usage       *usageError
		interrupted *apply.InterruptedError
		locked      *apply.LockedError
		conflict    *apply.ConflictError
		notReady    *apply.NotReadyError
		notRecorded *apply.NotRecordedError
		forbidden   *apply.ForbiddenError
	)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errDifferent):
		return 1
	case errors.As(err, &usage), errors.As(err, &invalid):
		return 2
	case errors.As(err, &notRecorded):
		return 7
	case errors.As(err, &interrupted), signal != 0 && errors.Is(err, context.Canceled):
		if signal == 0 {
			return 130
		}
		return 128 + signal
	case errors.As(err, &locked):
		return 4
	case errors.As(err, &conflict):
		return 5
	case errors.As(err, &notReady), errors.Is(err, errNotReady):
		return 6
	case errors.As(err, &forbidden):
		return 8
	}
	return 3
}

// exitCodes is the part of a help text about the codes a command can end with.
// What a command writes can be lost even if nothing else can go wrong.
func exitCodes(lines ...string) string {
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "3 ") }) {
		lines = append(lines, exitLost)
	}
	return "\n\nExit codes:\n  " + strings.Join(append([]string{"0 done"}, lines...), "\n  ")
}

// The lines of exitCodes that several commands share.
const (
	exitUsage    = "2 a flag, argument or description is wrong; nothing was written"
	exitLost     = "3 the output failed, such as on a full disk"
	exitFailed   = "3 the cluster or the output failed"
	exitStopped  = "3 the cluster, the run or the output failed, or the answer was no"
	exitLocked   = "4 another run held the lock for the whole --lock-timeout"
	exitConflict = "5 others own what the stack wants to set; nothing was written"
	exitNotReady = "6 something is not ready, in time or ever"
	exitRecord   = "7 applied, but not recorded as finished"
	exitUnknown  = "8 a read was forbidden, so the answer is unknown"
	exitSignal   = "130, 143 interrupted"
)

// usageError is a mistake in the command line or in what it names.
type usageError struct {
	msg, hint string
	err       error
}

func (e *usageError) Error() string { return e.msg }
func (e *usageError) Hint() string  { return e.hint }
func (e *usageError) Unwrap() error { return e.err }

// unknownCommand names the nearest commands below one.
func unknownCommand(root *cobra.Command, name string) error {
	var names []string
	for _, c := range root.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	hint := fmt.Sprintf("see `%s --help`", root.CommandPath())
	if near := nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean `%s %s`? %s", root.CommandPath(), near, hint)
	}
	return &usageError{msg: fmt.Sprintf("unknown command %q", name), hint: hint}
}

// flagError says what is wrong with a flag, with the nearest one for an
// unknown one, instead of the whole usage text.
func flagError(c *cobra.Command, err error) error {
	hint := fmt.Sprintf("see `%s --help`", c.CommandPath())
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
			hint = fmt.Sprintf("did you mean --%s? %s", near, hint)
		}
	}
	return &usageError{msg: err.Error(), hint: hint, err: err}
}

// atMost refuses further arguments.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return &usageError{
			msg:  fmt.Sprintf("%s takes %s, got %q", c.CommandPath(), what, strings.Join(args, " ")),
			hint: fmt.Sprintf("files are named with -f; see `%s --help`", c.CommandPath()),
		}
	}
}

// nearest returns the name that a mistyped one was most likely meant to be, ""
// when none is near.
func nearest(typed string, names []string) string {
	best, least := "", 1+len(typed)/3
	for _, name := range names {
		if d := distance(typed, name); d <= least && (best == "" || d < least) {
			best, least = name, d
		}
		if len(typed) > 1 && strings.HasPrefix(name, typed) && best == "" {
			best = name
		}
	}
	return best
}

// distance is the number of letters to change, add, drop or swap with their
// neighbour to get from a to b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
