package schema_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"stackctl.dev/stackctl/schema"
)

// TestFormat formats the first file of each testdata/format/*.txtar and
// compares the result with the second one. A line "long" in the comment asks
// for long forms.
func TestFormat(t *testing.T) {
	stories, err := filepath.Glob("../testdata/format/*.txtar")
	if err != nil || len(stories) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, path := range stories {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			story, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			opts := schema.FormatOptions{Long: strings.Contains(string(story.Comment), "\nlong\n")}
			got, err := schema.Format(story.Files[0].Name, story.Files[0].Data, opts)
			if err != nil {
				got = []byte(err.Error() + "\n")
			}
			if update {
				story.Files[1].Data = got
				if err := os.WriteFile(path, txtar.Format(story), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(story.Files[1].Data), string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s\nSTACKCTL_UPDATE=1 go test ./schema rewrites it", diff)
			}
		})
	}
}

// descriptions returns all descriptions that tests have, by name.
func descriptions(t testing.TB) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for _, pattern := range []string{"../testdata/*/*.txtar", "../examples/*/stack.*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: no files: %v", pattern, err)
		}
		for _, path := range paths {
			if filepath.Ext(path) != ".txtar" {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				all[path] = text
				continue
			}
			story, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range story.Files {
				if ext := filepath.Ext(file.Name); ext == ".yaml" || ext == ".json" || ext == ".cue" {
					all[path+"/"+file.Name] = file.Data
				}
			}
		}
	}
	return all
}

// TestFormatKeeps formats every description there is: the result must mean the
// same, and be its own canonical form.
func TestFormatKeeps(t *testing.T) {
	formatted := 0
	for path, text := range descriptions(t) {
		for _, long := range []bool{false, true} {
			if formats(t, path, text, long) {
				formatted++
			}
		}
	}
	if formatted < 100 {
		t.Errorf("only %d descriptions could be formatted", formatted)
	}
}

// formats checks what Format promises, and reports whether there was something
// to format.
func formats(t *testing.T, name string, text []byte, long bool) bool {
	t.Helper()
	out, ok := canonical(t, name, text, schema.FormatOptions{Long: long})
	if !ok {
		return false
	}
	before, errBefore := loadText(t, name, text)
	after, errAfter := loadText(t, name, out)
	if diff := cmp.Diff(before, after); diff != "" || (errBefore == nil) != (errAfter == nil) {
		t.Errorf("%s: not the same stack: %v, %v\n%s", name, errBefore, errAfter, diff)
	}
	return true
}

// canonical formats a text twice: what comes out must be its own canonical
// form, and an error one that the user can correct.
func canonical(t *testing.T, name string, text []byte, opts schema.FormatOptions) (out []byte, ok bool) {
	t.Helper()
	out, err := schema.Format(name, text, opts)
	if err != nil {
		var errs schema.Errors
		if !errors.As(err, &errs) || strings.Contains(err.Error(), "without changing it") || strings.Contains(err.Error(), "understood: ") || strings.Contains(err.Error(), "takes more") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		return nil, false
	}
	again, err := schema.Format(name, out, opts)
	if err != nil || !bytes.Equal(out, again) {
		t.Errorf("%s: the canonical form has another one: %v\n%s", name, err, cmp.Diff(string(out), string(again)))
	}
	return out, true
}

// TestFormatKeepsComments puts a comment in front of and behind every line of
// many descriptions, one after the other.
func TestFormatKeepsComments(t *testing.T) {
	for path, text := range descriptions(t) {
		if filepath.Ext(path) != ".yaml" || len(text) > 1500 || !strings.Contains(path, "/format/") && !strings.Contains(path, "/render/") {
			continue
		}
		lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n")+"\n", "\n")
		lines = lines[:len(lines)-1]
		for i, line := range lines {
			margin := line[:len(line)-len(strings.TrimLeft(line, " "))]
			for _, noted := range []string{
				margin + "# above\n" + line,
				"\n  " + margin + "# right\n" + line,
				strings.TrimPrefix(margin, "  ") + "# left\n\n" + line,
				strings.TrimSuffix(line, "\n") + " # behind\n",
				strings.TrimSuffix(line, "\n") + " # behind\n" + margin + "  # below\n",
			} {
				all := slices.Clone(lines)
				all[i] = noted
				canonical(t, path, []byte(strings.Join(all, "")), schema.FormatOptions{})
			}
		}
	}
}

// loadText returns what a description says, without places.
func loadText(t *testing.T, name string, text []byte) (string, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, filepath.Base(name))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := schema.Load(context.Background(), schema.Options{Filename: path})
	if err != nil {
		return "", err
	}
	return schema.Dump(s), nil
}

func FuzzFormat(f *testing.F) {
	for name, text := range descriptions(f) {
		if filepath.Ext(name) != ".cue" {
			f.Add(string(text), filepath.Ext(name) == ".json")
		}
	}
	f.Fuzz(func(t *testing.T, text string, isJSON bool) {
		name := "stack.yaml"
		if isJSON {
			name = "stack.json"
		}
		canonical(t, name, []byte(text), schema.FormatOptions{})
	})
}
