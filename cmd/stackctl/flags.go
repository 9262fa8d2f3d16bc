package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"stackctl.dev/stackctl/apply"
)

// choice is a flag whose value is one of a few words.
type choice struct {
	value   string
	allowed []string
	given   bool
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return strings.Join(c.allowed, "|") }

func (c *choice) Set(v string) error {
	if !slices.Contains(c.allowed, v) {
		return fmt.Errorf("must be one of %s", strings.Join(c.allowed, ", "))
	}
	c.value, c.given = v, true
	return nil
}

// outputFlag adds -o with the formats of a command; the first is the default.
func outputFlag(c *cobra.Command, to *choice, formats ...string) {
	*to = choice{value: formats[0], allowed: formats}
	usage := "format of the output"
	if len(formats) > 4 {
		half := (len(formats) + 1) / 2
		usage = "`FORMAT` of the output: " + strings.Join(formats[:half], ", ") + ",\n" + strings.Join(formats[half:], ", ")
	}
	c.Flags().VarP(to, "output", "o", usage)
	completeFlag(c, "output", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return formats, cobra.ShellCompDirectiveNoFileComp
	})
}

// runFlags say how a change is carried out.
type runFlags struct {
	consentFlags
	yes         bool
	wait        bool
	timeout     time.Duration
	lockTimeout time.Duration
	keepGoing   bool
	allowPrune  int
	record      bool
	cause       string
	dryRun      bool
	output      choice
	logFormat   choice
	onFailure   bool // go back to the last good revision when the run fails
}

// set adds the flags that every change has. end is what it waits for.
func (f *runFlags) set(c *cobra.Command, end string) {
	flags := c.Flags()
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.Var((*positive)(&f.timeout), "timeout", "how long to wait until everything is "+end)
	f.timeout = 5 * time.Minute
	flags.Lookup("timeout").DefValue = "5m"
	flags.Var((*positive)(&f.lockTimeout), "lock-timeout", "how long to queue behind another run; 0 does not")
	f.lockTimeout = time.Minute
	flags.Lookup("lock-timeout").DefValue = "60s"
	flags.BoolVar(&f.dryRun, "dry-run", false, "only print the plan, and end with 0 in spite of conflicts")
	outputFlag(c, &f.output, "text", "json")
	f.logFormat = choice{value: "text", allowed: []string{"text", "json"}}
	flags.Var(&f.logFormat, "log-format", "how progress, notes and errors are written to stderr")
	completeFlag(c, "log-format", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return f.logFormat.allowed, noFiles
	})
}

// setRelease adds the flags of a change that leaves a revision: why it was
// made, whether to wait for health, and the consent to more than usual.
func (f *runFlags) setRelease(c *cobra.Command) {
	c.Flags().BoolVar(&f.wait, "wait", true, "wait until everything is ready; nothing is deleted without")
	c.Flags().BoolVar(&f.record, "record", false, "record the command line as the cause")
	c.Flags().StringVar(&f.cause, "cause", "", "record `TEXT` as the cause; wins over --record")
	f.setConflicts(c)
	c.Flags().BoolVar(&f.unpreviewed, "allow-unpreviewed", false, "apply objects too that a webhook keeps from being previewed")
	c.Flags().BoolVar(&f.keepGoing, "keep-going", false, "after a failure, still try the other objects of that stage; nothing is deleted then")
	c.Flags().Var((*count)(&f.allowPrune), "allow-prune", "consent to deleting `N` objects, where that is suspiciously many")
}

// run is the part of the engine's run that flags decide.
func (f *runFlags) run() apply.Run {
	return apply.Run{
		Cause: f.cause, Wait: f.wait, Timeout: f.timeout, LockTimeout: f.lockTimeout,
		KeepGoing: f.keepGoing, AllowPrune: f.allowPrune,
	}
}

// positive is a duration that is not negative.
type positive time.Duration

func (p *positive) String() string { return time.Duration(*p).String() }
func (p *positive) Type() string   { return "duration" }

func (p *positive) Set(v string) error {
	d, err := time.ParseDuration(v)
	if err != nil {
		return fmt.Errorf("not a duration such as 90s or 5m")
	}
	if d < 0 {
		return fmt.Errorf("must not be negative")
	}
	*p = positive(d)
	return nil
}

// name is a text that must not be empty: a script that passes an unset variable
// means something else than no flag at all.
type name string

func (n *name) String() string { return string(*n) }
func (n *name) Type() string   { return "string" }

func (n *name) Set(v string) error {
	if v == "" {
		return fmt.Errorf("must not be empty")
	}
	*n = name(v)
	return nil
}

// namespaceName is the name of a namespace; empty for none, as kubectl has it.
type namespaceName string

func (n *namespaceName) String() string { return string(*n) }
func (n *namespaceName) Type() string   { return "string" }

func (n *namespaceName) Set(v string) error {
	if wrong := validation.IsDNS1123Label(v); v != "" && len(wrong) > 0 {
		return errors.New(wrong[0])
	}
	*n = namespaceName(v)
	return nil
}

// count is a number that is not negative.
type count int

func (n *count) String() string { return fmt.Sprint(int(*n)) }
func (n *count) Type() string   { return "int" }

func (n *count) Set(v string) error {
	var i int
	if _, err := fmt.Sscanf(v, "%d", &i); err != nil || fmt.Sprint(i) != v {
		return fmt.Errorf("not a whole number")
	}
	if i < 0 {
		return fmt.Errorf("must not be negative")
	}
	*n = count(i)
	return nil
}

// completeFlag adds the completion of a flag that was just defined.
func completeFlag(c *cobra.Command, name string, f cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(name, f); err != nil {
		panic(err) // the flag does not exist: a defect of the caller
	}
}

var (
	_ pflag.Value = (*choice)(nil)
	_ pflag.Value = (*positive)(nil)
	_ pflag.Value = (*count)(nil)
	_ pflag.Value = (*name)(nil)
)
