package schema

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"
)

// Limits of CUE files. Its parser and evaluator recurse, and a Go stack that
// is full ends the process; nothing recovers from it. So all that can nest is
// counted before anything is built.
const (
	maxWords      = 200_000 // of all files
	maxExpression = 5_000   // words in a row without a comma or a new line
	maxBrackets   = 500     // open at one place
)

// wordCount counts the words of CUE files without building anything.
type wordCount struct {
	scanner scanner.Scanner
	file    string
	words   int   // so far, in all files
	row     int   // since the last comma
	open    int   // brackets
	inText  []int // the brackets that were open at each \( of a text
	errs    Errors
}

// count reads one file. It reports what no parser should see: too much, too
// deep, or a text without its end.
func (c *wordCount) count(file string, text []byte) Errors {
	c.file, c.row, c.open, c.inText, c.errs = file, 0, 0, nil, nil
	if at, deep := deepAttribute(file, text); deep {
		return Errors{{Pos: at, Msg: "brackets are nested deeper than " + strconv.Itoa(maxBrackets) + " levels"}}
	}
	c.scanner.Init(token.NewFile(file, -1, len(text)), text, c.broken, 0)
	for len(c.errs) == 0 {
		at, tok, _ := c.scanner.Scan()
		if tok == token.EOF {
			break
		}
		c.word(position(file, at), tok)
	}
	return c.errs
}

// broken takes an error of the scanner.
func (c *wordCount) broken(at token.Pos, format string, args []any) {
	e := Error{Pos: position(c.file, at), Msg: fmt.Sprintf(format, args...)}
	if e.Msg == "string literal not terminated" {
		e.Msg, e.Hint = "the text that begins here has no end", "close its quotes"
	}
	c.errs = append(c.errs, e)
}

func (c *wordCount) word(at Pos, tok token.Token) {
	c.words++
	c.row++
	switch tok {
	case token.COMMA:
		c.row = 0
	case token.LPAREN, token.LBRACK, token.LBRACE:
		c.open++
	case token.INTERPOLATION:
		c.inText = append(c.inText, c.open)
	case token.RPAREN, token.RBRACK, token.RBRACE:
		c.open--
		if last := len(c.inText) - 1; last >= 0 && tok == token.RPAREN && c.open <= c.inText[last] {
			c.resume()
		}
	}
	switch {
	case c.words > maxWords:
		c.errs = append(c.errs, Error{Pos: at, Msg: "the description has more than " + strconv.Itoa(maxWords) + " words", Hint: "split the stack"})
	case c.row > maxExpression:
		c.errs = append(c.errs, Error{Pos: at, Msg: "one expression has more than " + strconv.Itoa(maxExpression) + " words", Hint: "split it into fields"})
	case c.open > maxBrackets:
		c.errs = append(c.errs, Error{Pos: at, Msg: "brackets are nested deeper than " + strconv.Itoa(maxBrackets) + " levels", Hint: "give the inner values fields of their own"})
	}
}

// resume goes on in a text after a \(...) in it.
func (c *wordCount) resume() {
	if rest := c.scanner.ResumeInterpolation(); !strings.HasSuffix(rest, "(") {
		c.inText = c.inText[:len(c.inText)-1]
	}
}

// deepAttribute looks for an attribute with more brackets, or more attributes
// in front of its brackets, than maxBrackets. An attribute is one word, and
// already the scanner recurses to read it.
func deepAttribute(file string, text []byte) (Pos, bool) {
	open, row := 0, 0 // row: of @name, with nothing but blanks and comments between them
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '@':
			row++
		case row > 0 && bytes.HasPrefix(text[i:], []byte("//")):
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case row > 0 && (b <= ' ' || b == '_' || b == '#' || b == '$' || b >= 0x80 || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'):
		case b == '(' && (open > 0 || row > 0), open > 0 && (b == '[' || b == '{'):
			open, row = open+1, 0
		case open > 0 && (b == ')' || b == ']' || b == '}'):
			open, row = open-1, 0
		default:
			row = 0
		}
		if open+row > maxBrackets {
			return placeAt(file, text, i), true
		}
	}
	return Pos{}, false
}
