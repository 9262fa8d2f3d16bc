package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// saveFlags are the flags of a diff about the file it leaves its plans in, and
// the consents that only carrying them out asks for.
type saveFlags struct {
	out        string
	allowPrune int
}

func (f *saveFlags) set(c *cobra.Command, consents *consentFlags) {
	c.Flags().Var((*name)(&f.out), "out", "keep the plan in `FILE` too, for `stackctl apply FILE`")
	c.Flags().BoolVar(&consents.unpreviewed, "allow-unpreviewed", false, "approve objects too that a webhook keeps from being previewed")
	c.Flags().Var((*count)(&f.allowPrune), "allow-prune", "approve deleting `N` objects, where that is suspiciously many")
	if err := c.MarkFlagFilename("out", "json"); err != nil {
		panic(err) // the flag does not exist
	}
}

// check refuses a file that no plan can be kept in, before anything is planned.
func (f *saveFlags) check() error {
	if f.out == "-" {
		return &usageError{msg: "--out takes the name of a file", hint: "the diff goes to standard output; with -o json it is the plan for other programs to read, but not to carry out"}
	}
	text, err := readPlan(f.out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(f.out)); err != nil {
			return unwritable(f.out, err)
		}
		return nil
	case err != nil:
		return err
	case len(text) > 0 && !apply.IsPlanFile(text):
		return &usageError{msg: f.out + " is there, and is no plan: it is left as it is", hint: "give the plan another name"}
	}
	return nil
}

// save returns a plan as it can be kept in a file.
func (f *saveFlags) save(ctx context.Context, e *env, s *session, plan *apply.Plan) (*apply.SavedPlan, error) {
	from, err := described(s.spec)
	if err != nil {
		return nil, err
	}
	from.SourceOf = sourceOf(s.spec, s.stack.Namespace)
	run := apply.Run{}
	e.signRun(&run)
	signCommit(&run, s.spec.Files)
	saved, err := s.engine.Save(ctx, plan, from, f.allowPrune, apply.Made{
		At: e.now().UTC().Truncate(time.Second), By: run.Author, Tool: run.Tool, Command: commandLine(e.args), Commit: run.Commit, Dirty: run.Dirty,
	})
	if unsourced := (*apply.UnsourcedError)(nil); errors.As(err, &unsourced) {
		return nil, &usageError{msg: unsourced.Error(), hint: unsourced.Hint(), err: err}
	}
	return saved, s.wrap(err)
}

// write leaves plans in the file. refused says that carrying them out will stop.
func (f *saveFlags) write(e *env, plans []*apply.SavedPlan, refused bool) error {
	text, err := apply.EncodePlans(plans)
	if err != nil {
		return err
	}
	if err := writePrivate(f.out, text); err != nil {
		return err
	}
	if refused {
		e.note(fmt.Sprintf("the plan is in %s, but cannot be carried out as it is: give the diff the consents that it asks for", f.out))
		return nil
	}
	e.note(fmt.Sprintf("the plan is in %s; `stackctl apply %s` carries it out", f.out, quote(f.out)))
	return nil
}

// described is what a stack was read from, as it is now.
func described(spec *schema.Stack) (apply.Description, error) {
	from := apply.Description{Main: spec.Pos.File}
	if from.Main == "-" {
		from.Main = ""
	}
	for _, file := range spec.Files {
		known := func(f apply.DescribedFile) bool { return f.Name == file }
		if file == "-" || slices.ContainsFunc(from.Files, known) {
			continue
		}
		text := spec.Source
		if file != from.Main {
			var err error
			if text, err = os.ReadFile(file); err != nil {
				return from, unreadable(err)
			}
		}
		from.Files = append(from.Files, apply.DescribedFile{Name: file, Text: text})
	}
	return from, nil
}

// sourceOf returns the function that says where a secret value of an object is
// read.
func sourceOf(spec *schema.Stack, namespace string) func(*unstructured.Unstructured, []string) apply.ValueSource {
	explained, _ := render.Explain(spec, render.Options{Namespace: namespace})
	return func(o *unstructured.Unstructured, path []string) apply.ValueSource {
		if len(path) == 2 && path[0] == "data" {
			if source, ok := readFrom(o, path[1]); ok {
				return source
			}
		}
		for _, m := range spec.Manifests {
			key := unstructured.Unstructured{Object: m.Object}
			if key.GetKind() == o.GetKind() && key.GetAPIVersion() == o.GetAPIVersion() && key.GetName() == o.GetName() {
				return apply.ValueSource{Manifest: m.Pos.File}
			}
		}
		if spec.Pos.File == "-" {
			return apply.ValueSource{}
		}
		pos := schema.Pos{File: spec.Pos.File}
		for _, one := range explained {
			if one.Object.GetKind() != o.GetKind() || one.Object.GetName() != o.GetName() {
				continue
			}
			if origin := originAt(one, steps(o.Object, path)); origin != nil && origin.Pos.IsValid() {
				pos = origin.Pos
			}
		}
		return apply.ValueSource{Spec: ui.Place(pos)}
	}
}

// steps leads to a value as lines of an explained object do.
func steps(v any, path []string) (place []any) {
	for _, step := range path {
		switch parent := v.(type) {
		case map[string]any:
			v, place = parent[step], append(place, step)
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(parent) {
				return place
			}
			v, place = parent[i], append(place, i)
		}
	}
	return place
}

// annotationSources says on a Secret where its values are read.
const annotationSources = "stackctl.dev/sources"

// sourceStart begins one entry of the annotation, which are joined by commas.
var sourceStart = regexp.MustCompile(`(?:^|,)([-._a-zA-Z0-9]+)=(env|file):`)

// readFrom says where the value of a key of a Secret is read.
func readFrom(o *unstructured.Unstructured, key string) (apply.ValueSource, bool) {
	text := o.GetAnnotations()[annotationSources]
	all := sourceStart.FindAllStringSubmatchIndex(text, -1)
	for i, at := range all {
		end := len(text)
		if i+1 < len(all) {
			end = all[i+1][0]
		}
		if text[at[2]:at[3]] != key {
			continue
		}
		from := text[at[1]:end]
		if text[at[4]:at[5]] == "env" {
			return apply.ValueSource{Env: from}, true
		}
		return apply.ValueSource{File: from}, true
	}
	return apply.ValueSource{}, false
}
