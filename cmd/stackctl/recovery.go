package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"stackctl.dev/stackctl/apply"
)

// recovery is what is known of a run whose end could not be recorded in the
// cluster. It is only for people: the next apply finds out by itself what is
// there. It holds no value of any object.
type recovery struct {
	Note     string               `json:"note"`
	Stack    apply.Stack          `json:"stack"`
	Revision int                  `json:"revision"`
	Status   apply.RevisionStatus `json:"status"` // as recorded
	EndedAt  time.Time            `json:"endedAt"`
	Error    string               `json:"error"`
	Changes  apply.Counts         `json:"changes"`
	Outcomes []apply.Outcome      `json:"outcomes"`
}

// recovered keeps what a run did in a local file, when the cluster did not take
// the record of its end, and names the file in the error.
func (e *env) recovered(result *apply.Result, err error) error {
	var lost *apply.LockLostError
	var notRecorded *apply.NotRecordedError
	open := result != nil && result.Revision > 0 && result.Status == apply.StatusPending
	if err == nil || errors.As(err, &lost) || !open && !errors.As(err, &notRecorded) {
		return err
	}
	text, jsonErr := json.MarshalIndent(recovery{
		Note:  "the end of this run could not be recorded; run `stackctl apply` again, which finishes the record",
		Stack: result.Stack, Revision: result.Revision, Status: result.Status, EndedAt: e.now().UTC().Truncate(time.Second),
		Error: err.Error(), Changes: result.Changes, Outcomes: result.Outcomes,
	}, "", "  ")
	if jsonErr != nil {
		return err
	}
	name := fmt.Sprintf("stackctl-recovery-%s-%d.json", result.Stack.Name, result.Revision)
	path, fileErr := keep(name, append(text, '\n'))
	if fileErr != nil {
		e.note("what was done could not be written to a file: " + fileErr.Error())
		return err
	}
	return &hintError{err, "run `stackctl apply` again: it finishes the record; what was done is in " + path}
}

// keep writes a new file into the working directory, or where that cannot be
// written to into that for temporary files. A file of that name is left alone.
func keep(name string, text []byte) (path string, err error) {
	for _, dir := range []string{".", os.TempDir()} {
		for n := range 10 {
			path = filepath.Join(dir, name)
			if n > 0 {
				path += fmt.Sprintf(".%d", n)
			}
			if err = create(path, text); err == nil {
				return path, nil
			}
			if !errors.Is(err, fs.ErrExist) {
				break
			}
		}
	}
	return "", err
}

// create writes a file that nobody else may read and that did not exist. What
// could not be written in full is not left behind.
func create(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
