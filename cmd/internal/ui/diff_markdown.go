package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// commentLimit is what fits into a comment on GitHub, in characters; GitLab
// takes more. It is counted in bytes, of which there are never fewer.
const commentLimit = 65536

// foldedLines is how many lines of an object are shown without asking.
const foldedLines = 40

// diffMarkdown writes a comment for a review: for each plan what it comes to, a
// table of its objects, and their lines as far as there is room.
func diffMarkdown(w io.Writer, all []Diff, _ Options) error {
	return writeMarkdown(w, all, commentLimit)
}

func writeMarkdown(w io.Writer, all []Diff, limit int) error {
	for i, d := range all {
		text := markdownOf(d, limit/(len(all)-i)-2)
		if i > 0 {
			text = "\n" + text
		}
		limit -= len(text)
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

// markdownOf returns a plan in at most limit bytes. Objects come first: each is
// listed before lines of any are shown, with fewer notes where there are many.
func markdownOf(d Diff, limit int) string {
	objects, unchanged := d.subjects()
	head := markdownHead(d, limit/4)
	var table string
	room := limit - len(head) - 200 // for the last word
	for _, write := range markdownTables {
		if table = write(objects); len(table) <= room*3/4 || len(table) <= room && len(objects) > 200 {
			break
		}
	}
	if len(table) > room {
		table = markdownCut(objects, room)
	}
	text := head + table
	blocks, left := markdownBlocks(objects, limit-len(text)-200)
	text += blocks
	if left > 0 {
		text += fmt.Sprintf("\n_There is no room here for the lines of %s; `stackctl diff` shows them._\n", plural(left, "object"))
	}
	if more := "\nUnchanged: " + codes(unchanged) + "\n"; len(unchanged) > 0 && len(text)+len(more) <= limit {
		text += more
	}
	return text
}

func markdownHead(d Diff, limit int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Stack %s in namespace %s\n\n", code(d.Plan.Stack.Name), code(d.Plan.Stack.Namespace))
	fmt.Fprintf(&b, "**%s**\n\n", d.summary())
	if d.Sides != nil {
		fmt.Fprintf(&b, "%s\n", code(shorten(d.where(), 400)))
	} else {
		fmt.Fprintf(&b, "Context %s, server %s.\n", code(shorten(d.Context, 200)), code(shorten(d.Plan.Server, 200)))
	}
	remarks := d.remarks()
	for i, text := range remarks {
		line := "- Warning: " + code(shorten(text, 300)) + "\n"
		if i == 0 {
			line = "\n" + line
		}
		if b.Len()+len(line) > limit {
			fmt.Fprintf(&b, "- and %s more\n", plural(len(remarks)-i, "warning"))
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

// markdownTables list all objects, from the one that says most to the shortest.
var markdownTables = []func([]subject) string{
	func(all []subject) string { return markdownTable(all, 400) },
	func(all []subject) string { return markdownTable(all, 80) },
	func(all []subject) string { return markdownTable(all, 0) },
	markdownList,
}

func markdownTable(all []subject, most int) string {
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n| | Object | | Remarks |\n|---|---|---|---|\n")
	for _, s := range all {
		what := s.word
		if len(s.Fields) > 0 {
			what += ", " + plural(len(s.Fields), "field")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code(s.sign), code(s.name), what, strings.Join(markdownNotes(s, most), "<br>"))
	}
	return b.String()
}

// markdownNotes are the cells of a row, each note in at most so many runes.
func markdownNotes(s subject, most int) (cells []string) {
	if most == 0 {
		return nil
	}
	if label := labelText(s.Label, s.Spec); label != "" {
		cells = append(cells, code(shorten(label, most)))
	}
	for _, note := range s.notes {
		cells = append(cells, code(shorten(note, most)))
	}
	for _, c := range s.Conflicts {
		cells = append(cells, "conflict: "+code(shorten(conflictText(c), most)))
	}
	return cells
}

// markdownList names the objects by what happens to them.
func markdownList(all []subject) string {
	var words []string
	names := map[string][]string{}
	for _, s := range all {
		word := s.sign + " " + s.word
		if names[word] == nil {
			words = append(words, word)
		}
		names[word] = append(names[word], s.name)
	}
	text := "\n"
	for _, word := range words {
		text += fmt.Sprintf("- %s %s: %s\n", code(word), plural(len(names[word]), "object"), codes(names[word]))
	}
	return text
}

// markdownCut lists as many objects as there is room for, and says how many
// are left out.
func markdownCut(all []subject, room int) string {
	low, high := 0, len(all)
	for low < high {
		middle := (low + high + 1) / 2
		if len(markdownList(all[:middle])) <= room-100 {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return markdownList(all[:low]) + fmt.Sprintf("- and %s more, whose names alone are too much for a comment\n", plural(len(all)-low, "object"))
}

// markdownBlocks shows the lines of the objects, the shortest first served. It
// says how many got no room.
func markdownBlocks(all []subject, room int) (text string, left int) {
	type block struct {
		subject
		edits []edit
		lines []string
	}
	var blocks []block
	for _, s := range all {
		edits := s.edits()
		if lines := markdownLines(s, edits); len(lines) > 0 {
			blocks = append(blocks, block{s, edits, lines})
		}
	}
	order := make([]int, len(blocks))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return len(blocks[i].lines) - len(blocks[j].lines) })
	shown := make([]string, len(blocks))
	for _, i := range order {
		shown[i] = markdownBlock(blocks[i].subject, blocks[i].edits, blocks[i].lines, room)
		if shown[i] == "" {
			left++
		}
		room -= len(shown[i])
	}
	return strings.Join(shown, ""), left
}

// markdownLines are the lines about one object: whose doing its fields are, and
// the lines that come and go.
func markdownLines(s subject, edits []edit) (lines []string) {
	for _, f := range s.Fields {
		switch whose := s.whose(f); {
		case edits == nil:
			lines = append(lines, Clean(strings.TrimSpace("! "+fieldText(f, Value)+"  "+whose)))
		case whose != "":
			lines = append(lines, Clean("# "+f.Path+": "+whose))
		}
	}
	for _, h := range hunks(edits) {
		lines = append(lines, hunkHeader(h))
		for _, e := range h {
			lines = append(lines, string(e.op)+e.text)
		}
	}
	return lines
}

// markdownBlock folds the lines of an object, cut where room ends; "" when there
// is none.
func markdownBlock(s subject, edits []edit, lines []string, room int) string {
	open := ""
	if len(lines) <= foldedLines {
		open = " open"
	}
	added, removed := size(edits)
	title := fmt.Sprintf("%s %s: %s", code(s.sign), code(s.name), s.word)
	if added+removed > 0 {
		title += fmt.Sprintf(", +%d −%d lines", added, removed)
	}
	fence := fenceFor(lines)
	head := fmt.Sprintf("\n<details%s><summary>%s</summary>\n\n%sdiff\n", open, title, fence)
	end := fence + "\n\n</details>\n"
	const cutNote = "# … and 1234567890 lines more, too many for a comment\n"
	room -= len(head) + len(end)
	whole := 0
	for _, line := range lines {
		whole += len(line) + 1
	}
	var b strings.Builder
	b.WriteString(head)
	for i, line := range lines {
		if whole > room && b.Len()-len(head)+len(line)+1+len(cutNote) > room {
			if i < 5 {
				return ""
			}
			fmt.Fprintf(&b, "# … and %s more, too many for a comment\n", plural(len(lines)-i, "line"))
			break
		}
		b.WriteString(line + "\n")
	}
	return b.String() + end
}

// fenceFor returns a fence that none of the lines ends.
func fenceFor(lines []string) string {
	longest := 2
	for _, line := range lines {
		run := 0
		for _, r := range line {
			if r != '`' {
				run = 0
				continue
			}
			run++
			longest = max(longest, run)
		}
	}
	return strings.Repeat("`", longest+1)
}

// code writes a text of others. In a code element nobody is mentioned, no issue
// is referred to and nothing becomes a link; what Markdown or HTML could take
// for its own is written as entities, which neither does.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "<code>" + markdown(s) + "</code>"
}

// codes writes a list of texts of others.
func codes(all []string) string {
	return code(strings.Join(all, ", "))
}

// markdown escapes a text for a line of Markdown.
func markdown(s string) string {
	s = Clean(s)
	address := strings.Contains(strings.ToLower(s), "www")
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("&<>`*_[](){}#|!~@$^\\:\"'", r) || r == '.' && address {
			fmt.Fprintf(&b, "&#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
