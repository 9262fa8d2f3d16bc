package apply

import (
	"fmt"
	"strings"
)

// Consent is what a plan may do beyond what is harmless: each part is given for
// one run, by somebody who knows what is at stake. The zero value consents to
// nothing. It is part of the [Target], so that what a diff shows with it is what
// an apply does with it.
type Consent struct {
	// Force takes every field over that others own.
	Force bool
	// Take takes these fields over, Yield leaves them to who owns them: the
	// stack then does not set them in this run. Yield wins over Take and Force.
	Take, Yield []FieldPattern
	// Adopt makes objects the stack's that somebody else made.
	Adopt []ObjectPattern
	// Recreate lets objects be deleted and made anew, where the API server does
	// not let a field change.
	Recreate []ObjectPattern
	// Unpreviewed lets objects be applied that no dry-run could show.
	Unpreviewed bool
	// Prune names kinds ("PersistentVolumeClaim", "Namespace", …) whose objects
	// are deleted when they leave the stack, though others or data go with them.
	Prune []string
}

// ObjectPattern matches objects by kind and name. The zero value matches all.
type ObjectPattern struct {
	Kind, Name string // empty for any
}

// ParseObjectPattern reads "Kind/name", "Kind" or "all".
func ParseObjectPattern(text string) (ObjectPattern, error) {
	if text == "all" {
		return ObjectPattern{}, nil
	}
	kind, name, named := strings.Cut(text, "/")
	if kind == "" || named && name == "" || strings.ContainsAny(kind, " .:") {
		return ObjectPattern{}, fmt.Errorf("%q is not KIND/NAME, such as Deployment/web, KIND, or all", text)
	}
	return ObjectPattern{Kind: kind, Name: name}, nil
}

// String returns the form that ParseObjectPattern reads.
func (p ObjectPattern) String() string {
	switch {
	case p.Kind == "":
		return "all"
	case p.Name == "":
		return p.Kind
	}
	return p.Kind + "/" + p.Name
}

// Exact reports a pattern that names one object, rather than whatever there is.
func (p ObjectPattern) Exact() bool { return p.Name != "" }

// Matches reports whether the pattern is about an object. Kinds are compared
// as kubectl does, without regard to case.
func (p ObjectPattern) Matches(key ObjectKey) bool {
	return (p.Kind == "" || strings.EqualFold(p.Kind, key.Kind)) && (p.Name == "" || p.Name == key.Name)
}

func matchesAny(patterns []ObjectPattern, key ObjectKey) bool {
	for _, p := range patterns {
		if p.Matches(key) {
			return true
		}
	}
	return false
}

// FieldPattern matches a field, and all below it, of the objects it is about.
type FieldPattern struct {
	Object ObjectPattern
	// Path as in [FieldChange]: spec.template.spec.containers[name="web"].image.
	Path string
}

// ParseFieldPattern reads "PATH", for any object, or "KIND/NAME:PATH".
func ParseFieldPattern(text string) (FieldPattern, error) {
	var p FieldPattern
	if object, path, ok := strings.Cut(text, ":"); ok && !strings.ContainsAny(object, `.["`) {
		var err error
		if p.Object, err = ParseObjectPattern(object); err != nil {
			return p, err
		}
		text = path
	}
	if p.Path = strings.TrimPrefix(text, "."); p.Path == "" {
		return p, fmt.Errorf("names no field; write a path such as spec.replicas, or Deployment/web:spec.replicas")
	}
	return p, nil
}

// String returns the form that ParseFieldPattern reads.
func (p FieldPattern) String() string {
	if p.Object == (ObjectPattern{}) {
		return p.Path
	}
	return p.Object.String() + ":" + p.Path
}

// Matches reports whether the pattern is about a field of an object.
func (p FieldPattern) Matches(key ObjectKey, path string) bool {
	rest, below := strings.CutPrefix(path, p.Path)
	return p.Object.Matches(key) && below && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
