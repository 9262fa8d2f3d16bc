package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// parseJSON reads one JSON value.
func parseJSON(file string, text []byte) (*node, Errors) {
	if len(bytes.TrimSpace(text)) == 0 {
		return &node{kind: nullKind, pos: Pos{file, 1, 1}}, nil
	}
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, jsonErrors(file, text, err)
	}
	r := &jsonReader{file: file, text: text, lines: lineStarts(text), decoder: json.NewDecoder(bytes.NewReader(text))}
	r.decoder.UseNumber()
	return r.result(r.value(r.next()))
}

// jsonErrors gives the error of encoding/json its place.
func jsonErrors(file string, text []byte, err error) Errors {
	out := Error{Pos: Pos{file, 1, 1}, Msg: "not valid JSON: " + err.Error(), Hint: "JSON has no comments and no comma after the last item"}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset > 0 {
		out.Pos = placeAt(file, text, min(int(syntax.Offset), len(text))-1)
	}
	return Errors{out}
}

// jsonReader makes nodes of tokens, which are known to be valid.
type jsonReader struct {
	builder
	file    string
	text    []byte
	lines   lineIndex
	decoder *json.Decoder
}

// jsonToken is a token and where it begins.
type jsonToken struct {
	json.Token
	pos Pos
}

func (r *jsonReader) next() jsonToken {
	begin := int(r.decoder.InputOffset())
	for begin < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[begin]) >= 0 {
		begin++
	}
	token, err := r.decoder.Token()
	if err != nil {
		panic(err) // the text was found valid before
	}
	return jsonToken{token, r.lines.pos(r.file, begin)}
}

func (r *jsonReader) value(token jsonToken) *node {
	n := &node{pos: token.pos, plain: true}
	defer r.leave()
	if !r.enter(n.pos) {
		return n
	}
	switch x := token.Token.(type) {
	case nil:
		n.text = "null"
	case bool:
		n.kind, n.text = boolKind, "false"
		if x {
			n.text = "true"
		}
	case json.Number:
		n.kind, n.text = intKind, x.String()
		if strings.ContainsAny(n.text, ".eE") {
			n.kind = floatKind
		}
	case string:
		n.kind, n.text, n.plain = textKind, x, false
	case json.Delim:
		n.plain = false
		if x == '[' {
			r.list(n)
		} else {
			r.fields(n)
		}
	}
	return n
}

func (r *jsonReader) list(n *node) {
	n.kind = listKind
	for r.decoder.More() && !r.full {
		n.items = append(n.items, r.value(r.next()))
	}
	r.end()
}

func (r *jsonReader) fields(n *node) {
	n.kind = mapKind
	for r.decoder.More() && !r.full {
		key := r.next()
		name := key.Token.(string)
		value := r.value(r.next())
		value.key = key.pos
		if !r.twice(n, name, key.pos) {
			n.set(name, value)
		}
	}
	r.end()
}

// end reads the closing bracket.
func (r *jsonReader) end() {
	if !r.full {
		r.next()
	}
}
