package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

// sizes are the numbers of apps of the chart.
var sizes = []int{1, 10, 100, 1000, 10000}

// line is one program in the chart.
type line struct {
	name         string
	wall, memory []float64 // seconds and MiB, by size
}

// chart measures rendering at all sizes and writes the chart.
func (b *bench) chart() error {
	var lines []line
	for _, n := range sizes {
		w, err := b.workload(n)
		if err != nil {
			return err
		}
		runs := b.runs
		if n > 1000 {
			runs = min(runs, 3)
		}
		all := w.renderers("helm", "cue")
		medians, err := median(runs, all)
		if err != nil {
			return err
		}
		for i, m := range medians {
			if i == len(lines) {
				lines = append(lines, line{name: all[i].name})
			}
			lines[i].wall = append(lines[i].wall, m.wall.Seconds())
			lines[i].memory = append(lines[i].memory, mib(m.rss))
			fmt.Printf("%6d apps  %-9s %10s %8.1f MiB\n", n, all[i].name, m.wall.Round(time.Millisecond), mib(m.rss))
		}
	}
	return os.WriteFile(b.growth, []byte(drawing(lines)), 0o644)
}

// The colours are readable on light and dark ground.
var colours = []string{"#2f81f7", "#d9822b", "#3fa45b"}

// drawing draws two panels with logarithmic axes: wall time and memory.
func drawing(lines []line) string {
	var svg strings.Builder
	svg.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 340" font-family="sans-serif" font-size="12" role="img" aria-label="render: wall time and peak memory by number of apps">
<style>text{fill:#57606a}.grid{stroke:#8c959f;stroke-opacity:.35}@media (prefers-color-scheme:dark){text{fill:#9da7b3}}</style>
`)
	panel(&svg, 60, "render, wall (s)", lines, func(l line) []float64 { return l.wall })
	panel(&svg, 480, "peak memory (MiB)", lines, func(l line) []float64 { return l.memory })
	svg.WriteString("</svg>\n")
	return svg.String()
}

func panel(svg *strings.Builder, left float64, title string, lines []line, of func(line) []float64) {
	const width, height, top = 270.0, 240.0, 40.0
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for _, v := range of(l) {
			low, high = min(low, v), max(high, v)
		}
	}
	low, high = math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	high = max(high, low+1)
	x := func(i int) float64 { return left + width*float64(i)/float64(len(sizes)-1) }
	y := func(v float64) float64 { return top + height*(high-math.Log10(v))/(high-low) }
	fmt.Fprintf(svg, "<text x=\"%.0f\" y=\"20\" font-weight=\"bold\">%s</text>\n", left, title)
	for e := low; e <= high; e++ {
		v := math.Pow(10, e)
		fmt.Fprintf(svg, "<line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", left, left+width, y(v), y(v), left-6, y(v)+4, v)
	}
	for i, n := range sizes {
		fmt.Fprintf(svg, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">%d</text>\n", x(i), top+height+18, n)
	}
	fmt.Fprintf(svg, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">apps</text>\n", left+width/2, top+height+36)
	for i, l := range lines {
		var points []string
		for j, v := range of(l) {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(j), y(v)))
		}
		last := len(points) - 1
		fmt.Fprintf(svg, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"%s\"/>\n", colours[i%len(colours)], strings.Join(points, " "))
		fmt.Fprintf(svg, "<text x=\"%.1f\" y=\"%.1f\" style=\"fill:%s\">%s</text>\n", x(last)+6, y(of(l)[last])+4+float64(i-1), colours[i%len(colours)], l.name)
	}
}
