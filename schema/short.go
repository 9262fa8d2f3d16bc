package schema

import (
	"net/netip"
	"strings"
)

// expand turns the short form of a value into the long one, in place. The
// parts keep the place of the short form.
func (c *checker) expand(n *node, s *shape, path []string) {
	if n.kind == mapKind {
		return
	}
	if value, ok := yesNo(n.text); ok && n.plain && n.kind == textKind && s.isSwitch(value) {
		c.fail(n, path, n.text+" is read as different values by different parsers", "write "+value)
		return
	}
	if name := s.short["go"]; name != "" {
		shortForm(name)(c, n, s, path)
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

// isSwitch reports whether true or false is a short form of s.
func (s *shape) isSwitch(value string) bool {
	return s.short["bool"] == "enabled" || value == "false" && (s.short["false"] == "enabled" || s.short["go"] == "health")
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

// shortForm returns one of those that a single field cannot express.
func shortForm(name string) func(c *checker, n *node, s *shape, path []string) {
	switch name {
	case "image":
		return expandImage
	case "ingress":
		return expandIngress
	case "health":
		return expandHealth
	case "needs":
		return expandNeeds
	case "parent":
		return expandParent
	case "peer":
		return expandPeer
	case "volume":
		return expandVolume
	case "mount":
		return expandMount
	case "autoscale":
		return expandAutoscale
	case "spread":
		return expandSpread
	}
	return nil
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
	default:
		c.wrongType(n, s, path)
	}
}

// expandNeeds reads a list of apps, each to be started.
func expandNeeds(c *checker, n *node, s *shape, path []string) {
	if n.kind == textKind {
		n.kind, n.items = listKind, []*node{n.part(textKind, n.text)}
	}
	if n.kind != listKind {
		c.wrongType(n, s, path)
		return
	}
	items := n.items
	*n = node{kind: mapKind, pos: n.pos, key: n.key, whole: true}
	for _, item := range items {
		if item.kind != textKind {
			c.fail(item, path, "want the name of an app, got "+item.describe(), "write [db, cache] or {db: healthy}")
			continue
		}
		if n.fields[item.text] != nil {
			c.fail(item, path, quote(item.text)+" is written twice", "remove one of the two")
			continue
		}
		n.set(item.text, &node{kind: textKind, text: string(Started), pos: item.pos, key: item.pos})
	}
}

// expandParent reads NAME or NAMESPACE/NAME of a Gateway.
func expandParent(c *checker, n *node, s *shape, path []string) {
	if n.kind != textKind {
		c.wrongType(n, s, path)
		return
	}
	whole := *n
	namespace, name, found := strings.Cut(n.text, "/")
	if !found {
		n.become("name", whole.part(textKind, n.text))
		return
	}
	n.become("name", whole.part(textKind, name))
	n.set("namespace", whole.part(textKind, namespace))
}

// expandPeer reads an app, namespace/NAME, same-namespace or a range of
// addresses.
func expandPeer(c *checker, n *node, s *shape, path []string) {
	if n.kind != textKind {
		c.wrongType(n, s, path)
		return
	}
	whole := *n
	namespace, isNamespace := strings.CutPrefix(n.text, "namespace/")
	switch {
	case n.text == "same-namespace":
		n.become("podSelector", &node{kind: mapKind, pos: n.pos})
	case isNamespace:
		n.become("namespace", whole.part(textKind, namespace))
	case strings.Contains(n.text, "/") || isAddress(n.text):
		n.become("cidr", whole.part(textKind, n.text))
	default:
		n.become("app", whole.part(textKind, n.text))
	}
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// expandVolume reads a size, or tmp.
func expandVolume(c *checker, n *node, s *shape, path []string) {
	whole := *n
	switch {
	case n.kind == textKind && n.text == "tmp":
		n.become("medium", whole.part(textKind, "disk"))
	case n.kind == textKind && c.fits(s.fields["size"], n.text):
		n.become("size", whole.part(textKind, n.text))
	default:
		c.wrongType(n, s, path)
	}
}

// expandMount reads a path of the app, or tmp.
func expandMount(c *checker, n *node, s *shape, path []string) {
	whole := *n
	switch {
	case n.kind == textKind && n.text == "tmp":
		n.become("medium", whole.part(textKind, "disk"))
	case n.kind == textKind && strings.HasPrefix(n.text, "/"):
		n.become("from", whole.part(textKind, n.text))
	default:
		c.wrongType(n, s, path)
	}
}

// expandAutoscale reads 2..10.
func expandAutoscale(c *checker, n *node, s *shape, path []string) {
	whole := *n
	least, most, found := strings.Cut(n.text, "..")
	if n.kind != textKind || !found || !decimal().MatchString(least) || !decimal().MatchString(most) {
		c.wrongType(n, s, path)
		return
	}
	n.become("min", whole.part(intKind, least))
	n.set("max", whole.part(intKind, most))
}

// expandSpread reads a mode for nodes, or the constraints of Kubernetes.
func expandSpread(c *checker, n *node, s *shape, path []string) {
	whole := *n
	switch n.kind {
	case textKind:
		n.become("host", whole.part(textKind, n.text))
	case listKind:
		n.become("constraints", &whole)
	default:
		c.wrongType(n, s, path)
	}
}
