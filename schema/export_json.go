package schema

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"cuelang.org/go/cue"
)

// JSONSchema returns the language as a JSON Schema of draft 7, which editors
// know best. It has the short and the long form of every field, and refuses
// unknown keys except those that begin with x-.
//
// It is a little wider than [Load]: a field that is required may stand in the
// defaults of the stack or in an environment, null may remove one from there,
// and what several fields must agree on no such schema can say.
func JSONSchema() []byte {
	e := &jsonExport{written: make(map[string]bool)}
	root := e.fields(view{shape: language().stack}, false)
	root = append(root, member{"definitions", e.definitions})
	out := object{
		{"$schema", "http://json-schema.org/draft-07/schema#"},
		{"title", "A stack of stackctl, language v1"},
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(append(out, root...)) // a buffer takes all, and all of it is encodable
	return text.Bytes()
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			out.WriteByte(',')
		}
		for j, part := range []any{m.name, m.value} {
			var text bytes.Buffer
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(part); err != nil {
				return nil, err
			}
			if j > 0 {
				out.WriteByte(':')
			}
			out.Write(bytes.TrimSpace(text.Bytes()))
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// jsonExport writes shapes as JSON Schema. A definition is written once, and
// referred to. removable says that null may stand for a value, where something
// to remove may lie under it.
type jsonExport struct {
	definitions object
	written     map[string]bool
}

// value returns the schema of a value, as part of another one.
func (e *jsonExport) value(v view, removable bool) object {
	name := strings.TrimPrefix(v.shape.name, "#")
	if v.shape.raw != "" && v.shape.kind == cue.StructKind {
		name = v.shape.raw
	}
	if name == "" || v.shape.isSimple() {
		return e.inline(v, removable)
	}
	if last := v.path[len(v.path)-1]; hasTable(v.path) && last != "[]" && !strings.EqualFold(last, name) {
		name += "." + last // one of several places, which has defaults of its own
	}
	if !removable {
		name += ".whole" // nothing lies under it
	}
	if !e.written[name] {
		e.written[name] = true
		e.definitions = append(e.definitions, member{name, nil})
		i := len(e.definitions) - 1
		e.definitions[i].value = e.inline(v, removable)
	}
	return object{{"$ref", "#/definitions/" + name}}
}

// isSimple reports whether a value is a scalar that an editor need not look up.
func (s *shape) isSimple() bool { return s.kind&(cue.StructKind|cue.ListKind) == 0 }

// inline returns the schema of a value with its short forms.
func (e *jsonExport) inline(v view, removable bool) object {
	s := v.shape
	long := e.long(view{s.whole(), v.path}, removable)
	if len(s.short) == 0 {
		return long
	}
	var choices []object
	if form := language().forms[s.short["go"]]; form != nil {
		choices = append(choices, constraint(form.value))
	}
	for _, kind := range shortKinds {
		if field, ok := v.child(s.short[kind]); ok {
			choices = append(choices, e.short(field, kind))
		}
	}
	return anyOf(append(choices, long)...)
}

// short returns the schema of a short form: a value of one kind, which stands
// for a field.
func (e *jsonExport) short(field view, kind string) object {
	if kind == "false" {
		return object{{"const", false}}
	}
	if kind == "list" {
		return e.value(field, false)
	}
	typ := map[string]string{"string": "string", "int": "integer", "float": "number", "bool": "boolean"}[kind]
	var out []object
	for _, choice := range choicesOf(e.long(field, false)) {
		if takes(choice, typ) {
			out = append(out, choice)
		}
	}
	return anyOf(out...)
}

func choicesOf(o object) []object {
	if choices, ok := o.get("anyOf").([]object); ok && len(o) == 1 {
		return choices
	}
	return []object{o}
}

// takes reports whether a schema without choices takes values of a type.
func takes(o object, typ string) bool {
	switch known := o.get("type").(type) {
	case string:
		return known == typ
	case []string:
		return slices.Contains(known, typ)
	}
	return typ == "string" // an enum
}

// long returns the schema of the long form of a value.
func (e *jsonExport) long(v view, removable bool) object {
	s := v.shape
	entry, _ := v.child("[]")
	switch {
	case s.isTree():
		return object{{"type", []string{"object", "array"}}}
	case s.kind == cue.ListKind:
		return object{{"type", "array"}, {"items", e.value(entry, false)}}
	case s.kind == cue.StructKind && len(s.names) > 0:
		return e.fields(v, removable)
	case s.kind == cue.StructKind && s.elem != nil:
		out := object{{"type", "object"}}
		if s.key != nil {
			out = append(out, member{"propertyNames", constraint(s.key.value)})
		}
		return append(out, member{"additionalProperties", orNull(e.value(entry, removable), removable)})
	case s.kind == cue.StructKind:
		return object{{"type", "object"}}
	}
	out := constraint(s.value)
	if s.text && s.kind == cue.StringKind {
		out = anyOf(out, object{{"type", []string{"number", "integer", "boolean"}}})
	}
	return out
}

// fields returns the schema of a struct.
func (e *jsonExport) fields(v view, removable bool) object {
	var properties object
	for _, name := range v.shape.names {
		field, _ := v.child(name)
		properties = append(properties, member{name, e.property(field, removable, removable || v.liesOver(name))})
	}
	out := object{
		{"type", "object"},
		{"properties", properties},
		{"patternProperties", object{{"^x-", object{}}}},
		{"additionalProperties", false},
	}
	if !removable && len(v.shape.required) > 0 {
		out = append(out, member{"required", v.shape.required})
	}
	if excluded := exclusions(v.shape.oneof); len(excluded) > 0 {
		out = append(out, member{"allOf", excluded})
	}
	return out
}

// exclusions says which fields exclude each other. null and false exclude no
// field.
func exclusions(groups [][]string) []object {
	something := object{{"not", object{{"enum", []any{nil, false}}}}}
	var out []object
	seen := make(map[[2]string]bool)
	for _, group := range groups {
		for i, a := range group {
			for _, b := range group[i+1:] {
				if seen[[2]string{a, b}] {
					continue
				}
				seen[[2]string{a, b}] = true
				out = append(out, object{{"not", object{
					{"required", []string{a, b}},
					{"properties", object{{a, something}, {b, something}}},
				}}})
			}
		}
	}
	return out
}

// property returns the schema of a field with what an editor can show of it.
// over says whether what is in it lies over something else.
func (e *jsonExport) property(v view, removable, over bool) object {
	f := v.describeOne()
	out := object{}
	if text := f.text(); text != "" {
		out = append(out, member{"description", text})
	}
	if len(f.Defaults) == 1 && f.Defaults[0].When == "" && v.shape.otherwise == "" {
		out = append(out, member{"default", plainValue(f.Defaults[0].Value)})
	}
	if len(f.Examples) > 0 {
		examples := make([]any, len(f.Examples))
		for i, example := range f.Examples {
			examples[i] = plainValue(example)
		}
		out = append(out, member{"examples", examples})
	}
	value := orNull(e.value(v, over), removable)
	if value.get("$ref") != nil { // draft 7 ignores everything beside it
		value = object{{"allOf", []object{value}}}
	}
	return append(out, value...)
}

// text is what an editor shows of a field.
func (f *Field) text() string {
	lines := []string{f.Doc}
	for _, one := range f.Defaults {
		when := ""
		if one.When != "" {
			when = " (" + one.When + ")"
		}
		lines = append(lines, "Default"+when+": "+one.Value)
	}
	if f.Off != "" {
		lines = append(lines, "Without: "+f.Off)
	}
	if len(f.Emits) > 0 {
		lines = append(lines, "Decides: "+strings.Join(f.Emits, ", "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n\n"))
}

// plainValue reads a value of YAML in one line.
func plainValue(text string) any {
	n, errs := parseYAML("", []byte(text))
	if n == nil || len(errs) > 0 {
		return text
	}
	return n.tree()
}
