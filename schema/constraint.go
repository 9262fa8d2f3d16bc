package schema

import (
	"encoding/json"
	"reflect"
	"slices"

	"cuelang.org/go/cue"
)

// constraint returns a constraint on a scalar, or on a list of scalars, as JSON
// Schema.
func constraint(v cue.Value) object {
	v = cue.Dereference(v)
	op, args := v.Expr()
	switch op {
	case cue.AndOp:
		var out object
		for _, arg := range args {
			out = out.and(constraint(arg))
		}
		return out
	case cue.OrOp:
		var choices []object
		for _, arg := range args {
			choices = append(choices, constraint(arg))
		}
		return anyOf(choices...)
	case cue.RegexMatchOp:
		text, _ := args[0].String()
		return object{{"type", "string"}, {"pattern", text}}
	case cue.NotRegexMatchOp:
		text, _ := args[0].String()
		return object{{"not", object{{"pattern", text}}}}
	case cue.GreaterThanEqualOp, cue.LessThanEqualOp:
		name := "minimum"
		if op == cue.LessThanEqualOp {
			name = "maximum"
		}
		limit, _ := args[0].MarshalJSON()
		return object{{name, json.RawMessage(limit)}}
	}
	if v.IncompleteKind() != cue.ListKind && v.IsConcrete() {
		only, _ := v.MarshalJSON()
		return object{{"const", json.RawMessage(only)}}
	}
	return typeOf(v)
}

// typeOf returns the type of a value that nothing else constrains.
func typeOf(v cue.Value) object {
	if v.IncompleteKind() == cue.ListKind {
		return object{{"type", "array"}, {"items", constraint(v.LookupPath(cue.MakePath(cue.AnyIndex)))}}
	}
	var types []string
	for _, one := range []struct {
		kind cue.Kind
		name string
	}{{cue.StringKind, "string"}, {cue.IntKind, "integer"}, {cue.FloatKind, "number"}, {cue.BoolKind, "boolean"}, {cue.StructKind, "object"}} {
		if v.IncompleteKind()&one.kind != 0 {
			types = append(types, one.name)
		}
	}
	if slices.Contains(types, "number") {
		types = slices.DeleteFunc(types, func(name string) bool { return name == "integer" })
	}
	if len(types) == 1 {
		return object{{"type", types[0]}}
	}
	return object{{"type", types}}
}

// get returns a member, nil when there is none.
func (o object) get(name string) any {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// and returns what both schemas say. What cannot stand side by side goes into
// allOf.
func (o object) and(other object) object {
	out := slices.Clone(o)
	for _, m := range other {
		switch own := out.get(m.name); {
		case own == nil:
			out = append(out, m)
		case reflect.DeepEqual(own, m.value):
		default:
			rest, _ := out.get("allOf").([]object)
			out = slices.DeleteFunc(out, func(m member) bool { return m.name == "allOf" })
			out = append(out, member{"allOf", append(slices.Clone(rest), object{m})})
		}
	}
	return out
}

// anyOf returns a schema with choices, the constants among them as one enum.
func anyOf(choices ...object) object {
	var enum []any
	var flat, out []object
	for _, choice := range choices {
		if inner, ok := choice.get("anyOf").([]object); ok && len(choice) == 1 {
			flat = append(flat, inner...)
		} else {
			flat = append(flat, choice)
		}
	}
	for _, choice := range flat {
		if only := choice.get("const"); only != nil && len(choice) == 1 {
			enum = append(enum, only)
		} else if some, ok := choice.get("enum").([]any); ok && len(choice) == 1 {
			enum = append(enum, some...)
		} else {
			out = append(out, choice)
		}
	}
	if len(enum) > 0 {
		out = append([]object{{{"enum", enum}}}, out...)
	}
	if len(out) == 1 {
		return out[0]
	}
	return object{{"anyOf", out}}
}

// orNull allows null besides, if asked to.
func orNull(o object, allowed bool) object {
	if !allowed {
		return o
	}
	return anyOf(o, object{{"type", "null"}})
}
