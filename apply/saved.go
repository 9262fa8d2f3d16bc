package apply

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A saved plan is a plan that outlives its process: it is reviewed, kept, and
// carried out later or elsewhere. It holds what was shown, what to carry out, and
// what the cluster was like; it is no list of requests. To carry it out, the
// same target is planned again, and a plan that comes to anything else than the
// one that was shown is stale. So a saved plan can do no more than it says.
//
// No secret value is in it. Where the target has one stands a mask, beside it
// where the value is read and a digest of it that the stack's random key, which
// only the cluster has, is needed for.

// SavedPlan is one plan of a [PlanFile].
type SavedPlan struct {
	Made Made `json:"made"`
	// Shown is the plan as it was approved, masked.
	Shown json.RawMessage `json:"plan"`
	// Bound is the cluster that it was made for.
	Bound bound `json:"bound"`
	// Execute is what is planned again.
	Execute savedTarget `json:"execute"`
	// Seal is a digest of all else with the stack's key, which proves that the
	// plan is from who may read the stack's records. There is none before the
	// first revision.
	Seal string `json:"seal,omitempty"`

	shown  Plan
	digest string // of the file
}

// Made says how a plan came about.
type Made struct {
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Tool    string    `json:"tool,omitempty"`
	Command string    `json:"command,omitempty"`
	// Commit and Dirty are those of the description.
	Commit string `json:"commit,omitempty"`
	Dirty  bool   `json:"dirty,omitempty"`
}

// bound is what a saved plan was made for.
type bound struct {
	Cluster string `json:"cluster"` // the uid of its namespace kube-system
	// Record tells the stack's key from another one.
	Record string `json:"record,omitempty"`
	// Salt is what digests are made with as long as the stack has no key.
	Salt []byte `json:"salt,omitempty"`
	// Objects are those of the plan that exist.
	Objects []objectState `json:"objects"`
}

// savedTarget is a [Target] without secret values.
type savedTarget struct {
	Verb        Verb             `json:"verb"`
	Environment string           `json:"environment,omitempty"`
	RollbackTo  int              `json:"rollbackTo,omitempty"`
	ScaledFrom  int              `json:"scaledFrom,omitempty"`
	DeleteData  bool             `json:"deleteData,omitempty"`
	Consent     savedConsent     `json:"consent,omitzero"`
	AllowPrune  int              `json:"allowPrune,omitempty"`
	Description savedDescription `json:"description"`
	// Objects have masks where Withheld has an entry.
	Objects  []map[string]any `json:"objects"`
	Withheld []Withheld       `json:"withheld"`
}

// savedConsent is a [Consent], as flags write it.
type savedConsent struct {
	Force       bool     `json:"force,omitempty"`
	Take        []string `json:"take,omitempty"`
	Yield       []string `json:"yield,omitempty"`
	Adopt       []string `json:"adopt,omitempty"`
	Recreate    []string `json:"recreate,omitempty"`
	Unpreviewed bool     `json:"unpreviewed,omitempty"`
	Prune       []string `json:"prune,omitempty"`
}

// Description is what a target was rendered from.
type Description struct {
	// Main is the file that [Target.Source] is the text of; empty for none that
	// can be read again.
	Main string
	// Files are all files that were read, Main among them.
	Files []DescribedFile
	// SourceOf says where a secret value of an object is read again.
	SourceOf func(object *unstructured.Unstructured, path []string) ValueSource
}

// DescribedFile is a file of a description.
type DescribedFile struct {
	Name string
	Text []byte
}

// Save returns a plan as it can be kept: with all that is needed to carry out
// exactly that plan in the same state of the same cluster, and without a secret
// value. allowPrune is the consent of [Run.AllowPrune].
func (e *Engine) Save(ctx context.Context, plan *Plan, from Description, allowPrune int, made Made) (_ *SavedPlan, err error) {
	defer e.cluster.redact.leaving(&err)
	return e.save(ctx, plan, from, allowPrune, made)
}

func (e *Engine) save(ctx context.Context, plan *Plan, from Description, allowPrune int, made Made) (*SavedPlan, error) {
	uid, err := e.cluster.uid(ctx)
	if err != nil {
		return nil, err
	}
	s := &SavedPlan{Made: made, Bound: bound{Cluster: uid, Objects: []objectState{}}}
	f := &fingerprint{key: plan.base.key, manager: e.stack.Manager(), redact: e.cluster.redact}
	if len(f.key) > 0 {
		s.Bound.Record = f.record()
	} else {
		f.salt = newKey()[:16]
		s.Bound.Salt = f.salt
	}
	states, err := e.look(ctx, plan, f)
	if err != nil {
		return nil, err
	}
	for i, state := range states {
		if plan.Changes[i].moved(state) {
			return nil, stale("%s was changed while the plan was made", plan.Changes[i].Object)
		}
		if state != nil {
			s.Bound.Objects = append(s.Bound.Objects, *state)
		}
	}
	if s.Execute, err = e.saveTarget(plan.target, from, f); err != nil {
		return nil, err
	}
	s.Execute.AllowPrune = allowPrune
	s.Made.Command = e.cluster.redact.text(made.Command)
	e.cluster.redact.plan(plan) // more may be known to be secret by now
	s.Shown, s.shown = canonical(plan), *plan
	s.Seal = s.seal(f)
	return s, nil
}

// moved reports that an object is no longer what the change was planned for.
func (c *Change) moved(state *objectState) bool {
	uid := cmp.Or(c.pin.uid, c.sent.UID, c.awaits)
	switch {
	case c.Spare, c.finished:
		return false
	case state == nil:
		return uid != ""
	}
	return uid != state.UID || c.pin.digest != "" && c.pin != state.pin
}

// saveTarget leaves the secret values out of a target.
func (e *Engine) saveTarget(target Target, from Description, f *fingerprint) (savedTarget, error) {
	c := target.Consent
	t := savedTarget{
		Verb: target.Verb, Environment: target.Environment, RollbackTo: target.RollbackTo, ScaledFrom: target.ScaledFrom, DeleteData: target.DeleteData,
		Consent: savedConsent{Force: c.Force, Take: texts(c.Take), Yield: texts(c.Yield), Adopt: texts(c.Adopt), Recreate: texts(c.Recreate), Unpreviewed: c.Unpreviewed, Prune: c.Prune},
		Objects: []map[string]any{}, Withheld: []Withheld{},
	}
	for _, o := range target.Objects {
		shown, values := e.cluster.redact.withhold(o)
		t.Objects = append(t.Objects, shown)
		for _, w := range values {
			w.Source = from.SourceOf(o, w.Path)
			if w.Source == (ValueSource{}) {
				return t, &UnsourcedError{Object: w.Object, Path: w.place()}
			}
			if len(f.key) > 0 || !w.Source.described() { // else that of the file is enough, and not as slow
				w.Digest = f.secret(w.label(), canonical(w.value))
			}
			t.Withheld = append(t.Withheld, w)
		}
	}
	t.Description.Main = from.Main
	holds := func(name string, text []byte) bool {
		return f.holdsSecret(text) || slices.ContainsFunc(t.Withheld, func(w Withheld) bool { return w.Source.in(name) })
	}
	for _, file := range from.Files {
		digest := f.quick
		if holds(file.Name, file.Text) {
			digest = f.secret
		}
		t.Description.Files = append(t.Description.Files, savedFile{file.Name, digest(fileLabel(file.Name), file.Text)})
	}
	switch {
	case !holds(from.Main, target.Source):
		text := string(target.Source)
		t.Description.Source = &text
	case from.Main == "":
		return t, &UnsourcedError{}
	}
	return t, nil
}

// UnsourcedError says that a plan cannot be saved, since a secret value of it
// can be read nowhere again.
type UnsourcedError struct {
	Object ObjectKey
	Path   string
}

func (e *UnsourcedError) Error() string {
	if e.Path == "" {
		return "the description holds a secret value, which no plan file may hold, and is in no file to read it from again"
	}
	return fmt.Sprintf("%s: %s is a secret value, which no plan file may hold, and is in no file to read it from again", e.Object, e.Path)
}

// Hint says how to go on.
func (e *UnsourcedError) Hint() string {
	return "put the description into a file, or let the value come with secrets: {NAME: {fromEnv: NAME}}"
}

// seal is the digest that proves who made a plan, "" without a key. It is of the
// content, however that is laid out.
func (s *SavedPlan) seal(f *fingerprint) string {
	content, err := exactly[map[string]any](canonical(s))
	if len(f.key) == 0 || err != nil {
		return ""
	}
	delete(content, "seal")
	return f.quick("plan", canonical(content))
}

// Stack returns the stack that the plan is for.
func (s *SavedPlan) Stack() Stack { return s.shown.Stack }

// Verb returns what the plan is for.
func (s *SavedPlan) Verb() Verb { return s.Execute.Verb }

// Digest is that of the file that the plan is from. A revision has it on record
// as [Summary.Plan].
func (s *SavedPlan) Digest() string { return s.digest }

// AllowPrune is how many deletes the plan was approved to make where that is
// suspiciously many.
func (s *SavedPlan) AllowPrune() int { return s.Execute.AllowPrune }

// Main is the main file of the description, "" for none.
func (s *SavedPlan) Main() string { return s.Execute.Description.Main }

// Environment is the environment of the description.
func (s *SavedPlan) Environment() string { return s.Execute.Environment }

// Consent is what the plan may do beyond what is harmless.
func (s *SavedPlan) Consent() (c Consent, err error) {
	t := s.Execute.Consent
	c = Consent{Force: t.Force, Unpreviewed: t.Unpreviewed, Prune: t.Prune}
	for _, one := range []struct {
		to   *[]FieldPattern
		from []string
	}{{&c.Take, t.Take}, {&c.Yield, t.Yield}} {
		if *one.to, err = parsed(one.from, ParseFieldPattern); err != nil {
			return c, err
		}
	}
	for _, one := range []struct {
		to   *[]ObjectPattern
		from []string
	}{{&c.Adopt, t.Adopt}, {&c.Recreate, t.Recreate}} {
		if *one.to, err = parsed(one.from, ParseObjectPattern); err != nil {
			return c, err
		}
	}
	return c, nil
}

// texts writes patterns as flags have them, parsed reads them.
func texts[P fmt.Stringer](patterns []P) (all []string) {
	for _, p := range patterns {
		all = append(all, p.String())
	}
	return all
}

func parsed[P any](texts []string, parse func(string) (P, error)) (all []P, err error) {
	for _, text := range texts {
		p, err := parse(text)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// Sources reads again what a saved plan leaves out.
type Sources struct {
	// Files returns the files of the description as they are now; none when the
	// main file is not there.
	Files func() ([]DescribedFile, error)
	// Value reads a value. What its error says has no value in it.
	Value func(Withheld) (any, error)
}

// Restore returns the plan that was saved, ready for [Engine.Apply]. A
// [StalePlanError] says that it no longer is what would happen, and why. It only
// reads (and sends dry-runs).
func (e *Engine) Restore(ctx context.Context, saved *SavedPlan, from Sources) (_ *Plan, err error) {
	defer e.cluster.redact.leaving(&err)
	plan, err := e.restore(ctx, saved, from)
	if err != nil {
		return nil, err
	}
	e.cluster.redact.plan(plan)
	return plan, nil
}

func (e *Engine) restore(ctx context.Context, saved *SavedPlan, from Sources) (*Plan, error) {
	if saved.Stack() != e.stack {
		return nil, fmt.Errorf("the plan is for stack %s, not for %s", saved.Stack(), e.stack)
	}
	uid, err := e.cluster.uid(ctx)
	if err != nil {
		return nil, err
	}
	if uid != saved.Bound.Cluster {
		return nil, stale("it was made for the cluster %s (%s), and this is %s (%s)", saved.Bound.Cluster, saved.shown.Server, uid, e.cluster.server)
	}
	f, err := e.sameRecord(ctx, saved)
	if err != nil {
		return nil, err
	}
	target, reasons, err := e.fill(saved, f, from)
	if err != nil {
		return nil, err
	}
	if len(reasons) > 0 {
		return nil, &StalePlanError{Reasons: reasons}
	}
	e.cluster.redact.learn(target.Objects...)
	plan, err := e.plan(ctx, target)
	if err != nil {
		return nil, err
	}
	if reasons, err = e.compareSaved(ctx, saved, plan, f); err != nil {
		return nil, err
	}
	if len(reasons) > 0 {
		return nil, &StalePlanError{Reasons: reasons}
	}
	return plan, nil
}

func stale(format string, args ...any) error {
	return &StalePlanError{Reasons: []string{fmt.Sprintf(format, args...)}}
}

// sameRecord makes sure that a plan was made for the newest revision on record,
// and returns what its digests are made with.
func (e *Engine) sameRecord(ctx context.Context, saved *SavedPlan) (*fingerprint, error) {
	history, err := e.records.list(ctx)
	if err != nil {
		return nil, err
	}
	base := 0
	if last := newest(history); last != nil {
		base = last.Revision
	}
	if done := slices.IndexFunc(history, func(s Summary) bool { return s.Plan != "" && s.Plan == saved.digest }); done >= 0 {
		return nil, stale("it was carried out already, as revision %d (%s)", history[done].Revision, history[done].Status)
	}
	switch was := saved.shown.Base; {
	case base > was:
		return nil, stale("it was made when revision %d was the newest, and revision %d was recorded since", was, base)
	case base < was:
		return nil, stale("it was made when revision %d was the newest, and that is no longer on record", was)
	}
	newest, _, err := e.records.newestReadable(ctx, history)
	if err != nil {
		return nil, err
	}
	f := &fingerprint{key: newest.key, salt: saved.Bound.Salt, manager: e.stack.Manager(), redact: e.cluster.redact}
	if len(f.key) > 0 {
		f.salt = nil
	}
	switch {
	case len(f.key) == 0 && saved.Bound.Record == "":
	case len(f.key) == 0, f.record() != saved.Bound.Record:
		return nil, stale("the records of %s were made anew since", e.stack)
	case saved.seal(f) != saved.Seal:
		return nil, &PlanFileError{Reason: "it was not made by who may read the records of the stack: its seal does not match"}
	}
	return f, nil
}
