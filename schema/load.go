// Package schema loads the description of a stack and returns either a valid
// [Stack] or everything that is wrong with it.
//
// A description is stack.yaml, stack.json or stack.cue. [Load] works in steps
// that a reader can follow file by file:
//
//	read.go        finds and reads the file; refuses what is no text
//	yaml.go        YAML becomes nodes that know their line, json.go does the
//	               same for JSON; yamlfault.go explains what is no YAML
//	cueload.go     collects the files of a CUE package and what it imports;
//	               cuefile.go evaluates them and makes nodes
//	check.go       one walk beside stack.cue: short forms become long ones,
//	               unknown keys, wrong types and values are reported
//	layer.go       defaults of the stack, apps, one environment
//	fill.go        #Defaults and what follows from them
//	decode.go      nodes become the types of stack.go
//	attach.go      the files it refers to: contents and manifests
//	rule*.go       what several fields must agree on
//	hint.go        the ways out that errors show
//	foreign*.go    what Compose, Kubernetes and Helm write instead
//	warning.go     what is legal and will hurt
//
// The same definitions answer what a field means ([Describe], describe.go and
// emits.go), what a line of an object comes from ([Stack.Origins], origin.go and
// pattern.go), and are exported for editors ([JSONSchema], [CUE]).
//
// [Format] writes a description in its canonical form: format.go says what that
// is, format_read.go and format_notes.go find out where everything and every
// comment stands, format_write.go writes it again.
//
// It promises: every error at once, sorted, each with the line the user wrote
// and one error per mistake; the same result for the same bytes, whatever the
// time, machine or environment variables; no network, no file outside the
// directory of the description. A .cue file may compute for ever or fill the memory, which
// cannot be interrupted from inside; see [Load] for what happens then.
//
// To add a field, write it in stack.cue and in stack.go. Nothing else here
// needs to know, unless it has rules or defaults of its own.
package schema

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// Options say what to load.
type Options struct {
	Filename    string    // as the user typed it; "-" is Stdin, "" looks in the working directory
	Stdin       io.Reader // read as YAML or JSON
	Environment string    // "" is none
	// View is the directory that Filename is in, where that is not the one on
	// the disk: the same directory at another revision, say. It may refuse what
	// leads out of it, as [os.Root] does. Filename is then a path to show, whose
	// last element is the name in View; [FindIn] finds it.
	View fs.FS
}

// Load reads, checks and returns the stack. What the user can correct comes
// back as [Errors]; the hint of each says how. A file that cannot be opened is
// an ordinary error.
//
// A description that takes more than 10 s or 1 GiB of memory ends with an
// error as well. It cannot be interrupted, so its goroutine is abandoned, goes
// on using memory and processor, and the caller is expected to exit. The same
// holds when ctx ends, whose error is returned then.
func Load(ctx context.Context, opts Options) (*Stack, error) {
	in, err := read(opts)
	if err != nil {
		return nil, err
	}
	return guarded(ctx, in.file, ordinary, func() (*Stack, error) { return load(in, opts.Environment) })
}

// load does the work of Load on a file that was read.
func load(in *input, environment string) (*Stack, error) {
	root, errs := in.parse()
	if root == nil {
		return nil, Errors(sorted(errs))
	}
	if wrong := describesStack(root); wrong != nil {
		return nil, Errors(sorted(append(errs, wrong...)))
	}
	s := &Stack{Environment: environment, Dir: filepath.Dir(in.file), Files: in.files, Source: in.text, view: in.view}
	if err := s.build(root, errs); err != nil {
		return nil, err
	}
	return s, nil
}

// build fills s from a description. errs are those found while reading it.
func (s *Stack) build(root *node, errs Errors) error {
	environment := s.Environment
	errs = append(errs, checkAll(root)...)
	errs = append(errs, knownEnvironment(root, environment)...)

	tree := inForce(root, environment)
	errs = append(errs, missing(tree, language().stack, nil)...)
	errs = append(errs, hasApps(tree)...)
	fill(tree)

	s.root, s.tree = root, tree
	if err := s.decode(root); err != nil {
		if len(errs) == 0 {
			return err
		}
		return Errors(sorted(errs))
	}
	errs = append(errs, s.attach()...)
	errs = append(errs, s.rules()...)
	if len(errs) > 0 {
		return Errors(sorted(errs))
	}
	s.Warnings = sorted(s.warnings())
	return nil
}

// describesStack refuses what is no map at all.
func describesStack(root *node) Errors {
	const hint = "a stack begins with\n    name: shop\n    apps:\n      web: {image: ghcr.io/acme/web:1.4.2, port: 8080}"
	switch root.kind {
	case nullKind:
		return Errors{{Pos: root.pos, Msg: "the file is empty", Hint: hint}}
	case mapKind:
		return foreignFile(root)
	}
	return Errors{{Pos: root.pos, Msg: "want a map with name and apps, got " + root.describe(), Hint: hint}}
}

// checkAll checks the description and, each for itself, its environments.
func checkAll(root *node) []Error {
	s := language().stack
	environments := root.fields["environments"]
	base := &checker{apps: root.get("apps").copyOrEmpty().names}
	if environments != nil {
		root.remove("environments")
	}
	// Defaults first: null in an app is legal where a default lies under it.
	defaults := root.fields["defaults"]
	if defaults != nil && s.fields["defaults"] != nil {
		base.check(defaults, s.fields["defaults"], nil, []string{"defaults"})
		root.remove("defaults")
	}
	under := &node{kind: mapKind}
	if apps := root.get("apps"); apps != nil && defaults != nil {
		beneath := &node{kind: mapKind}
		for _, name := range apps.names {
			beneath.set(name, defaults)
		}
		under.set("apps", beneath)
	}
	base.check(root, s, under, nil)
	if defaults != nil {
		root.set("defaults", defaults)
	}
	if environments != nil {
		root.set("environments", environments)
		over := &checker{environment: true, apps: base.apps}
		over.check(environments, s.fields["environments"], nil, []string{"environments"})
		base.errs = append(base.errs, over.errs...)
		base.errs = append(base.errs, knownApps(root, environments)...)
		if n := environments.get("base"); n != nil {
			base.errs = append(base.errs, Error{
				Pos: n.key, Path: "environments.base", Msg: "the name is that of the description without an environment", Hint: "call it dev, test or common",
			})
		}
	}
	return base.errs
}

// knownApps reports apps that only an environment names and that cannot stand
// alone: most likely a typo.
func knownApps(root, environments *node) []Error {
	var errs []Error
	apps := root.get("apps")
	for _, environment := range environments.names {
		theirs := environments.get(environment, "apps")
		if theirs == nil {
			continue
		}
		for _, name := range theirs.names {
			app := theirs.fields[name]
			isNew := app.kind == mapKind && (app.get("image") != nil || app.get("service", "external") != nil || root.get("defaults", "image") != nil)
			if apps == nil || apps.bad || apps.fields[name] != nil || app.bad || isNew || app.kind != mapKind && app.kind != nullKind {
				continue
			}
			app.bad = true
			e := Error{
				Pos: app.key, Path: join("environments", environment, "apps", name),
				Msg:  "there is no app " + quote(name),
				Hint: "the apps are " + strings.Join(slices.Sorted(slices.Values(apps.names)), ", ") + "; a new one needs an image",
			}
			if hint := didYouMean(name, apps.names); hint != "" {
				e.Hint = hint
			}
			errs = append(errs, e)
		}
	}
	return errs
}

// knownEnvironment reports an environment that the file does not define.
func knownEnvironment(root *node, environment string) []Error {
	if environment == "" || root.get("environments", environment) != nil {
		return nil
	}
	e := Error{Pos: root.at(), Msg: "there is no environment " + quote(environment), Hint: "the file defines no environments"}
	if all := root.get("environments"); all != nil && len(all.names) > 0 {
		e.Pos, e.Path = all.at(), "environments"
		e.Hint = "the environments are " + strings.Join(slices.Sorted(slices.Values(all.names)), ", ")
		if hint := didYouMean(environment, all.names); hint != "" {
			e.Hint = hint + " " + e.Hint
		}
	}
	return []Error{e}
}

// hasApps reports a stack that describes nothing.
func hasApps(tree *node) []Error {
	apps := tree.get("apps")
	if apps != nil && (apps.bad || len(apps.names) > 0) {
		return nil
	}
	e := Error{Pos: tree.at(), Msg: "apps is missing", Hint: "a stack has at least one app: apps: {web: {image: ghcr.io/acme/web:1.4.2}}"}
	if apps != nil {
		e.Pos, e.Path, e.Msg = apps.at(), "apps", "there are no apps"
	}
	return []Error{e}
}

// decode fills s from its tree.
func (s *Stack) decode(root *node) error {
	if all := root.get("environments"); all != nil {
		s.Environments = slices.Sorted(maps.Keys(all.fields))
	}
	if err := decode(s.tree, reflect.ValueOf(s).Elem()); err != nil {
		return fmt.Errorf("read the stack: %w", err)
	}
	apps := s.tree.get("apps")
	if apps == nil {
		return nil
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(apps.fields)), func(name string) bool {
		return apps.fields[name].kind != mapKind || apps.fields[name].bad // already reported
	})
	s.Apps = make([]*App, len(names))
	failed := make([]error, len(names))
	Concurrently(len(names), func(i int) {
		app := &App{}
		if err := decode(apps.fields[names[i]], reflect.ValueOf(app).Elem()); err != nil {
			failed[i] = fmt.Errorf("read the app %s: %w", names[i], err)
			return
		}
		app.Name = names[i]
		app.settle()
		s.Apps[i] = app
	})
	return errors.Join(failed...)
}

// PosOf returns where a field was written, such as PosOf("apps", "web",
// "image"). It is a best effort: a field that nobody wrote answers with the
// nearest one around it, at last with the app.
func (s *Stack) PosOf(path ...string) Pos {
	if s.tree == nil { // built by hand
		return s.Pos
	}
	n, at := s.tree, s.tree.at()
	for i, name := range path {
		next := n.get(name)
		if next == nil && name == "port" && i == 2 {
			next = n.get("ports", "http")
		}
		if next == nil {
			break
		}
		if n = next; n.at().IsValid() {
			at = n.at()
		}
	}
	return at
}

// Wrote reports whether a field was written by the user, as opposed to a
// default of stackctl; the path is that of the long form.
func (s *Stack) Wrote(path ...string) bool {
	n := s.tree.get(path...)
	return n != nil && n.at().IsValid()
}

// App returns the app of a name, nil when there is none.
func (s *Stack) App(name string) *App {
	i, found := slices.BinarySearchFunc(s.Apps, name, func(app *App, name string) int { return strings.Compare(app.Name, name) })
	if !found {
		return nil
	}
	return s.Apps[i]
}

// appNames returns the names of all apps, sorted.
func (s *Stack) appNames() []string {
	names := make([]string, len(s.Apps))
	for i, app := range s.Apps {
		names[i] = app.Name
	}
	return names
}
