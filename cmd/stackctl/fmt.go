package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/schema"
)

type fmtOptions struct {
	files             []string
	check, diff, long bool
}

func newFmt(e *env) *cobra.Command {
	var o fmtOptions
	c := &cobra.Command{
		Use:   "fmt [-f FILE]...",
		Short: "put a description into its canonical form",
		Long: `Put a description into its canonical form, in place: fields in the order of
the language, two blanks of indentation, one way to write lists and quotes.
The names of the files that changed are printed.

Every comment is kept, with what it is about, and so are blank lines, short
forms, the order of apps and variables, and maps that fit on one line. What a
description means never changes: a file for which that cannot be kept is left
as it is. With -f - it is a filter.

--long writes short forms as the long ones they stand for, to stdout; no file
is changed. It leaves alone what would mean something else in its long form:
environments, fields that the defaults of the stack have too, and false.` + exitCodes("1 with --check or --diff: a file has not its canonical form", exitUsage),
		Example: `  stackctl fmt
  stackctl fmt --check
  stackctl fmt --long -f examples/recipes/stack.yaml
  cat examples/recipes/stack.yaml | stackctl fmt -f -`,
		Args: atMost(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error { return runFmt(c.Context(), e, o) },
	}
	filesFlag(c, &o.files)
	c.Flags().BoolVar(&o.check, "check", false, "only list the files that would change")
	c.Flags().BoolVar(&o.diff, "diff", false, "only show what would change")
	c.Flags().BoolVar(&o.long, "long", false, "print the long form of every field")
	return c
}

// formatted is a file and its canonical form.
type formatted struct {
	name          string // as it was found
	before, after []byte
}

// runFmt formats all files before it writes any.
func runFmt(_ context.Context, e *env, o fmtOptions) error {
	files := o.files
	if len(files) == 0 {
		files = []string{""}
	}
	if o.long && (o.check || o.diff || len(files) > 1) {
		return &usageError{msg: "--long prints one file", hint: "it does not go with --check, --diff or a second -f"}
	}
	if err := twice(files); err != nil {
		return err
	}
	var all []formatted
	var invalid schema.Errors
	for _, file := range files {
		one, err := format(e, file, schema.FormatOptions{Long: o.long})
		var wrong schema.Errors
		switch {
		case errors.As(err, &wrong):
			invalid = append(invalid, wrong...)
		case err != nil:
			return err
		default:
			all = append(all, one)
		}
	}
	if len(invalid) > 0 {
		return invalid
	}
	return o.write(e, all)
}

func format(e *env, file string, opts schema.FormatOptions) (formatted, error) {
	in := schema.Options{Filename: file}
	if file == "-" {
		input, err := e.readInput()
		if err != nil {
			return formatted{}, err
		}
		in.Stdin = input
	}
	name, before, err := schema.Read(in)
	if err != nil {
		return formatted{}, unreadable(err)
	}
	after, err := schema.Format(name, before, opts)
	return formatted{name, before, after}, err
}

// write does with the canonical forms what the flags say.
func (o *fmtOptions) write(e *env, all []formatted) error {
	different := false
	for _, f := range all {
		changed := !bytes.Equal(f.before, f.after)
		name := ui.Clean(ui.Place(schema.Pos{File: f.name}))
		switch {
		case o.diff:
			if changed {
				if err := ui.WriteLineDiff(e.stdout, name, string(f.before), string(f.after), e.options(e.stdout)); err != nil {
					return err
				}
			}
		case o.check:
			if changed {
				fmt.Fprintln(e.stdout, name)
			}
		case o.long || f.name == "-":
			if _, err := e.stdout.Write(f.after); err != nil {
				return err
			}
			continue
		case changed:
			if err := replaceFile(f.name, f.before, f.after); err != nil {
				return err
			}
			fmt.Fprintln(e.stdout, name)
		}
		different = different || changed
	}
	if different && (o.check || o.diff) {
		return errDifferent
	}
	return nil
}
