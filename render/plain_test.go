package render

import (
	"regexp"
	"testing"
)

// TestIsPlain compares the function with the regular expression it stands for.
func TestIsPlain(t *testing.T) {
	pattern := regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./@-]*(:[A-Za-z0-9_./@-]+)*$`)
	const letters = "aZ0/_.@-: \n\x00ü#"
	texts := []string{""}
	for begin, length := 0, 0; length < 4; length++ {
		end := len(texts)
		for _, text := range texts[begin:end] {
			for _, r := range letters {
				texts = append(texts, text+string(r))
			}
		}
		begin = end
	}
	for _, text := range texts {
		if got, want := isPlain(text), pattern.MatchString(text); got != want {
			t.Errorf("isPlain(%q) = %v, want %v", text, got, want)
		}
	}
}
