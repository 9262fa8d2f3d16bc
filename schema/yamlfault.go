package schema

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of the search for several mistakes, which parses each block by itself:
// the size of the file, and of all that is parsed.
const (
	maxFaultBytes = 256 << 10
	maxReparsed   = 16 << 20
)

// yamlFaults reports what is wrong with the grammar of a YAML file. The parser
// ends at the first mistake and says little. So the blocks at the left margin,
// and those one and two levels below them, are parsed one by one: a block that
// is wrong all by itself is a mistake of its own. When the blocks do not
// explain the error, such as a quote that spans several of them, there is one
// report for the whole file.
func yamlFaults(file string, text []byte, err error) Errors {
	f := &faultFinder{file: file, size: len(text), lines: bytes.Split(text, []byte("\n"))}
	whole := span{0, len(f.lines)}
	switch {
	case f.isAnchor(err):
		return Errors{f.unknownAnchor(err)}
	case strings.Contains(err.Error(), "exceeded max depth"):
		return Errors{{Pos: Pos{file, 1, 1}, Msg: "values are nested deeper than " + strconv.Itoa(maxDepth) + " levels"}}
	case len(text) <= maxFaultBytes:
		found, broken := f.find(nil, whole, 0, 0)
		if len(found) > 0 && f.parse([]span{whole}, broken) == nil {
			return found
		}
	}
	return Errors{f.describe([]span{whole}, err)}
}

// span is a range of lines, counted from 0, the last one excluded.
type span struct{ from, to int }

// faultFinder looks for mistakes in the lines of a file.
type faultFinder struct {
	file   string
	size   int // of the file
	lines  [][]byte
	parsed int // bytes, so far
}

// find returns the mistakes in the blocks that begin at a column in part, and
// the lines that have them. head are the keys around the part.
func (f *faultFinder) find(head []span, part span, indent, depth int) (errs Errors, broken []span) {
	for _, block := range f.split(part, indent) {
		if f.parsed > maxReparsed {
			return nil, nil
		}
		lines := append(head[:len(head):len(head)], block)
		err := f.parse(lines, nil)
		if err == nil {
			continue
		}
		if inner, lost := f.inside(head, block, depth); len(inner) > 0 {
			errs, broken = append(errs, inner...), append(broken, lost...)
			continue
		}
		errs, broken = append(errs, f.describe(lines, err)), append(broken, block)
	}
	return errs, broken
}

// inside looks for the mistakes one level below the first line of a block.
func (f *faultFinder) inside(head []span, block span, depth int) (Errors, []span) {
	key := span{block.from, block.from + 1}
	indent := f.firstIndent(span{key.to, block.to})
	if depth == 2 || indent <= leading(f.lines[block.from]) || !opensMap().Match(f.lines[block.from]) {
		return nil, nil
	}
	head = append(head[:len(head):len(head)], key)
	errs, broken := f.find(head, span{key.to, block.to}, indent, depth+1)
	if len(errs) == 0 || f.parse(append(head, span{key.to, block.to}), broken) != nil {
		return nil, nil
	}
	return errs, broken
}

// opensMap is a line that is a key without a value.
var opensMap = onUse(`^ *[^\s#'"\[{&*!|>%@-][^#'"\[{]*:\s*(#.*)?$`)

// split returns the blocks of a part: each begins at a column and ends before
// the next one. nil when a line begins left of it.
func (f *faultFinder) split(part span, indent int) []span {
	var blocks []span
	for i := part.from; i < part.to; i++ {
		line := f.lines[i]
		switch column := leading(line); {
		case isBlank(line):
			continue
		case column < indent:
			return nil
		case column == indent && !bytes.HasPrefix(line[column:], []byte("- ")):
			blocks = append(blocks, span{i, part.to})
			if len(blocks) > 1 {
				blocks[len(blocks)-2].to = i
			}
		}
	}
	return blocks
}

// parse parses some lines of the file, as if there were no others. An alias
// whose anchor is elsewhere is no error.
func (f *faultFinder) parse(keep, drop []span) error {
	var text []byte
	var gone []bool
	if len(drop) > 0 {
		gone = make([]bool, len(f.lines))
	}
	for _, s := range drop {
		for i := s.from; i < s.to; i++ {
			gone[i] = true
		}
	}
	for _, s := range keep {
		for i := s.from; i < s.to; i++ {
			if gone == nil || !gone[i] {
				text = append(append(text, f.lines[i]...), '\n')
			}
		}
	}
	f.parsed += len(text)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		switch err := decoder.Decode(&node); {
		case errors.Is(err, io.EOF), err != nil && f.isAnchor(err):
			return nil
		case err != nil:
			return err
		}
	}
}

func (f *faultFinder) isAnchor(err error) bool {
	return strings.Contains(err.Error(), "unknown anchor")
}

// unknownAnchor reports an alias that stands for nothing.
func (f *faultFinder) unknownAnchor(err error) Error {
	_, name, _ := strings.Cut(err.Error(), "unknown anchor '")
	name, _, _ = strings.Cut(name, "' referenced")
	e := Error{
		Pos: Pos{f.file, 1, 1}, Msg: "there is no anchor &" + shown(name) + " above the alias *" + shown(name),
		Hint: "put quotes around a text that begins with a *",
	}
	for i, line := range f.lines {
		if column := bytes.Index(line, []byte("*"+name)); column >= 0 && (column == 0 || strings.IndexByte(" [{,:-", line[column-1]) >= 0) {
			e.Pos = Pos{f.file, i + 1, column + 1}
			break
		}
	}
	return e
}

var yamlLine = onUse(`^yaml: (?:line (\d+): )?(.*)$`)

// describe says what is wrong in some lines: in our words when we see it
// ourselves, else in those of the parser, which knows a line at most. err is
// what it says about these lines alone.
func (f *faultFinder) describe(keep []span, err error) Error {
	if f.size <= maxFaultBytes {
		scan := &lineScan{file: f.file}
		if e := scan.run(f.lines, keep); e != nil {
			return *e
		}
	}
	e := Error{
		Pos: Pos{f.file, keep[len(keep)-1].from + 1, 1}, Msg: "not valid YAML: " + err.Error(),
		Hint: "the parser gave up near this line: look at indentation, brackets and quotes there",
	}
	m := yamlLine().FindStringSubmatch(err.Error())
	if m == nil {
		return e
	}
	e.Msg = "not valid YAML: " + m[2]
	if line, _ := strconv.Atoi(m[1]); line > 0 {
		if strings.HasPrefix(m[2], "did not find expected") && !strings.Contains(m[2], "alphabetic") {
			line++ // the parser, unlike the scanner, counts from 0
		}
		e.Pos.Line = f.number(keep, line)
		e.Pos.Col = leading(f.lines[e.Pos.Line-1]) + 1
	}
	return e
}

// number converts a line of some lines, counted from 1, to one of the file.
func (f *faultFinder) number(keep []span, line int) int {
	for _, s := range keep {
		if line <= s.to-s.from {
			return s.from + line
		}
		line -= s.to - s.from
	}
	return keep[len(keep)-1].to
}

// firstIndent returns the indentation of the first line that has something.
func (f *faultFinder) firstIndent(part span) int {
	for _, line := range f.lines[part.from:part.to] {
		if !isBlank(line) {
			return leading(line)
		}
	}
	return -1
}

// leading counts the spaces in front of a line.
func leading(line []byte) int { return len(line) - len(bytes.TrimLeft(line, " ")) }

// isBlank reports whether a line is empty or only a comment.
func isBlank(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || line[0] == '#'
}
