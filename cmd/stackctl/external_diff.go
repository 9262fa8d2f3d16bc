package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"stackctl.dev/stackctl/cmd/internal/ui"
)

// This is the only file that may run a program: the one that the user names for
// just that, in the variable that kubectl reads.

// externalArgument is what kubectl passes on of the words behind the program;
// it leaves the others out.
var externalArgument = regexp.MustCompile(`^[a-zA-Z0-9-=]+$`)

// externalDiff has a program of the user's compare two directories, of the
// objects as they are and as they would be, masked. What is not in an object is
// said on stderr. Nothing is left of the directories.
func externalDiff(ctx context.Context, e *env, command string, all []ui.Diff) (err error) {
	dir, err := os.MkdirTemp("", "stackctl-diff-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for i, d := range all {
		if i > 0 {
			fmt.Fprintln(e.stderr)
		}
		if err := ui.WriteDiffNotes(e.stderr, d, e.options(e.stderr)); err != nil {
			return err
		}
	}
	live, merged := filepath.Join(dir, "LIVE"), filepath.Join(dir, "MERGED")
	if err := errors.Join(os.Mkdir(live, 0o700), os.Mkdir(merged, 0o700)); err != nil {
		return err
	}
	files := 0
	for _, d := range all {
		for _, f := range ui.DiffFiles(d) {
			if err := errors.Join(writeSide(live, f.Name, f.Before), writeSide(merged, f.Name, f.After)); err != nil {
				return err
			}
			files++
		}
	}
	if files == 0 {
		return nil
	}
	words := strings.Fields(command)
	if len(words) == 0 {
		return &usageError{msg: externalDiffVariable + " is blank", hint: "unset it, or choose a format with -o"}
	}
	args := []string{live, merged}
	for _, word := range words[1:] {
		if externalArgument.MatchString(word) {
			args = append(args, word)
		}
	}
	cmd := exec.CommandContext(ctx, words[0], args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.stdin, e.stdout.stream(), e.stderr.stream()
	var ended *exec.ExitError
	switch err := cmd.Run(); {
	case err == nil, errors.As(err, &ended) && ended.ExitCode() == 1:
		return nil // 1 says that there are differences, which the plan knows
	case ctx.Err() != nil:
		return ctx.Err()
	case ended != nil:
		return fmt.Errorf("%s, which %s names: %v", words[0], externalDiffVariable, ended)
	default:
		return &usageError{msg: fmt.Sprintf("run what %s names: %v", externalDiffVariable, err), hint: "unset it, or choose a format with -o", err: err}
	}
}

// writeSide writes an object that only the user may read; none where there is
// no object.
func writeSide(dir, name, text string) error {
	if text == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
}

// stream is what a program writes to: the terminal itself, where it is one.
func (o *output) stream() io.Writer {
	if f, ok := o.w.(*os.File); ok {
		return f
	}
	return o
}
