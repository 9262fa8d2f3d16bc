package schema

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzCUE reads any text as CUE, up to its grammar. Whatever it is, the answer
// is a file or errors with a place in it, and never a panic.
func FuzzCUE(f *testing.F) {
	stories, _ := filepath.Glob("../testdata/schema/cue_*.txtar")
	if len(stories) == 0 {
		f.Fatal("no seeds")
	}
	for _, path := range stories {
		story, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range story.Files {
			if strings.HasSuffix(file.Name, ".cue") {
				f.Add(string(file.Data))
			}
		}
	}
	for _, b := range bombs() {
		if strings.HasSuffix(b.name, ".cue") && len(b.text) < 1000 {
			f.Add(b.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		in := &input{file: "stack.cue", text: []byte(text)}
		if len(in.check()) > 0 {
			t.Skip()
		}
		l := &cueLoader{in: in}
		file := l.parse(in.file, in.text)
		if (file == nil) != (len(l.errs) > 0) && !strings.Contains(text, "@extern") {
			t.Fatalf("a file %t and %d errors", file != nil, len(l.errs))
		}
		lines := strings.Count(text, "\n") + 1
		for _, e := range l.errs {
			if e.Msg == "" || e.Pos.File != in.file || e.Pos.Line < 1 || e.Pos.Line > lines {
				t.Errorf("%+v in %d lines", e, lines)
			}
		}
		packageClause(in.file, in.text)
	})
}
