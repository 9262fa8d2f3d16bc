package apply

import (
	"slices"
	"strings"
)

// Masks stand for values that must not be seen. Before and after differ, so
// that a change shows as one; absent says nothing more.
const (
	masked       = "***"
	maskedBefore = "*** (before)"
	maskedAfter  = "*** (after)"
)

// secretName matches names of environment variables whose literal value is
// likely to be a secret.
var secretName = onUse(`(?i)(passw(or)?d|secret|token|api_?key|private_?key|credential|dsn)`)

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// mask returns v with every secret value in it replaced by text. path is
// where v stands in an object of the given key. v itself is left as it is.
func mask(key ObjectKey, path fieldPath, v any, text string) any {
	if v == nil {
		return nil
	}
	if path.secret(key) {
		if m, ok := v.(map[string]any); ok {
			names := make(map[string]any, len(m))
			for k := range m {
				names[k] = text
			}
			return names
		}
		return text
	}
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "://") {
			return urlPassword().ReplaceAllString(v, "${1}"+text+"@")
		}
		return v
	case map[string]any:
		if embedded := embeddedSecret(len(path) > 0, v); embedded != nil {
			return mask(*embedded, nil, v, text)
		}
		name, _ := v["name"].(string)
		_, literal := v["value"].(string)
		secretVar := literal && path.envItem() && secretName().MatchString(name)
		m := make(map[string]any, len(v))
		for k, child := range v {
			if secretVar && k == "value" {
				m[k] = text
				continue
			}
			m[k] = mask(key, path.field(k), child, text)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, child := range v {
			l[i] = mask(key, path.item(itemKey(path.last(), v, i)), child, text)
		}
		return l
	}
	return v
}

// urlPassword matches the login in a URL up to its password, and that.
var urlPassword = onUse(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/?#@"']*:)([^\s/?#@"']+)@`)

// embeddedSecret returns the key of a Secret that is written inside of another
// object, as lists, templates and bundles do; nil for anything else.
func embeddedSecret(inside bool, v map[string]any) *ObjectKey {
	kind, _ := v["kind"].(string)
	version, _ := v["apiVersion"].(string)
	if !inside || kind != "Secret" || version != "" && version != "v1" {
		return nil
	}
	return &ObjectKey{Kind: kind}
}

// maskObject masks a whole object.
func maskObject(key ObjectKey, o map[string]any) map[string]any {
	m, _ := mask(key, nil, o, masked).(map[string]any)
	return m
}

// fieldPath is a path into an object: field names, and list items in brackets.
type fieldPath []string

func (p fieldPath) item(key string) fieldPath { return append(slices.Clip(p), "["+key+"]") }

func (p fieldPath) field(name string) fieldPath {
	if strings.HasPrefix(name, "[") { // is no item
		name = quotedField(name)
	}
	return append(slices.Clip(p), name)
}

// last is the name that the path ends with, "" for the object itself.
func (p fieldPath) last() string {
	if len(p) == 0 {
		return ""
	}
	return p[len(p)-1]
}

var plainField = onUse(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// String joins the path: spec.containers[name="web"].image. A field name that
// is no plain word is quoted as in JSON: metadata.labels["a/b"]. So two paths
// that are written the same are the same.
func (p fieldPath) String() string {
	var b strings.Builder
	for i, e := range p {
		switch {
		case strings.HasPrefix(e, "["):
			b.WriteString(e)
		case !plainField().MatchString(e):
			b.WriteString(quotedField(e))
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(e)
		}
	}
	return b.String()
}

func quotedField(name string) string { return "[" + Text(name) + "]" }

// secret reports whether what stands at the path is secret as a whole.
func (p fieldPath) secret(key ObjectKey) bool {
	if n := len(p); n >= 2 && p[n-2] == "annotations" && p[n-1] == lastApplied {
		return true
	}
	return key.isSecret() && len(p) >= 1 && (p[0] == "data" || p[0] == "stringData" || p.foreignAnnotation())
}

// foreignAnnotation reports an annotation that may repeat the object it is on,
// plain or packed, as those of kubectl, kapp, Rancher and other tools do.
func (p fieldPath) foreignAnnotation() bool {
	if len(p) != 3 || p[0] != "metadata" || p[1] != "annotations" {
		return false
	}
	domain, _, _ := strings.Cut(p[2], "/")
	return domain != "stackctl.dev" && repeating().MatchString(p[2])
}

// repeating matches the names of annotations in which tools keep what they
// applied.
var repeating = onUse(`(?i)(applied|original|previous|desired|manifest|config)`)

// envItem reports whether the path is an item of a container's env list.
func (p fieldPath) envItem() bool {
	n := len(p)
	return n >= 2 && p[n-2] == "env" && strings.HasPrefix(p[n-1], "[")
}

// envValue reports whether the path is the literal value of an environment
// variable that looks like a secret.
func (p fieldPath) envValue() bool {
	n := len(p)
	return n >= 3 && p[n-1] == "value" && p[:n-1].envItem() && secretName().MatchString(p[n-2])
}
