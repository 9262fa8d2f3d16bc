package ui

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean returns s on one line, with everything escaped that a terminal or a
// reader could take for something else: control characters, escape sequences,
// line breaks, bidirectional and invisible characters, bytes that are not
// UTF-8, and what the log of a CI system takes for a command.
func Clean(s string) string { return clean(s, false) }

// CleanLines is [Clean] that keeps line breaks, for text that has several
// lines by nature. Tabs become spaces.
func CleanLines(s string) string { return clean(s, true) }

func clean(s string, multiline bool) string {
	if !isClean(s, multiline) {
		s = escape(s, multiline)
	}
	return uncommand(s)
}

// uncommand breaks what a runner of GitHub or Azure takes for a command: "::"
// at the beginning of a line, and "##[" anywhere.
func uncommand(s string) string {
	s = strings.ReplaceAll(s, "##[", `#\x23[`)
	if !strings.Contains(s, "::") {
		return s
	}
	var b strings.Builder
	for line := range strings.Lines(s) {
		if rest, ok := strings.CutPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::"); ok {
			line = line[:len(line)-len(rest)-2] + `\x3a:` + rest
		}
		b.WriteString(line)
	}
	return b.String()
}

func escape(s string, multiline bool) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case multiline && r == '\n':
			b.WriteByte('\n')
		case multiline && r == '\t':
			b.WriteString("    ")
		case !deceives(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return b.String()
}

func isClean(s string, multiline bool) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if deceives(r) && !(multiline && r == '\n') {
			return false
		}
	}
	return true
}

// deceives reports runes that do something else than show themselves: C0 and
// C1 controls (Cc), formats such as bidi overrides and zero-width joiners
// (Cf), line and paragraph separators, variation selectors and other fillers
// that take no place.
func deceives(r rune) bool {
	switch {
	case r < 0x7f:
		return r < 0x20
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp):
		return true
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef: // variation selectors
		return true
	case r == 0x034f, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x3164, r == 0xffa0:
		return true // fillers without ink
	}
	return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}
