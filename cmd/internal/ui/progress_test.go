package ui

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/schema"
)

// happening is one line of testdata/ui/rollout.jsonl: when, and which event.
type happening struct {
	at    time.Duration
	event apply.Event
	note  string
}

func rollout(t *testing.T) (all []happening) {
	t.Helper()
	f, err := os.Open(goldens + "rollout.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var line struct {
			At       string
			Note     string
			Failed   string
			Error    string
			LockWait *apply.LockWait
			TookOver *apply.TookOver
			Recorded *apply.Recorded
			Applied  *apply.Applied
			NeedWait *apply.NeedWait
			Progress *apply.Health
			Pruning  *apply.Pruning
		}
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		at, err := time.ParseDuration(line.At)
		if err != nil {
			t.Fatal(err)
		}
		h := happening{at: at, note: line.Note}
		switch {
		case line.LockWait != nil:
			h.event = *line.LockWait
		case line.TookOver != nil:
			h.event = *line.TookOver
		case line.Recorded != nil:
			h.event = *line.Recorded
		case line.Applied != nil:
			h.event = *line.Applied
		case line.NeedWait != nil:
			h.event = *line.NeedWait
		case line.Progress != nil:
			h.event = apply.Progress{Health: *line.Progress}
		case line.Pruning != nil:
			h.event = *line.Pruning
		case line.Failed != "":
			part := strings.Split(line.Failed, "/")
			h.event = apply.Applied{Object: apply.ObjectKey{Kind: part[0], Namespace: part[1], Name: part[2]}, Action: apply.ActionDelete, Err: errors.New(line.Error)}
		case line.Note == "":
			t.Fatalf("%s: no event", s.Text())
		}
		all = append(all, h)
	}
	return all
}

// rolloutOptions are those of a run that writes three objects and deletes two.
func rolloutOptions(clock *time.Time) ProgressOptions {
	change := func(a apply.Action) apply.Change { return apply.Change{Action: a} }
	return ProgressOptions{
		Now: func() time.Time { return *clock },
		Plan: &apply.Plan{Stack: apply.Stack{Namespace: "shop", Name: "recipes"}, Changes: []apply.Change{
			change(apply.ActionCreate), change(apply.ActionUpdate), change(apply.ActionUpdate), change(apply.ActionDelete), change(apply.ActionDelete),
		}},
		Locate: func(o apply.ObjectKey, field string) (schema.Pos, string) {
			return schema.Pos{File: "stack.yaml", Line: 4, Col: 12}, "apps." + o.Name + "." + field
		},
	}
}

// TestProgressLines replays a recorded run where there is no terminal.
func TestProgressLines(t *testing.T) {
	clock := noon.Now
	b := newBoard(rolloutOptions(&clock))
	var got strings.Builder
	for _, h := range rollout(t) {
		lines := b.event(h.event, noon.Now.Add(h.at))
		for _, line := range lines {
			got.WriteString(line + "\n")
		}
	}
	golden(t, "rollout.lines", got.String())
}

// TestProgressLive replays the same run on a terminal that is simulated, and
// records what a person sees after each event.
func TestProgressLive(t *testing.T) {
	for _, size := range []struct {
		name          string
		width, height int
	}{{"wide", 100, 30}, {"narrow", 40, 8}} {
		clock := noon.Now
		o := rolloutOptions(&clock)
		o.Live, o.Color = true, true
		b, terminal := newBoard(o), terminal{width: size.width}
		var s screen
		var got strings.Builder
		show := func(title string, pending []string, last bool) {
			frame := s.frame(pending, b.block(clock, size.width, size.height, last), size.width)
			terminal.write(t, frame)
			fmt.Fprintf(&got, "# %s\n%s\n", title, terminal.text())
			for _, line := range s.drawn {
				if visible(line) >= size.width {
					t.Errorf("%s: a line is as wide as the terminal: %q", title, line)
				}
			}
			if len(s.drawn) >= size.height {
				t.Errorf("%s: a block of %d lines on a terminal of %d", title, len(s.drawn), size.height)
			}
		}
		for _, h := range rollout(t) {
			clock = noon.Now.Add(h.at)
			pending := b.event(h.event, clock)
			if h.note != "" {
				pending = []string{Clean(h.note)}
			}
			show(h.at.String(), pending, false)
		}
		show("the end", nil, true)
		golden(t, "rollout."+size.name, got.String())
	}
}

// TestProgressShrink draws over a block after the terminal became narrower and
// wrapped its lines anew.
func TestProgressShrink(t *testing.T) {
	terminal := terminal{width: 40}
	var s screen
	terminal.write(t, s.frame([]string{"stays"}, []string{strings.Repeat("a", 39), "b"}, 40))
	terminal.resize(20)
	terminal.write(t, s.frame(nil, []string{"c"}, 20))
	if got, want := terminal.text(), "stays\nc\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestProgressFrames asks that nothing is written when nothing changed, and
// one frame at a time.
func TestProgressFrames(t *testing.T) {
	var s screen
	if got := s.frame(nil, []string{"a"}, 80); got != "a\n" {
		t.Errorf("the first frame is %q", got)
	}
	if got := s.frame(nil, []string{"a"}, 80); got != "" {
		t.Errorf("the same frame is drawn again: %q", got)
	}
	if got := s.frame([]string{"x"}, nil, 80); got != "\r\x1b[1A\x1b[Jx\n" {
		t.Errorf("the last frame is %q", got)
	}
}

// stuck is a pipe that nobody reads until it is opened.
type stuck struct {
	opened chan struct{}
	mu     sync.Mutex
	got    bytes.Buffer
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.opened
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.Write(b)
}

// TestProgressNeverBlocks sends events while nobody reads the output.
func TestProgressNeverBlocks(t *testing.T) {
	for _, live := range []bool{false, true} {
		clock := noon.Now
		o := rolloutOptions(&clock)
		o.Live, o.Size = live, func() (int, int) { return 80, 24 }
		w := &stuck{opened: make(chan struct{})}
		p := NewProgress(w, o)
		for range 100 {
			for _, h := range rollout(t) {
				if h.event != nil {
					p.Event(h.event)
				}
			}
		}
		p.Note("the end")
		close(w.opened)
		p.Close()
		if !strings.Contains(w.got.String(), "the end") || !strings.Contains(w.got.String(), "Deployment/web-api") {
			t.Errorf("live %v: output is lost: %s", live, w.got.String())
		}
	}
}

// TestANoteIsWrittenAtOnce: it waits for no frame, and the clock stands still.
func TestANoteIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		o := rolloutOptions(&begun)
		var out bytes.Buffer
		p := NewProgress(&out, o)
		for _, line := range []string{"first", "second", "third"} {
			p.Note(line)
			synctest.Wait()
			if !strings.Contains(out.String(), line) || !time.Now().Equal(begun) {
				t.Errorf("after %s: %q", time.Since(begun), out.String())
			}
		}
		p.Close()
	})
}

// terminal simulates what ui uses of one: lines, cursor up, clear to the end
// of the screen, colours, and wrapping.
type terminal struct {
	width int
	lines []string // what was written, one string a line, before wrapping
	row   int
}

var control = regexp.MustCompile(`^\x1b\[(\d*)([A-Za-z])`)

func (s *terminal) write(t *testing.T, frame string) {
	t.Helper()
	for frame != "" {
		if m := control.FindStringSubmatch(frame); m != nil {
			frame = frame[len(m[0]):]
			switch m[2] {
			case "A":
				n := 0
				fmt.Sscan(m[1], &n)
				s.up(t, n)
			case "J":
				s.lines = s.lines[:s.row]
			case "m":
			default:
				t.Fatalf("a control sequence that is not expected: %q", m[0])
			}
			continue
		}
		switch frame[0] {
		case '\r':
			frame = frame[1:]
		case '\x1b':
			t.Fatalf("a control sequence that is not expected: %q", frame)
		default:
			line, rest, ok := strings.Cut(frame, "\n")
			if !ok {
				t.Fatalf("a frame that does not end its last line: %q", frame)
			}
			s.lines = append(s.lines[:s.row], regexp.MustCompile(`\x1b\[\d*m`).ReplaceAllString(line, ""))
			s.row++
			frame = rest
		}
	}
}

// up moves over n rows of the screen, which must end at the start of a line.
func (s *terminal) up(t *testing.T, n int) {
	t.Helper()
	for n > 0 {
		if s.row == 0 {
			t.Fatal("the cursor leaves the screen")
		}
		s.row--
		n -= 1 + max(0, len([]rune(s.lines[s.row]))-1)/s.width
	}
	if n < 0 {
		t.Fatal("the cursor ends in the middle of a line that is wrapped")
	}
}

func (s *terminal) resize(width int) { s.width = width }

func (s *terminal) text() string { return strings.Join(append(s.lines, ""), "\n") }
