package schema

import (
	"strings"
)

// expand turns the short form of a value into the long one, in place. The
// parts keep the place of the short form.
func (c *checker) expand(n *node, s *shape, path []string) {
	if n.kind == mapKind {
		return
	}
	isSwitch := s.short["bool"] == "enabled" || s.short["false"] == "enabled" || s.short["go"] == "health"
	if value, ok := yesNo(n.text); ok && n.plain && isSwitch && n.kind == textKind {
		c.fail(n, path, n.text+" is read as different values by different parsers", "write "+value)
		return
	}
	if name := s.short["go"]; name != "" {
		shortForms[name](c, n, s, path)
		return
	}
	field := ""
	switch n.kind {
	case textKind:
		field = s.short["string"]
	case intKind:
		field = s.short["int"]
	case floatKind:
		field = s.short["float"]
	case boolKind:
		field = s.short["bool"]
		if n.text == "false" && field == "" {
			field = s.short["false"]
		}
	}
	if field == "" && n.kind != listKind && s.short["string"] != "" && n.plain && ambiguous(n.text) {
		field = s.short["string"]
	}
	if field != "" {
		n.become(field, n.part(n.kind, n.text))
	}
}

// part returns a scalar at the place of n.
func (n *node) part(kind kind, text string) *node {
	return &node{kind: kind, text: text, pos: n.pos, plain: n.plain}
}

// become makes n a long form with one field.
func (n *node) become(name string, value *node) {
	*n = node{kind: mapKind, pos: n.pos, key: n.key, short: true}
	value.key = Pos{}
	n.set(name, value)
}

// shortForms are those that a single field cannot express.
var shortForms = map[string]func(c *checker, n *node, s *shape, path []string){
	"image":   expandImage,
	"ingress": expandIngress,
	"health":  expandHealth,
}

// expandImage splits repository:tag@digest.
func expandImage(c *checker, n *node, s *shape, path []string) {
	switch {
	case n.plain && ambiguous(n.text):
		c.ambiguous(n, s, path)
		return
	case n.kind != textKind:
		c.wrongType(n, s, path)
		return
	case strings.TrimSpace(n.text) != n.text || strings.ContainsAny(n.text, " \t\n") || n.text == "":
		c.fail(n, path, "want "+s.want+", got "+quote(n.text), "")
		return
	}
	whole, text := *n, n.text
	repository, digest, hasDigest := strings.Cut(text, "@")
	tag := ""
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		repository, tag = repository[:i], repository[i+1:]
		if tag == "" {
			c.fail(n, path, "the tag after : is empty", "write the release you mean, such as "+shown(repository)+":1.4.2")
			return
		}
	}
	n.become("repository", whole.part(textKind, repository))
	if tag != "" {
		n.set("tag", whole.part(textKind, tag))
	}
	if hasDigest {
		n.set("digest", whole.part(textKind, digest))
	}
	for _, name := range n.names {
		n.fields[name].plain = false
	}
}

// expandIngress splits host/path.
func expandIngress(c *checker, n *node, s *shape, path []string) {
	if n.kind != textKind {
		c.wrongType(n, s, path)
		return
	}
	whole := *n
	if _, rest, ok := strings.Cut(n.text, "://"); ok {
		c.fail(n, path, "want a host without a scheme, got "+quote(n.text), "write "+shown(strings.TrimSuffix(rest, "/")))
		return
	}
	host, route, hasPath := strings.Cut(n.text, "/")
	n.become("host", whole.part(textKind, host))
	if hasPath {
		n.set("path", whole.part(textKind, "/"+route))
	}
}

// expandHealth reads a path, tcp, grpc, a command, or false.
func expandHealth(c *checker, n *node, s *shape, path []string) {
	whole := *n
	switch {
	case n.kind == listKind:
		command := whole
		n.become("command", &command)
	case n.kind == boolKind && n.text == "false":
		n.become("enabled", whole.part(boolKind, "false"))
	case n.kind == textKind && (n.text == "tcp" || n.text == "grpc"):
		n.become(n.text, whole.part(boolKind, "true"))
	case n.kind == textKind && strings.HasPrefix(n.text, "/"):
		n.become("path", whole.part(textKind, n.text))
	case n.kind == textKind && c.fits(s.fields["path"], "/"+n.text):
		c.fail(n, path, "want "+s.want+", got "+quote(n.text), "did you mean "+quote("/"+n.text)+"?")
	default:
		c.wrongType(n, s, path)
	}
}
