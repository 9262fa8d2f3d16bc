package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// retire removes revisions beyond the number and size that are kept, and what
// only they referred to. It runs under the lock, after success. The deployed
// revision, the one before it that was good, and the target of a rollback stay.
// When no revision goes, nothing else does, and no record is read.
func (r *records) retire(ctx context.Context, o Options, target int) error {
	all, err := r.listOwn(ctx)
	if err != nil {
		return err
	}
	old := expired(all, o, target)
	if len(old) == 0 {
		return nil
	}
	refs, err := r.references(ctx)
	if err != nil {
		return err
	}
	for _, n := range old {
		if err := r.deleteRevision(ctx, n); err != nil {
			return err
		}
	}
	return r.collect(ctx, refs, old)
}

// expired returns the numbers of the revisions to remove, oldest first. Good
// revisions and others are counted apart, so that a series of failures does
// not push out what a rollback could go back to.
func expired(all []Summary, o Options, target int) []int {
	live := deployed(all)
	keep := map[int]bool{live: true, target: true}
	for _, s := range slices.Backward(all) { // the last good one before the live one
		if s.Revision < live && s.good() {
			keep[s.Revision] = true
			break
		}
	}
	var old []int
	var size int64
	count := map[bool]int{}
	for i, s := range slices.Backward(all) {
		alone := s.Size // what goes when it goes
		if i < len(all)-1 {
			alone = min(max(s.Size-all[i+1].Size+all[i+1].Written, 0), s.Size)
		}
		size += alone
		count[s.good()]++
		if beyond := count[s.good()] > o.KeepRevisions || size > o.KeepBytes; beyond && !keep[s.Revision] && i != len(all)-1 {
			old = append(old, s.Revision)
		}
	}
	slices.Reverse(old)
	return old
}

// deleteRevision removes the outcome first: without an index nobody finds it.
func (r *records) deleteRevision(ctx context.Context, n int) error {
	if err := r.remove(ctx, r.stack.Namespace, r.outcomeName(n)); err != nil {
		return err
	}
	return r.remove(ctx, r.stack.Namespace, r.indexName(n))
}

// recordRefs is what a record needs beside itself: chunks by name, value
// Secrets as namespace/name.
type recordRefs struct {
	chunks, values []string
	unknown        bool // the record cannot be read
}

// references reads what all records of the stack refer to: their indexes, but
// no chunks. The key is the number of the revision.
func (r *records) references(ctx context.Context) (map[int]*recordRefs, error) {
	all := map[int]*recordRefs{}
	for _, kind := range []string{typeRevision, typeOutcome} {
		err := r.eachSecret(ctx, kind, func(secret *v1.Secret) error {
			stack, n, ok := parseIndexName(strings.TrimSuffix(secret.Name, outcomeSuffix))
			if !ok || stack != r.stack.Name {
				return nil
			}
			if all[n] == nil {
				all[n] = &recordRefs{}
			}
			return r.addReferences(ctx, all[n], secret, kind)
		})
		if err != nil {
			return nil, forbidden(err)
		}
	}
	return all, nil
}

func (r *records) addReferences(ctx context.Context, refs *recordRefs, secret *v1.Secret, kind string) error {
	x, err := r.openIndex(secret, kind)
	if err != nil {
		refs.unknown = true
		return nil
	}
	for _, b := range x.chunks() {
		refs.chunks = append(refs.chunks, r.prefix()+b.chunk())
	}
	if kind != typeRevision {
		return nil
	}
	only := x // large lists of values are in chunks
	only.Parts = map[string]part{partValues: x.Parts[partValues]}
	blocks := map[string][]byte{}
	for _, b := range only.chunks() {
		if blocks[b.SHA256], err = r.chunk(ctx, b); errors.Is(err, errCorrupt) {
			refs.unknown = true
			return nil
		} else if err != nil {
			return err
		}
	}
	content, err := only.unpack(partValues, secret.Data, blocks)
	if err == nil {
		refs.values, err = decode[[]string](content)
	}
	refs.unknown = refs.unknown || err != nil
	return nil
}

// eachSecret calls f for the Secrets of a type in the stack's namespace.
func (r *records) eachSecret(ctx context.Context, kind string, f func(*v1.Secret) error) error {
	options := metav1.ListOptions{FieldSelector: "type=" + kind, Limit: 20} // each may have a megabyte
	for {
		page, err := func() (*v1.SecretList, error) {
			ctx, cancel := r.cluster.within(ctx)
			defer cancel()
			return r.cluster.core.Secrets(r.stack.Namespace).List(ctx, options)
		}()
		if err != nil {
			return err
		}
		for i := range page.Items {
			if err := f(&page.Items[i]); err != nil {
				return err
			}
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return nil
		}
	}
}

// collect removes chunks and values that no revision refers to but those that
// went. Where one that stays cannot be read nothing is removed: what it needs
// is unknown.
func (r *records) collect(ctx context.Context, refs map[int]*recordRefs, gone []int) error {
	used, namespaces := map[string]bool{}, r.namespaces(refs)
	for n, ref := range refs {
		if slices.Contains(gone, n) {
			continue
		}
		if ref.unknown {
			return nil
		}
		for _, c := range ref.chunks {
			used[c] = true
		}
		for _, v := range ref.values {
			used[v] = true
		}
	}
	return r.sweep(ctx, namespaces, func(namespace, name, record string) bool {
		return record == "chunk" && !used[name] || record == "value" && !used[namespace+"/"+name]
	})
}

// namespaces returns those in which revisions keep records.
func (r *records) namespaces(refs map[int]*recordRefs) map[string]bool {
	all := map[string]bool{r.stack.Namespace: true}
	for _, ref := range refs {
		for _, v := range ref.values {
			namespace, _, _ := strings.Cut(v, "/")
			all[namespace] = true
		}
	}
	return all
}

// sweep deletes the records that match, in the given namespaces.
func (r *records) sweep(ctx context.Context, namespaces map[string]bool, match func(namespace, name, record string) bool) error {
	selector := fmt.Sprintf("%s,%s=%s,%s=%s", labelRecord, labelRecordOf, r.stack.Name, labelRecordNS, r.stack.Namespace)
	for namespace := range namespaces {
		list, err := r.cluster.listMetadata(ctx, secretsResource, namespace, labelled(selector))
		if err != nil {
			return forbidden(err)
		}
		err = r.cluster.each(ctx, len(list), func(ctx context.Context, i int) error {
			o := &list[i]
			if !strings.HasPrefix(o.Name, r.prefix()) || !match(namespace, o.Name, o.Labels[labelRecord]) {
				return nil
			}
			return r.remove(ctx, namespace, o.Name)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forget removes all records of a stack that was deleted. The newest revision
// goes last: as long as it is there, another delete can finish the work.
func (r *records) forget(ctx context.Context) error {
	all, err := r.listOwn(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	refs, err := r.references(ctx)
	if err != nil {
		return err
	}
	last := all[len(all)-1].Revision
	for _, s := range all[:len(all)-1] {
		if err := r.deleteRevision(ctx, s.Revision); err != nil {
			return err
		}
	}
	index := r.indexName(last)
	err = r.sweep(ctx, r.namespaces(refs), func(_, name, _ string) bool { return name != index })
	if err != nil {
		return err
	}
	return r.deleteRevision(ctx, last)
}

// forget ends a delete: the records go, and the Lease last.
func (x *execution) forget(ctx context.Context) error {
	if err := x.records.forget(ctx); err != nil {
		return fmt.Errorf("everything was deleted, but not the records of it; delete again: %w", err)
	}
	x.result.Revision, x.result.Status, x.result.Changes = 0, "", x.done()
	return x.lock.remove(ctx)
}
