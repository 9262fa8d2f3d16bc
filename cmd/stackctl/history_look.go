package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

// revisionArgs splits [STACK] N... into the stack and n revisions. Their number
// tells which is which, since a stack may be called 7.
func revisionArgs(c *cobra.Command, args []string, n int) (stack []string, revisions []int, err error) {
	if len(args) != n && len(args) != n+1 {
		what := "one revision"
		if n > 1 {
			what = fmt.Sprintf("%d revisions", n)
		}
		return nil, nil, &usageError{
			msg:  fmt.Sprintf("%s takes %s, and a STACK before if need be; got %d arguments", c.CommandPath(), what, len(args)),
			hint: fmt.Sprintf("usage: %s; `stackctl history` shows the revisions there are", c.UseLine()),
		}
	}
	stack, args = args[:len(args)-n], args[len(args)-n:]
	for _, text := range args {
		var number int
		if err := (*count)(&number).Set(text); err != nil || number == 0 {
			return nil, nil, &usageError{msg: fmt.Sprintf("%q is not the number of a revision", text), hint: "`stackctl history` shows the revisions there are"}
		}
		revisions = append(revisions, number)
	}
	return stack, revisions, nil
}

// setRevisions adds the flags and the completion of a command that takes
// [STACK] and n revisions.
func (f *refFlags) setRevisions(c *cobra.Command, n int) {
	f.set(c)
	c.Args = cobra.ArbitraryArgs // revisionArgs says more
	c.ValidArgsFunction = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > n {
			return nil, noFiles
		}
		var stack []string
		var names []string
		var number int
		if len(args) > 0 && (*count)(&number).Set(args[0]) != nil {
			stack = args[:1]
		} else if len(args) == 0 {
			names, _ = f.completeStack(c, nil, typed)
		}
		revisions, directive := f.completeRevision(c, stack, typed)
		return append(revisions, names...), directive
	}
}

// look opens the stack, whose records are then read.
func (f *refFlags) look(ctx context.Context, e *env, stack []string, numbers []int) (*session, []*apply.Record, error) {
	s, err := f.open(ctx, e, stack)
	if err != nil {
		return nil, nil, err
	}
	var all []*apply.Record
	for _, n := range numbers {
		r, err := s.engine.Record(ctx, n)
		if err != nil {
			return nil, nil, &hintError{s.wrap(err), "`stackctl history` shows the revisions there are, `stackctl history verify` whether they can be read"}
		}
		all = append(all, r)
	}
	return s, all, nil
}

type historyShowOptions struct {
	refFlags
	output  choice
	objects bool
	stack   []string
	numbers []int
}

func newHistoryShow(e *env) *cobra.Command {
	var o historyShowOptions
	c := &cobra.Command{
		Use:   "show [STACK] REVISION",
		Short: "show all that is on record about a revision",
		Long: `Show all that is on record about a revision: who made it, when, why, from which
commit and CI run, how it ended, what became of each object it wrote, and the
description as it was.

--objects prints the objects it came to instead, as YAML in the order in which
they were applied. No value of a Secret is shown; what stands in the
description itself is.` + refLong + exitCodes(exitUsage, "3 the cluster or the output failed, or there is no such revision to read", exitUnknown, exitSignal),
		Example: `  stackctl history show 3
  stackctl history show recipes 3 --objects
  stackctl history show recipes 3 -o json`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.stack, o.numbers, err = revisionArgs(c, args, 1); err != nil {
				return err
			}
			return runHistoryShow(c.Context(), e, o)
		},
	}
	o.setRevisions(c, 1)
	c.Flags().BoolVar(&o.objects, "objects", false, "print the objects, as YAML; with -o, print them too")
	outputFlag(c, &o.output, "text", "json", "yaml")
	return c
}

func runHistoryShow(ctx context.Context, e *env, o historyShowOptions) error {
	s, records, err := o.look(ctx, e, o.stack, o.numbers)
	if err != nil {
		return err
	}
	r := records[0]
	switch {
	case o.output.value != "text":
		if !o.objects {
			r.Objects = nil
		}
		return encode(e.stdout, o.output.value, r)
	case o.objects:
		return ui.WriteObjects(e.stdout, r)
	}
	return ui.WriteRecord(e.stdout, s.stack, r, e.options(e.stdout))
}

type historyDiffOptions struct {
	refFlags
	output        choice
	spec, objects bool
	stack         []string
	numbers       []int
}

func newHistoryDiff(e *env) *cobra.Command {
	var o historyDiffOptions
	c := &cobra.Command{
		Use:   "diff [STACK] FROM TO",
		Short: "show how two revisions differ",
		Long: `Show how two revisions differ: line by line in the description, and field by
field in the objects it came to. --spec and --objects choose one of them.

It is about what was recorded, not about what is live; that is ` + "`stackctl diff`" + `.
That a Secret has another value is shown, the value is not. Why a revision was
made is no difference.` + refLong + exitCodes("1 there are differences", exitUsage, "3 the cluster or the output failed, or there is no such revision to read", exitUnknown, exitSignal),
		Example: `  stackctl history diff 3 5
  stackctl history diff recipes 3 5 --spec
  stackctl history diff recipes 3 5 -o json`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.stack, o.numbers, err = revisionArgs(c, args, 2); err != nil {
				return err
			}
			return runHistoryDiff(c.Context(), e, o)
		},
	}
	o.setRevisions(c, 2)
	c.Flags().BoolVar(&o.spec, "spec", false, "only compare the descriptions")
	c.Flags().BoolVar(&o.objects, "objects", false, "only compare the objects")
	outputFlag(c, &o.output, "text", "json")
	return c
}

func runHistoryDiff(ctx context.Context, e *env, o historyDiffOptions) error {
	s, records, err := o.look(ctx, e, o.stack, o.numbers)
	if err != nil {
		return err
	}
	both := o.spec == o.objects
	d := ui.RevisionDiff{
		Stack: s.stack, From: records[0], To: records[1], Spec: o.spec || both, Objects: o.objects || both,
		Changes: apply.CompareRecords(records[0], records[1]),
	}
	if err := ui.WriteRevisionDiff(e.stdout, o.output.value, d, e.options(e.stdout)); err != nil {
		return err
	}
	if !d.Empty() {
		return errDifferent
	}
	return nil
}

type historyVerifyOptions struct {
	refFlags
	output choice
	args   []string
}

func newHistoryVerify(e *env) *cobra.Command {
	var o historyVerifyOptions
	c := &cobra.Command{
		Use:   "verify [STACK]",
		Short: "read every record and prove that none was changed",
		Long: `Read every record of a stack, with its chunks, its outcome and its copies of
Secret values, and prove that they are what was written: nothing damaged,
edited, swapped, copied, lost or made by hand.

A revision that is not is never gone back to, and never in the way of an apply,
which then compares every object in full. There is no signature: who may write
Secrets in the namespace can forge a history that is consistent in itself.` + refLong +
			exitCodes(exitUsage, "3 a record is not what was written, or the cluster or the output failed", exitUnknown, exitSignal),
		Example: `  stackctl history verify
  stackctl history verify recipes -n shop
  stackctl history verify recipes -o json`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			return runHistoryVerify(c.Context(), e, o)
		},
	}
	o.set(c)
	outputFlag(c, &o.output, "text", "json")
	return c
}

func runHistoryVerify(ctx context.Context, e *env, o historyVerifyOptions) error {
	_, v, err := ask(ctx, e, &o.refFlags, o.args, (*apply.Engine).Verify)
	if err != nil {
		return err
	}
	if err := ui.WriteVerification(e.stdout, o.output.value, v, e.options(e.stdout)); err != nil {
		return err
	}
	if !v.OK() {
		return &saidError{errors.New("a record is not what was written")}
	}
	return nil
}
