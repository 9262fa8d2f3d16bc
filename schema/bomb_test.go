package schema

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bomb is hostile input. It must be refused with one of the texts in want,
// which bars separate, or be accepted if want is empty.
type bomb struct {
	name string // and the ending says how it is read
	text string
	want string

	// heavy ones are ended by the watchdog. Their goroutine cannot be stopped,
	// so they run in a process of their own, under a lower ceiling.
	heavy bool
	files map[string]string // beside it
}

// patient is the ceiling for what is answered in its own time, which is long
// under the race detector on a machine with other work.
var patient = ceiling{time: 5 * time.Minute, heap: ordinary.heap}

const tooMuchText = "to evaluate|not decided|unknown field"

func bombs() []bomb {
	repeat := strings.Repeat
	nested := func(n int, open, inner, end string) string { return repeat(open, n) + inner + repeat(end, n) }
	lines := func(n int, f func(i int) string) string {
		var text strings.Builder
		for i := range n {
			text.WriteString(f(i) + "\n")
		}
		return text.String()
	}
	chain := func(n int, link, last string) string {
		return lines(n, func(i int) string { return fmt.Sprintf(strings.ReplaceAll(link, "%e", "%[2]d"), i, i+1) }) + fmt.Sprintf(last, n)
	}
	utf16 := func(text string, high bool) string {
		var out strings.Builder
		for _, b := range []byte(text) {
			if high {
				out.Write([]byte{0, b})
			} else {
				out.Write([]byte{b, 0})
			}
		}
		return out.String()
	}
	const (
		good   = "name: shop\napps: {web: {image: 'web:1.0'}}\n"
		cueOK  = "name: \"shop\"\napps: web: image: \"web:1.0\"\n"
		module = "module: \"example.com/shop@v0\"\n"
	)
	all := []bomb{
		// Aliases and anchors.
		{name: "alias_laughs.yaml", text: "a: &a0 [x, x, x, x, x, x, x, x, x]\n" + chain(12, "b%[1]d: &a%e [*a%[1]d, *a%[1]d, *a%[1]d, *a%[1]d, *a%[1]d]", "c: *a%[1]d\n"), want: "aliases expand more than 100 times"},
		{name: "alias_many.yaml", text: "a: &a [x]\nb: [" + repeat("*a, ", 101) + "]\n", want: "aliases expand more than 100 times"},
		{name: "alias_wide.yaml", text: "a: &a [" + repeat("x, ", 60000) + "]\nb: [*a, *a]\n", want: "more than 100000 values"},
		{name: "alias_deep.yaml", text: "a: &a0 {x: 1}\n" + chain(99, "b%[1]d: &a%e {x: *a%[1]d}", "c: *a%[1]d\n"), want: "aliases expand more than 100 times|deeper than 100"},
		{name: "alias_itself.yaml", text: "a: &a [*a]\n", want: "contains itself"},
		{name: "alias_itself_map.yaml", text: "a: &a {b: {c: *a}}\n", want: "contains itself"},
		{name: "alias_unknown.yaml", text: "a: *b\n", want: "there is no anchor &b"},
		{name: "alias_key.yaml", text: good + "x-a: &a [b]\nx-b: {*a : 1}\n", want: "this key is not understood"},
		{name: "alias_used.yaml", text: "x-e: &e {A: b}\nname: shop\napps: {web: {image: 'web:1.0', env: *e}, api: {image: 'api:1.0', env: *e}}\n"},
		{name: "anchor_twice.yaml", text: "a: &a 1\nb: &a 2\n", want: "the anchor &a is written twice"},
		{name: "anchor_run.yaml", text: "a: " + repeat("&a ", 100000) + "1\n", want: "not valid YAML"},
		{name: "merge.yaml", text: "x-a: &a {replicas: 2}\n" + "name: shop\napps: {web: {<<: *a, image: 'web:1.0'}}\n", want: "merge keys are not supported"},
		{name: "merge_bomb.yaml", text: "a: &a0 {k: 1}\n" + chain(30, "b%[1]d: &a%e {x: {<<: *a%[1]d}, y: {<<: *a%[1]d}}", "c: *a%[1]d\n"), want: "merge keys are not supported"},
		{name: "merge_list.yaml", text: "a: &a {k: 1}\nb: {<<: [" + repeat("*a, ", 10000) + "]}\n", want: "merge keys are not supported"},

		// Depth. A Go stack that is full ends the process.
		{name: "deep_flow.yaml", text: "a: " + nested(101, "[", "", "]"), want: "deeper than 100 levels"},
		{name: "deep_flow_map.yaml", text: "a: " + nested(5000, "{a: ", "1", "}"), want: "deeper than 100 levels"},
		{name: "deep_open.yaml", text: "a: " + repeat("[", 1<<20), want: "deeper than 100 levels"},
		{name: "deep_items.yaml", text: repeat("- ", 1<<16), want: "deeper than 100 levels"},
		{name: "deep_questions.yaml", text: repeat("? ", 1<<16), want: "deeper than 100 levels|not valid YAML"},
		{name: "deep_block.yaml", text: lines(2000, func(i int) string { return repeat(" ", i) + "a:" }), want: "deeper than 100 levels"},
		{name: "deep_alternating.yaml", text: "a: " + repeat("[{a: ", 5000), want: "not closed|not valid YAML"},
		{name: "quotes_in_brackets.yaml", text: "a: [" + repeat("\"a\",", 1<<20), want: "not valid YAML"},
		{name: "quotes_in_brackets_small.yaml", text: "a: [" + repeat("\"a\",", 1<<15), want: "the [ that opens here is not closed"},
		{name: "deep_open.json", text: repeat("[", 1<<20), want: "not valid JSON"},
		{name: "deep_closed.json", text: nested(9000, "[", "", "]"), want: "deeper than 100 levels|want a map"},
		{name: "deep_map.json", text: nested(101, `{"a":`, "1", "}"), want: "deeper than 100 levels"},
		{name: "deep_too.json", text: nested(100000, `{"a":`, "1", "}"), want: "not valid JSON"},

		// Size.
		{name: "large.yaml", text: repeat("# comment\n", 1<<20), want: "the file is larger than 8 MiB"},
		{name: "large.json", text: `{"a": "` + repeat("a", 9<<20) + `"}`, want: "the file is larger than 8 MiB"},
		{name: "large.cue", text: repeat("// comment\n", 1<<20), want: "the file is larger than 8 MiB"},
		{name: "scalar.yaml", text: good + "x-a: " + repeat("a", 7<<20) + "\n"},
		{name: "comments.yaml", text: good + repeat("# c\n", 100000)},
		{name: "blank.yaml", text: good + repeat("\n", 4<<20)},
		{name: "many.yaml", text: "a:\n" + repeat("- 1\n", 1<<17), want: "more than 100000 values"},
		{name: "many_flow.yaml", text: "a: [" + repeat("1,", 1<<17) + "]\n", want: "more than 100000 values"},
		{name: "many_keys.yaml", text: lines(1<<17, func(i int) string { return fmt.Sprintf("a%d: 1", i) }), want: "more than 100000 values"},
		{name: "many.json", text: "[" + repeat("1,", 1<<17) + "1]", want: "more than 100000 values"},
		{name: "many_documents.yaml", text: repeat("---\n", 1<<16), want: "a second YAML document"},
		{name: "broken_apps.yaml", text: "apps:\n" + lines(5000, func(i int) string { return fmt.Sprintf("  a%d: b: c", i) }), want: "a second colon"},
		{name: "number.yaml", text: "name: shop\napps: {web: {image: 'web:1.0', replicas: 1" + repeat("0", 100000) + "}}\n", want: "replicas"},
		{name: "exponent.yaml", text: "name: shop\napps: {web: {image: 'web:1.0', replicas: 1e999999999}}\n", want: "replicas"},
		{name: "exponent.json", text: `{"name": "shop", "apps": {"web": {"image": "web:1.0", "replicas": 1e999999999}}}`, want: "replicas"},

		// Encodings.
		{name: "utf16le_bom.yaml", text: "\xff\xfe" + utf16(good, false), want: ":1:1: the file is UTF-16"},
		{name: "utf16be_bom.yaml", text: "\xfe\xff" + utf16(good, true), want: ":1:1: the file is UTF-16"},
		{name: "utf16le.yaml", text: utf16(good, false), want: ":1:1: the file is UTF-16"},
		{name: "utf16be.json", text: utf16("{}", true), want: ":1:1: the file is UTF-16"},
		{name: "utf16le.cue", text: utf16(cueOK, false), want: ":1:1: the file is UTF-16"},
		{name: "utf32be_bom.yaml", text: "\x00\x00\xfe\xff\x00\x00\x00n", want: "is no UTF-8 text"},
		{name: "nul.yaml", text: "name: sh\x00op", want: ":1:9: the byte 0x00 is no UTF-8 text"},
		{name: "latin1.yaml", text: "name: caf\xe9\n", want: ":1:10: the byte 0xe9 is no UTF-8 text"},
		{name: "surrogate.yaml", text: "name: \xed\xa0\x80\n", want: ":1:7: the byte 0xed is no UTF-8 text"},
		{name: "overlong.yaml", text: "name: \xc0\xaf\n", want: ":1:7: the byte 0xc0 is no UTF-8 text"},
		{name: "latin1.cue", text: "name: \"caf\xe9\"\n", want: ":1:11: the byte 0xe9 is no UTF-8 text"},
		{name: "bom.yaml", text: "\ufeff" + good},
		{name: "bom.cue", text: "\ufeff" + cueOK},
		{name: "bom.json", text: "\ufeff{\"name\": \"shop\", \"apps\": {\"web\": {\"image\": \"web:1.0\"}}}"},
		{name: "crlf.yaml", text: strings.ReplaceAll(good, "\n", "\r\n")},
		{name: "crlf.cue", text: strings.ReplaceAll(cueOK, "\n", "\r\n")},
		{name: "crlf.json", text: "{\r\n\"name\": \"shop\", \"apps\": {\"web\": {\"image\": \"web:1.0\"}}}\r\n"},
		{name: "mac.yaml", text: "name: shop\rapps: {}\n", want: ":1:11: a carriage return without a line feed"},
		{name: "nel.yaml", text: "name: shop\nx-a: a\u0085b\n", want: ":2:7: the character U+0085"},
		{name: "separator.yaml", text: "name: shop\nx-a: a\u2028b\n", want: ":2:7: the character U+2028"},
		{name: "escape.yaml", text: "name: \"a\x1bb\"\n", want: "control characters are not allowed"},

		// What parsers disagree about.
		{name: "twice.yaml", text: good + "name: other\n", want: ":3:1: the key \"name\" is written twice"},
		{name: "twice.json", text: `{"name": "a", "name": "b"}`, want: "the key \"name\" is written twice"},
		{name: "twice_escaped.json", text: `{"name": "a", "n\u0061me": "b"}`, want: "the key \"name\" is written twice"},
		{name: "norway.yaml", text: "name: shop\napps: {web: {image: 'web:1.0', env: {COUNTRY: no}}}\n", want: "no is read as different values"},
		{name: "norway_key.yaml", text: "name: shop\napps: {no: {image: 'web:1.0'}}\n", want: "the key no is read as another type"},
		{name: "octal.yaml", text: "name: shop\napps: {web: {image: 'web:1.0', env: {MODE: 0755}}}\n", want: "0755 is read as different values"},
		{name: "sexagesimal.yaml", text: "name: shop\napps: {web: {image: 'web:1.0', env: {AT: 12:30}}}\n", want: "12:30 is read as different values"},
		{name: "tag.yaml", text: "name: !!binary c2hvcA==\n", want: "YAML tags are not supported"},
		{name: "tag_code.yaml", text: "name: !!python/object/apply:os.system [id]\n", want: "YAML tags are not supported"},
		{name: "directive.yaml", text: "%TAG ! tag:example.org,2000:\n---\nname: !a b\n", want: "YAML tags are not supported"},
		{name: "second.yaml", text: good + "---\n" + good, want: "a second YAML document begins here"},
		{name: "second_broken.yaml", text: good + "---\n[\n", want: "the [ that opens here is not closed|second YAML document"},
		{name: "trailing.json", text: "{} {}", want: "not valid JSON"},

		// CUE: depth and length.
		{name: "parens.cue", text: "a: " + nested(100000, "(", "1", ")"), want: "nested deeper than 500 levels"},
		{name: "lists.cue", text: "a: " + nested(501, "[", "", "]"), want: "nested deeper than 500 levels"},
		{name: "structs.cue", text: "a: " + nested(501, "{a: ", "1", "}"), want: "nested deeper than 500 levels"},
		{name: "open.cue", text: "a: " + repeat("[", 1<<20), want: "nested deeper than 500 levels"},
		{name: "path.cue", text: repeat("a: ", 1<<21) + "1", want: "more than 5000 words"},
		{name: "path_below.cue", text: repeat("a: ", 400) + "1", want: "more than 100000 values or 100 levels"},
		{name: "unary.cue", text: "a: " + repeat("-", 1<<20) + "1", want: "more than 5000 words"},
		{name: "not.cue", text: "a: " + repeat("!", 1<<20) + "true", want: "more than 5000 words"},
		{name: "sum.cue", text: "a: 1" + repeat("+1", 1<<18), want: "more than 5000 words"},
		{name: "sum_lines.cue", text: "a: 1" + repeat(" +\n1", 1<<18), want: "more than 5000 words"},
		{name: "and.cue", text: "a: 1" + repeat(" & 1", 1<<18), want: "more than 5000 words"},
		{name: "or.cue", text: "a: 1" + repeat(" | 1", 1<<18), want: "more than 5000 words"},
		{name: "select.cue", text: "b: a" + repeat(".a", 1<<18), want: "more than 5000 words"},
		{name: "index.cue", text: "a: [1]\nb: a" + repeat("[0]", 1<<18), want: "more than 5000 words"},
		{name: "calls.cue", text: "b: a" + repeat("()", 1<<18), want: "more than 5000 words"},
		{name: "clauses.cue", text: "a: [" + repeat("for x in [1] ", 1<<16) + "{1}]", want: "more than 5000 words"},
		{name: "conditions.cue", text: "a: [" + repeat("if true ", 1<<17) + "{1}]", want: "more than 5000 words"},
		{name: "texts.cue", text: "a: " + nested(1000, `"\(`, "1", `)"`), want: "nested deeper than 500 levels"},
		{name: "hidden_in_text.cue", text: "a: \"\"\"\n\t\\(1)\n\t\"\"\"\nb: " + nested(1000, "[", "", "]") + "\nc: \"\"\"\n\tx\n\t\"\"\"\n", want: "nested deeper than 500 levels"},
		{name: "text_open.cue", text: "a: \"\\(1) (\nb: " + nested(1000, "[", "", "]"), want: "the text that begins here has no end"},
		{name: "attribute.cue", text: "a: 1 @x(" + nested(1<<20, "(", "", ")") + ")", want: "nested deeper than 500 levels"},
		{name: "attributes.cue", text: "a: 1 " + repeat("@x", 1<<20), want: "nested deeper than 500 levels"},
		{name: "attributes_lines.cue", text: "a: 1 " + repeat("@x // y\n", 1<<19), want: "nested deeper than 500 levels"},
		{name: "attribute_first.cue", text: "@x(" + nested(1<<20, "(", "", ")") + ")\npackage a\n", want: "nested deeper than 500 levels"},
		{name: "words.cue", text: lines(60000, func(i int) string { return fmt.Sprintf("a%d: 1", i) }), want: "more than 200000 words"},
		{name: "comments.cue", text: cueOK + repeat("// c\n", 1<<20)},

		// CUE: what grows while it is evaluated.
		{name: "repeat.cue", text: "import \"strings\"\na: strings.Repeat(\"a\", 1000000000)", want: "exceeds limit"},
		{name: "list_repeat.cue", text: "import \"list\"\na: list.Repeat([1], 1000000000)", want: "exceeds limit"},
		{name: "power.cue", text: "import \"math\"\na: math.Pow(10, 1000000000)", want: "exponent out of range"},
		{name: "product.cue", text: "a0: 123456789123456789\n" + chain(40, "a%e: a%[1]d*a%[1]d", "b: a%[1]d"), want: "exponent out of range|to evaluate"},
		{name: "regexp.cue", text: "a: \"" + repeat("a", 50000) + "\" =~ \"(a*)*b\"", want: "unknown field"},
		{name: "regexp_large.cue", text: "a: \"a\" & =~\"((a{100}){100}){100}\"", want: "a: "},
		{name: "template_itself.cue", text: "import \"text/template\"\na: template.Execute(#\"{{define \"x\"}}{{template \"x\" .}}{{end}}{{template \"x\" .}}\"#, {b: 1})", want: "exceeded maximum"},
		{name: "shared_lists.cue", text: "a0: [1, 2]\n" + chain(40, "a%e: [a%[1]d, a%[1]d]", "b: a%[1]d"), want: "more than 100000 values"},
		{name: "structure.cue", text: "a: b: a", want: "contains itself"},
		{name: "structure_two.cue", text: "a: {x: b}\nb: {y: a}\n", want: "contains itself"},
		{name: "structure_definition.cue", text: "#a: {n: int, next: #a}\nb: #a & {n: 1}\n", want: "contains itself"},
		{name: "recursion.cue", text: "#f: {n: int, if n > 0 {o: (#f & {\"n\": n-1}).o}, if n == 0 {o: 0}}\na: (#f & {n: 100000}).o\n", want: "contains itself"},
		{name: "reference_itself.cue", text: "a: a + 1\n", want: "a: "},
		{name: "undecided.cue", text: "name: string\n", want: "is not decided: string"},
		{name: "doubling.cue", text: "a0: \"xxxxxxxxxx\"\n" + chain(40, "a%e: a%[1]d+a%[1]d", "b: a%[1]d"), want: tooMuchText, heavy: true},
		{name: "range.cue", text: "import \"list\"\na: list.Range(0, 100000000, 1)", want: tooMuchText, heavy: true},
		{name: "comprehension.cue", text: "import \"list\"\nlet r = list.Range(0, 10000, 1)\na: [for x in r for y in r {x*y}]", want: tooMuchText, heavy: true},
		{name: "disjunctions.cue", text: "a: " + strings.TrimSuffix(repeat("({b: 1} | {c: 2} | {d: 3} | {e: 4}) & ", 9), " & "), want: tooMuchText, heavy: true},
		{name: "disjunctions_fields.cue", text: "a: " + strings.TrimSuffix(lines(12, func(i int) string { return fmt.Sprintf("({x%d: 1} | {x%d: 2} | {x%d: 3}) &", i, i, i) }), " &\n"), want: tooMuchText, heavy: true},
		{name: "chain.cue", text: chain(48000, "a%[1]d: a%e", "a%[1]d: 1"), want: tooMuchText, heavy: true},
		{name: "chain_sum.cue", text: chain(33000, "a%[1]d: a%e+1", "a%[1]d: 1"), want: tooMuchText, heavy: true},
		{name: "chain_definitions.cue", text: chain(20000, "#a%[1]d: {#a%e}", "#a%[1]d: x: 1\nb: #a0"), want: tooMuchText, heavy: true},
		{name: "chain_lists.cue", text: chain(14000, "a%[1]d: [for x in a%e {x}]", "a%[1]d: [1]"), want: tooMuchText, heavy: true},
		{name: "yaml_in_cue.cue", text: "import \"encoding/yaml\"\na: yaml.Unmarshal(#\"\"\"\n\ta: &a0 {k: 1}\n" + chain(24, "\tb%[1]d: &a%e {x: {<<: *a%[1]d}, y: {<<: *a%[1]d}}", "\tc: *a%[1]d\n\t\"\"\"#)\n"), want: tooMuchText, heavy: true},

		// CUE: files.
		{name: "import_parent.cue", text: "import \"../other\"\nname: other.name\n", want: "is no path of a package"},
		{name: "import_dot.cue", text: "import \"./other\"\nname: other.name\n", want: "is no path of a package"},
		{name: "import_absolute.cue", text: "import \"/etc/other\"\nname: other.name\n", want: "import"},
		{name: "import_dots_inside.cue", text: "import \"example.com/shop/../../other\"\nname: other.name\n", want: "is no path of a package", files: map[string]string{"cue.mod/module.cue": module}},
		{name: "import_backslash.cue", text: "import #\"example.com\\shop\"#\nname: shop.name\n", want: "import"},
		{name: "import_drive.cue", text: "import \"C:/other\"\nname: other.name\n", want: "import"},
		{name: "import_url.cue", text: "import \"https://example.com/other\"\nname: other.name\n", want: "import"},
		{name: "import_file_url.cue", text: "import \"file:///etc/other\"\nname: other.name\n", want: "import"},
		{name: "import_tool.cue", text: "import \"tool/exec\"\na: exec.Run\n", want: "the import \"tool/exec\" is not supported"},
		{name: "import_internal.cue", text: "import \"internal\"\na: internal.b\n", want: "CUE's standard library has no \"internal\""},
		{name: "import_registry.cue", text: "import \"example.org/a\"\nname: a.name\n", want: "is not available", files: map[string]string{"cue.mod/module.cue": module + "deps: \"example.org/a@v0\": v: \"v0.1.0\"\n"}},
		{name: "import_itself.cue", text: "package shop\nimport \"example.com/shop/a\"\nname: a.name\n", want: "leads back to this package",
			files: map[string]string{"cue.mod/module.cue": module, "a/a.cue": "package a\nimport \"example.com/shop/a\"\nname: a.name\n"}},
		{name: "import_module_dots.cue", text: "import \"example.com/a\"\nname: a.name\n", want: "import",
			files: map[string]string{"cue.mod/module.cue": "module: \"example.com/../..\"\n"}},
		{name: "embed.cue", text: "@extern(embed)\npackage a\nname: _ @embed(file=\"/etc/passwd\",type=text)\n", want: ":1:1: other files cannot be embedded"},
		{name: "embed_second.cue", text: "package a\n", want: "b.cue:1:1: other files cannot be embedded", files: map[string]string{"b.cue": "@extern(embed)\npackage a\nname: _ @embed(file=\"/etc/passwd\",type=text)\n"}},
		{name: "second_broken.cue", text: "package a\n" + cueOK, want: "b.cue:2:5: the byte 0xff is no UTF-8 text", files: map[string]string{"b.cue": "package a\nx: \"\xff\"\n"}},
		{name: "second_utf16.cue", text: "package a\n" + cueOK, want: "b.cue:1:1: the file is UTF-16", files: map[string]string{"b.cue": "\xff\xfe"}},
		{name: "second_words.cue", text: "package a\n" + lines(30000, func(i int) string { return fmt.Sprintf("a%d: 1", i) }), want: "b.cue:2",
			files: map[string]string{"b.cue": "package a\n" + lines(30000, func(i int) string { return fmt.Sprintf("b%d: 1", i) })}},
		{name: "second_size.cue", text: "package a\n" + repeat("// comment\n", 1<<18), want: "larger than 8 MiB together", files: map[string]string{"b.cue": "package a\n" + repeat("// comment\n", 1<<19)}},
	}
	return all
}

// TestBombs loads hostile input. Whatever it is, the answer comes soon, says
// where and what, and the process goes on.
func TestBombs(t *testing.T) {
	if os.Getenv("STACKCTL_BOMB") != "" {
		explode(os.Getenv("STACKCTL_BOMB"), os.Getenv("STACKCTL_CEILING"))
	}
	if count := len(bombs()); count < 60 {
		t.Fatalf("only %d", count)
	}
	for _, b := range bombs() {
		t.Run(b.name, func(t *testing.T) {
			b.write(t)
			var got string
			if b.heavy {
				got = inChild(t, b.name, "low")
			} else {
				got = b.load(patient)
			}
			b.judge(t, got)
		})
	}
}

// TestCeiling holds the ceiling of Load itself, which the other heavy ones do
// not wait for.
func TestCeiling(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	for _, name := range []string{"chain_definitions.cue", "doubling.cue"} {
		t.Run(name, func(t *testing.T) {
			for _, b := range bombs() {
				if b.name == name {
					b.write(t)
				}
			}
			got := inChild(t, name, "ordinary")
			if !strings.Contains(got, name+": takes more than 10s to evaluate") && !strings.Contains(got, name+": takes more than 1024 MiB of memory to evaluate") {
				t.Errorf("got %s", got)
			}
		})
	}
}

// write makes a new working directory with the files of a bomb.
func (b bomb) write(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	files := map[string]string{b.name: b.text}
	for name, text := range b.files {
		files[name] = text
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// load loads the bomb that was written, and returns the error as text.
func (b bomb) load(limit ceiling) string {
	in, err := read(Options{Filename: b.name})
	if err == nil {
		_, err = guarded(context.Background(), in.file, limit, func() (*Stack, error) { return load(in, "") })
	}
	var errs Errors
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &errs):
		return "an error without a place: " + err.Error()
	}
	for _, one := range errs {
		if one.Pos.File == "" || strings.Contains(one.Hint, "this is a bug") {
			return "a bad error: " + one.Error()
		}
	}
	return err.Error()
}

func (b bomb) judge(t *testing.T, got string) {
	t.Helper()
	if len(got) > 300 {
		got = got[:300] + "..."
	}
	if b.want == "" {
		if got != "" {
			t.Errorf("want it accepted, got %s", got)
		}
		return
	}
	for want := range strings.SplitSeq(b.want, "|") {
		if strings.Contains(got, want) && !strings.HasPrefix(got, "a bad error") {
			return
		}
	}
	t.Errorf("got %q\nwant %s", got, b.want)
}

// inChild loads a bomb of the working directory in another process and returns
// what it says. The process ends at once, as the program does.
func inChild(t *testing.T, name, limit string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient.time)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestBombs$")
	command.Env = append(os.Environ(), "STACKCTL_BOMB="+name, "STACKCTL_CEILING="+limit)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("the process: %v\n%s", err, out)
	}
	return string(out)
}

// explode is the other process.
func explode(name, limit string) {
	ceilings := map[string]ceiling{"ordinary": ordinary, "low": {time: time.Second, heap: 256 << 20}}
	fmt.Print(bomb{name: name}.load(ceilings[limit]))
	os.Exit(0)
}
