package schema

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"
)

// TestMistakesInYAML shows where the common ones are seen and what is said.
func TestMistakesInYAML(t *testing.T) {
	for _, test := range []struct{ reason, text, want string }{
		{"tab", "name: shop\napps:\n\tweb: 1\n", "3:1: a tab indents this line"},
		{"indentation between two levels", "apps:\n  web:\n    image: a\n   port: 80\n", "4:4: the indentation fits no line above"},
		{"indentation left of all", "  name: shop\napps: {}\n", "2:1: the indentation fits no line above"},
		{"deeper below a value", "name: shop\n  namespace: shop\n", "2:3: the line is indented deeper than the line above, which has a value already"},
		{"no space after the colon", "name: shop\nnamespace:shop\n", "2:10: there is no space after the colon"},
		{"no space after the colon of the first key", "name:shop\napps: {}\n", "1:5: there is no space after the colon"},
		{"no colon", "name: shop\nnamespace shop\n", "2:1: this line has no colon"},
		{"two colons", "name: a: b\n", "1:8: a second colon in the value of a key"},
		{"double quote", "name: \"shop\napps:\n  web: 1\n", "1:7: the quote that opens here is not closed"},
		{"single quote", "name: 'shop\napps:\n  web: 1\n", "1:7: the quote that opens here is not closed"},
		{"quote that a later one closes", "env:\n  A: \"a\n  B: \"b\"\n", "2:6: the quote that opens here is not closed"},
		{"text after a quote", "name: \"shop\" 1\n", "1:14: something stands after the closing quote"},
		{"escape", "name: \"C:\\data\"\n", "1:10: \\d is no escape"},
		{"bracket", "args: [a, b\nname: shop\n", "1:7: the [ that opens here is not closed"},
		{"brace", "apps:\n  web:\n    env: {A: b\n    port: 80\n", "3:10: the { that opens here is not closed"},
		{"wrong bracket", "args: [a, b}\n", "1:12: this } closes no bracket"},
		{"text after a bracket", "args: [a] b\n", "1:11: something stands after the closing bracket"},
		{"comma", "env: {A: a B: b}\n", "1:13: a second colon since the last comma"},
		{"at", "name: @shop\n", "1:7: a text cannot begin with @"},
		{"backtick", "name: `shop`\n", "1:7: a text cannot begin with `"},
		{"percent", "name: %shop\n", "1:7: a text cannot begin with %"},
		{"percent in a list", "args:\n- %d\n", "2:3: a text cannot begin with %"},
		{"at in brackets", "args: [a, @b]\n", "1:11: a text cannot begin with @"},
		{"star", "schedule: */5 * * * *\n", "1:11: a text cannot begin with *"},
		{"unknown alias", "name: *shop\n", "1:7: there is no anchor &shop above the alias *shop"},
		{"item beside keys", "name: shop\n- a\n", "2:1: a list item stands beside the keys of a map"},
		{"key beside items", "args:\n- a\n- b\napps: {}\n- c\n", "5:1: a list item stands beside the keys of a map"},
		{"key beside items below", "args:\n  - a\n  b: c\n", "3:3: a key stands beside the items of a list"},
		{"list behind a key", "args: - a\n", "1:7: a list cannot begin in the line of its key"},
		{"template", "name: {{ .Values.name }}\n", "1:8: this key is a map"},
		{"anchor twice", "a: &x 1\nb: &x 2\n", "2:7: the anchor &x is written twice"},
		{"several", "name: a: b\nlabels: [a\napps:\n  web:\n    port 80\n    image: a\n  api:\n    image: @a\n  db:\n    image: db\nx-a: 'b\n",
			"1:8: a second colon in the value of a key 2:9: the [ that opens here is not closed 5:5: this line has no colon 8:12: a text cannot begin with @ 11:6: the quote that opens here is not closed"},
		{"a quote over several blocks is one mistake", "x-a: \"b\nc: d\ne: f\" g: h\"\n", "1:6: the quote that opens here is not closed"},
		{"an anchor in another block is none", "x-a: &a {b: c}\nd: *a\nname: a: b\n", "3:8: a second colon in the value of a key"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			_, errs := parseYAML("f", []byte(test.text))
			var got []string
			for _, e := range sorted(errs) {
				got = append(got, strings.TrimPrefix(e.Error(), "f:"))
			}
			if all := strings.Join(got, " "); !strings.HasPrefix(all, test.want) || strings.Count(all, ": ") > strings.Count(test.want, ": ")+1 {
				t.Errorf("%s\ngot  %s\nwant %s", test.text, all, test.want)
			}
		})
	}
}

// TestScanKnowsYAML runs the search for mistakes on files without any.
func TestScanKnowsYAML(t *testing.T) {
	texts := map[string][]byte{"corners": []byte(`
# comment
"quoted key": 'it''s' # comment
? complex
: value
plain: a text
  that goes on: no
`), "more": []byte(`
a: http://example.org:80/#x
b: "a \" # b: c"
c: [a, "b: c", {d: e, f: [g]}, 'h'] # comment
d: {a: b,
  c: d,
  e: "f
  g"}
e: |
  text: : : [ "
   @ more
f: >-
    a: b: c
list:
- a
- b: c
  d: e
-
  f: g
- - x
  - y
- "a: b"
- |
  @text
more:
  - a: 1

  # comment
  - a: 2
g: &anchor {x: y}
h: *anchor
i: a
  b
  c
j: "a
  b: c"
k: -1
l: a-b -c
m: a#b: c
n: {a: http://b:80, "c":d}
o:
  p:
q: !!str r
s: &t
  u: v
w: ` + "'x\n\n  y: z'\n")}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch ext := filepath.Ext(path); {
		case err != nil || entry.IsDir():
			return err
		case ext == ".yaml" || ext == ".yml":
			text, err := os.ReadFile(path)
			texts[path] = text
			return err
		case ext == ".txtar":
			story, err := txtar.ParseFile(path)
			if err != nil {
				return err
			}
			for _, file := range story.Files {
				if strings.HasSuffix(file.Name, ".yaml") {
					texts[path+"/"+file.Name] = file.Data
				}
			}
		}
		return nil
	})
	if err != nil || len(texts) < 100 {
		t.Fatalf("%d files: %v", len(texts), err)
	}
	checked := 0
	for name, text := range texts {
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
		var node yaml.Node
		if yaml.Unmarshal(text, &node) != nil {
			continue
		}
		checked++
		scan := &lineScan{file: name}
		lines := bytes.Split(text, []byte("\n"))
		if e := scan.run(lines, []span{{0, len(lines)}}); e != nil {
			t.Errorf("%v, and the parser has no objection", e)
		}
	}
	if checked < 100 {
		t.Errorf("only %d files were checked", checked)
	}
}
