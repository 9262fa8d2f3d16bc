package ui

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// documented is one row of the table in docs/diff-json.md.
type documented struct {
	Type   string
	Always bool
}

// documentedFields reads the table.
func documentedFields(t *testing.T) map[string]documented {
	t.Helper()
	text, err := os.ReadFile("../../../docs/diff-json.md")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]documented{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (\\w+) \\| (always|) ?\\| .+ \\|$").FindAllStringSubmatch(string(text), -1) {
		fields[row[1]] = documented{Type: row[2], Always: row[3] == "always"}
	}
	return fields
}

// TestDiffJSONIsDocumented: docs/diff-json.md lists what the types have, and
// what is written for each recorded plan is as it says.
func TestDiffJSONIsDocumented(t *testing.T) {
	docs := documentedFields(t)
	types := map[string]documented{}
	fieldsOf(types, "", reflect.TypeFor[diffDocument]())
	if diff := cmp.Diff(types, docs); diff != "" {
		t.Errorf("docs/diff-json.md is not what is written (-written +documented)\n%s", diff)
	}
	diffs := recordedDiffs(t)
	diffs["everything"] = hostileDiff("pwned")
	between := diffs["image"]
	between.Only = "intent"
	between.Sides = &Sides{
		From: Side{Source: "git:main", Commit: "0123456789abcdef", Namespace: "shop"},
		To:   Side{Source: "stack.yaml", Commit: "fedcba9876543210", Namespace: "shop"},
	}
	diffs["between two descriptions"] = between
	seen := map[string]bool{}
	for name, d := range diffs {
		var out bytes.Buffer
		if err := WriteDiff(&out, "json", d, noon); err != nil {
			t.Fatal(err)
		}
		var document map[string]any
		if err := json.Unmarshal(out.Bytes(), &document); err != nil {
			t.Fatal(err)
		}
		if document["apiVersion"] != DiffAPIVersion || document["kind"] != "Diff" {
			t.Errorf("%s: apiVersion is %v, kind %v", name, document["apiVersion"], document["kind"])
		}
		compareDocument(t, name, docs, seen, "", document)
	}
	for path := range docs {
		if !seen[path] {
			t.Errorf("no recorded plan has %s: nothing shows that it is written so", path)
		}
	}
}

// fieldsOf lists the fields of a type as their JSON has them.
func fieldsOf(to map[string]documented, path string, of reflect.Type) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() {
		return
	}
	for i := range of.NumField() {
		f := of.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && name == "":
			fieldsOf(to, path, f.Type)
			continue
		case !f.IsExported() || tag == "-":
			continue
		}
		at := path + name
		to[at] = documented{Type: jsonType(f.Type), Always: !strings.Contains(options, "omit")}
		if f.Type.Kind() == reflect.Slice {
			at += "[]"
		}
		fieldsOf(to, at+".", f.Type)
	}
}

func jsonType(of reflect.Type) string {
	switch {
	case of.Kind() == reflect.Pointer:
		return jsonType(of.Elem())
	case of == reflect.TypeFor[time.Time]():
		return "time"
	}
	switch of.Kind() {
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice:
		return "list"
	case reflect.Bool:
		return "boolean"
	case reflect.Int:
		return "number"
	case reflect.Interface:
		return "any"
	}
	return "string"
}

// compareDocument compares what was written with the documented fields. What is
// in an object of Kubernetes, and in values of it, is not described.
func compareDocument(t *testing.T, name string, docs map[string]documented, seen map[string]bool, path string, object map[string]any) {
	for field, value := range object {
		at := path + field
		doc, ok := docs[at]
		if !ok {
			t.Errorf("%s: %s is written, and not documented", name, at)
			continue
		}
		seen[at] = true
		if got := typeOf(value); got != doc.Type && doc.Type != "any" && !(doc.Type == "time" && got == "string") {
			t.Errorf("%s: %s is a %s, documented is %s", name, at, got, doc.Type)
		}
		switch value := value.(type) {
		case map[string]any:
			if doc.Type == "object" && hasFields(docs, at+".") {
				compareDocument(t, name, docs, seen, at+".", value)
			}
		case []any:
			for _, item := range value {
				if item, ok := item.(map[string]any); ok && doc.Type == "list" {
					compareDocument(t, name, docs, seen, at+"[].", item)
				}
			}
		}
	}
	for at, doc := range docs {
		field, ok := strings.CutPrefix(at, path)
		if _, there := object[field]; ok && doc.Always && !there && !strings.ContainsAny(field, ".[") {
			t.Errorf("%s: %s is missing, though it is always there", name, at)
		}
	}
}

func hasFields(docs map[string]documented, prefix string) bool {
	for at := range docs {
		if strings.HasPrefix(at, prefix) {
			return true
		}
	}
	return false
}

func typeOf(value any) string {
	switch value.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "list"
	case bool:
		return "boolean"
	case float64:
		return "number"
	}
	return "string"
}
