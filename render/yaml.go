package render

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/schema"
)

// WriteYAML writes the objects as YAML documents separated by ---, keys
// sorted. Every key and text that some parser of YAML 1.1 or 1.2 could read as
// another type is quoted, so all of them read the same. A text that is no
// valid UTF-8 is an error, since YAML cannot hold it.
func (o Objects) WriteYAML(w io.Writer) error {
	const together = 64 // documents of one text, which bounds what is held
	texts := make([]bytes.Buffer, runtime.GOMAXPROCS(0))
	failed := make([]error, len(texts))
	for begin := 0; begin < len(o); begin += together * len(texts) {
		schema.Concurrently(len(texts), func(i int) {
			from := min(begin+i*together, len(o))
			texts[i].Reset()
			failed[i] = o[from:min(from+together, len(o))].writeYAML(&texts[i], from > 0)
		})
		for i := range texts {
			if _, err := w.Write(texts[i].Bytes()); err != nil {
				return err
			}
			if failed[i] != nil {
				return failed[i]
			}
		}
	}
	return nil
}

// writeYAML writes the documents; continued says that others stand before them.
func (o Objects) writeYAML(text *bytes.Buffer, continued bool) error {
	y := &yamlWriter{out: bufio.NewWriter(text)}
	for i, object := range o {
		if continued || i > 0 {
			y.out.WriteString("---\n")
		}
		y.value(shown(object), 0, false)
		if y.err != nil {
			return fmt.Errorf("write %s/%s as YAML: %w", object.GetKind(), object.GetName(), y.err)
		}
	}
	return y.out.Flush()
}

// hidden stands for a value of a Secret.
const hidden = "(hidden)"

// shown returns an object as it may be written down: a Secret without its
// values, as text so that nobody takes them for the real ones.
func shown(object *unstructured.Unstructured) map[string]any {
	if object.GetKind() != "Secret" || object.GroupVersionKind().Group != "" {
		return object.Object
	}
	out := maps.Clone(object.Object)
	values := make(map[string]any)
	for _, field := range []string{"data", "stringData"} {
		data, ok := out[field].(map[string]any)
		if out[field] != nil && !ok {
			values[field] = hidden
		}
		for key := range data {
			values[key] = hidden
		}
		delete(out, field)
	}
	if len(values) > 0 {
		out["stringData"] = values
	}
	return hideApplied(out)
}

// Written returns the objects as [Objects.WriteYAML] writes them down: Secrets
// without their values.
func (o Objects) Written() Objects {
	out := make(Objects, len(o))
	for i, object := range o {
		out[i] = &unstructured.Unstructured{Object: shown(object)}
	}
	return out
}

// HidesValues reports whether a Secret among the objects is one that
// [Objects.WriteYAML] wrote down.
func (o Objects) HidesValues() bool {
	return slices.ContainsFunc(o, func(object *unstructured.Unstructured) bool {
		values, _, _ := unstructured.NestedStringMap(object.Object, "stringData")
		return object.GetKind() == "Secret" && slices.Contains(slices.Collect(maps.Values(values)), hidden)
	})
}

// hideApplied drops the annotation in which kubectl keeps a copy of all values.
func hideApplied(secret map[string]any) map[string]any {
	meta, _ := secret["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	if _, ok := annotations[core.LastAppliedConfigAnnotation]; !ok {
		return secret
	}
	annotations, meta = maps.Clone(annotations), maps.Clone(meta)
	delete(annotations, core.LastAppliedConfigAnnotation)
	meta["annotations"] = annotations
	secret["metadata"] = meta
	return secret
}

// WriteJSON writes the objects as one List of the API version v1, indented,
// with sorted keys.
func (o Objects) WriteJSON(w io.Writer) error {
	items := make([]any, len(o))
	for i, object := range o {
		items[i] = shown(object)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(map[string]any{"apiVersion": "v1", "kind": "List", "items": items}); err != nil {
		return err
	}
	// In the log of a CI system ##[ begins a command.
	_, err := w.Write(bytes.ReplaceAll(out.Bytes(), []byte("##["), []byte(`##\u005b`)))
	return err
}

// yamlWriter writes one document in block style. The first error stays.
type yamlWriter struct {
	out *bufio.Writer
	err error
	// place is where in the object the writer is: fields and indexes. endLine,
	// if it is set, is called before each end of a line, which belongs there.
	place   []any
	endLine func(place []any)
	keys    []string // of the maps the writer is in
}

// newline ends a line.
func (y *yamlWriter) newline() {
	if y.endLine != nil {
		y.endLine(y.place)
	}
	y.out.WriteByte('\n')
}

// enter goes on to a part of the object, whose place somebody may ask for.
func enter[T string | int](y *yamlWriter, step T) {
	if y.endLine != nil {
		y.place = append(y.place, step)
	}
}

func (y *yamlWriter) leave() {
	if y.endLine != nil {
		y.place = y.place[:len(y.place)-1]
	}
}

func (y *yamlWriter) fail(format string, args ...any) {
	if y.err == nil {
		y.err = fmt.Errorf(format, args...)
	}
}

// value writes a value and the newline after it. The writer stands behind a
// key or a dash, or, inline, where the first line of a map may begin.
func (y *yamlWriter) value(value any, indent int, inline bool) {
	switch value := value.(type) {
	case map[string]any:
		y.mapping(value, indent, inline)
	case []any:
		y.list(value, indent)
	default:
		y.out.WriteString(y.scalar(value))
		y.newline()
	}
}

func (y *yamlWriter) mapping(value map[string]any, indent int, inline bool) {
	if len(value) == 0 {
		y.out.WriteString("{}")
		y.newline()
		return
	}
	outer := len(y.keys)
	for key := range value {
		y.keys = append(y.keys, key)
	}
	slices.Sort(y.keys[outer:])
	for i := range len(value) {
		key := y.keys[outer+i] // those of the maps inside come and go behind it
		if i > 0 || !inline {
			y.spaces(indent)
		}
		text := y.text(key)
		if len(text) > 1000 { // a parser looks for the colon in 1024 characters
			y.fail("a key is longer than 1000 bytes")
		}
		y.out.WriteString(text)
		y.out.WriteByte(':')
		enter(y, key)
		y.nested(value[key], indent+2)
		y.leave()
	}
	y.keys = y.keys[:outer]
}

func (y *yamlWriter) list(value []any, indent int) {
	if len(value) == 0 {
		y.out.WriteString("[]")
		y.newline()
		return
	}
	for i, item := range value {
		y.spaces(indent)
		y.out.WriteByte('-')
		enter(y, i)
		if list, ok := item.([]any); ok && len(list) > 0 {
			y.newline()
			y.list(list, indent+2)
		} else {
			y.out.WriteByte(' ')
			y.value(item, indent+2, true)
		}
		y.leave()
	}
}

// nested writes the value of a key.
func (y *yamlWriter) nested(value any, indent int) {
	switch value := value.(type) {
	case map[string]any:
		if len(value) > 0 {
			y.newline()
			y.mapping(value, indent, false)
			return
		}
	case []any:
		if len(value) > 0 {
			y.newline()
			y.list(value, indent-2)
			return
		}
	}
	y.out.WriteByte(' ')
	y.value(value, indent, true)
}

func (y *yamlWriter) spaces(n int) {
	for range n {
		y.out.WriteByte(' ')
	}
}

func (y *yamlWriter) scalar(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(value)
	case int64:
		return strconv.FormatInt(value, 10)
	case float64:
		return y.float(value)
	case string:
		return y.text(value)
	}
	y.fail("a %T is no value of an object", value)
	return ""
}

// float writes a number without an exponent, which YAML 1.1 and 1.2 write
// differently, and with a point, so that it stays one.
func (y *yamlWriter) float(value float64) string {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		y.fail("%v is no number of an object", value)
	}
	text := strconv.FormatFloat(value, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// isPlain reports whether a text looks like nothing else: it begins with a
// letter or a slash, and a colon in it is neither at its end nor beside another.
// As a regular expression: [A-Za-z/][A-Za-z0-9_./@-]*(:[A-Za-z0-9_./@-]+)*
func isPlain(text string) bool {
	colon := true // a part between colons begins
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '/':
			colon = false
		case i > 0 && ('0' <= c && c <= '9' || c == '_' || c == '.' || c == '@' || c == '-'):
			colon = false
		case c == ':' && !colon:
			colon = true
		default:
			return false
		}
	}
	return !colon
}

// words are the texts that some parser reads as a boolean, null or a number.
var words = map[string]bool{
	"y": true, "n": true, "yes": true, "no": true, "on": true, "off": true,
	"true": true, "false": true, "null": true, "nan": true, "inf": true,
}

// isWord reports whether a text is one of the words, in any letter case.
func isWord(text string) bool { return len(text) <= len("false") && words[strings.ToLower(text)] }

// text writes a text, quoted unless it is plain beyond doubt.
func (y *yamlWriter) text(text string) string {
	if isPlain(text) && !isWord(text) {
		return text
	}
	if !utf8.ValidString(text) {
		y.fail("the text %q is not valid UTF-8", text)
	}
	var out strings.Builder
	out.WriteByte('"')
	for i, r := range text {
		if r == '[' && strings.HasSuffix(text[:i], "##") {
			out.WriteString(`\x5b`) // in the log of a CI system ##[ begins a command
			continue
		}
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case r == ' ' || r < 0x10000 && unicode.IsGraphic(r) && !unicode.IsSpace(r):
			out.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
	}
	out.WriteByte('"')
	return out.String()
}
