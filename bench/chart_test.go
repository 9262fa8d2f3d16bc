package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestDrawing: the chart is a document that a browser reads, with a line of
// each program in each panel.
func TestDrawing(t *testing.T) {
	values := make([]float64, len(sizes))
	for i, n := range sizes {
		values[i] = float64(n) / 100
	}
	text := drawing([]line{{"stackctl", values, values}, {"helm", values, values}})
	decoder, lines := xml.NewDecoder(strings.NewReader(text)), 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != 4 || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("%d lines in\n%s", lines, text)
	}
}
