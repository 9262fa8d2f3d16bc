package render

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"stackctl.dev/stackctl/schema"
)

// update rewrites goldens instead of comparing them.
var update = os.Getenv("STACKCTL_UPDATE") != ""

// TestFields renders the stack in each testdata/render/*.txtar and compares
// the YAML with the file "want". In the comment, "environment: NAME" selects
// one and every "show: Kind/name path" cuts out a part, so that a story shows
// what it is about and not every default.
func TestFields(t *testing.T) {
	stories, err := filepath.Glob("../testdata/render/*.txtar")
	if err != nil || len(stories) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, path := range stories {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			story, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var environment string
			var shows []string
			for line := range strings.Lines(string(story.Comment)) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				switch key {
				case "environment":
					environment = value
				case "show":
					shows = append(shows, value)
				}
			}
			objects := renderText(t, string(story.Files[0].Data), environment)
			checkFields(t, objects)
			got := cut(t, objects, shows)
			if update {
				story.Files[1].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(story), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(story.Files[1].Data), got); diff != "" {
				t.Errorf("(-want +got)\n%s\nSTACKCTL_UPDATE=1 go test ./render rewrites it", diff)
			}
		})
	}
}

// renderText loads and renders a description.
func renderText(t testing.TB, text, environment string) Objects {
	t.Helper()
	s, err := schema.Load(context.Background(), schema.Options{
		Filename: "-", Stdin: strings.NewReader(text), Environment: environment,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	namespace := s.Namespace
	if namespace == "" {
		namespace = "default"
	}
	objects, err := Render(s, Options{Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func yamlText(t testing.TB, objects Objects) string {
	t.Helper()
	var out bytes.Buffer
	if err := objects.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// cut writes the parts of the objects that a story shows, or all of them.
func cut(t *testing.T, objects Objects, shows []string) string {
	if len(shows) == 0 {
		return yamlText(t, objects)
	}
	var out bytes.Buffer
	for _, show := range shows {
		name, path, _ := strings.Cut(show, " ")
		fmt.Fprintf(&out, "# %s\n", show)
		value := at(find(objects, name), path)
		if value == nil {
			out.WriteString("# none\n")
			continue
		}
		y := &yamlWriter{out: bufio.NewWriter(&out)}
		y.value(value, 0, false)
		y.out.Flush()
	}
	return out.String()
}

func find(objects Objects, name string) any {
	for _, object := range objects {
		if object.GetKind()+"/"+object.GetName() == name {
			return object.Object
		}
	}
	return nil
}

// at follows a path of keys and indexes.
func at(value any, path string) any {
	if path == "" {
		return value
	}
	for _, part := range strings.Split(path, ".") {
		switch container := value.(type) {
		case map[string]any:
			value = container[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(container) {
				return nil
			}
			value = container[i]
		default:
			return nil
		}
	}
	return value
}
