package schema

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad loads any text as YAML and JSON. Whatever it is, the answer is a
// stack or errors that say something about a line of the file, sorted, and
// never a panic.
func FuzzLoad(f *testing.F) {
	stories, _ := filepath.Glob("../testdata/schema/*.txtar")
	fields, _ := filepath.Glob("../testdata/render/*.txtar")
	if stories = append(stories, fields...); len(stories) == 0 {
		f.Fatal("no seeds")
	}
	for _, path := range stories {
		story, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if file := story.Files[0]; !strings.HasSuffix(file.Name, ".cue") {
			f.Add(string(file.Data), strings.HasSuffix(file.Name, ".json"))
		}
	}
	for _, path := range []string{"../examples/recipes/stack.yaml", "../testdata/render/full.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), false)
	}
	f.Fuzz(func(t *testing.T, text string, isJSON bool) {
		in := &input{file: "stack.yaml", text: []byte(text)}
		if isJSON {
			in.file = "stack.json"
		}
		if len(in.check()) > 0 {
			t.Skip()
		}
		s, err := guarded(context.Background(), in.file, ordinary, func() (*Stack, error) { return load(in, "") })
		if err == nil {
			if s.Name == "" || len(s.Apps) == 0 {
				t.Errorf("a stack without name or apps")
			}
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("an error without a place: %v", err)
		}
		lines := strings.Count(text, "\n") + 1
		for _, one := range errs {
			if one.Msg == "" || one.Pos.File != in.file || one.Pos.Line < 1 || one.Pos.Line > lines {
				t.Errorf("%+v in %d lines", one, lines)
			}
			if strings.Contains(one.Hint, "this is a bug") {
				t.Errorf("panic: %v", one)
			}
		}
	})
}
