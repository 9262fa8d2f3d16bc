package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/cmd/internal/gitinfo"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// past is a description at another revision of its repository.
type past struct {
	files *gitinfo.Files
	name  string // of the file in its directory, "" when it was not there
	shown string // as errors name it
}

// openPast finds what a description was at a revision.
func openPast(revision string, now *schema.Stack) (*past, error) {
	if now.Pos.File == "-" {
		return nil, &usageError{msg: "--against git: needs a file: standard input is in no repository", hint: "name it with -f"}
	}
	files, err := gitinfo.Open(now.Dir, revision)
	switch {
	case errors.Is(err, gitinfo.ErrNoRepository):
		return nil, &usageError{msg: fmt.Sprintf("%s is in no git repository", titleOf(now)), err: err}
	case errors.Is(err, gitinfo.ErrNoRevision):
		return nil, &usageError{
			msg:  fmt.Sprintf("--against git:%s: %v", revision, err),
			hint: "a clone of a CI system may hold one commit of one branch: fetch the other one first, and name it as in git:origin/main",
			err:  err,
		}
	case err != nil:
		return nil, &usageError{
			msg:  fmt.Sprintf("--against git:%s: %v", revision, err),
			hint: "a shallow or partial clone lacks objects: fetch them first, as in `git fetch origin " + quote(revision) + "`",
			err:  err,
		}
	}
	p := &past{files: files, name: filepath.Base(now.Pos.File)}
	if _, err := fs.Stat(files, p.name); errors.Is(err, fs.ErrNotExist) {
		// In another language, perhaps.
		if p.name, err = schema.FindIn(files, "."); err != nil {
			p.name = ""
		}
	}
	p.shown = revision + ":/" + path.Join(files.Dir, p.name)
	return p, nil
}

// load reads the description as it was, nil when it was not there, or had no
// such environment.
func (p *past) load(ctx context.Context, environment string) (*schema.Stack, error) {
	if p.name == "" {
		return nil, nil
	}
	read := func(environment string) (*schema.Stack, error) {
		s, err := schema.Load(ctx, schema.Options{Filename: p.shown, View: p.files, Environment: environment})
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return s, unreadable(err)
	}
	s, err := read(environment)
	var invalid schema.Errors
	if environment == "" || !errors.As(err, &invalid) {
		return s, err
	}
	if base, failed := read(""); failed == nil && !slices.Contains(base.Environments, environment) {
		return nil, nil
	}
	return nil, err
}

// kept returns the objects of a stack that a directory of manifests holds.
func (c *comparison) kept(ctx context.Context, spec *schema.Stack, environment, namespace string) (render.Objects, error) {
	dir, below := c.against.name, true
	split := slices.ContainsFunc(spec.Environments, func(name string) bool { return isDir(filepath.Join(dir, name)) })
	if split && environment == "" {
		below = false // what is below is of environments
	} else if split {
		if dir = filepath.Join(dir, environment); !isDir(dir) {
			return nil, nil // a new one
		}
	}
	manifests, err := schema.LoadManifests(ctx, dir, below)
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, unreadable(err)
	}
	objects := render.Manifests(manifests, namespace)
	return slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
		owner, labelled := o.GetLabels()[render.LabelStack]
		return labelled && owner != spec.Name
	}), err
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
