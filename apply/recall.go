package apply

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Record is a revision as it can be shown: all that was written down about it,
// with the values of Secrets masked.
type Record struct {
	Summary
	// Flaw says what is wrong with a record whose content is proven: an edited
	// status or summary, a lost outcome. Summary is then what was recorded.
	Flaw string `json:"flaw,omitempty"`
	// Source is what the user wrote.
	Source string `json:"source"`
	// Outcomes are what became of the objects that were written.
	Outcomes []Outcome `json:"outcomes"`
	// Objects is what the revision wanted, in order of execution.
	Objects []map[string]any `json:"objects,omitempty"`

	// recalled are the objects with the name of the copy where the data of a
	// Secret stand.
	recalled []*unstructured.Unstructured
}

// Record returns a revision for reading. One whose content is damaged or was
// tampered with is an error. The data of Secrets are not read.
func (e *Engine) Record(ctx context.Context, n int) (_ *Record, err error) {
	defer e.cluster.redact.leaving(&err)
	rev, err := e.records.read(ctx, n)
	if err != nil {
		return nil, err
	}
	if rev.Status == StatusDeployed { // as the history shows it
		history, err := e.records.list(ctx)
		if err != nil {
			return nil, err
		}
		if live := deployed(history); live > n {
			rev.Status = StatusSuperseded
		}
	}
	r := &Record{Summary: rev.Summary, Source: string(rev.Source), Outcomes: rev.outcomes, Objects: []map[string]any{}}
	if r.Outcomes == nil {
		r.Outcomes = []Outcome{}
	}
	if rev.flaw != nil {
		r.Flaw = rev.flaw.Error()
	}
	for _, o := range rev.Objects {
		if name, ok := rev.values[keyOf(o)]; ok {
			o.Object["data"] = name // that of other data is another
		}
		r.recalled = append(r.recalled, o)
		r.Objects = append(r.Objects, maskObject(keyOf(o), o.Object))
	}
	return r, nil
}

// CompareRecords returns what turns the objects of one revision into those of
// another, as [Compare] does. That the data of a Secret differ is known by the
// names of their copies. Why a revision was made is no difference.
func CompareRecords(before, after *Record) []Change {
	causeless := func(r *Record) []*unstructured.Unstructured {
		all := make([]*unstructured.Unstructured, len(r.recalled))
		for i, o := range r.recalled {
			if all[i] = o; isWorkload(keyOf(o)) {
				all[i] = withCause(o, "")
			}
		}
		return all
	}
	return Compare(causeless(before), causeless(after))
}

// Verification is what reading every record of a stack found out.
type Verification struct {
	Stack     Stack              `json:"stack"`
	Revisions []VerifiedRevision `json:"revisions"` // oldest first
	// Problems are those of records that belong to no revision.
	Problems []string `json:"problems"`
	// Garbage counts chunks and copies of Secret data that no revision refers
	// to. They are no damage: a run that was killed left them, and one that
	// removes an old revision removes them too.
	Garbage int `json:"garbage"`
}

// VerifiedRevision is one revision of a [Verification].
type VerifiedRevision struct {
	Revision int            `json:"revision"`
	Status   RevisionStatus `json:"status"` // as history shows it
	Problems []string       `json:"problems"`
}

// OK reports whether every record is what was written.
func (v *Verification) OK() bool { return v.Bad() == 0 && len(v.Problems) == 0 }

// Bad counts the revisions with a problem.
func (v *Verification) Bad() int {
	n := 0
	for _, r := range v.Revisions {
		if len(r.Problems) > 0 {
			n++
		}
	}
	return n
}

func (v *Verification) of(n int) *VerifiedRevision {
	for i := range v.Revisions {
		if v.Revisions[i].Revision == n {
			return &v.Revisions[i]
		}
	}
	return nil
}

// blame adds a problem to a revision, or to the stack when there is no such
// revision.
func (v *Verification) blame(n int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if r := v.of(n); r != nil {
		r.Problems = append(r.Problems, text)
		return
	}
	v.Problems = append(v.Problems, text)
}
