package schema

import (
	"bytes"
	"strconv"
	"strings"
)

// lineScan reads lines that a YAML parser refused and looks for the mistakes
// people make. Each thing it reports is an error in any YAML; what it does not
// know it passes over.
type lineScan struct {
	file string
	line int // of the text, from 1

	levels []level
	last   lineEntry
	flow   []bracket
	quote  *bracket // a text in quotes that goes on in the next line
	block  int      // a text after | or > goes on while lines are indented deeper; -1 is none
	err    *Error
}

// level is a map or a list that lines at a column belong to.
type level struct {
	column, line int
	list         bool
}

// lineEntry is what the line before was.
type lineEntry struct {
	line  int
	opens bool // a key or an item without a value
	text  bool // a text without quotes, which may go on

	bare   string // the text of a line without a key
	column int    // where it begins
}

// bracket is one that is open, or a quote.
type bracket struct {
	char   byte
	pos    Pos
	indent int // of its line
	colons int // since the last comma
}

// run returns the first mistake it finds in some of the lines.
func (s *lineScan) run(lines [][]byte, parts []span) *Error {
	s.block = -1
	s.last.opens = true
	for _, part := range parts {
		for i := part.from; i < part.to; i++ {
			s.line = i + 1
			if s.read(string(bytes.TrimRight(lines[i], "\r"))); s.err != nil {
				return s.err
			}
		}
	}
	switch {
	case s.quote != nil:
		s.fail(s.quote.pos, "the quote that opens here is not closed", "close it, or remove it")
	case len(s.flow) > 0:
		s.notClosed()
	}
	return s.err
}

func (s *lineScan) fail(at Pos, msg, hint string) {
	if s.err == nil {
		s.err = &Error{Pos: at, Msg: msg, Hint: hint}
	}
}

func (s *lineScan) at(column int) Pos { return Pos{s.file, s.line, column + 1} }

func (s *lineScan) notClosed() {
	open := s.flow[len(s.flow)-1]
	s.fail(open.pos, "the "+string(open.char)+" that opens here is not closed", "close it with "+closing(open.char))
}

func closing(open byte) string { return map[byte]string{'[': "]", '{': "}"}[open] }

func (s *lineScan) read(line string) {
	column := len(line) - len(strings.TrimLeft(line, " "))
	switch {
	case s.quote != nil:
		s.inQuote(line, 0)
		return
	case isBlank([]byte(line)):
		return
	case s.block >= 0 && column > s.block:
		return
	case len(s.flow) > 0:
		if flowKey().MatchString(line) && column <= s.flow[len(s.flow)-1].indent {
			s.notClosed()
			return
		}
		s.inFlow(line, column)
		return
	}
	s.block = -1
	if line[column] == '\t' {
		s.fail(s.at(column), "a tab indents this line", "indent YAML with spaces")
		return
	}
	if column == 0 && (strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...") || line[0] == '%') {
		s.levels, s.last = nil, lineEntry{opens: true}
		return
	}
	s.entry(line, column)
}

// flowKey is a line that looks like a key outside of brackets.
var flowKey = onUse(`^ *[A-Za-z_][\w.-]*:( |$)`)

// entry reads the items and the key a line begins with.
func (s *lineScan) entry(line string, column int) {
	for {
		rest := line[column:]
		if rest == "-" || strings.HasPrefix(rest, "- ") {
			s.enter(column, true)
			s.last = lineEntry{line: s.line, opens: true}
			next := len(line) - len(strings.TrimLeft(line[column+1:], " "))
			if s.err != nil || next >= len(line) || line[next] == '#' {
				return
			}
			column = next
			continue
		}
		if ok, colon := s.key(line, column); !ok {
			s.plainLine(line, column)
		} else if s.enter(column, false); s.err == nil {
			s.value(line, colon+1, column)
		}
		return
	}
}

// key looks for the colon behind the key that a line begins with.
func (s *lineScan) key(line string, column int) (ok bool, colon int) {
	i := column
	switch line[i] {
	case '"', '\'':
		end := quoteEnd(line, i+1, line[i])
		if end < 0 {
			return false, 0
		}
		i = end + 1
		for i < len(line) && line[i] == ' ' {
			i++
		}
		return i < len(line) && line[i] == ':' && endsKey(line, i), i
	case '[', '{', '|', '>', '@', '`', '%':
		return false, 0
	}
	for ; i < len(line); i++ {
		switch {
		case line[i] == '#' && line[i-1] == ' ':
			return false, 0
		case line[i] == ':' && endsKey(line, i):
			return true, i
		}
	}
	return false, 0
}

// endsKey reports whether the colon at i ends a key.
func endsKey(line string, i int) bool {
	return i+1 == len(line) || line[i+1] == ' ' || line[i+1] == '\t'
}

// enter finds the map or list that a line at a column belongs to.
func (s *lineScan) enter(column int, list bool) {
	deepest := level{column: -1}
	for len(s.levels) > 0 && s.levels[len(s.levels)-1].column > column {
		deepest = s.levels[len(s.levels)-1]
		s.levels = s.levels[:len(s.levels)-1]
	}
	top := level{column: -1}
	if len(s.levels) > 0 {
		top = s.levels[len(s.levels)-1]
	}
	switch {
	case top.column == column && top.list == list:
	case top.column == column && list && s.last.opens: // a list below its key, not indented
		s.levels = append(s.levels, level{column, s.line, true})
	case top.column == column && !list && len(s.levels) > 1 && s.levels[len(s.levels)-2].column == column:
		s.levels = s.levels[:len(s.levels)-1] // the next key after such a list
	case top.column == column && list:
		s.fail(s.at(column), "a list item stands beside the keys of a map", "indent the list below the key it belongs to")
	case top.column == column:
		s.fail(s.at(column), "a key stands beside the items of a list", "begin the line with \"- \", or indent it as far as the map it belongs to")
	case deepest.column >= 0 && !(s.last.line == s.line):
		hint := "the line is indented by " + strconv.Itoa(column) + ", line " + strconv.Itoa(deepest.line) + " by " + strconv.Itoa(deepest.column)
		if top.column >= 0 {
			hint += ", line " + strconv.Itoa(top.line) + " by " + strconv.Itoa(top.column)
		}
		s.fail(s.at(column), "the indentation fits no line above", hint)
	case s.last.bare != "" && s.last.column == column:
		s.noColon(Pos{s.file, s.last.line, column + 1}, s.last.bare)
	case !s.last.opens:
		s.fail(s.at(column), "the line is indented deeper than the line above, which has a value already",
			"indent both alike, or remove the value of line "+strconv.Itoa(s.last.line))
	default:
		s.levels = append(s.levels, level{column, s.line, list})
	}
}

// value reads what stands behind a key, from the column on; key is where the
// key begins.
func (s *lineScan) value(line string, from, key int) {
	s.last = lineEntry{line: s.line}
	i := from
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	for i < len(line) && (line[i] == '&' && len(line) > i+1 || line[i] == '!') { // anchor or tag
		if end := strings.IndexByte(line[i:], ' '); end >= 0 {
			i += end + 1
			continue
		}
		i = len(line)
	}
	if i >= len(line) || line[i] == '#' {
		s.last.opens = true
		return
	}
	s.scalar(line, i, key)
}

// scalar reads a value that begins at a column.
func (s *lineScan) scalar(line string, i, key int) {
	switch c := line[i]; c {
	case '"', '\'':
		s.quote = &bracket{char: c, pos: s.at(i)}
		s.inQuote(line, i+1)
	case '[', '{':
		s.inFlow(line, i)
	case '|', '>':
		s.block = key
	case '@', '`', '%':
		s.fail(s.at(i), "a text cannot begin with "+string(c), "put it in quotes")
	case '*':
		if !alias().MatchString(line[i:]) {
			s.fail(s.at(i), "a text cannot begin with *", "put it in quotes; *name without quotes is an alias")
		}
	default:
		s.last.text = true
		s.plain(line, i)
	}
}

var alias = onUse(`^\*[A-Za-z0-9_-]+\s*(#.*)?$`)

// plain reads a text without quotes behind a key.
func (s *lineScan) plain(line string, i int) {
	if strings.HasPrefix(line[i:], "- ") {
		s.fail(s.at(i), "a list cannot begin in the line of its key", "write it on lines of its own, or in brackets as in [a, b]")
		return
	}
	for begin := i; i < len(line); i++ {
		switch {
		case line[i] == '#' && line[i-1] == ' ':
			return
		case line[i] == ':' && endsKey(line, i):
			text := line[begin:]
			if end := strings.Index(text, " #"); end >= 0 {
				text = text[:end]
			}
			s.fail(s.at(i), "a second colon in the value of a key", "put quotes around a text with a colon: "+quote(strings.TrimSpace(text))+"; a map begins on a line of its own")
			return
		}
	}
}

// plainLine reads a line without a key.
func (s *lineScan) plainLine(line string, column int) {
	top := level{column: -1}
	if len(s.levels) > 0 {
		top = s.levels[len(s.levels)-1]
	}
	inItem := s.last.opens && s.last.line == s.line
	switch {
	case inItem, s.last.text && column > top.column:
		s.last.opens = false
		s.scalar(line, column, max(top.column, 0))
	case s.last.opens && column > top.column:
		s.last = lineEntry{line: s.line, bare: strings.TrimSpace(line), column: column}
		s.scalar(line, column, max(top.column, 0))
	case column == top.column && !top.list:
		s.noColon(s.at(column), strings.TrimSpace(line))
	}
}

// noColon reports a line that should be a key with a value.
func (s *lineScan) noColon(at Pos, text string) {
	word, _, _ := strings.Cut(text, " ")
	switch colon := strings.IndexByte(word, ':'); {
	case colon > 0 && isWord().MatchString(word[:colon]):
		at.Col += colon
		s.fail(at, "there is no space after the colon", "write "+shown(word[:colon]+": "+word[colon+1:]))
	case isWord().MatchString(word):
		s.fail(at, "this line has no colon", "a key and its value are written as in replicas: 3; a text that goes on is indented deeper than its key")
	}
}

var isWord = onUse(`^[A-Za-z_][\w./-]*$`)

// inQuote looks for the end of a text in quotes.
func (s *lineScan) inQuote(line string, from int) {
	open := *s.quote
	if at := badEscape(line, from, open.char); at >= 0 {
		s.fail(s.at(at), line[at:at+2]+" is no escape in a text in double quotes", "write two backslashes, or use single quotes, in which a backslash is itself")
		return
	}
	end := quoteEnd(line, from, open.char)
	if end < 0 {
		return
	}
	s.quote = nil
	if len(s.flow) > 0 {
		s.inFlow(line, end+1)
		return
	}
	rest := strings.TrimSpace(line[end+1:])
	switch {
	case rest == "" || strings.HasPrefix(line[end+1:], " #") || strings.HasPrefix(rest, "#"):
	case open.pos.Line < s.line:
		s.fail(open.pos, "the quote that opens here is not closed in its line", "close it, or remove it")
	default:
		s.fail(s.at(len(line)-len(strings.TrimLeft(line[end+1:], " "))), "something stands after the closing quote",
			"put the quotes around the whole value, or remove them")
	}
}

// quoteEnd returns the column of the closing quote, -1 when it is not in the
// line.
func quoteEnd(line string, from int, quote byte) int {
	for i := from; i < len(line); i++ {
		switch {
		case quote == '"' && line[i] == '\\':
			i++
		case line[i] == quote && quote == '\'' && i+1 < len(line) && line[i+1] == quote:
			i++
		case line[i] == quote:
			return i
		}
	}
	return -1
}

// badEscape returns the column of a backslash that means nothing.
func badEscape(line string, from int, quote byte) int {
	if quote != '"' {
		return -1
	}
	for i := from; i+1 < len(line) && line[i] != '"'; i++ {
		if line[i] != '\\' {
			continue
		}
		if strings.IndexByte("0abtnvfre \"/\\N_LPxuU\t", line[i+1]) < 0 {
			return i
		}
		i++
	}
	return -1
}

// inFlow reads what is in brackets.
func (s *lineScan) inFlow(line string, from int) {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	for i := from; i < len(line) && s.err == nil; i++ {
		before := strings.TrimRight(line[:i], " \t")
		begins := before == "" || strings.IndexByte("[{,:", before[len(before)-1]) >= 0
		switch c := line[i]; {
		case c == '#' && i > 0 && line[i-1] == ' ':
			return
		case (c == '"' || c == '\'') && begins:
			s.quote = &bracket{char: c, pos: s.at(i)}
			s.inQuote(line, i+1)
			return
		case c == '[' || c == '{':
			s.flow = append(s.flow, bracket{char: c, pos: s.at(i), indent: indent})
		case c == ']' || c == '}':
			if s.close(c, i); len(s.flow) == 0 {
				s.afterFlow(line, i+1)
				return
			}
		case c == ',':
			s.flow[len(s.flow)-1].colons = 0
		case (c == '@' || c == '`' || c == '%') && begins:
			s.fail(s.at(i), "a text cannot begin with "+string(c), "put it in quotes")
		case c == ':' && endsKey(line, i):
			open := &s.flow[len(s.flow)-1]
			if open.colons++; open.char == '{' && open.colons == 2 {
				s.fail(s.at(i), "a second colon since the last comma", "put a comma between two fields, or quotes around a text with a colon")
			}
		}
	}
}

// close closes a bracket.
func (s *lineScan) close(c byte, column int) {
	if len(s.flow) == 0 {
		return
	}
	open := s.flow[len(s.flow)-1]
	if closing(open.char) != string(c) {
		where := "in column " + strconv.Itoa(open.pos.Col)
		if open.pos.Line != s.line {
			where = "on line " + strconv.Itoa(open.pos.Line)
		}
		s.fail(s.at(column), "this "+string(c)+" closes no bracket", "the "+string(open.char)+" that opens "+where+" is closed by "+closing(open.char))
		return
	}
	s.flow = s.flow[:len(s.flow)-1]
}

// afterFlow refuses text behind the last bracket.
func (s *lineScan) afterFlow(line string, from int) {
	rest := strings.TrimLeft(line[from:], " \t")
	if rest == "" || rest[0] == '#' || rest[0] == ':' {
		return
	}
	s.fail(s.at(len(line)-len(rest)), "something stands after the closing bracket", "put a text that begins with a bracket in quotes")
}
