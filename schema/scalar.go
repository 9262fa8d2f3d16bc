package schema

import (
	"strings"
)

// decimal is a number that every parser reads as the same number.
var decimal = onUse(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// retyped is what YAML 1.1 or 1.2 parsers read as something other than text:
// the booleans of 1.1, nulls, numbers in other bases, with underscores, with
// exponents or with colons, infinities and dates.
var retyped = onUse(`^(` +
	`y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF|True|TRUE|False|FALSE` +
	`|~|null|Null|NULL|=|<<` +
	`|[-+]?0[xX][0-9a-fA-F_]+|[-+]?0[oO][0-7_]+|[-+]?0[bB][01_]+` +
	`|[-+]?[0-9][0-9_]*|[-+]?([0-9][0-9_]*)?\.[0-9_]*|[-+]?([0-9][0-9_]*)?\.?[0-9_]*[eE][-+]?[0-9_]+` +
	`|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?` +
	`|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)` +
	`|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?` +
	`)$`)

// ambiguous reports whether parsers disagree about a plain scalar. true, false
// and plain decimal numbers are not ambiguous, nor is a lone dot.
func ambiguous(text string) bool {
	if decimal().MatchString(text) || text == "." || text == "-" || text == "+" || text == "" {
		return false
	}
	return retyped().MatchString(text)
}

// yesNo returns the boolean that YAML 1.1 sees in a text.
func yesNo(text string) (value string, ok bool) {
	switch strings.ToLower(text) {
	case "y", "yes", "on", "true":
		return "true", true
	case "n", "no", "off", "false":
		return "false", true
	}
	return "", false
}
