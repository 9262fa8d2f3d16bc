package schema

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"
)

// Policy is a set of rules about what becomes of a stack, written in CUE:
//
//	package policy
//
//	"no-load-balancer-in-dev": {
//		message: "a load balancer costs money: use an Ingress"
//		match: environment: "dev"
//		deny: object: {kind: "Service", spec: type: "LoadBalancer"}
//	}
//
// Every regular field of the package is a rule. Its match, deny and require are
// patterns over a subject. A subject has a pattern if it unifies with it and has
// every field that the pattern has; those with a ? may be missing. A rule is
// kept by a subject that does not match, or that has not what it denies and has
// what it requires. It is asked about the subjects that have all the names of
// [PolicyNames] its patterns begin with, and about no other.
//
// Hidden fields and definitions are no rules: they are for what rules share.
type Policy struct {
	dir    string
	rules  []policyRule
	places *places
	cue    *cue.Context
}

// PolicyNames are what a subject may consist of.
var PolicyNames = []string{"change", "containers", "environment", "namespace", "object", "plan", "pod", "stack"}

// Violation is a rule that a subject does not keep.
type Violation struct {
	Rule    string
	Message string // the rule's own
	Pos     Pos    // in the policy: of the constraint, or of the rule
	Subject int    // its index
	// Path leads to what is wrong in the subject: names (string) and indexes
	// (int). Msg says what is wrong there, "" when it is denied as it is.
	Path []any
	Msg  string
}

// policyRule is one rule.
type policyRule struct {
	name, message string
	pos           Pos
	match         cue.Value
	deny, require cue.Value // one may not exist
	names         []string  // that a subject must have
}

// LoadPolicy reads the rules of a directory: the files of one package in CUE,
// and what they import from below it. What is wrong comes back as [Errors]. The
// ceilings are those of [Load].
func LoadPolicy(ctx context.Context, dir string) (*Policy, error) {
	return guarded(ctx, dir, ordinary, func() (*Policy, error) { return loadPolicy(dir) })
}

func loadPolicy(dir string) (*Policy, error) {
	d := &cueDir{directory: directory{name: dir}, left: maxBytes}
	if _, err := d.open(); err != nil {
		return nil, err
	}
	defer d.close()
	names, err := d.names(".", ".cue")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, Errors{{Pos: Pos{File: dir}, Msg: "there are no policies", Hint: "a policy is a .cue file directly in the directory"}}
	}
	in := &input{file: d.shown(names[0])}
	if in.text, err = d.text(names[0]); err != nil {
		return nil, err
	}
	if errs := in.check(); len(errs) > 0 {
		return nil, errs
	}
	if errs := d.onePackage(names); len(errs) > 0 {
		return nil, errs
	}
	l, root := loadCUE(in)
	if len(l.errs) > 0 {
		return nil, Errors(sorted(l.errs))
	}
	p := &Policy{dir: dir, places: l.places(), cue: cuecontext.New()}
	value := p.cue.BuildInstance(root)
	if err := value.Validate(); err != nil {
		return nil, Errors(sorted(cueErrors(p.places, err)))
	}
	if errs := p.read(value); len(errs) > 0 {
		return nil, Errors(sorted(errs))
	}
	return p, nil
}

// onePackage refuses files that would silently be no part of the policy.
func (d *cueDir) onePackage(names []string) Errors {
	var errs Errors
	first := ""
	for _, name := range names {
		text, err := d.directory.read(name, maxBytes)
		if err != nil {
			return Errors{{Pos: Pos{File: d.shown(name)}, Msg: err.Error()}}
		}
		its, _ := packageClause(d.shown(name), text)
		switch {
		case its == "":
			errs = append(errs, Error{Pos: Pos{d.shown(name), 1, 1}, Msg: "the file is of no package", Hint: "write `package policy` at its top"})
		case first == "":
			first = its
		case its != first:
			errs = append(errs, Error{Pos: Pos{d.shown(name), 1, 1}, Msg: "the package is " + its + ", that of the files before is " + first, Hint: "all policies of a directory are one package"})
		}
	}
	return errs
}

// read finds the rules of a package.
func (p *Policy) read(value cue.Value) Errors {
	var errs Errors
	fields, err := value.Fields()
	if err != nil {
		return cueErrors(p.places, err)
	}
	for fields.Next() {
		r := policyRule{name: fields.Selector().Unquoted(), pos: p.at(fields.Value())}
		errs = append(errs, p.readRule(&r, fields.Value())...)
		p.rules = append(p.rules, r)
	}
	if len(p.rules) == 0 && len(errs) == 0 {
		errs = append(errs, Error{Pos: Pos{File: p.places.main}, Msg: "there is no rule", Hint: `a rule is a field such as "no-latest": {message: "...", deny: {...}}`})
	}
	return errs
}

// at is where a value of the policy is written.
func (p *Policy) at(v cue.Value) Pos {
	for _, at := range []token.Pos{v.Pos(), valuePos(v)} {
		if pos := p.places.user(at); pos.IsValid() {
			return pos
		}
	}
	return Pos{File: p.places.main}
}

func (p *Policy) readRule(r *policyRule, v cue.Value) Errors {
	var errs Errors
	fail := func(at cue.Value, path, msg, hint string) {
		e := Error{Pos: p.at(at), Path: join(r.name), Msg: msg, Hint: hint}
		if path != "" {
			e.Path += "." + path
		}
		errs = append(errs, e)
	}
	parts, err := v.Fields()
	if err != nil {
		fail(v, "", "a rule is a struct with a message, and with deny or require", "begin the name with _ if it is no rule")
		return errs
	}
	known := []string{"deny", "match", "message", "require"}
	for parts.Next() {
		name, part := parts.Selector().Unquoted(), parts.Value()
		switch name {
		case "message":
			if r.message, err = part.String(); err != nil || strings.TrimSpace(r.message) == "" {
				fail(part, name, "want a text", "say what to do instead")
			}
			continue
		case "match":
			r.match = part
		case "deny":
			r.deny = part
		case "require":
			r.require = part
		default:
			hint := "a rule has message, match, deny and require"
			if near := didYouMean(name, known); near != "" {
				hint = near
			}
			fail(part, name, "a rule has no such field", hint)
			continue
		}
		r.names = append(r.names, p.patternNames(part, func(at cue.Value, msg, hint string) { fail(at, name, msg, hint) })...)
	}
	switch about := []string{"object", "pod", "containers", "change", "plan"}; {
	case len(errs) > 0:
	case r.message == "":
		fail(v, "message", "is missing", "say what to do instead")
	case !r.deny.Exists() && !r.require.Exists():
		fail(v, "", "neither denies nor requires anything", "write what must not be as deny, or what must be as require")
	case !slices.ContainsFunc(about, func(name string) bool { return slices.Contains(r.names, name) }):
		fail(v, "", "is about nothing", "name one of "+strings.Join(about, ", ")+" in match, deny or require")
	}
	return errs
}

// patternNames returns what a subject must consist of for a pattern.
func (p *Policy) patternNames(pattern cue.Value, fail func(at cue.Value, msg, hint string)) []string {
	fields, err := pattern.Fields(cue.Optional(true))
	if err != nil {
		fail(pattern, "want a struct over "+strings.Join(PolicyNames, ", "), "")
		return nil
	}
	var names []string
	for fields.Next() {
		name := fields.Selector().Unquoted()
		if !slices.Contains(PolicyNames, name) {
			hint := "there are " + strings.Join(PolicyNames, ", ")
			if near := didYouMean(name, PolicyNames); near != "" {
				hint = near + " " + hint
			}
			fail(fields.Value(), "nothing is called "+quote(name), hint)
		} else if !fields.IsOptional() {
			names = append(names, name)
		}
	}
	return names
}

// Check asks all rules about subjects, whose values are by the names of
// [PolicyNames], and returns every violation. The ceilings are those of [Load].
func (p *Policy) Check(ctx context.Context, subjects []map[string]any) ([]Violation, error) {
	return guarded(ctx, p.dir, ordinary, func() ([]Violation, error) { return p.check(subjects) })
}

func (p *Policy) check(subjects []map[string]any) ([]Violation, error) {
	var all []Violation
	for i, subject := range subjects {
		s := &policySubject{Policy: p, values: subject, value: p.cue.Encode(subject)}
		if err := s.value.Err(); err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
		for _, r := range p.rules {
			for _, v := range s.ask(r) {
				v.Rule, v.Message, v.Subject = r.name, r.message, i
				all = append(all, v)
			}
		}
	}
	return all, nil
}

// policySubject is what a rule is asked about.
type policySubject struct {
	*Policy
	values map[string]any
	value  cue.Value
}

// ask returns how the subject breaks a rule.
func (s *policySubject) ask(r policyRule) []Violation {
	for _, name := range r.names {
		if s.values[name] == nil {
			return nil
		}
	}
	if r.match.Exists() && len(s.lacks(r.match)) > 0 {
		return nil
	}
	var all []Violation
	if r.deny.Exists() && len(s.lacks(r.deny)) == 0 {
		all = append(all, Violation{Pos: r.pos, Path: s.about(r.deny)})
	}
	if r.require.Exists() {
		for _, v := range s.lacks(r.require) {
			if !v.Pos.IsValid() {
				v.Pos = r.pos
			}
			all = append(all, v)
		}
	}
	return all
}

// lacks returns what keeps the subject from having a pattern.
func (s *policySubject) lacks(pattern cue.Value) []Violation {
	both := s.value.Unify(pattern)
	var all []Violation
	if err := both.Validate(cue.Concrete(true), cue.Final()); err != nil {
		errs := cueerrors.Errors(err)
		for _, one := range errs {
			if s.places.isEcho(one, errs) {
				continue
			}
			e := s.places.error(one)
			path, there := s.path(one.Path())
			if !there {
				e.Msg = "is missing"
			}
			all = append(all, Violation{Pos: e.Pos, Path: path, Msg: e.Msg})
		}
		return all
	}
	s.added(both, s.value, nil, &all)
	return all
}

// added finds fields that only the pattern has: it asks for them, and unifying
// has made them.
func (s *policySubject) added(both, own cue.Value, path []any, all *[]Violation) {
	switch both.IncompleteKind() {
	case cue.StructKind:
		fields, err := both.Fields()
		for err == nil && fields.Next() {
			name := fields.Selector().Unquoted()
			at := append(path[:len(path):len(path)], name)
			theirs := own.LookupPath(cue.MakePath(fields.Selector()))
			if !theirs.Exists() {
				*all = append(*all, Violation{Pos: s.at(fields.Value()), Path: at, Msg: "is missing"})
				continue
			}
			s.added(fields.Value(), theirs, at, all)
		}
	case cue.ListKind:
		items, err := both.List()
		for i := 0; err == nil && items.Next(); i++ {
			s.added(items.Value(), own.LookupPath(cue.MakePath(cue.Index(i))), append(path[:len(path):len(path)], i), all)
		}
	}
}

// about leads to what a pattern that the subject has is about most of all: the
// last field it names.
func (s *policySubject) about(pattern cue.Value) []any {
	var path []any
	for pattern.IncompleteKind() == cue.StructKind {
		fields, err := pattern.Fields()
		if err != nil || !fields.Next() {
			break
		}
		name, value := fields.Selector().Unquoted(), fields.Value()
		for fields.Next() {
			name, value = fields.Selector().Unquoted(), fields.Value()
		}
		path, pattern = append(path, name), value
	}
	return path
}

// path makes steps of a path of CUE, and reports whether the subject has what it
// leads to.
func (s *policySubject) path(names []string) (path []any, there bool) {
	var at any = s.values
	for _, name := range names {
		if unquoted, err := strconv.Unquote(name); err == nil {
			name = unquoted
		}
		if list, ok := at.([]any); ok {
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(list) {
				return path, true // the list is too short
			}
			path, at = append(path, i), list[i]
			continue
		}
		fields, _ := at.(map[string]any)
		path, at = append(path, name), fields[name]
	}
	return path, at != nil
}
