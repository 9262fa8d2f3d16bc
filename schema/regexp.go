package schema

import (
	"regexp"
	"sync"
)

// onUse returns a regular expression that is compiled when it is first used:
// most are for mistakes, and all of them together are a part of every start.
func onUse(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
