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

// decodeList reads a list, or a map whose values know their name.
func decodeList(n *node, into reflect.Value) error {
	for _, item := range n.items {
		value := reflect.New(into.Type().Elem()).Elem()
		if err := decode(item, value); err != nil {
			return err
		}
		into.Set(reflect.Append(into, value))
	}
	return nil
}
