package main

import "testing"

func TestColor(t *testing.T) {
	for _, c := range []struct {
		reason      string
		tty         bool
		env         map[string]string
		color, live bool
	}{
		{"a terminal", true, map[string]string{"TERM": "xterm"}, true, true},
		{"a pipe", false, map[string]string{"TERM": "xterm"}, false, false},
		{"NO_COLOR says nothing about moving the cursor", true, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false, true},
		{"an empty NO_COLOR is none", true, map[string]string{"NO_COLOR": ""}, true, true},
		{"a dumb terminal", true, map[string]string{"TERM": "dumb"}, false, false},
	} {
		e, _, _ := testEnv()
		e.stderr.tty = c.tty
		e.getenv = func(key string) string { return c.env[key] }
		if e.color(e.stderr) != c.color || e.live() != c.live {
			t.Errorf("%s: color %v, live %v", c.reason, e.color(e.stderr), e.live())
		}
	}
}
