package apply

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// redactor is the last line of defence behind mask and describe. It knows the
// secret values that passed through the engine, sent or read: the data of
// Secrets, and literals of environment variables that are named like one. In
// every text that leaves the engine it replaces them, whoever repeats them: a
// webhook that echoes what it denies, an event, a log line, a stack trace, a
// value that was copied to another field.
//
// It finds a value as it is, base64 (twice, and inside of something longer that
// is base64), hex, escaped for JSON, Go, YAML or a URL, and each line of one
// that has several. It does not find values shorter than secretLength bytes, a
// part of one, or one that was changed in another way (hashed, upper case), nor
// those that are part of the name of an object or of an image of the stack,
// since these are no secret any more.
//
// A redactor may be used concurrently.
type redactor struct {
	mu       sync.Mutex
	values   map[string]bool
	names    map[string]bool // what is public, whatever Secret has the same text
	replacer *strings.Replacer
}

const (
	// secretLength is the least length of a value that is looked for: shorter
	// ones are in many a word.
	secretLength = 6
	// secretLimit bounds the values looked for, in bytes; longer ones are looked
	// for line by line.
	secretLimit = 64 << 10
	// secretLine is the least length of a line that is looked for by itself.
	secretLine = 16
)

// learn takes in the secret values of objects, and their names.
func (r *redactor) learn(objects ...*unstructured.Unstructured) {
	for _, o := range objects {
		if o == nil {
			continue
		}
		values, names := secretsOf(o)
		r.add(values, names)
	}
}

// learnData takes in the data of a Secret.
func (r *redactor) learnData(secret *v1.Secret) {
	if secret == nil {
		return
	}
	var values []string
	for _, v := range secret.Data {
		values = append(values, string(v))
	}
	r.add(values, nil)
}

func (r *redactor) add(values, names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil {
		r.values, r.names = map[string]bool{}, map[string]bool{}
	}
	for _, v := range values {
		for _, part := range partsOf(v) {
			if !r.values[part] {
				r.values[part], r.replacer = true, nil
			}
		}
	}
	for _, n := range names {
		if n != "" && !r.names[n] {
			r.names[n], r.replacer = true, nil
		}
	}
}

// secretsOf returns the secret values in an object, and what is public in it.
// What is not as it should be gives no value: it is refused elsewhere.
func secretsOf(o *unstructured.Unstructured) (values, names []string) {
	names = []string{o.GetName(), o.GetNamespace(), o.GetKind(), o.GetAPIVersion()}
	if text := o.GetAnnotations()[lastApplied]; text != "" { // may be of other values
		applied := &unstructured.Unstructured{}
		if json.Unmarshal([]byte(text), &applied.Object) == nil && applied.GetAnnotations()[lastApplied] == "" {
			values, _ = secretsOf(applied)
		}
	}
	if keyOf(o).isSecret() {
		for _, field := range []string{"data", "stringData"} {
			data, _ := o.Object[field].(map[string]any)
			for _, v := range data {
				text, ok := v.(string)
				if !ok { // a number or a tree that nobody quoted
					text = Text(v)
				}
				if decoded, err := base64.StdEncoding.DecodeString(text); field == "data" && err == nil {
					text = string(decoded)
				}
				values = append(values, text)
			}
		}
		return values, names
	}
	values = append(values, embeddedValues(false, o.Object)...)
	for _, spec := range podSpecs(o.Object) {
		for _, list := range []string{"containers", "initContainers", "ephemeralContainers"} {
			containers, _ := spec[list].([]any)
			for _, c := range holders(containers) {
				image, _ := c["image"].(string)
				name, _ := c["name"].(string)
				names = append(names, image, name)
				env, _ := c["env"].([]any)
				for _, e := range holders(env) {
					name, _ := e["name"].(string)
					value, _ := e["value"].(string)
					if secretName().MatchString(name) {
						values = append(values, value)
					}
					for _, login := range urlPassword().FindAllStringSubmatch(value, -1) {
						values = append(values, login[2])
					}
				}
			}
		}
	}
	return values, names
}

// embeddedValues returns the values of the Secrets that are written inside of
// an object.
func embeddedValues(inside bool, v any) (values []string) {
	switch v := v.(type) {
	case map[string]any:
		if embeddedSecret(inside, v) != nil {
			values, _ = secretsOf(&unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "Secret", "data": v["data"], "stringData": v["stringData"],
			}})
			return values
		}
		for _, child := range v {
			values = append(values, embeddedValues(true, child)...)
		}
	case []any:
		for _, child := range v {
			values = append(values, embeddedValues(true, child)...)
		}
	}
	return values
}

// partsOf returns what is looked for of a value: itself, its lines, and when it
// is JSON (as the login of a registry is) the texts in it.
func partsOf(value string) []string {
	var parts []string
	add := func(text string, least int) {
		if text = strings.TrimSpace(text); len(text) >= least && len(text) <= secretLimit {
			parts = append(parts, text)
		}
	}
	add(value, secretLength)
	if strings.Contains(value, "\n") {
		for line := range strings.Lines(value) {
			if !strings.HasPrefix(line, "-----") { // what begins and ends every key
				add(line, secretLine)
			}
		}
	}
	if len(value) <= secretLimit && strings.HasPrefix(strings.TrimSpace(value), "{") {
		var tree any
		if json.Unmarshal([]byte(value), &tree) == nil {
			eachText(tree, func(text string) {
				add(text, secretLength)
				if login, err := base64.StdEncoding.DecodeString(text); err == nil {
					_, password, _ := strings.Cut(string(login), ":")
					add(password, secretLength)
				}
			})
		}
	}
	return parts
}

func eachText(v any, f func(string)) {
	switch v := v.(type) {
	case string:
		f(v)
	case []any:
		for _, child := range v {
			eachText(child, f)
		}
	case map[string]any:
		for _, child := range v {
			eachText(child, f)
		}
	}
}

// forms returns the ways in which a value is looked for.
func forms(value string) []string {
	all := []string{value}
	coded := func(text string) (codes []string) {
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for offset := range 3 {
				// What is the same whatever stands before and after: the digits
				// that only bytes of the value decide.
				code := alphabet.EncodeToString(append(make([]byte, offset), text...))
				first, last := (8*offset+5)/6, (8*(offset+len(text)))/6
				if code = code[first:last]; len(code) >= secretLength {
					codes = append(codes, code)
				}
			}
		}
		return append(codes, base64.StdEncoding.EncodeToString([]byte(text)), base64.URLEncoding.EncodeToString([]byte(text)))
	}
	all = append(all, coded(value)...)
	all = append(all, coded(base64.StdEncoding.EncodeToString([]byte(value)))...)
	quoted := strconv.Quote(value)
	escaped, _ := json.Marshal(value) // a string always marshals
	return append(all,
		hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))),
		quoted[1:len(quoted)-1], string(escaped[1:len(escaped)-1]), strings.Trim(Text(value), `"`),
		strings.ReplaceAll(value, "'", "''"), url.QueryEscape(value), url.PathEscape(value))
}

// text returns a text without the secret values in it.
func (r *redactor) text(s string) string { return r.replace(s, masked) }

func (r *redactor) replace(s, by string) string {
	if len(s) < secretLength {
		return s
	}
	s = r.current().Replace(s)
	if by != masked {
		s = strings.ReplaceAll(s, hole, by)
	}
	return strings.ReplaceAll(s, hole, masked)
}

// hole is what values are replaced with before the mask is known; no text that
// may be printed has it.
const hole = "\x00redacted\x00"

// current returns the replacer of all that is known, longest first, since of
// two that begin at the same place the first wins.
func (r *redactor) current() *strings.Replacer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.replacer != nil {
		return r.replacer
	}
	seen := map[string]bool{}
	for value := range r.values {
		if !r.public(value) {
			for _, form := range forms(value) {
				seen[form] = true
			}
		}
	}
	delete(seen, "")
	all := make([]string, 0, len(seen))
	for form := range seen {
		all = append(all, form)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	pairs := make([]string, 0, 2*len(all))
	for _, form := range all {
		pairs = append(pairs, form, hole)
	}
	r.replacer = strings.NewReplacer(pairs...)
	return r.replacer
}

// public reports a value that is part of a name.
func (r *redactor) public(value string) bool {
	for name := range r.names {
		if strings.Contains(name, value) {
			return true
		}
	}
	return false
}

// value returns a value of an object with text in place of the secret values in
// it. The value itself is left as it is.
func (r *redactor) value(v any, text string) any {
	switch v := v.(type) {
	case string:
		return r.replace(v, text)
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, child := range v {
			m[r.replace(k, text)] = r.value(child, text)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, child := range v {
			l[i] = r.value(child, text)
		}
		return l
	}
	return v
}

// change cleans what is shown of a change. What is sent stays as it is.
func (r *redactor) change(c *Change) {
	for _, o := range []*map[string]any{&c.New, &c.Live, &c.Merged} {
		if m, ok := r.value(*o, masked).(map[string]any); ok && *o != nil {
			*o = m
		}
	}
	c.Note = r.text(c.Note)
	for i := range c.Impacts {
		c.Impacts[i].Message, c.Impacts[i].Field = r.text(c.Impacts[i].Message), r.text(c.Impacts[i].Field)
	}
	for i := range c.Fields {
		f := &c.Fields[i]
		f.Path = r.text(f.Path)
		f.Before, f.After = r.value(f.Before, maskedBefore), r.value(f.After, maskedAfter)
	}
	r.conflicts(c.Conflicts)
}

func (r *redactor) conflicts(conflicts []Conflict) {
	for i := range conflicts {
		c := &conflicts[i]
		c.Path = r.text(c.Path)
		c.Live, c.Want = r.value(c.Live, maskedBefore), r.value(c.Want, maskedAfter)
	}
}

// plan cleans what is shown of a plan.
func (r *redactor) plan(p *Plan) {
	for i := range p.Changes {
		r.change(&p.Changes[i])
	}
	for i := range p.Warnings {
		p.Warnings[i] = r.text(p.Warnings[i])
	}
	for i := range p.Notices {
		p.Notices[i] = r.text(p.Notices[i])
	}
}

// health cleans what controllers, pods and logs said about objects.
func (r *redactor) health(health []Health) {
	for i := range health {
		h := &health[i]
		h.Message = r.text(h.Message)
		if h.Cause != nil {
			cause := *h.Cause // others may look at it
			cause.Message = r.text(cause.Message)
			cause.Log = slices.Clone(cause.Log)
			for j := range cause.Log {
				cause.Log[j] = r.text(cause.Log[j])
			}
			h.Cause = &cause
		}
	}
}

// result cleans what is shown of a run.
func (r *redactor) result(x *Result) {
	for i := range x.Outcomes {
		x.Outcomes[i].Error = r.text(x.Outcomes[i].Error)
	}
	r.health(x.Health)
	x.Error = r.text(x.Error)
}

// leaving makes the error that a method of the engine ends with say nothing
// secret. Each that has one defers it.
func (r *redactor) leaving(err *error) { *err = r.error(*err) }

// error returns an error that says nothing secret and unwraps to the given one.
// Errors whose parts are shown one by one are cleaned themselves.
func (r *redactor) error(err error) error {
	if err == nil {
		return nil
	}
	var (
		conflict *ConflictError
		notReady *NotReadyError
		stale    *StalePlanError
		defect   *PanicError
		api      *apiError
	)
	if errors.As(err, &conflict) {
		r.conflicts(conflict.Conflicts)
	}
	if errors.As(err, &notReady) {
		r.health(notReady.Health)
	}
	if errors.As(err, &stale) {
		for i := range stale.Reasons {
			stale.Reasons[i] = r.text(stale.Reasons[i])
		}
	}
	if errors.As(err, &defect) {
		defect.Value = r.text(defect.text()) // not what it was, so that nobody prints that
		defect.Stack = []byte(r.text(string(defect.Stack)))
	}
	if errors.As(err, &api) {
		api.text = r.text(api.text)
	}
	text := err.Error()
	if clean := r.text(text); clean != text {
		return &apiError{text: clean, err: err}
	}
	return err
}
