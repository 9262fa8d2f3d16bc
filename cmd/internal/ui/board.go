package ui

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackctl.dev/stackctl/apply"
)

// board is what is known of a run from its events. It does no I/O and knows
// no clock, so that a recorded run always looks the same.
type board struct {
	o         ProgressOptions
	namespace string
	began     time.Time
	phase     string
	held      bool // an object is held back: the phase says for what
	total     int  // objects to write
	applied   int
	holder    string    // of the lock waited for, when last told
	spoke     time.Time // when a line was last written
	rows      []*boardRow
}

// boardRow is one object that is waited for.
type boardRow struct {
	health apply.Health
	since  time.Time
	until  time.Time // zero while not ready
	told   string    // the line last written about it
}

func newBoard(o ProgressOptions) board {
	n := o.Plan.Counts()
	return board{
		o: o, namespace: o.Plan.Stack.Namespace, began: o.Now(),
		total: n.Created + n.Updated + n.Deleted,
	}
}

// event takes an event in and returns the lines to write for good.
func (b *board) event(e apply.Event, now time.Time) []string {
	switch e := e.(type) {
	case apply.LockWait:
		return b.lockWait(e, now)
	case apply.TookOver:
		return b.line(now, "took over the lock of %s, whose run died", e.Holder)
	case apply.Recorded:
		b.phase = "applying"
		return b.recorded(e, now)
	case apply.Applied:
		return b.appliedOne(e, now)
	case apply.NeedWait:
		return b.needWait(e, now)
	case apply.Progress:
		return b.progress(e.Health, now)
	case apply.Pruning:
		b.phase = "deleting " + plural(e.Count, "object")
		if !b.o.Live {
			return b.line(now, "%s", b.phase)
		}
	}
	return nil
}

// line formats a line that stays, beginning with the age of the run.
func (b *board) line(now time.Time, format string, args ...any) []string {
	b.spoke = now
	var text bytes.Buffer
	p := NewPrinter(&text, Options{Color: b.o.Color, Now: now})
	p.printf("%s  ", styled{dim, fmt.Sprintf("%6s", clock(now.Sub(b.began)))})
	p.printf(format, args...)
	return strings.Split(strings.ReplaceAll(text.String(), "\n", "\n          "), "\n")
}

// silence is how long a log may be without a line before it looks hung.
const silence = 30 * time.Second

// alive returns lines about what is waited for when nothing was written for
// long. A block needs none: its clock runs.
func (b *board) alive(now time.Time) []string {
	if b.o.Live || now.Sub(b.spoke) < silence {
		return nil
	}
	var all []string
	for _, r := range b.rows {
		if r.health.State != apply.StateReady {
			r.told = ""
			all = append(all, b.tell(r, now)...)
		}
	}
	return all
}

// lockWait tells who holds the lock, once; the block counts down.
func (b *board) lockWait(e apply.LockWait, now time.Time) []string {
	holder := e.Holder.String()
	b.phase = fmt.Sprintf("waiting for the lock, held by %s", holder)
	if e.TakeoverIn > 0 {
		b.phase += fmt.Sprintf("; taken over in %s if it stays silent", span(e.TakeoverIn))
	}
	if b.o.Live || holder == b.holder {
		return nil
	}
	b.holder = holder
	return b.line(now, "waiting for the lock, held by %s", holder)
}

func (b *board) recorded(e apply.Recorded, now time.Time) []string {
	var all []string
	for _, n := range e.Interrupted {
		all = append(all, b.line(now, "revision %d was interrupted, this run takes over from it", n)...)
	}
	return append(all, b.line(now, "revision %d is recorded as intended", e.Revision)...)
}

func (b *board) appliedOne(e apply.Applied, now time.Time) []string {
	name := objectName(e.Object, b.namespace)
	if e.Err != nil {
		return b.line(now, "%s %s: %s", styled{red, "✗"}, name, lines(e.Err.Error()))
	}
	if e.Action == apply.ActionKeep {
		return b.line(now, "%s kept: %s", name, e.Note)
	}
	b.applied++
	if b.held {
		b.phase, b.held = "applying", false
	}
	if b.o.Live {
		return nil
	}
	return b.line(now, "%s %s", name, styled{plain, past(e.Action)})
}

// past says what was done.
func past(a apply.Action) string {
	switch a {
	case apply.ActionCreate:
		return "created"
	case apply.ActionUpdate:
		return "updated"
	case apply.ActionDelete:
		return "deleted"
	}
	return string(a)
}

// needWait tells what an object is held back for.
func (b *board) needWait(e apply.NeedWait, now time.Time) []string {
	needs := make([]string, len(e.Needs))
	for i, n := range e.Needs {
		needs[i] = n.String()
	}
	b.phase = fmt.Sprintf("waiting for %s before %s", strings.Join(needs, ", "), objectName(e.Object, b.namespace))
	b.held = true
	if b.o.Live {
		return nil
	}
	return b.line(now, "%s", b.phase)
}

// progress takes the health of an object in. Objects without replicas that
// are ready from the start are not worth a line.
func (b *board) progress(h apply.Health, now time.Time) []string {
	i := slices.IndexFunc(b.rows, func(r *boardRow) bool { return r.health.Object == h.Object })
	if i < 0 && h.Replicas == nil && h.State == apply.StateReady {
		return nil
	}
	if i < 0 {
		i = len(b.rows)
		b.rows = append(b.rows, &boardRow{since: now})
	}
	row := b.rows[i]
	row.health = h
	row.until = time.Time{}
	if h.State == apply.StateReady {
		row.until = now
	}
	if !b.held {
		b.phase = "waiting until everything is ready"
	}
	if b.o.Live {
		return nil
	}
	return b.tell(row, now)
}

// tell returns the lines about an object, unless they were written last time.
func (b *board) tell(row *boardRow, now time.Time) []string {
	h := row.health
	text := string(h.State)
	if h.Message != "" && h.Message != text {
		text += ": " + h.Message
	}
	if len(h.Pods) > 0 && h.State != apply.StateReady {
		text += " (" + pods(h.Pods) + ")"
	}
	all := append([]string{text}, b.cause(h)...)
	news := strings.Join(append([]string{string(h.State), h.Message, doings(h.Pods)}, all[1:]...), "\n")
	if news == row.told {
		return nil
	}
	row.told = news
	result := b.line(now, "%s %s", objectName(h.Object, b.namespace), styled{stateStyle(h.State), all[0]})
	for _, more := range all[1:] {
		result = append(result, b.line(now, "  %s", more)...)
	}
	return result
}

// doings lists what the newest pods do, without their number: a log is not
// worth a line for each pod that moves on.
func doings(groups []apply.PodGroup) string {
	var all []string
	for _, g := range groups {
		if !g.Old {
			all = append(all, g.Reason)
		}
	}
	return strings.Join(all, ",")
}

// cause says why an object is not ready and which line of the user's file is
// most likely to blame.
func (b *board) cause(h apply.Health) []string {
	if h.Cause == nil || h.State == apply.StateReady {
		return nil
	}
	all := strings.Split(CleanLines(h.Cause.String()), "\n")
	if b.o.Locate != nil && h.Cause.Field != "" {
		if pos, path := b.o.Locate(h.Object, h.Cause.Field); pos.IsValid() {
			all = append(all, Clean(Place(pos)+": "+path))
		}
	}
	for _, line := range h.Cause.Log {
		all = append(all, "  | "+Clean(line))
	}
	return all
}

// block returns the lines that are redrawn: what the run does, and one row for
// each object waited for, those that are not ready first when there is no room
// for all. The last block has no phase: the run is over.
func (b *board) block(now time.Time, width, height int, last bool) []string {
	var text bytes.Buffer
	p := NewPrinter(&text, Options{Color: b.o.Color, Now: now})
	var all []string
	if !last && b.phase != "" {
		all = append(all, Clean(b.phaseText(now)))
	}
	room := max(height-len(all)-2, 1)
	shown, hidden := b.fit(room)
	var rows table
	for _, r := range shown {
		rows.row(b.cells(r, now)...)
	}
	for i, line := range rows.lines(p) {
		all = append(all, line)
		if last {
			continue // the error of the run says why in full
		}
		for _, more := range b.cause(shown[i].health) {
			if len(all) < height-2 {
				all = append(all, "    "+more)
			}
		}
	}
	if hidden > 0 {
		all = append(all, fmt.Sprintf("  … and %d more", hidden))
	}
	for i, line := range all {
		all[i] = cut(line, max(width-1, 1)) // the last column makes some terminals wrap
	}
	return all
}

func (b *board) phaseText(now time.Time) string {
	text := b.phase
	if b.phase == "applying" && b.total > 0 {
		text = fmt.Sprintf("applying %d of %s", min(b.applied, b.total), plural(b.total, "object"))
	}
	return text + "  " + clock(now.Sub(b.began))
}

// fit picks the rows there is room for, in their order.
func (b *board) fit(room int) (shown []*boardRow, hidden int) {
	if len(b.rows) <= room {
		return b.rows, 0
	}
	for _, ready := range []bool{false, true} {
		for _, r := range b.rows {
			if (r.health.State == apply.StateReady) == ready && len(shown) < room {
				shown = append(shown, r)
			}
		}
	}
	return shown, len(b.rows) - len(shown)
}

// cells is one row of the block.
func (b *board) cells(r *boardRow, now time.Time) []any {
	h := r.health
	until := now
	if !r.until.IsZero() {
		until = r.until
	}
	updated, ready, doing := "", "", h.Message
	if h.Replicas != nil {
		doing = pods(h.Pods)
	}
	if h.State == apply.StateReady {
		doing = "" // pods run, whatever was last heard of each
	}
	if n := h.Replicas; n != nil {
		updated, ready = fmt.Sprintf("%d/%d updated", n.Updated, n.Desired), fmt.Sprintf("%d/%d ready", n.Ready, n.Desired)
	}
	return []any{
		styled{stateStyle(h.State), symbol(h.State) + " " + objectName(h.Object, b.namespace)},
		updated, ready, clock(until.Sub(r.since)), doing,
	}
}

// clock writes a duration to the second: 9s, 2m10s.
func clock(d time.Duration) string { return max(d, 0).Truncate(time.Second).String() }

func symbol(s apply.State) string {
	switch s {
	case apply.StateReady:
		return "✓"
	case apply.StateProgressing:
		return "…"
	}
	return "✗"
}
