package ui

import (
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/schema"
)

// ProgressOptions say how to show a run.
type ProgressOptions struct {
	Color bool
	Now   func() time.Time
	// Live redraws a block of lines in place; else one line is written for
	// each change.
	Live bool
	// Size is the width and height of the terminal, asked for every frame;
	// needed when Live.
	Size func() (width, height int)
	// Plan is what is carried out.
	Plan *apply.Plan
	// Locate is as in [ErrorContext].
	Locate func(object apply.ObjectKey, field string) (schema.Pos, string)
}

// frameEvery is the least time between two frames, tickEvery the longest, so
// that the clocks in them go on.
const (
	frameEvery = 100 * time.Millisecond
	tickEvery  = time.Second
)

// Progress shows the events of a run while it lasts. Writing happens in a
// goroutine of its own: a terminal that is stopped, or a pipe that nobody
// reads, does not hold up the run.
type Progress struct {
	w      io.Writer
	o      ProgressOptions
	screen screen

	mu      sync.Mutex
	board   board
	pending []string // lines to write once, for good

	wake, urgent, closing, closed chan struct{}
}

// NewProgress starts showing a run on w. [Progress.Close] ends it.
func NewProgress(w io.Writer, o ProgressOptions) *Progress {
	p := &Progress{
		w: w, o: o, board: newBoard(o),
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), closing: make(chan struct{}), closed: make(chan struct{}),
	}
	go p.show()
	return p
}

// Event takes one event of the run in. It never blocks on the writing.
func (p *Progress) Event(e apply.Event) {
	p.mu.Lock()
	p.pending = append(p.pending, p.board.event(e, p.o.Now())...)
	p.mu.Unlock()
	p.poke()
}

// Note writes a line of ours between the lines of the run, without waiting for
// the next frame to be due: the process may end before that.
func (p *Progress) Note(line string) {
	p.mu.Lock()
	p.pending = append(p.pending, Clean(line))
	p.mu.Unlock()
	p.poke()
	select {
	case p.urgent <- struct{}{}:
	default:
	}
}

// Close writes what is left; the last state of a block stays on the screen.
func (p *Progress) Close() {
	close(p.closing)
	<-p.closed
}

func (p *Progress) poke() {
	select {
	case p.wake <- struct{}{}:
	default: // a frame is due already
	}
}

// show writes frames until the end.
func (p *Progress) show() {
	defer close(p.closed)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.wake:
		case <-tick.C:
		case <-p.closing:
			p.draw(true)
			return
		}
		p.draw(false)
		select { // at most one frame in each interval
		case <-time.After(frameEvery):
		case <-p.urgent:
		case <-p.closing:
		}
	}
}

// draw writes one frame in one Write. An error of writing is nobody's concern
// here: the run matters, not its picture.
func (p *Progress) draw(last bool) {
	p.mu.Lock()
	pending := append(p.pending, p.board.alive(p.o.Now())...)
	p.pending = nil
	var block []string
	width := 0
	if p.o.Live {
		var height int
		width, height = p.o.Size()
		block = p.board.block(p.o.Now(), width, height, last)
	}
	p.mu.Unlock()
	if frame := p.screen.frame(pending, block, width); frame != "" {
		_, _ = io.WriteString(p.w, frame)
	}
}

// screen knows what is drawn, and how to draw over it.
type screen struct {
	drawn []string // the lines of the block on the screen
}

// frame returns the bytes that replace the block on the screen by lines that
// stay and a new block. It is empty when nothing changes.
func (s *screen) frame(lines, block []string, width int) string {
	if len(lines) == 0 && slices.Equal(s.drawn, block) {
		return ""
	}
	var b strings.Builder
	if up := s.height(width); up > 0 {
		// Back to the first line of the block, and clear to the end of the screen.
		b.WriteString("\r\x1b[" + Value(up) + "A\x1b[J")
	}
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	for _, line := range block {
		b.WriteString(line + "\n")
	}
	s.drawn = block
	return b.String()
}

// height is the number of rows the drawn block takes at a width that may be
// smaller than the one it was drawn for: terminals wrap lines anew.
func (s *screen) height(width int) int {
	rows := 0
	for _, line := range s.drawn {
		rows += 1 + max(0, visible(line)-1)/max(width, 1)
	}
	return rows
}
