package schema

import (
	"regexp"
	"sync"
)

// pattern returns a regular expression that is compiled when it is first used:
// most are for mistakes, and all of them together are a part of every start.
func pattern(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
