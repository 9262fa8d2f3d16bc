package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPrivateFileIsReplacedInOneStep leaves the old file or the new one, for its
// owner alone, and nothing else.
func TestPrivateFileIsReplacedInOneStep(t *testing.T) {
	dir := t.TempDir()
	name, link := filepath.Join(dir, "plan.json"), filepath.Join(dir, "link.json")
	if err := os.WriteFile(name, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("plan.json", link); err != nil {
		t.Fatal(err)
	}
	if err := writePrivate(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(name)
	if err != nil || info.Mode() != 0o600 || string(must(os.ReadFile(name))) != "new" {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v", err)
	}
	if err := writePrivate(dir, []byte("new")); err == nil {
		t.Error("a directory was written over")
	}
	if err := writePrivate(filepath.Join(name, "plan.json"), []byte("new")); err == nil {
		t.Error("a file was made below a file")
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if left, _ := filepath.Glob(filepath.Join(d, ".stackctl-*")); len(left) > 0 {
			t.Errorf("left behind: %s", left)
		}
	}
}
