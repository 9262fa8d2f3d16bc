package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/schema"
)

// schemaFile is the schema that an editor reads beside the description.
const schemaFile = "stack.schema.json"

type initOptions struct {
	file     string
	noSchema bool
	answers  answers
}

func newInit(e *env) *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init [NAME]",
		Short: "write a first description",
		Long: `Write a first description, stack.yaml, of a stack with one app, and beside it
stack.schema.json, with which editors complete fields and mark mistakes.

On a terminal it asks for what no flag says, shows the file, and asks before it
writes. Elsewhere it needs --image, and NAME is the name of the directory unless
it is given. What it writes is valid, in its canonical form, and can be applied
as it is. It never replaces a file.` + exitCodes(exitUsage, "3 the answer was no, or the output failed"),
		Example: `  stackctl init
  stackctl init shop --image ghcr.io/acme/shop:1.4.2 --port 8080 --health /healthz
  stackctl init shop --image ghcr.io/acme/shop:1.4.2 --port 8080 --health /healthz \
      --host shop.example.org --replicas 2
  stackctl init tidy --image ghcr.io/acme/tidy:1.4.2 --schedule "0 3 * * *"`,
		Args: atMost(1, "one NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				if o.answers.name != "" && o.answers.name != args[0] {
					return &usageError{msg: "the stack has two names", hint: "leave --name or the argument out"}
				}
				o.answers.name = args[0]
			}
			for i := range questions {
				if flag := c.Flags().Lookup(questions[i].flag); flag != nil && flag.Changed {
					o.answers.given = append(o.answers.given, questions[i].flag)
				}
			}
			return runInit(c.Context(), e, o)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := c.Flags()
	flags.VarP((*name)(&o.file), "file", "f", "`FILE` to write")
	o.file = "stack.yaml"
	flags.Lookup("file").DefValue = o.file
	for i := range questions {
		q := &questions[i]
		flags.Var((*name)(q.of(&o.answers)), q.flag, q.usage)
		completeFlag(c, q.flag, cobra.FixedCompletions(q.choices, noFiles))
	}
	flags.BoolVar(&o.noSchema, "no-schema", false, "write no "+schemaFile)
	return c
}

// runInit asks, shows and writes. Nothing is written before all is right.
func runInit(ctx context.Context, e *env, o initOptions) error {
	if err := o.free(); err != nil {
		return err
	}
	if err := o.answers.complete(ctx, e); err != nil {
		return err
	}
	text := o.answers.description(!o.noSchema)
	stack, err := check(ctx, text)
	if err != nil {
		return err
	}
	if e.interactive() {
		fmt.Fprintf(e.stderr, "\n%s\n", ui.CleanLines(string(text)))
	}
	o.warn(e, stack, text)
	if e.interactive() {
		yes, err := e.confirm(ctx, "write this to "+o.file+"?")
		if err == nil && !yes {
			err = errDeclined
		}
		if err != nil {
			return err
		}
	}
	if err := o.write(e, text); err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "next: `stackctl render` shows the objects it stands for, `stackctl apply` makes them\n")
	return nil
}

// warn says what is legal and will hurt, by the name the file will have.
func (o *initOptions) warn(e *env, stack *schema.Stack, text []byte) {
	for i := range stack.Warnings {
		stack.Warnings[i].Pos.File = o.file
	}
	c := e.errorContext(nil)
	c.Source = func(string) []byte { return text }
	ui.WriteWarnings(e.stderr, stack.Warnings, c)
}

// free refuses to write where a description is already.
func (o *initOptions) free() error {
	if filepath.Ext(o.file) != ".yaml" && filepath.Ext(o.file) != ".yml" {
		return &usageError{msg: fmt.Sprintf("%s is no name of a YAML file", o.file), hint: "such as -f stack.yaml"}
	}
	taken := []string{o.file}
	if found, err := schema.Find(filepath.Dir(o.file)); err == nil {
		taken = append(taken, found)
	}
	for _, name := range taken {
		if _, err := os.Lstat(name); err == nil {
			return &usageError{
				msg:  name + " exists; nothing was written",
				hint: "change it, or delete it first; `stackctl validate` says whether it is right",
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return unwritable(name, err)
		}
	}
	if _, err := os.Lstat(o.schemaFile()); err == nil && !o.noSchema && !o.hasSchema() {
		return &usageError{
			msg:  o.schemaFile() + " exists and is not the schema of this stackctl; nothing was written",
			hint: "`stackctl schema > " + quote(o.schemaFile()) + "` renews it; --no-schema does without",
		}
	}
	return nil
}

// write writes both files, or none.
func (o *initOptions) write(e *env, text []byte) error {
	if err := createFile(o.file, text); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, ui.Clean(o.file))
	if o.noSchema || o.hasSchema() {
		return nil
	}
	if err := createFile(o.schemaFile(), schema.JSONSchema()); err != nil {
		os.Remove(o.file)
		return err
	}
	fmt.Fprintln(e.stdout, ui.Clean(o.schemaFile()))
	return nil
}

func (o *initOptions) schemaFile() string { return filepath.Join(filepath.Dir(o.file), schemaFile) }

// hasSchema reports whether the schema is there already.
func (o *initOptions) hasSchema() bool {
	text, err := os.ReadFile(o.schemaFile())
	return err == nil && bytes.Equal(text, schema.JSONSchema())
}

// check loads a description that was just made up.
func check(ctx context.Context, text []byte) (*schema.Stack, error) {
	return schema.Load(ctx, schema.Options{Filename: "-", Stdin: bytes.NewReader(text)})
}

// complete asks for what no flag says, or takes the default of it, and checks
// every answer.
func (a *answers) complete(ctx context.Context, e *env) error {
	lines := bufio.NewReader(e.stdin)
	if e.interactive() {
		fmt.Fprintf(e.stderr, "A few questions; return takes what is in brackets.\n")
	}
	for i := range questions {
		q := &questions[i]
		if a.has(q.flag) {
			if err := a.wrong(ctx, q); err != nil {
				return err
			}
			continue
		}
		offer, asked := q.offer(a)
		if !asked {
			continue
		}
		if !e.interactive() {
			if *q.of(a) = offer; offer == "" && q.required {
				return &usageError{msg: "--" + q.flag + " is missing", hint: q.hint}
			}
			if err := a.wrong(ctx, q); err != nil {
				return err
			}
			continue
		}
		if err := a.ask(ctx, e, lines, q, offer); err != nil {
			return err
		}
	}
	return nil
}

// ask asks until the answer is right.
func (a *answers) ask(ctx context.Context, e *env, lines *bufio.Reader, q *question, offer string) error {
	for {
		fmt.Fprintf(e.stderr, "%s%s: ", q.text, map[bool]string{true: " [" + offer + "]"}[offer != ""])
		line, err := readLine(ctx, lines)
		if err != nil {
			fmt.Fprintln(e.stderr)
			return err
		}
		if line == "" {
			line = offer
		}
		*q.of(a) = line
		if line == "" && q.required {
			fmt.Fprintf(e.stderr, "  %s\n", q.hint)
			continue
		}
		wrong := a.wrong(ctx, q)
		if wrong == nil {
			return nil
		}
		var usage *usageError
		if !errors.As(wrong, &usage) {
			return wrong
		}
		fmt.Fprintf(e.stderr, "  %s\n", strings.TrimPrefix(usage.msg, "--"+q.flag+": "))
		if usage.hint != "" {
			fmt.Fprintf(e.stderr, "  %s\n", usage.hint)
		}
	}
}

// readLine reads a line; a signal ends it.
func readLine(ctx context.Context, lines *bufio.Reader) (string, error) {
	type read struct {
		line string
		err  error
	}
	answer := make(chan read, 1)
	go func() { // a read of a terminal cannot be interrupted
		line, err := lines.ReadString('\n')
		answer <- read{strings.TrimSpace(line), err}
	}()
	select {
	case <-ctx.Done():
		return "", &apply.InterruptedError{Err: ctx.Err()}
	case r := <-answer:
		if r.err != nil {
			return "", errDeclined // the terminal was closed, or Ctrl-D typed
		}
		return r.line, nil
	}
}
