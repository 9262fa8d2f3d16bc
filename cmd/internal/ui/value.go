package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Value returns a value of an object on one line: strings quoted, trees as
// JSON, an absent one as "<none>".
func Value(v any) string {
	if v == nil {
		return "<none>"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
