package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"stackctl.dev/stackctl/apply"
)

// LogVersion is the version of the shape of a [Log]. Within one, fields and
// events are added, and none goes or changes its meaning.
const LogVersion = 1

// Log writes what happens for a machine: one JSON object on each line, as
// docs/log.md describes them. It takes over a stream: what is written to it as
// text becomes events, too, so that every line is one.
type Log struct {
	mu   sync.Mutex
	w    io.Writer
	now  func() time.Time
	rest []byte // of a line that has not ended
}

// NewLog returns a log that writes to w.
func NewLog(w io.Writer, now func() time.Time) *Log { return &Log{w: w, now: now} }

// entry is one line. What an event has not is left out.
type entry struct {
	Version     int              `json:"v"`
	Time        time.Time        `json:"time"`
	Event       string           `json:"event"`
	Message     string           `json:"message,omitempty"`
	Stack       *apply.Stack     `json:"stack,omitempty"`
	Counts      *apply.Counts    `json:"counts,omitempty"`
	Changes     []plannedChange  `json:"changes,omitempty"`
	Object      *apply.ObjectKey `json:"object,omitempty"`
	Action      apply.Action     `json:"action,omitempty"`
	Needs       []apply.Need     `json:"needs,omitempty"`
	Health      *apply.Health    `json:"health,omitempty"`
	Holder      *apply.Holder    `json:"holder,omitempty"`
	TakeoverIn  float64          `json:"takeoverInSeconds,omitempty"`
	Revision    int              `json:"revision,omitempty"`
	Interrupted []int            `json:"interrupted,omitempty"`
	Count       int              `json:"count,omitempty"`
	Result      *apply.Result    `json:"result,omitempty"`
	Error       string           `json:"error,omitempty"`
	ExitCode    *int             `json:"exitCode,omitempty"`
}

// plannedChange is what a plan does to one object.
type plannedChange struct {
	Object apply.ObjectKey `json:"object"`
	Action apply.Action    `json:"action"`
}

// write writes one line, in one Write.
func (l *Log) write(e entry) {
	e.Version, e.Time = LogVersion, l.now().UTC().Truncate(time.Millisecond)
	line, err := json.Marshal(e)
	if err != nil {
		line = fmt.Appendf(nil, `{"v":%d,"event":"message","message":"an event cannot be written"}`, LogVersion)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.w.Write(append(cleanJSON(line), '\n')) // the run matters, not its log
}

// Write makes a message of each line of a text.
func (l *Log) Write(text []byte) (int, error) {
	l.mu.Lock()
	l.rest = append(l.rest, text...)
	end := bytes.LastIndexByte(l.rest, '\n')
	done := string(l.rest[:end+1])
	l.rest = l.rest[end+1:]
	l.mu.Unlock()
	for line := range strings.Lines(done) {
		l.Note(strings.TrimSuffix(line, "\n"))
	}
	return len(text), nil
}

// Note writes a message.
func (l *Log) Note(line string) {
	if strings.TrimSpace(line) != "" {
		l.write(entry{Event: "message", Message: line})
	}
}

// Plan writes what is going to happen.
func (l *Log) Plan(plan *apply.Plan) {
	counts := plan.Counts()
	e := entry{Event: "plan", Stack: &plan.Stack, Counts: &counts, Revision: plan.Base}
	for _, c := range plan.Changes {
		if c.Action != apply.ActionUnchanged {
			e.Changes = append(e.Changes, plannedChange{c.Object, c.Action})
		}
	}
	l.write(e)
}

// Result writes how a run ended.
func (l *Log) Result(stack apply.Stack, result *apply.Result) {
	l.write(entry{Event: "result", Stack: &stack, Result: result})
}

// Error writes what ends the program.
func (l *Log) Error(text string, code int) {
	l.write(entry{Event: "error", Error: strings.TrimSpace(text), ExitCode: &code})
}

// Event writes an event of a run.
func (l *Log) Event(event apply.Event) {
	switch e := event.(type) {
	case apply.LockWait:
		l.write(entry{Event: "lock-wait", Holder: &e.Holder, TakeoverIn: e.TakeoverIn.Seconds()})
	case apply.TookOver:
		l.write(entry{Event: "took-over", Holder: &e.Holder})
	case apply.Recorded:
		l.write(entry{Event: "recorded", Revision: e.Revision, Interrupted: e.Interrupted})
	case apply.Applied:
		one := entry{Event: "applied", Object: &e.Object, Action: e.Action, Message: e.Note}
		if e.Err != nil {
			one.Error = e.Err.Error()
		}
		l.write(one)
	case apply.NeedWait:
		l.write(entry{Event: "need-wait", Object: &e.Object, Needs: e.Needs})
	case apply.Progress:
		l.write(entry{Event: "health", Object: &e.Health.Object, Health: &e.Health})
	case apply.Pruning:
		l.write(entry{Event: "pruning", Count: e.Count})
	}
}
