//go:build unix

package schema_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"stackctl.dev/stackctl/schema"
)

// TestIrregularFiles must not hang.
func TestIrregularFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{pipe, dir, "/dev/zero"} {
		_, err := schema.Load(context.Background(), schema.Options{Filename: name})
		if err == nil || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := schema.Load(context.Background(), schema.Options{Filename: filepath.Join(dir, "gone.yaml")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	_, err = schema.Load(context.Background(), schema.Options{Filename: "-"})
	if err == nil {
		t.Error("no standard input: want an error")
	}
}
