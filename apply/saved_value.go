package apply

import (
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// ValueSource says where a secret value is read: one of its fields is set.
type ValueSource struct {
	Env      string `json:"env,omitempty"`      // a variable of the environment
	File     string `json:"file,omitempty"`     // a file whose content it is
	Manifest string `json:"manifest,omitempty"` // a file with the object it is part of
	Spec     string `json:"spec,omitempty"`     // a place in the description, such as stack.yaml:7:14
}

// String returns the source as a message names it.
func (s ValueSource) String() string {
	switch {
	case s.Env != "":
		return "the environment variable " + s.Env
	case s.File != "":
		return "the file " + s.File
	case s.Manifest != "":
		return "the manifest " + s.Manifest
	}
	return s.Spec
}

// described reports a value that the description itself has, in whatever file.
func (s ValueSource) described() bool { return s.Env == "" && s.File == "" }

// in reports a value that a file of the description has.
func (s ValueSource) in(file string) bool {
	return s.Manifest == file && file != "" || s.Spec == file && file != "" || strings.HasPrefix(s.Spec, file+":")
}

// Withheld is a secret value that a saved plan leaves out.
type Withheld struct {
	Object ObjectKey   `json:"object"`
	Path   []string    `json:"path"` // field names and indexes of list items
	Source ValueSource `json:"source"`
	// Digest is of the value; empty where that of the file that has it is enough.
	Digest string `json:"digest,omitempty"`

	value any
}

// Base64 reports a value that is written in base64.
func (w Withheld) Base64() bool {
	return w.Object.isSecret() && len(w.Path) == 2 && w.Path[0] == "data"
}

// In returns the value of an object at the path.
func (w Withheld) In(o *unstructured.Unstructured) (v any, ok bool) {
	v = o.Object
	for _, step := range w.Path {
		switch parent := v.(type) {
		case map[string]any:
			if v, ok = parent[step]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(parent) {
				return nil, false
			}
			v = parent[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// put sets the value of an object at the path.
func (w Withheld) put(o map[string]any, v any) bool {
	last := len(w.Path) - 1
	if last < 0 {
		return false
	}
	parent, ok := Withheld{Path: w.Path[:last]}.In(&unstructured.Unstructured{Object: o})
	switch parent := parent.(type) {
	case map[string]any:
		parent[w.Path[last]] = v
		return ok
	case []any:
		i, err := strconv.Atoi(w.Path[last])
		if ok = err == nil && i >= 0 && i < len(parent); ok {
			parent[i] = v
		}
		return ok
	}
	return false
}

func (w Withheld) place() string { return strings.Join(w.Path, ".") }

// label tells a value from the same one elsewhere.
func (w Withheld) label() string { return string(canonical([]any{"value", w.Object, w.Path})) }

// withhold returns an object with masks in place of secret values: all that no
// plan may show, and what repeats one of them elsewhere.
func (r *redactor) withhold(o *unstructured.Unstructured) (shown map[string]any, values []Withheld) {
	key := keyOf(o)
	shown, _ = r.value(maskObject(key, o.Object), masked).(map[string]any)
	var walk func(path []string, value, shown any)
	walk = func(path []string, value, shown any) {
		switch v := value.(type) {
		case map[string]any:
			if s, ok := shown.(map[string]any); ok && sameNames(v, s) {
				for _, name := range slices.Sorted(maps.Keys(v)) {
					walk(append(slices.Clip(path), name), v[name], s[name])
				}
				return
			}
		case []any:
			if s, ok := shown.([]any); ok && len(s) == len(v) {
				for i := range v {
					walk(append(slices.Clip(path), strconv.Itoa(i)), v[i], s[i])
				}
				return
			}
		}
		if !reflect.DeepEqual(value, shown) {
			values = append(values, Withheld{Object: key, Path: path, value: value})
		}
	}
	walk(nil, o.Object, shown)
	return shown, values
}

func sameNames(a, b map[string]any) bool {
	for name := range a {
		if _, ok := b[name]; !ok {
			return false
		}
	}
	return len(a) == len(b)
}

// fingerprint makes the digests of a saved plan: with the stack's key, so that
// nobody who has only the file can try values against them. Before the first
// revision there is no key. Then what may hold a secret value has a digest that
// is slow to compute (argon2id), and what is known to hold one has masks first.
type fingerprint struct {
	key     []byte
	salt    []byte // without a key
	manager string // of the stack
	redact  *redactor
}

// record tells one key from another.
func (f *fingerprint) record() string { return f.quick("record", nil) }

// quick is the digest of what holds no secret value, unless there is a key.
func (f *fingerprint) quick(label string, b []byte) string {
	key := f.key
	if len(key) == 0 {
		key = f.salt
	}
	return keyed(key, canonical([]any{label, b}))
}

// secret is the digest of a secret value, or of what holds one.
func (f *fingerprint) secret(label string, b []byte) string {
	if len(f.key) > 0 {
		return f.quick(label, b)
	}
	// The second recommendation of RFC 9106: 64 MiB, three passes.
	return slow + hex.EncodeToString(argon2.IDKey(canonical([]any{label, b}), f.salt, 3, 64<<10, 4, 16))
}

// slow begins digests that are slow to compute.
const slow = "argon2id:"

// same reports whether a digest is that of b.
func (f *fingerprint) same(digest, label string, b []byte) bool {
	if strings.HasPrefix(digest, slow) {
		return f.secret(label, b) == digest
	}
	return f.quick(label, b) == digest
}

func fileLabel(name string) string { return string(canonical([]any{"file", name})) }

// literal matches a value that is written for a name of a secret: the name, and
// what follows it, with a colon if that is another name.
var literal = onUse(`(?i)([a-z0-9_]*(?:passw(?:or)?d|secret|token|api_?key|private_?key|credential|dsn)[a-z0-9_]*)["']?\s*:\s*(?:\{?\s*["']?value["']?\s*:\s*)?["']?([^\s"'{}\[\],#&*:]+["']?:?)`)

// referring are names of fields that say where a secret is.
var referring = []string{"secret", "secrets", "secretName", "secretRef", "secretKeyRef", "imagePullSecrets"}

// holdsSecret reports a text that has a secret value in it, as far as can be
// told from the outside: one that is known, the login of a URL, or what is
// written for a name like PASSWORD.
func (f *fingerprint) holdsSecret(text []byte) bool {
	s := string(text)
	if f.redact.text(s) != s || urlPassword().MatchString(s) {
		return true
	}
	for {
		at := literal().FindStringSubmatchIndex(s)
		if at == nil {
			return false
		}
		if !slices.Contains(referring, s[at[2]:at[3]]) && s[at[5]-1] != ':' {
			return true
		}
		s = s[at[3]:] // what follows may be such a name itself
	}
}

// savedDescription says what a target was rendered from.
type savedDescription struct {
	Main  string      `json:"main,omitempty"`
	Files []savedFile `json:"files,omitempty"`
	// Source is the text of Main; without it that is read again.
	Source *string `json:"source,omitempty"`
}

type savedFile struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// fill returns the target of a saved plan with the values that it leaves out,
// and why these are not what they were.
func (e *Engine) fill(saved *SavedPlan, f *fingerprint, from Sources) (target Target, reasons []string, err error) {
	t := saved.Execute
	target = Target{
		Verb: t.Verb, Environment: t.Environment, RollbackTo: t.RollbackTo, ScaledFrom: t.ScaledFrom, DeleteData: t.DeleteData,
	}
	if target.Consent, err = saved.Consent(); err != nil {
		return target, nil, err
	}
	byKey := map[ObjectKey]map[string]any{}
	for _, shown := range t.Objects {
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(canonical(shown)); err != nil {
			return target, nil, &PlanFileError{Reason: "it is damaged: " + err.Error()}
		}
		target.Objects = append(target.Objects, o)
		byKey[keyOf(o)] = o.Object
	}
	for _, w := range t.Withheld {
		v, err := from.Value(w)
		switch o := byKey[w.Object]; {
		case err != nil:
			reasons = append(reasons, fmt.Sprintf("%s of %s: %v", w.place(), w.Object, err))
		case !(w.Digest == "" && w.Source.described() && len(f.key) == 0) && !f.same(w.Digest, w.label(), canonical(v)):
			reasons = append(reasons, fmt.Sprintf("%s of %s: %s has another value than when the plan was made", w.place(), w.Object, w.Source))
		case o == nil || !w.put(o, runtime.DeepCopyJSONValue(v)):
			return target, nil, &PlanFileError{Reason: fmt.Sprintf("it is damaged: there is no %s of %s", w.place(), w.Object)}
		}
	}
	source, changed, err := t.Description.again(f, from)
	target.Source = source
	return target, append(reasons, changed...), err
}

// again returns the text of the main file, and which files are no longer what
// they were. A description that is not there is none that was changed.
func (d savedDescription) again(f *fingerprint, from Sources) (source []byte, reasons []string, err error) {
	now, err := from.Files()
	if err != nil {
		return nil, nil, err
	}
	if d.Source != nil {
		source = []byte(*d.Source)
	}
	if len(now) == 0 && d.Source == nil {
		return nil, []string{d.Main + ", which holds values that the plan leaves out, is not there"}, nil
	}
	texts := map[string][]byte{}
	for _, file := range now {
		texts[file.Name] = file.Text
		if d.Source == nil && file.Name == d.Main {
			source = file.Text
		}
	}
	for _, file := range d.Files {
		text, ok := texts[file.Name]
		switch {
		case len(now) == 0:
		case !ok:
			reasons = append(reasons, file.Name+" is no longer part of the description")
		case !f.same(file.Digest, fileLabel(file.Name), text):
			reasons = append(reasons, file.Name+" was changed since the plan was made")
		}
		delete(texts, file.Name)
	}
	for _, file := range now {
		if _, added := texts[file.Name]; added {
			reasons = append(reasons, file.Name+" is part of the description since")
		}
	}
	return source, reasons, nil
}
