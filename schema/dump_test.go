package schema

import (
	"encoding/json"
	"fmt"
)

// Dump returns what a stack says, without places.
func Dump(s *Stack) string {
	s.tree.forget()
	text, err := json.MarshalIndent(s.tree.tree(), "", "  ")
	return fmt.Sprint(string(text), err)
}
