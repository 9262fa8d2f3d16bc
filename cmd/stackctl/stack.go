package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/schema"
)

// fileFlags name descriptions of stacks.
type fileFlags struct {
	files       []string
	environment string
}

func (f *fileFlags) set(c *cobra.Command) {
	filesFlag(c, &f.files)
	f.setEnvironment(c)
}

// filesFlag adds -f.
func filesFlag(c *cobra.Command, to *[]string) {
	c.Flags().StringArrayVarP(to, "file", "f", nil,
		"`FILE` that describes a stack, - for YAML or JSON on stdin; may be repeated\n(default stack.yaml, stack.json or stack.cue here)")
}

func (f *fileFlags) setEnvironment(c *cobra.Command) {
	c.Flags().VarP((*name)(&f.environment), "env", "e", "`NAME` of an environment of the file")
	completeFlag(c, "env", f.completeEnvironment)
}

// load reads all descriptions; what is wrong with any of them is one error. Their
// warnings are for the commands that carry out or show what they describe, not
// for those that look for the name of a stack: see [env.warnOf].
func (f *fileFlags) load(ctx context.Context, e *env) ([]*schema.Stack, error) {
	files := f.files
	if len(files) == 0 {
		files = []string{""}
	}
	if err := twice(files); err != nil {
		return nil, err
	}
	var stacks []*schema.Stack
	var invalid schema.Errors
	for _, file := range files {
		stack, err := load(ctx, e, file, f.environment)
		var wrong schema.Errors
		switch {
		case errors.As(err, &wrong):
			invalid = append(invalid, wrong...)
		case err != nil:
			return nil, err
		default:
			stacks = append(stacks, stack)
		}
	}
	if len(invalid) > 0 {
		return nil, invalid
	}
	return stacks, nil
}

// warnOf says what is legal in descriptions and will hurt.
func (e *env) warnOf(stacks []*schema.Stack) {
	where := e.errorContext(nil)
	for _, stack := range stacks {
		ui.WriteWarnings(e.stderr, stack.Warnings, where)
	}
}

// twice refuses a file that is named more than once.
func twice(files []string) error {
	seen := map[string]bool{}
	for _, file := range files {
		if seen[file] {
			return &usageError{msg: fmt.Sprintf("-f %s is given twice", file)}
		}
		seen[file] = true
	}
	return nil
}

// load reads one description. Every error but an interruption is the user's to
// mend.
func load(ctx context.Context, e *env, file, environment string) (*schema.Stack, error) {
	options := schema.Options{Filename: file, Environment: environment}
	if file == "-" {
		input, err := e.readInput()
		if err != nil {
			return nil, err
		}
		options.Stdin = input
	}
	stack, err := schema.Load(ctx, options)
	if plan := planInstead(file, err); plan != nil {
		return nil, plan
	}
	var invalid schema.Errors
	if err == nil || errors.As(err, &invalid) || errors.Is(err, context.Canceled) {
		return stack, err
	}
	return nil, unreadable(err)
}

// unreadable makes a file that cannot be read an error in the command line.
func unreadable(err error) error {
	if err == nil {
		return nil
	}
	var invalid schema.Errors
	if errors.As(err, &invalid) {
		return err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return &usageError{msg: fmt.Sprintf("read %s: %v", path.Path, path.Err), err: err}
	}
	return &usageError{msg: err.Error(), err: err}
}

// errorContext is what the text of an error may draw on.
func (e *env) errorContext(locate func(apply.ObjectKey, string) (schema.Pos, string)) ui.ErrorContext {
	return ui.ErrorContext{Options: e.options(e.stderr), Locate: locate, Source: e.source, Command: cmp.Or(e.command, commandLine(e.args))}
}

// source returns the text of a file of the user's, for the line an error is
// about.
func (e *env) source(file string) []byte {
	if file == "-" {
		return e.input
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, io.LimitReader(f, maxInput)); err != nil {
		return nil
	}
	return bytes.TrimPrefix(text.Bytes(), []byte("\ufeff")) // as the loader counts columns
}

// session is one stack in one cluster, and the description it comes from, if
// there is one.
type session struct {
	*connection
	stack  apply.Stack
	spec   *schema.Stack
	engine *apply.Engine
}

// open returns the sessions of descriptions. Two of one stack are an error
// before anything runs.
func open(conn *connection, flags *clusterFlags, specs []*schema.Stack) ([]*session, error) {
	var all []*session
	for _, spec := range specs {
		namespace := conn.namespace
		if flags.namespace == "" && spec.Namespace != "" {
			namespace = spec.Namespace
		}
		s, err := newSession(conn, apply.Stack{Namespace: namespace, Name: spec.Name}, spec)
		if err != nil {
			return nil, err
		}
		for _, other := range all {
			if other.stack == s.stack {
				return nil, duplicate(other.spec, spec, namespace)
			}
		}
		all = append(all, s)
	}
	return all, nil
}

func duplicate(a, b *schema.Stack, namespace string) error {
	return &usageError{
		msg:  fmt.Sprintf("%s and %s are both the stack %s in namespace %s", ui.Place(schema.Pos{File: a.Pos.File}), ui.Place(schema.Pos{File: b.Pos.File}), a.Name, namespace),
		hint: "a stack is one file; give one of them another name or namespace",
	}
}

// file is the description that the stack comes from, "" when there is none.
func (s *session) file() string {
	if s.spec == nil {
		return ""
	}
	return s.spec.Pos.File
}

func newSession(conn *connection, stack apply.Stack, spec *schema.Stack) (*session, error) {
	engine, err := apply.New(conn.config, stack, apply.Options{})
	if err != nil {
		return nil, &stackError{stack: stack, spec: spec, err: conn.explain(err)}
	}
	return &session{connection: conn, stack: stack, spec: spec, engine: engine}, nil
}

// wrap adds to an error of the engine which stack it is about, and how the
// cluster was reached.
func (s *session) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &stackError{stack: s.stack, spec: s.spec, err: s.explain(err)}
}

// stackError is an error about one stack.
type stackError struct {
	stack apply.Stack
	spec  *schema.Stack
	err   error
}

func (e *stackError) Error() string {
	if errors.Is(e.err, apply.ErrNoStack) {
		return fmt.Sprintf("there is no record of a stack %s in namespace %s", e.stack.Name, e.stack.Namespace)
	}
	return e.err.Error()
}

func (e *stackError) Unwrap() error { return e.err }

// hintError adds the way out to an error.
type hintError struct {
	error
	hint string
}

func (e *hintError) Hint() string  { return e.hint }
func (e *hintError) Unwrap() error { return e.error }

// locate returns the function that finds the user's line for a field of an
// app; nil without a description.
func (e *stackError) locate() func(apply.ObjectKey, string) (schema.Pos, string) {
	if e == nil {
		return nil
	}
	return locate(e.spec)
}

func locate(spec *schema.Stack) func(apply.ObjectKey, string) (schema.Pos, string) {
	if spec == nil {
		return nil
	}
	return func(object apply.ObjectKey, field string) (schema.Pos, string) {
		app := appOf(spec, object)
		if app == nil {
			return schema.Pos{}, ""
		}
		if pos := spec.PosOf("apps", app.Name, field); field != "" && pos.IsValid() {
			return pos, "apps." + app.Name + "." + field
		}
		return app.Pos, "apps." + app.Name
	}
}

// appOf returns the app that an object is the main one of, nil when there is
// none.
func appOf(spec *schema.Stack, object apply.ObjectKey) *schema.App {
	if app := spec.App(object.Name); app != nil {
		return app
	}
	// A Job is named by its content.
	if i := strings.LastIndexByte(object.Name, '-'); i > 0 && object.Kind == "Job" {
		return spec.App(object.Name[:i])
	}
	return nil
}

// refFlags name one stack that need not have a description: by a STACK
// argument, or by the description in the working directory.
type refFlags struct {
	fileFlags
	clusterFlags
}

func (f *refFlags) set(c *cobra.Command) {
	f.setEnvironment(c)
	f.clusterFlags.set(c)
	c.Args = atMost(1, "one STACK")
	c.ValidArgsFunction = f.completeStack
}

// refLong is the part of a help text about the STACK argument.
const refLong = `

Without STACK it is the one that the file in the working directory describes.
With it, no file is read, and the namespace is the one of -n or the context.`

// nameIt says how to go on without a description, where there is none.
func (f *refFlags) nameIt(err error) error {
	if _, found := schema.Find("."); found == nil {
		return err // there is one, and it is wrong
	}
	return &usageError{msg: "no STACK is named, and " + err.Error(), hint: "name the stack; `stackctl list` shows those there are", err: err}
}

// open returns the session of the stack that the arguments name.
func (f *refFlags) open(ctx context.Context, e *env, args []string) (*session, error) {
	if len(args) == 1 && f.environment != "" {
		return nil, &usageError{msg: "--env belongs to a file, which is not read when STACK is given", hint: "name the environment's namespace with -n"}
	}
	var specs []*schema.Stack
	var err error
	if len(args) == 0 {
		if specs, err = f.load(ctx, e); err != nil {
			return nil, f.nameIt(err)
		}
	}
	conn, err := f.connect()
	if err != nil {
		return nil, err
	}
	conn.warn(e)
	if err := conn.expected(ctx, specs); err != nil {
		return nil, err
	}
	if len(args) == 1 {
		return newSession(conn, apply.Stack{Namespace: conn.namespace, Name: args[0]}, nil)
	}
	all, err := open(conn, &f.clusterFlags, specs)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// ask opens the session of the stack that the arguments name, and reads one
// thing about it.
func ask[T any](ctx context.Context, e *env, f *refFlags, args []string, read func(*apply.Engine, context.Context) (T, error)) (s *session, answer T, err error) {
	if s, err = f.open(ctx, e, args); err != nil {
		return nil, answer, err
	}
	if answer, err = read(s.engine, ctx); err != nil {
		return nil, answer, s.wrap(err)
	}
	return s, answer, nil
}
