package render

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestNoCommands: what is rendered is read by runners of CI systems, too, which
// take a line that begins with :: and ##[ anywhere for a command. No text of an
// object may look so, and all must read the same.
func TestNoCommands(t *testing.T) {
	data := map[string]any{}
	for _, text := range []string{"::add-mask::x", " ::set-output name=a::b", "a\n::error::x", "##[error]x", "a ##[group]b", "###[x", "##vso[task.complete]", "::"} {
		data["of "+text] = text
		data[text] = "key"
	}
	objects := Objects{&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}, "data": data}}}
	for format, write := range map[string]func(*bytes.Buffer) error{
		"yaml": func(b *bytes.Buffer) error { return objects.WriteYAML(b) },
		"json": func(b *bytes.Buffer) error { return objects.WriteJSON(b) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`(?m)^\s*::.*|.*##\[.*`).FindString(out.String()); found != "" {
			t.Errorf("%s: a command: %s", format, found)
		}
		text, err := yaml.YAMLToJSON(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if items, ok := got["items"].([]any); ok {
			got = items[0].(map[string]any)
		}
		if diff := cmp.Diff(data, got["data"]); diff != "" {
			t.Errorf("%s reads another way (-want +got)\n%s", format, diff)
		}
	}
}
