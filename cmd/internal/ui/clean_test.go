package ui

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for _, c := range []struct{ reason, in, want string }{
		{"ordinary text is left alone", "web-api: 3 von 5 – größer ✓ 日本", "web-api: 3 von 5 – größer ✓ 日本"},
		{"an escape sequence", "\x1b[2Jgone", `\x1b[2Jgone`},
		{"a C1 control sequence introducer", "\u009b31m", `\x9b31m`},
		{"carriage return overwrites a line", "bad\rgood", `bad\rgood`},
		{"a line break forges a row", "a\nrevision 9", `a\nrevision 9`},
		{"a tab shifts a column", "a\tb", `a\tb`},
		{"backspace and delete", "a\b\x7f", `a\x08\x7f`},
		{"a bidi override reverses what is read", "abc\u202egpj.exe", `abc\u202egpj.exe`},
		{"an isolate", "\u2066x\u2069", `\u2066x\u2069`},
		{"a zero-width space makes two names look alike", "we\u200bb", `we\u200bb`},
		{"a byte order mark", "\ufeffx", `\ufeffx`},
		{"a tag character", "\U000e0041", `\U000e0041`},
		{"a line separator", "a\u2028b", `a\u2028b`},
		{"a byte that is not UTF-8", "a\xffb", `a\xffb`},
	} {
		if got := Clean(c.in); got != c.want {
			t.Errorf("%s: Clean(%q) = %q, want %q", c.reason, c.in, got, c.want)
		}
	}
}

func TestCleanLines(t *testing.T) {
	if got, want := CleanLines("a\n\tb\r\n\x1bc"), "a\n    b\\r\n\\x1bc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "web", "\x1b]0;title\a", "\u202e", "\xc3(", "a\r\nb", "\u200d", "\U000e0020"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !utf8.ValidString(got) {
			t.Errorf("%q: not UTF-8: %q", s, got)
		}
		for _, r := range got {
			if r < ' ' || unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) {
				t.Errorf("%q: %U came through", s, r)
			}
		}
		if again := Clean(got); again != got {
			t.Errorf("%q: cleaning twice gives %q, once %q", s, again, got)
		}
		if lines := CleanLines(s); strings.Count(lines, "\n") != strings.Count(s, "\n") {
			t.Errorf("%q: CleanLines changed the number of lines", s)
		}
	})
}
