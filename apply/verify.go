package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Verify reads every record of the stack: indexes, outcomes, chunks and the
// copies of Secret data, and compares them with what was sealed. It finds
// every change by somebody who does not know how records are made; who does,
// and may write Secrets, can make a history that is consistent in itself.
//
// What cannot be read is an error, so a verification that is returned looked
// at everything. A stack without records is ErrNoStack.
func (e *Engine) Verify(ctx context.Context) (_ *Verification, err error) {
	defer e.cluster.redact.leaving(&err)
	history, err := e.records.list(ctx)
	if err != nil {
		return nil, err
	}
	if len(history) == 0 {
		return nil, fmt.Errorf("%s: %w", e.stack, ErrNoStack)
	}
	v := &Verification{Stack: e.stack, Revisions: make([]VerifiedRevision, len(history)), Problems: []string{}}
	r := e.records.caching()
	refs := map[string]bool{} // chunk and value Secrets that are referred to
	for i, s := range history {
		v.Revisions[i] = VerifiedRevision{Revision: s.Revision, Status: s.Status, Problems: []string{}}
		if err := r.verifyRevision(ctx, s, v, refs); err != nil {
			return nil, err
		}
	}
	v.compareStatuses()
	return v, r.verifyRest(ctx, v, refs)
}

// verifyRevision reads one revision with all that belongs to it.
func (r *records) verifyRevision(ctx context.Context, s Summary, v *Verification, refs map[string]bool) error {
	rev, err := r.read(ctx, s.Revision)
	var newer *NewerRecordError
	switch {
	case errors.Is(err, errCorrupt), errors.As(err, &newer):
		v.blame(s.Revision, "%s", reason(err))
		return nil
	case err != nil:
		return err
	case rev.flaw != nil:
		v.blame(s.Revision, "%s", reason(rev.flaw))
	}
	for hash := range rev.chunks {
		refs[r.stack.Namespace+"/"+r.prefix()+block{SHA256: hash}.chunk()] = true
	}
	problems := make([]string, len(rev.Objects))
	err = r.cluster.each(ctx, len(rev.Objects), func(ctx context.Context, i int) error {
		o := rev.Objects[i]
		name, ok := rev.values[keyOf(o)]
		if !ok {
			return nil
		}
		_, err := r.value(ctx, rev, o, name)
		if errors.Is(err, errCorrupt) {
			problems[i], err = reason(err), nil
		}
		return err
	})
	for _, p := range problems {
		if p != "" {
			v.blame(s.Revision, "%s", p)
		}
	}
	for key, name := range rev.values {
		refs[key.Namespace+"/"+name] = true
	}
	return err
}

// reason is the text of a corruption without the words that say it is one.
func reason(err error) string {
	text := err.Error()
	if _, why, ok := strings.Cut(text, errCorrupt.Error()+": "); ok {
		before, _, _ := strings.Cut(text, errCorrupt.Error())
		if strings.HasPrefix(before, "the outcome") {
			return before + why
		}
		return why
	}
	return text
}

// compareStatuses looks at the statuses together: of those that ended well the
// last is the live one, and the others no longer are.
func (v *Verification) compareStatuses() {
	live := 0
	for i := range slices.Backward(v.Revisions) {
		r := &v.Revisions[i]
		if len(r.Problems) > 0 || r.Status != StatusDeployed && r.Status != StatusSuperseded {
			continue
		}
		switch {
		case live == 0 && r.Status == StatusSuperseded:
			r.Problems = append(r.Problems, "it is marked superseded, but no later revision ended well")
		case live != 0 && r.Status == StatusDeployed:
			r.Problems = append(r.Problems, fmt.Sprintf("it is marked deployed, but revision %d is what is live; the next apply mends it", live))
		}
		if live == 0 {
			live = r.Revision
		}
	}
}

// ownName matches what only a record is called, after the stack's prefix.
var ownName = onUse(`^(v[0-9]+(\.outcome)?|[cs]-[0-9a-f]{32,40})$`)

// verifyRest looks at Secrets that are called like records and that no
// revision led to.
func (r *records) verifyRest(ctx context.Context, v *Verification, refs map[string]bool) error {
	kinds := map[string]string{} // name → type, of the stack's namespace
	for _, kind := range []string{typeRevision, typeOutcome, typeChunk, typeValue} {
		list, err := r.cluster.listMetadata(ctx, secretsResource, r.stack.Namespace, metav1.ListOptions{FieldSelector: "type=" + kind})
		if err != nil {
			return forbidden(err)
		}
		for i := range list {
			kinds[list[i].Name] = kind
		}
	}
	list, err := r.cluster.listMetadata(ctx, secretsResource, r.stack.Namespace, metav1.ListOptions{})
	if err != nil {
		return forbidden(err)
	}
	for i := range list {
		o := &list[i]
		short, ok := strings.CutPrefix(o.Name, r.prefix())
		if !ok {
			continue
		}
		kind := kinds[o.Name]
		index := strings.TrimSuffix(o.Name, outcomeSuffix)
		_, n, isRevision := parseIndexName(index)
		switch {
		case kind == "" && ownName().MatchString(short):
			if v.of(n) == nil || index != o.Name && !isRevision {
				v.blame(0, "Secret %s is called like a record, but is none by its type", o.Name)
			}
		case kind == "":
		case isRevision && v.of(n) == nil:
			v.blame(0, "the index of revision %d is gone, its outcome is there", n)
		case !ownName().MatchString(short), !isRevision && (kind == typeRevision || kind == typeOutcome):
			v.blame(0, "Secret %s is of type %s, but no record is called so", o.Name, kind)
		case !isRevision && !refs[o.Namespace+"/"+o.Name] && v.Bad() == 0:
			v.Garbage++
		}
		if kind == "" || kind == typeRevision { // whose labels history looks at
			continue
		}
		for name, want := range r.labels(strings.TrimPrefix(kind, "stackctl.dev/")) {
			if got := o.Labels[name]; got != want {
				v.blame(n, "the label %s of Secret %s says %q", name, o.Name, got)
			}
		}
	}
	return nil
}
