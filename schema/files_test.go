//go:build unix

package schema

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestFilesBeside puts things that are no plain files where a description
// reads some. None of them may be read, and none may make it wait.
func TestFilesBeside(t *testing.T) {
	const (
		description = "package a\nname: \"shop\"\napps: web: image: \"web:1.0\"\n"
		importing   = "package a\nimport \"example.com/shop/lib\"\nname: lib.name\napps: web: image: \"web:1.0\"\n"
	)
	symlink := func(to, from string) func() error { return func() error { return os.Symlink(to, from) } }
	pipe := func(name string) func() error { return func() error { return syscall.Mkfifo(name, 0o600) } }
	for _, test := range []struct {
		reason, text string
		prepare      func() error
		want         string // "" is accepted
	}{
		{"nothing", description, symlink("nowhere", "unrelated"), ""},
		{"a link out", description, symlink("../outside/secret.cue", "b.cue"), "stack.cue:1:1: b.cue leads out of the directory of the description"},
		{"a link out by an absolute path", description, symlink("/etc/hostname", "b.cue"), "stack.cue:1:1: b.cue leads out of the directory of the description"},
		{"a device", description, symlink("/dev/zero", "b.cue"), "b.cue leads out"},
		{"a link to a link out", description, func() error { os.Symlink("../outside", "lib"); return os.Symlink("lib/secret.cue", "b.cue") }, "b.cue leads out"},
		{"a link to nothing", description, symlink("gone", "b.cue"), "there is no file b.cue"},
		{"a link to itself", description, symlink("b.cue", "b.cue"), "b.cue cannot be read: "},
		{"a link inside", description, func() error { os.Mkdir("in", 0o700); return os.Symlink("in", "lib") }, ""},
		{"a pipe", description, pipe("b.cue"), "stack.cue:1:1: b.cue is not a regular file"},
		{"a hidden pipe", description, pipe(".b.cue"), ""},
		{"a directory like a file", description, func() error { return os.Mkdir("b.cue", 0o700) }, ""},
		{"a package that leads out", importing, symlink("../outside", "lib"), "stack.cue:2:8: lib leads out of the directory of the description"},
		{"a package with a link out", importing, func() error { os.Mkdir("lib", 0o700); return os.Symlink("../../outside/secret.cue", "lib/b.cue") }, "stack.cue:2:8: lib/b.cue leads out"},
		{"a package with a pipe", importing, func() error { os.Mkdir("lib", 0o700); return syscall.Mkfifo("lib/b.cue", 0o600) }, "stack.cue:2:8: lib/b.cue is not a regular file"},
		{"a package that is a file", importing, func() error { return os.WriteFile("lib", nil, 0o600) }, "stack.cue:2:8: "},
		{"a module that is a pipe", importing, func() error { os.Remove("cue.mod/module.cue"); return syscall.Mkfifo("cue.mod/module.cue", 0o600) }, "stack.cue:2:8: cue.mod/module.cue is not a regular file"},
		{"a module that is a directory", importing, func() error { os.Remove("cue.mod/module.cue"); return os.Mkdir("cue.mod/module.cue", 0o700) }, "stack.cue:2:8: cue.mod/module.cue is not a regular file"},
		{"a module that leads out", importing, func() error { os.RemoveAll("cue.mod"); return os.Symlink("../outside", "cue.mod") }, "cue.mod/module.cue leads out"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			unpack(t, "-- outside/secret.cue --\npackage a\nnamespace: \"secret\"\n-- outside/module.cue --\nmodule: \"example.com/shop@v0\"\n"+
				"-- in/cue.mod/module.cue --\nmodule: \"example.com/shop@v0\"\n-- in/stack.cue --\n"+test.text)
			t.Chdir("in")
			if err := test.prepare(); err != nil {
				t.Fatal(err)
			}
			got := bomb{name: "stack.cue"}.load(patient)
			if test.want == "" && got != "" || !strings.Contains(got, test.want) || strings.Contains(got, "secret") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
