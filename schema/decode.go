package schema

import (
	"fmt"
	"reflect"
	"strconv"
)

// decode copies a checked node into a Go value. Fields are matched by their
// cue tag; a field Pos gets the place of its struct. What the types cannot
// hold is a gap between stack.cue and stack.go and comes back as an error.
func decode(n *node, into reflect.Value) error {
	if n == nil || n.kind == nullKind || n.bad {
		return nil
	}
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		return decode(n, into.Elem())
	}
	if into.Type() == reflect.TypeFor[Raw]() {
		into.Set(reflect.ValueOf(n.tree()))
		return nil
	}
	if reader, ok := into.Addr().Interface().(textReader); ok {
		return reader.readText(n.text)
	}
	switch into.Kind() {
	case reflect.Struct:
		return decodeStruct(n, into)
	case reflect.Map:
		return decodeMap(n, into)
	case reflect.Slice:
		return decodeList(n, into)
	case reflect.String:
		into.SetString(n.text)
	case reflect.Bool:
		into.SetBool(n.text == "true")
	case reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(n.text, 10, into.Type().Bits())
		if err != nil {
			return err
		}
		into.SetInt(i)
	default:
		return fmt.Errorf("no way to read %s", into.Type())
	}
	return nil
}

func decodeStruct(n *node, into reflect.Value) error {
	for i := range into.NumField() {
		field := into.Type().Field(i)
		if field.Name == "Pos" {
			into.Field(i).Set(reflect.ValueOf(n.at()))
			continue
		}
		if field.Anonymous {
			if err := decodeStruct(n, into.Field(i)); err != nil {
				return err
			}
			continue
		}
		name := field.Tag.Get("cue")
		if name == "" || name == "-" {
			continue
		}
		if err := decode(n.fields[name], into.Field(i)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func decodeMap(n *node, into reflect.Value) error {
	into.Set(reflect.MakeMapWithSize(into.Type(), len(n.names)))
	for _, name := range n.names {
		value := reflect.New(into.Type().Elem()).Elem()
		if err := decode(n.fields[name], value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		into.SetMapIndex(reflect.ValueOf(name), value)
	}
	return nil
}

// decodeList reads a list.
func decodeList(n *node, into reflect.Value) error {
	into.Set(reflect.MakeSlice(into.Type(), 0, len(n.items))) // nothing is not the same as not written
	for _, item := range n.items {
		value := reflect.New(into.Type().Elem()).Elem()
		if err := decode(item, value); err != nil {
			return err
		}
		into.Set(reflect.Append(into, value))
	}
	return nil
}

// tree returns a value as encoding/json would, with whole numbers as int64.
func (n *node) tree() any {
	switch n.kind {
	case mapKind:
		out := make(map[string]any, len(n.names))
		for _, name := range n.names {
			out[name] = n.fields[name].tree()
		}
		return out
	case listKind:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = item.tree()
		}
		return out
	case textKind:
		return n.text
	case boolKind:
		return n.text == "true"
	case intKind:
		if i, err := strconv.ParseInt(n.text, 10, 64); err == nil {
			return i
		}
	}
	if f, err := strconv.ParseFloat(n.text, 64); err == nil && n.kind != nullKind {
		return f
	}
	return nil
}
