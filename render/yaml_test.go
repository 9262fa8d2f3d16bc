package render

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"cuelang.org/go/cue/cuecontext"
	cueyaml "cuelang.org/go/encoding/yaml"
	"github.com/google/go-cmp/cmp"
	yamlv3 "go.yaml.in/yaml/v3"
	"golang.org/x/text/unicode/norm"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func unmarshal(text []byte, into any) error { return yaml.Unmarshal(text, into) }

func reverseSorted(names []string) []string {
	slices.Sort(names)
	slices.Reverse(names)
	return names
}

// awkward are texts that some parser reads as something else, or that break
// out of a careless emitter.
var awkward = []string{
	"", " ", "y", "Y", "yes", "No", "NO", "on", "Off", "true", "True", "false", "null", "Null", "~", "NaN", ".nan", ".inf", "-.INF", "inf",
	"0", "1", "-1", "+1", "012", "08", "0x1F", "0o17", "0b1", "1_000", "1e3", "1E+3", ".5", "5.", "1.10", "1:30", "190:20:30", "2001-01-01", "2001-12-14t21:59:43.10-05:00",
	"=", "<<", "-", "- a", "--- a", "---", "...", "? a", ": a", "a:", "a: b", "a #b", "#a", "a:b", "a:b:", "a,b", "[a]", "{a}", "[", "]", "{", "}", "&a", "*a", "!a", "!!str a", "|", ">", "%a", "@a", "`a", "'a'", "\"a\"", "it's", "a\\b",
	"two\nlines", "two\r\nlines", "ends\n", "\n", "\t", "a\tb", "\x00", "\x07", "\x1b[31m", "\u007f", "\u0085", "\u00a0", "\u2028", "\u2029", "\ufeff", "\ufffd", "\ufffe", "é", "日本", "😀", "\u202e", "\u200b", " lead", "trail ",
	"/healthz", "/$1", "25%", "repo:tag", "ghcr.io/acme/web:1.4.2", "http://a/b?c=d&e", "$(HOST)", "e3", "1e", "0x", "_1", "a_1", "nil", "None", "infinity",
	strings.Repeat("long ", 100),
}

// TestYAMLRoundTrip writes awkward texts as keys and values and reads them
// with three parsers: of YAML 1.1, of both, and of 1.2.
func TestYAMLRoundTrip(t *testing.T) {
	texts, numbers := map[string]any{}, []any{int64(0), int64(-1), int64(math.MaxInt64), 0.5, 1.0, -2.5e10, 1e-7, true, false, nil}
	var list []any
	for _, text := range awkward {
		texts[text] = text
		list = append(list, text, map[string]any{text: text}, []any{text, []any{text}})
	}
	roundTrip(t, map[string]any{
		"texts": texts, "list": list, "numbers": numbers,
		"empty":  map[string]any{"map": map[string]any{}, "list": []any{}, "in": []any{map[string]any{}, []any{}, []any{[]any{}}}},
		"nested": map[string]any{"a": []any{map[string]any{"b": []any{"c", map[string]any{"d": "e", "f": []any{"g"}}}, "h": map[string]any{"i": "j"}}}},
	})
}

// roundTrip compares an object with what parsers read of its YAML.
func roundTrip(t *testing.T, object map[string]any) {
	t.Helper()
	var out bytes.Buffer
	if err := (Objects{{Object: object}}).WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	want := asJSON(t, object)

	var viaSigs any
	if err := yaml.Unmarshal(out.Bytes(), &viaSigs); err != nil {
		t.Fatalf("sigs.k8s.io/yaml: %v\n%s", err, out.Bytes())
	}
	if diff := cmp.Diff(want, asJSON(t, viaSigs)); diff != "" {
		t.Errorf("sigs.k8s.io/yaml (-want +got)\n%s\n%s", diff, out.Bytes())
	}
	var viaV3 any
	if err := yamlv3.Unmarshal(out.Bytes(), &viaV3); err != nil {
		t.Fatalf("yaml.v3: %v\n%s", err, out.Bytes())
	}
	if diff := cmp.Diff(want, asJSON(t, viaV3)); diff != "" {
		t.Errorf("yaml.v3 (-want +got)\n%s\n%s", diff, out.Bytes())
	}
	if !norm.NFC.IsNormalString(want) {
		return // CUE brings keys into a normal form, which no YAML parser does
	}
	file, err := cueyaml.Extract("out.yaml", out.Bytes())
	if err != nil {
		t.Fatalf("cue: %v\n%s", err, out.Bytes())
	}
	viaCUE, err := cuecontext.New().BuildFile(file).MarshalJSON()
	if err != nil {
		t.Fatalf("cue: %v\n%s", err, out.Bytes())
	}
	var value any
	if err := json.Unmarshal(viaCUE, &value); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, asJSON(t, value)); diff != "" {
		t.Errorf("cue (-want +got)\n%s\n%s", diff, out.Bytes())
	}
}

// asJSON brings numbers to one type.
func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	text, err = json.MarshalIndent(plain, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestYAMLRefusals covers what YAML cannot hold or the API has not.
func TestYAMLRefusals(t *testing.T) {
	for name, value := range map[string]any{
		"bytes": "\xff", "nan": math.NaN(), "infinity": math.Inf(1), "type": struct{}{}, "key": map[string]any{strings.Repeat("k", 1001): "v"},
	} {
		err := (Objects{{Object: map[string]any{"a": value}}}).WriteYAML(&bytes.Buffer{})
		if err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

// TestWritersAgree reads the YAML and the JSON of every stack and compares
// them, and counts the documents.
func TestWritersAgree(t *testing.T) {
	for path, stack := range everyStack(t) {
		objects := mustRender(t, stack)
		documents := strings.Split(yamlText(t, objects), "---\n")
		if len(documents) != len(objects) {
			t.Errorf("%s: %d documents of %d objects", path, len(documents), len(objects))
		}
		var out bytes.Buffer
		if err := objects.WriteJSON(&out); err != nil {
			t.Fatal(err)
		}
		var list unstructured.UnstructuredList
		if err := json.Unmarshal(out.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		for i, document := range documents {
			var object any
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asJSON(t, list.Items[i].Object), asJSON(t, object)); diff != "" {
				t.Errorf("%s (-json +yaml)\n%s", path, diff)
			}
		}
	}
}

// FuzzYAML writes two texts in every position and reads them again.
func FuzzYAML(f *testing.F) {
	for _, text := range awkward {
		f.Add(text, "value")
		f.Add("key", text)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		if !utf8.ValidString(key) || !utf8.ValidString(value) || len(key) > 200 {
			t.Skip()
		}
		roundTrip(t, map[string]any{key: value, "list": []any{value, map[string]any{key: value}, []any{value}}})
	})
}

// FuzzRender loads any text; what loads must render, to one document for each
// object, twice the same.
func FuzzRender(f *testing.F) {
	paths, _ := filepath.Glob("../examples/*/stack.yaml")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		var tree any
		if yaml.Unmarshal([]byte(text), &tree) != nil {
			t.Skip()
		}
		first, err := tryRender(tree, "")
		if err != nil {
			t.Skip()
		}
		if second, err := tryRender(tree, ""); err != nil || first != second {
			t.Errorf("rendered twice, different: %v\n%s", err, cmp.Diff(first, second))
		}
	})
}
