package ui

import (
	"fmt"
	"strings"
	"time"
)

// table collects rows and aligns their columns.
type table struct {
	rows [][]styled
}

// row adds a row; a cell is a string, a number or a [styled].
func (t *table) row(cells ...any) {
	row := make([]styled, len(cells))
	for i, c := range cells {
		if s, ok := c.(styled); ok {
			row[i] = styled{s.style, Clean(fmt.Sprint(s.text))}
		} else {
			row[i] = styled{plain, Clean(fmt.Sprint(c))}
		}
	}
	t.rows = append(t.rows, row)
}

// write prints the table, three blanks between columns, none at the end of a
// line.
func (t *table) write(p *Printer) {
	for _, line := range t.lines(p) {
		p.printf("%s\n", raw(line))
	}
}

// lines returns the rows, aligned.
func (t *table) lines(p *Printer) []string {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], visible(c.text.(string)))
		}
	}
	var all []string
	for _, row := range t.rows {
		var b strings.Builder
		blanks := 0
		for i, c := range row {
			text := c.text.(string)
			if text != "" {
				b.WriteString(strings.Repeat(" ", blanks))
				fmt.Fprint(&b, p.arg(c))
				blanks = 0
			}
			blanks += widths[i] - visible(text) + 3
		}
		all = append(all, b.String())
	}
	return all
}

// Age returns how long ago t was, as kubectl writes it: 45s, 3m, 2h, 5d.
func Age(now, t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return span(now.Sub(t))
}

func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 3*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	case d < 2*365*24*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
	return fmt.Sprintf("%dy", int(d.Hours()/24/365))
}
