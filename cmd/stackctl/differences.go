package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/cmd/internal/ui"
)

// differenceFlags say how differences are shown, and what they count as.
type differenceFlags struct {
	output   choice
	exitZero bool
}

// set adds the flags. A command may have formats beyond those of a diff.
func (f *differenceFlags) set(c *cobra.Command, more ...string) {
	outputFlag(c, &f.output, formats("text", slices.Compact(slices.Sorted(slices.Values(append(more, ui.DiffFormats()...)))))...)
	c.Flags().BoolVar(&f.exitZero, "exit-zero", false, "end with 0 in spite of differences")
}

// differenceFormats is the part of a help text about the formats.
const differenceFormats = `

markdown fits into a comment of a review, html is one page that loads nothing,
patch and side-by-side show whole objects. github writes annotations, and the
summary of the step to $GITHUB_STEP_SUMMARY; gitlab a code quality report, junit
a test report. JSON is one document for each stack: docs/diff-json.md.
Without -o, a program that $KUBECTL_EXTERNAL_DIFF names shows the differences.`

// externalDiffVariable names a program of the user's, as for kubectl.
const externalDiffVariable = "KUBECTL_EXTERNAL_DIFF"

// show writes differences to where the user wants to see them.
func (f *differenceFlags) show(ctx context.Context, e *env, all []ui.Diff) error {
	if program := e.getenv(externalDiffVariable); program != "" && !f.output.given {
		return externalDiff(ctx, e, program, all)
	}
	o := e.options(e.stdout)
	o.File = repositoryFile(e.getenv)
	if path := e.getenv("GITHUB_STEP_SUMMARY"); path != "" && f.output.value == "github" {
		summary, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("open the file that GITHUB_STEP_SUMMARY names: %w", err)
		}
		defer summary.Close()
		o.Summary = summary
	}
	return ui.WriteDiffs(e.stdout, f.output.value, all, o)
}

// answer is the exit code's part of the answer.
func (f *differenceFlags) answer(all []ui.Diff) error {
	for _, d := range all {
		if !f.exitZero && !d.Empty() {
			return errDifferent
		}
	}
	return nil
}

// repositoryFile returns the function that names a file as a CI system does:
// from the root of the repository that it works on.
func repositoryFile(getenv func(string) string) func(string) string {
	return func(file string) string {
		absolute, err := filepath.Abs(file)
		if err != nil {
			return file
		}
		for _, variable := range []string{"GITHUB_WORKSPACE", "CI_PROJECT_DIR"} {
			root := getenv(variable)
			if root == "" {
				continue
			}
			if below, err := filepath.Rel(root, absolute); err == nil && filepath.IsLocal(below) {
				return filepath.ToSlash(below)
			}
		}
		return strings.TrimPrefix(filepath.ToSlash(file), "./")
	}
}
