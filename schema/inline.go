package schema

import (
	"strings"
)

// plainText is what can stand in YAML without quotes, also inside brackets.
var plainText = onUse(`^[A-Za-z0-9_./($+-][A-Za-z0-9_./:@=+%$()~^-]*( [A-Za-z0-9_./:@=+%$()~^-]+)*$`)

// inline writes a value as YAML on one line.
func inline(n *node) string {
	switch n.kind {
	case nullKind:
		return "null"
	case mapKind:
		return "{" + inlineFields(n) + "}"
	case listKind:
		var items []string
		for _, item := range n.items {
			items = append(items, inline(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case textKind:
		return inlineText(n.text)
	}
	return n.text
}

// inlineFields writes the fields of a map on one line, without braces.
func inlineFields(n *node) string {
	var fields []string
	for _, name := range n.names {
		fields = append(fields, inlineText(name)+": "+inline(n.fields[name]))
	}
	return strings.Join(fields, ", ")
}

// inlineText quotes a text that a parser could read as something else.
func inlineText(text string) string {
	switch {
	case text == "true", text == "false", text == "null", text == "-", strings.HasPrefix(text, "- "):
	case decimal().MatchString(text), ambiguous(text), strings.HasSuffix(text, ":"), strings.Contains(text, ": "):
	case plainText().MatchString(text):
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(text) + `"`
}
