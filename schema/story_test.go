package schema_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"stackctl.dev/stackctl/schema"
)

// update rewrites goldens instead of comparing them. It is a variable of the
// environment, since a flag would break the packages that do not define it.
var update = os.Getenv("STACKCTL_UPDATE") != ""

// TestStories loads the description in each testdata/schema/*.txtar and
// compares what is said about it, errors or warnings, with the file "want". A
// line "environment: NAME" in the comment selects one, "symlink: NAME TARGET"
// makes one beside the other files of the story.
func TestStories(t *testing.T) {
	root, err := filepath.Abs("../testdata/schema")
	if err != nil {
		t.Fatal(err)
	}
	stories, err := filepath.Glob(filepath.Join(root, "*.txtar"))
	if err != nil || len(stories) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	said := 0
	for _, path := range stories {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			story, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, story)
			said += strings.Count(got, "\n  hint: ")
			if got == "" {
				t.Error("nothing was said; a story needs an error or a warning")
			}
			last := len(story.Files) - 1
			if update {
				story.Files[last].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(story), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(story.Files[last].Data), got); diff != "" {
				t.Errorf("(-want +got)\n%s\nSTACKCTL_UPDATE=1 go test ./schema rewrites it", diff)
			}
		})
	}
	t.Logf("%d stories, %d mistakes with a way out", len(stories), said)
}

// tell loads the first file of a story and returns what a user is told.
func tell(t *testing.T, story *txtar.Archive) string {
	t.Helper()
	var opts schema.Options
	for line := range strings.Lines(string(story.Comment)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "environment: "); ok {
			opts.Environment = name
		}
	}
	t.Chdir(t.TempDir())
	opts.Filename = story.Files[0].Name
	for _, file := range story.Files[:len(story.Files)-1] {
		if err := os.MkdirAll(filepath.Dir(file.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file.Name, file.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(string(story.Comment)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "symlink: "); ok {
			link, target, _ := strings.Cut(name, " ")
			if err := os.Symlink(target, link); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := schema.Load(context.Background(), opts)
	var out strings.Builder
	var errs schema.Errors
	switch {
	case err == nil:
		for _, warning := range s.Warnings {
			out.WriteString("warning: " + warning.Error() + "\n  hint: " + warning.Hint + "\n")
		}
	case errors.As(err, &errs):
		for _, one := range errs {
			out.WriteString(one.Error() + "\n")
			if one.Hint != "" {
				out.WriteString("  hint: " + one.Hint + "\n")
			}
		}
	default:
		out.WriteString(err.Error() + "\n")
	}
	return out.String()
}
