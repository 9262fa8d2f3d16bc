package ui

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"stackctl.dev/stackctl/apply"
)

// Matrix is what changes in several environments of one stack: a row for each
// object, a column for each environment.
type Matrix struct {
	Columns []Diff // their sides name the environments; never empty
}

// matrixFormats holds every format of a matrix, as [diffFormats] those of a
// diff.
var matrixFormats = map[string]func(io.Writer, Matrix, Options) error{
	"json":     matrixJSON,
	"markdown": matrixMarkdown,
	"text":     matrixText,
}

// MatrixFormats returns the names of the formats of a matrix, sorted.
func MatrixFormats() []string { return slices.Sorted(maps.Keys(matrixFormats)) }

// WriteMatrix writes a matrix in a format of [MatrixFormats].
func WriteMatrix(w io.Writer, format string, m Matrix, o Options) error {
	write, ok := matrixFormats[format]
	if !ok {
		return fmt.Errorf("no format %q of a matrix: there are %s", format, strings.Join(MatrixFormats(), ", "))
	}
	return write(w, m, o)
}

// matrixRow is one object.
type matrixRow struct {
	name    string          // without the namespace of the stack
	changes []*apply.Change // one for each column, nil where the object is on neither side
	alike   bool            // in all columns
}

// matrixGroup is one change of an object, and where it is the same.
type matrixGroup struct {
	change  apply.Change
	columns []string
}

// titles are the names of the columns.
func (m Matrix) titles() []string {
	all := make([]string, len(m.Columns))
	for i, d := range m.Columns {
		all[i] = Side{Environment: d.Sides.To.Environment}.Title()
	}
	return all
}

// rows returns the objects in the order of the plans, those of the first one
// first.
func (m Matrix) rows() []*matrixRow {
	var rows []*matrixRow
	index := map[apply.ObjectKey]*matrixRow{}
	for i, d := range m.Columns {
		for j := range d.Plan.Changes {
			c := &d.Plan.Changes[j]
			key := c.Object
			if key.Namespace == d.Plan.Stack.Namespace {
				key.Namespace = ""
			}
			row := index[key]
			if row == nil {
				row = &matrixRow{name: key.String(), changes: make([]*apply.Change, len(m.Columns)), alike: true}
				index[key], rows = row, append(rows, row)
			}
			row.changes[i] = c
			row.alike = row.alike && c.Action == apply.ActionUnchanged
		}
	}
	return rows
}

// groups returns the different changes of an object.
func (r *matrixRow) groups(titles []string) []matrixGroup {
	var groups []matrixGroup
	for i, c := range r.changes {
		if c == nil || c.Action == apply.ActionUnchanged {
			continue
		}
		at := slices.IndexFunc(groups, func(g matrixGroup) bool { return sameChange(g.change, *c) })
		if at < 0 {
			at = len(groups)
			groups = append(groups, matrixGroup{change: *c})
		}
		groups[at].columns = append(groups[at].columns, titles[i])
	}
	return groups
}

// sameChange reports whether two changes do the same to an object of two
// environments.
func sameChange(a, b apply.Change) bool {
	bare := func(c apply.Change) ([]apply.FieldChange, map[string]any) {
		fields := slices.Clone(c.Fields)
		for i := range fields {
			fields[i].Spec = nil
		}
		return fields, c.New
	}
	aFields, aNew := bare(a)
	bFields, bNew := bare(b)
	return a.Action == b.Action && reflect.DeepEqual(aFields, bFields) && (aNew == nil) == (bNew == nil) &&
		(aNew == nil || reflect.DeepEqual(placeless(aNew, a.Object.Namespace), placeless(bNew, b.Object.Namespace)))
}

// placeless returns a value without the namespace it is in.
func placeless(v any, namespace string) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = placeless(value, namespace)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = placeless(item, namespace)
		}
		return out
	case string:
		if v == namespace {
			return ""
		}
	}
	return v
}

// mark is the cell of a change.
func mark(c *apply.Change) styled {
	if c == nil {
		return styled{plain, ""}
	}
	switch c.Action {
	case apply.ActionCreate:
		return styled{green, "+"}
	case apply.ActionUpdate:
		return styled{yellow, "~"}
	case apply.ActionDelete:
		return styled{red, "-"}
	}
	return styled{dim, "="}
}

// empty reports whether there is nothing to show in any column.
func (m Matrix) empty() bool {
	return !slices.ContainsFunc(m.Columns, func(d Diff) bool { return !d.Empty() })
}

func matrixText(w io.Writer, m Matrix, o Options) error {
	first := m.Columns[0]
	t := planText{Printer: NewPrinter(w, o), plan: first.Plan, full: true, between: true}
	t.printf("stack %s: %s → %s\n", styled{bold, first.Plan.Stack.Name}, styled{bold, first.Sides.From.Title()}, styled{bold, first.Sides.To.Title()})
	titles, rows := m.titles(), m.rows()
	for i, d := range m.Columns {
		if d.Sides.moved() {
			t.printf("  %s namespace of %s: %s → %s, of all objects\n", styled{yellow, "~"}, titles[i], d.Sides.From.place(), d.Sides.To.place())
		}
	}
	t.printf("\n")
	var all table
	head := []any{styled{bold, "OBJECT"}}
	for _, title := range titles {
		head = append(head, styled{bold, title})
	}
	all.row(head...)
	for _, row := range rows {
		cells := []any{row.name}
		for _, c := range row.changes {
			cells = append(cells, mark(c))
		}
		all.row(cells...)
	}
	all.write(t.Printer)
	if m.empty() {
		t.printf("\nNo differences: %s alike everywhere.\n", plural(len(rows), "object"))
		return t.Err()
	}
	for _, row := range rows {
		for _, g := range row.groups(titles) {
			t.printf("\n%s %s  in %s\n", mark(&g.change), styled{bold, row.name}, strings.Join(g.columns, ", "))
			if g.change.Action == apply.ActionCreate {
				t.object(g.change.New)
			}
			t.fields(g.change)
		}
	}
	t.printf("\n+ new   ~ changed   - gone   = alike\n")
	return t.Err()
}

func matrixJSON(w io.Writer, m Matrix, o Options) error {
	type cell struct {
		Environment string       `json:"environment"` // "" is the file without one
		Action      apply.Action `json:"action"`
	}
	type object struct {
		Object       string `json:"object"`
		Environments []cell `json:"environments"`
	}
	type column struct {
		*apply.Plan
		Counts apply.Counts `json:"counts"`
		Empty  bool         `json:"empty"`
		*Sides
	}
	out := struct {
		Stack        string   `json:"stack"`
		Empty        bool     `json:"empty"`
		Objects      []object `json:"objects"`
		Environments []column `json:"environments"`
	}{Stack: m.Columns[0].Plan.Stack.Name, Empty: m.empty(), Objects: []object{}}
	for _, row := range m.rows() {
		one := object{Object: row.name, Environments: []cell{}}
		for i, c := range row.changes {
			if c != nil {
				one.Environments = append(one.Environments, cell{m.Columns[i].Sides.To.Environment, c.Action})
			}
		}
		out.Objects = append(out.Objects, one)
	}
	for _, d := range m.Columns {
		out.Environments = append(out.Environments, column{d.Plan, d.Plan.Counts(), d.Empty(), d.Sides})
	}
	return WriteJSON(w, out)
}

// maxComment is how many characters a comment on a pull request may have.
const maxComment = 65_536

// matrixMarkdown writes a matrix that fits into a comment: the table of the
// objects that are not alike everywhere, then their fields as long as there is
// room.
func matrixMarkdown(w io.Writer, m Matrix, _ Options) error {
	first := m.Columns[0]
	titles, rows := m.titles(), m.rows()
	var b strings.Builder
	fmt.Fprintf(&b, "### %s: %s → %s\n\n", matrixCell(first.Plan.Stack.Name), matrixCell(first.Sides.From.Title()), matrixCell(first.Sides.To.Title()))
	for i, d := range m.Columns {
		if d.Sides.moved() {
			fmt.Fprintf(&b, "The namespace of %s changes from %s to %s, of all objects.\n\n", matrixCell(titles[i]), matrixCell(d.Sides.From.place()), matrixCell(d.Sides.To.place()))
		}
	}
	if m.empty() {
		fmt.Fprintf(&b, "No differences: %s alike everywhere.\n", plural(len(rows), "object"))
		_, err := io.WriteString(w, b.String())
		return err
	}
	b.WriteString("| object |")
	for _, title := range titles {
		b.WriteString(" " + matrixCell(title) + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat(":-:|", len(titles)) + "\n")
	alike, left := 0, 0
	for _, row := range rows {
		line := "| " + matrixCell(row.name) + " |"
		for _, c := range row.changes {
			line += " " + fmt.Sprint(mark(c).text) + " |"
		}
		switch {
		case row.alike:
			alike++
		case b.Len()+len(line) > maxComment-1000:
			left++
		default:
			b.WriteString(line + "\n")
		}
	}
	b.WriteString("\n\\+ new, ~ changed, - gone, = alike\n")
	if left > 0 {
		fmt.Fprintf(&b, "\n%s more changed and did not fit.\n", plural(left, "object"))
	}
	if alike > 0 {
		fmt.Fprintf(&b, "\n%s alike everywhere.\n", plural(alike, "object"))
	}
	b.WriteString(matrixDetails(rows, titles, maxComment-500-b.Len()))
	_, err := io.WriteString(w, b.String())
	return err
}

// matrixDetails returns the fields of all changes, folded, as far as there is
// room for them in bytes.
func matrixDetails(rows []*matrixRow, titles []string, room int) string {
	var b strings.Builder
	left := 0
	for _, row := range rows {
		for _, g := range row.groups(titles) {
			if g.change.Action == apply.ActionDelete {
				continue
			}
			var text strings.Builder
			t := planText{Printer: NewPrinter(&text, Options{}), plan: &apply.Plan{}, full: true}
			if g.change.Action == apply.ActionCreate {
				t.object(g.change.New)
			}
			t.fields(g.change)
			fence := strings.Repeat("`", max(3, longestRun(text.String(), '`')+1))
			one := fmt.Sprintf("\n<details><summary>%s %s in %s</summary>\n\n%s\n%s%s\n\n</details>\n",
				mark(&g.change).text, matrixHTML(row.name), matrixHTML(strings.Join(g.columns, ", ")), fence, text.String(), fence)
			if b.Len()+len(one) > room {
				left++
				continue
			}
			b.WriteString(one)
		}
	}
	if left > 0 {
		fmt.Fprintf(&b, "\nThe fields of %s did not fit.\n", plural(left, "change"))
	}
	return b.String()
}

// matrixCell returns a text as code that ends neither the code nor a cell of a table.
func matrixCell(text string) string {
	return "`" + strings.NewReplacer("`", "'", "|", "\\|").Replace(Clean(text)) + "`"
}

// matrixHTML returns a text that is no markup.
func matrixHTML(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "&#96;", "*", "&#42;", "_", "&#95;", "[", "&#91;", "@", "&#64;", "#", "&#35;").Replace(Clean(text))
}

// longestRun returns the length of the longest run of a letter.
func longestRun(text string, letter rune) int {
	most, run := 0, 0
	for _, r := range text {
		if run++; r != letter {
			run = 0
		}
		most = max(most, run)
	}
	return most
}
