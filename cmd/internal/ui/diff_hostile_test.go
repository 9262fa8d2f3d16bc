package ui

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"stackctl.dev/stackctl/apply"
)

// hostileTexts are what others may write into objects: for terminals, readers,
// logs of CI systems, Markdown, HTML and XML. The words of them that must not be
// taken for anything but text are in hostileWords.
func hostileTexts() []string {
	all := []string{
		"::error::pwned", "\n::error file=pwned::pwned", "##[error]pwned", "##vso[task.setvariable variable=pwned]", "a%0A::error::pwned", "a,line=1::pwned%", "\r\n  ::set-output name=pwned::x",
		"`pwned`", "```\n@pwned\n```", "~~~\npwned", "| pwned | pwned |\n|---|---|", "[pwned](http://pwned.example)", "![pwned](http://pwned.example/x.png)", "@pwned #1 !2 GH-3",
		"https://pwned.example www.pwned.example pwned@pwned.example", "<!-- pwned", "<details>pwned", "**pwned** _pwned_ ~~pwned~~ $pwned$", "\\`pwned\\`", "&lt;pwned&gt; &#60;pwned&#62;",
		"<script>pwned</script>", "\"><img src=x onerror=pwned>", "' onmouseover='pwned", "</pre></details></style><b>pwned", "]]><pwned/>", "<!DOCTYPE pwned>", "javascript:pwned",
		"-- pwned --", "--- a/pwned\n+++ b/pwned\n@@ -1 +1 @@", "\xff\xfepwned",
	}
	controls := "pwned"
	for r := rune(0); r < 0xa0; r++ {
		if r < 0x20 || r >= 0x7f {
			controls += string(r)
		}
	}
	for _, r := range "\u061c\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2028\u2029\u2060\u2066\u2067\u2068\u2069\ufeff\ufe0f\U000e0041\u115f\u3164" {
		controls += string(r)
	}
	return append(all, controls, "\x1b[2J\x1b]0;pwned\a\u009b31m\x1bPpwned\x1b\\")
}

// hostileDiff has a text in everything of a plan that others write.
func hostileDiff(text string) Diff {
	key := apply.ObjectKey{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web" + text}
	object := func(value string) map[string]any {
		return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{
			"name": "web" + text, "labels": map[string]any{"label" + text: text}, "annotations": map[string]any{"note" + text: text}},
			"spec": map[string]any{"env": []any{map[string]any{"name": "NOTE", "value": value}}}}
	}
	since := time.Date(2026, 3, 1, 11, 57, 0, 0, time.UTC)
	place := &apply.SpecPlace{File: "stack" + text + ".yaml", Line: 3, Path: "apps." + text}
	fields := []apply.FieldChange{
		{Path: `metadata.labels["` + text + `"]`, Op: apply.FieldAdd, After: text, Label: apply.LabelYou, Spec: place},
		{Path: `metadata.annotations["` + text + `"]`, Op: apply.FieldRemove, Before: text, Manager: text, Since: since, Label: apply.LabelDrift},
		{Path: `spec.env[name="NOTE"].value`, Op: apply.FieldSet, Before: "a" + text, After: text, Label: apply.LabelServer, Spec: place},
	}
	conflict := apply.Conflict{Object: key, Path: "spec." + text, Manager: text, Since: since, Live: text, Want: "b" + text}
	yielded := conflict
	yielded.Resolution = apply.ResolutionYielded
	more := apply.Change{
		Object: key, Fields: fields, Label: apply.LabelYou, Spec: place, Note: text, Unpreviewed: text, Adopted: text, Replace: []string{text},
		Predecessor: &apply.ObjectKey{Group: "example.org", Kind: "ConfigMap", Namespace: "shop", Name: text}, Conflicts: []apply.Conflict{conflict, yielded, {Object: key, Manager: text}},
		Impacts: []apply.Impact{{Kind: apply.ImpactDataLoss, Message: text, Field: text}, {Kind: apply.ImpactKind(text), Message: "restart"}},
	}
	var changes []apply.Change
	for _, action := range []apply.Action{apply.ActionCreate, apply.ActionUpdate, apply.ActionDelete, apply.ActionUnchanged, apply.ActionKeep} {
		c := more
		c.Action, c.New, c.Live, c.Merged = action, object(text), object("a"+text), object(text)
		changes = append(changes, c)
	}
	bare := more
	bare.Action, bare.Adopted = apply.ActionUpdate, "" // nobody knows its lines
	changes = append(changes, bare, apply.Change{Object: key, Action: apply.ActionUnchanged})
	return Diff{File: "stack" + text + ".yaml", Context: text, Conflicts: ErrorContext{Command: "stackctl apply"}, Plan: &apply.Plan{
		Stack: apply.Stack{Namespace: "shop" + text, Name: "recipes" + text}, Verb: apply.VerbApply, Server: text, CreateNamespace: true,
		Changes: changes, Warnings: []string{text}, Notices: []string{text},
	}}
}

// TestNothingOfOthersIsTakenForAnythingElse writes hostile texts in all places
// and formats: what a terminal, a log, Markdown, HTML or XML could take for
// something else than text does not come through.
func TestNothingOfOthersIsTakenForAnythingElse(t *testing.T) {
	judges := map[string]func(*testing.T, string){
		"github": judgeCommands, "gitlab": judgeJSON, "html": judgeHTML, "json": judgeJSON, "junit": judgeXML, "markdown": judgeMarkdown,
		"patch": judgePatch, "side-by-side": judgeText, "text": judgeText,
	}
	for _, format := range DiffFormats() {
		judge := judges[format]
		if judge == nil {
			t.Errorf("nobody judges what %s makes of hostile texts", format)
			continue
		}
		for _, hostile := range hostileTexts() {
			for _, drift := range []int{0, 3} {
				for _, width := range []int{0, 60} {
					if width > 0 && format != "text" && format != "side-by-side" {
						continue
					}
					d := hostileDiff(hostile)
					d.Drift = drift
					var out, summary bytes.Buffer
					if err := WriteDiff(&out, format, d, Options{Now: noon.Now, Width: width, Summary: &summary}); err != nil {
						t.Fatal(err)
					}
					if !strings.Contains(out.String(), "pwned") && format != "gitlab" {
						t.Fatalf("%s does not tell of %q", format, hostile)
					}
					judgeRunes(t, format, out.String())
					judge(t, out.String())
					if format == "github" {
						judgeRunes(t, format, summary.String())
						judgeMarkdown(t, summary.String())
					}
					if t.Failed() {
						t.Fatalf("%s with %q in drift %d, width %d", format, hostile, drift, width)
					}
				}
			}
		}
	}
}

// judgeRunes finds what does something else than show itself, and commands of
// the log of a CI system.
func judgeRunes(t *testing.T, format, out string) {
	for _, r := range out {
		if r != '\n' && deceives(r) {
			t.Errorf("%U comes through", r)
		}
	}
	if !utf8.ValidString(out) {
		t.Error("no UTF-8")
	}
	if strings.Contains(out, "##[") {
		t.Error("a command ##[ comes through")
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(strings.TrimSpace(line), "::") && format != "github" {
			t.Errorf("a line begins with a command: %q", line)
		}
	}
}

func judgeText(*testing.T, string) {}

func judgeJSON(t *testing.T, out string) {
	if !json.Valid([]byte(out)) {
		t.Error("no JSON")
	}
}

var command = regexp.MustCompile(`^::(error|warning|notice) (file=[^:,]*,line=\d+,(col=\d+,)?)?title=[^:,]*::`)

func judgeCommands(t *testing.T, out string) {
	for line := range strings.Lines(out) {
		rest := strings.TrimSuffix(line, "\n")
		begin := command.FindString(rest)
		if begin == "" {
			t.Errorf("no command: %q", line)
		}
		for _, part := range strings.Split(rest, "%")[1:] {
			if !regexp.MustCompile(`^(25|0A|3A|2C)`).MatchString(part) {
				t.Errorf("a percent sign that is not escaped: %q", line)
			}
		}
		if strings.Contains(rest, "%0A::") {
			t.Errorf("a line of a message begins with a command: %q", line)
		}
	}
}

func judgePatch(t *testing.T, out string) {
	// Within a hunk lines are counted; elsewhere only ours name files.
	left := [2]int{}
	header := regexp.MustCompile(`^@@ -\d+,(\d+) \+\d+,(\d+) @@$`)
	for _, line := range splitLines(out) {
		inside := left[0] > 0 || left[1] > 0
		switch m := header.FindStringSubmatch(line); {
		case inside && (line[0] == ' ' || line[0] == '-' || line[0] == '+'):
			if line[0] != '+' {
				left[0]--
			}
			if line[0] != '-' {
				left[1]--
			}
		case inside:
			t.Errorf("a hunk ends early: %q", line)
			return
		case m != nil:
			left = [2]int{number(m[1]), number(m[2])}
		case line != "" && !strings.HasPrefix(line, "# ") && line != "--- /dev/null" && line != "+++ /dev/null" && !regexp.MustCompile(`^(--- a|\+\+\+ b)/shop/Deployment.apps/web[^ /]*$`).MatchString(line):
			t.Errorf("a line that is not ours: %q", line)
		}
	}
}

func number(s string) (n int) {
	for _, r := range s {
		n = 10*n + int(r-'0')
	}
	return n
}

func judgeXML(t *testing.T, out string) {
	d := xml.NewDecoder(strings.NewReader(out))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		switch token := token.(type) {
		case xml.StartElement:
			if strings.Contains(token.Name.Local, "pwned") {
				t.Errorf("an element %s", token.Name.Local)
			}
			for _, a := range token.Attr {
				if !strings.Contains(" name tests failures errors classname file line type message ", " "+a.Name.Local+" ") {
					t.Errorf("an attribute %s", a.Name.Local)
				}
			}
		case xml.Comment, xml.Directive:
			t.Errorf("%T comes through", token)
		}
	}
}

var htmlTag = regexp.MustCompile(`<[^>]*>`)

// judgeHTML: only tags of ours are there, and none of them has a word of others
// but in an attribute that is text.
func judgeHTML(t *testing.T, out string) {
	style := regexp.MustCompile(`(?s)<style>.*?</style>`)
	out = style.ReplaceAllString(strings.TrimPrefix(out, "<!doctype html>"), "")
	ours := regexp.MustCompile(`^</?(html|head|meta|title|body|a|h1|h2|main|article|p|div|table|thead|tbody|tr|th|td|span|code|details|summary|ul|li|pre|ins|del)( [a-z-]+="[^"<>]*"| open)*>$`)
	text := regexp.MustCompile(` aria-label="[^"]*"`)
	for _, tag := range htmlTag.FindAllString(out, -1) {
		if bare := text.ReplaceAllString(tag, ""); !ours.MatchString(tag) || strings.Contains(bare, "pwned") {
			t.Errorf("a tag %s", tag)
		}
	}
	if strings.ContainsAny(htmlTag.ReplaceAllString(out, ""), "<>\"'") {
		t.Error("a text is not escaped")
	}
}

// judgeMarkdown: what others write is in code, in a fence or in an element, and
// nothing in it ends that.
func judgeMarkdown(t *testing.T, out string) {
	fence := ""
	var rest strings.Builder
	for _, line := range splitLines(out) {
		run := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence == "" && len(run) >= 3:
			if line != run+"diff" {
				t.Errorf("a fence that is not ours: %q", line)
			}
			fence = run
		case fence != "" && strings.TrimRight(line, " ") == run && len(run) >= len(fence):
			fence = ""
		case fence == "":
			rest.WriteString(line + "\n")
		}
	}
	if fence != "" {
		t.Error("a fence has no end")
	}
	text := rest.String()
	code := regexp.MustCompile(`<code>([^<]*)</code>`)
	for _, m := range code.FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`&#\d+;`).ReplaceAllString(m[1], "")
		if strings.ContainsAny(plain, "&<>`*_[](){}#|!~@$^\\:\"'\n") {
			t.Errorf("in code: %q", m[1])
		}
		if strings.Contains(strings.ToLower(plain), "www.") {
			t.Errorf("a link: %q", m[1])
		}
	}
	text = code.ReplaceAllString(text, "")
	if strings.Contains(text, "pwned") {
		t.Errorf("outside of code:\n%s", text)
	}
	text = strings.ReplaceAll(text, "`stackctl diff` shows them", "")
	if left := regexp.MustCompile(`</?(details|summary|br)( open)?>`).ReplaceAllString(text, ""); strings.ContainsAny(left, "<>&[@`") {
		t.Errorf("markup that is not ours:\n%s", left)
	}
}
