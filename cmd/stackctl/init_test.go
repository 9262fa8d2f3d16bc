package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"stackctl.dev/stackctl/schema"
)

// TestInitAsks plays a person at a terminal: mistakes are asked again, return
// takes what is in brackets, and nothing is written without a yes.
func TestInitAsks(t *testing.T) {
	for _, c := range []struct {
		reason, typed string
		code          int
		want          []string // in the file
		shown         string   // on stderr
	}{
		{"mistakes are asked again", "Bad_Name\nshop\nnginx\nghcr.io/acme/shop:1.4.2\n8080\n/healthz\nshop.example.org\n\ny\n", 0,
			[]string{"name: shop", "replicas: 2", "ingress: shop.example.org"}, `did you mean "bad-name"?`},
		{"little is enough", "shop\nghcr.io/acme/shop:1.4.2\n\n\ny\n", 0, []string{"image: ghcr.io/acme/shop:1.4.2"}, "how many pods [1]:"},
		{"a warning is shown before the question", "shop\nredis:7.4.1\n\n\nn\n", 3, nil, "starts as root"},
		{"no is no", "shop\nghcr.io/acme/shop:1.4.2\n\n\nno\n", 3, nil, "not confirmed: nothing was written"},
		{"a closed terminal is no", "shop\n", 3, nil, "not confirmed: nothing was written"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Chdir(t.TempDir())
			e, _, stderr := testEnv("init")
			e.stdin, e.stdinTTY, e.stderr.tty = byLine(c.typed), true, true
			e.getenv = func(string) string { return "1" } // NO_COLOR
			if code := run(e); code != c.code {
				t.Fatalf("exits %d, want %d: %s", code, c.code, stderr)
			}
			if !strings.Contains(stderr.String(), c.shown) {
				t.Errorf("want %q in\n%s", c.shown, stderr)
			}
			text, err := os.ReadFile("stack.yaml")
			if (err == nil) != (c.code == 0) {
				t.Fatalf("exits %d, and the file: %v", c.code, err)
			}
			for _, want := range c.want {
				if !strings.Contains(string(text), want+"\n") {
					t.Errorf("want %q in\n%s", want, text)
				}
			}
		})
	}
}

// byLine is a terminal: a read returns one line.
type lineReader struct{ lines []string }

func byLine(text string) *lineReader { return &lineReader{strings.SplitAfter(text, "\n")} }

func (r *lineReader) Read(b []byte) (int, error) {
	if len(r.lines) == 0 || r.lines[0] == "" {
		return 0, os.ErrClosed
	}
	n := copy(b, r.lines[0])
	r.lines = r.lines[1:]
	return n, nil
}

// TestInitWritesWhatIsRight: whatever the answers, the file is valid without a
// warning and in its canonical form.
func TestInitWritesWhatIsRight(t *testing.T) {
	for _, a := range []answers{
		{name: "shop", image: "ghcr.io/acme/shop:1.4.2"},
		{name: "a", image: "ghcr.io/acme/shop@sha256:0123456789012345678901234567890123456789012345678901234567890123"},
		{name: "shop", image: "ghcr.io/acme/shop:1.4.2", port: "8080"},
		{name: "shop", image: "ghcr.io/acme/shop:1.4.2", port: "8080", health: "tcp", replicas: "3"},
		{name: "shop", image: "ghcr.io/acme/shop:1.4.2", port: "8080", health: "/healthz", host: "shop.example.org/api", replicas: "2"},
		{name: "no", image: "ghcr.io/acme/shop:1.10", kind: "daemon", port: "80"},
		{name: "y", image: "ghcr.io/acme/shop:1.10", schedule: "*/5 * * * *"},
		{name: "1e3", image: "ghcr.io/acme/shop:1.10", kind: "job"},
	} {
		text := a.description(true)
		stack, err := check(context.Background(), text)
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		for _, warning := range stack.Warnings {
			t.Errorf("%v\n%s", warning, text)
		}
		canonical, err := schema.Format("stack.yaml", text, schema.FormatOptions{})
		if err != nil || !bytes.Equal(text, canonical) {
			t.Errorf("%v: %s is not the canonical form\n%s", err, text, canonical)
		}
		if a.name == "shop" && stack.Name != a.name {
			t.Errorf("the name is %q", stack.Name)
		}
	}
}
