package ui

import (
	"fmt"
	"io"
	"strings"

	"stackctl.dev/stackctl/apply"
)

// diffJUnit writes a test report: a suite for each plan, a case for each object.
// One that differs has failed, as a diff with differences exits with 1; one
// that stops a run is an error.
func diffJUnit(w io.Writer, all []Diff, o Options) error {
	x := &xmlText{w: w}
	var suites [][]junitCase
	tests, failures, errors := 0, 0, 0
	for _, d := range all {
		cases := junitCases(d)
		suites = append(suites, cases)
		t, f, e := junitCounts(cases)
		tests, failures, errors = tests+t, failures+f, errors+e
	}
	x.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
	x.open("testsuites", "name", "stackctl", "tests", fmt.Sprint(tests), "failures", fmt.Sprint(failures), "errors", fmt.Sprint(errors))
	for i, d := range all {
		t, f, e := junitCounts(suites[i])
		x.open("  testsuite", "name", d.Plan.Stack.String(), "tests", fmt.Sprint(t), "failures", fmt.Sprint(f), "errors", fmt.Sprint(e))
		for _, c := range suites[i] {
			c.write(x, d.Plan.Stack.String(), o)
		}
		out := append([]string{d.title(), d.summary()}, d.remarks()...)
		x.element("    system-out", strings.Join(cleaned(out), "\n"))
		x.close("  testsuite")
	}
	x.close("testsuites")
	return x.err
}

// junitCase is one object in a report.
type junitCase struct {
	name    string
	verdict string // "", failure, error or skipped
	word    string
	message string
	text    []string
	place   *apply.SpecPlace
}

func junitCases(d Diff) (cases []junitCase) {
	objects, unchanged := d.subjects()
	for _, s := range objects {
		c := junitCase{name: s.name, verdict: "failure", word: s.word, place: d.placeOf(s, ""), message: s.word}
		if len(s.Fields) > 0 {
			c.message += ", " + plural(len(s.Fields), "field")
		}
		if len(s.notes) > 0 {
			c.message += ": " + strings.Join(s.notes, "; ")
		}
		if label := labelText(s.Label, s.Spec); label != "" {
			c.text = append(c.text, label)
		}
		for _, one := range s.Conflicts {
			c.text = append(c.text, "! "+conflictText(one))
			if one.Stops() && d.Drift == 0 {
				c.verdict = "error"
			}
		}
		for _, f := range s.Fields {
			c.text = append(c.text, strings.TrimSpace(fieldSign(f.Op)+" "+fieldText(f, Value)+"  "+s.whose(f)))
			if c.place == nil {
				c.place = f.Spec
			}
		}
		if s.sign == "=" {
			c.verdict = "skipped"
		}
		cases = append(cases, c)
	}
	for _, name := range unchanged {
		cases = append(cases, junitCase{name: name})
	}
	return cases
}

func junitCounts(cases []junitCase) (tests, failures, errors int) {
	for _, c := range cases {
		switch c.verdict {
		case "failure":
			failures++
		case "error":
			errors++
		}
	}
	return len(cases), failures, errors
}

func (c junitCase) write(x *xmlText, class string, o Options) {
	attributes := []string{"classname", class, "name", c.name}
	if c.place != nil {
		attributes = append(attributes, "file", o.file(c.place.File), "line", fmt.Sprint(c.place.Line))
	}
	if c.verdict == "" {
		x.empty("    testcase", attributes...)
		return
	}
	x.open("    testcase", attributes...)
	if c.verdict == "skipped" {
		x.empty("      skipped", "message", c.message)
	} else {
		x.element("      "+c.verdict, strings.Join(cleaned(c.text), "\n"), "type", c.word, "message", c.message)
	}
	x.close("    testcase")
}
