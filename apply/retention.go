package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// retire removes revisions beyond the number and size that are kept, and what
// only they referred to. It runs under the lock, after success. The deployed
// revision, the one before it that was good, and the target of a rollback stay.
func (r *records) retire(ctx context.Context, o Options, target int) error {
	all, err := r.list(ctx)
	if err != nil {
		return err
	}
	old := expired(all, o, target)
	if len(old) == 0 {
		return nil
	}
	for _, n := range old {
		if err := r.deleteRevision(ctx, n); err != nil {
			return err
		}
	}
	namespaces := r.namespaces(all)
	kept := slices.DeleteFunc(all, func(s Summary) bool { return slices.Contains(old, s.Revision) })
	return r.collect(ctx, kept, namespaces)
}

// namespaces returns those in which revisions keep records.
func (r *records) namespaces(revisions []Summary) map[string]bool {
	all := map[string]bool{r.stack.Namespace: true}
	for _, s := range revisions {
		for _, ns := range s.ValueNamespaces {
			all[ns] = true
		}
	}
	return all
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
		size += s.Size
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

// collect removes chunks and values that no kept revision refers to. Where a
// kept revision cannot be read nothing is removed: what it needs is unknown.
func (r *records) collect(ctx context.Context, kept []Summary, namespaces map[string]bool) error {
	used := map[string]bool{}
	for _, s := range kept {
		rev, err := r.read(ctx, s.Revision)
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		for _, name := range []string{r.indexName(s.Revision), r.outcomeName(s.Revision)} {
			chunks, err := r.chunks(ctx, name)
			if err != nil {
				return err
			}
			for _, c := range chunks {
				used[c] = true
			}
		}
		for key, name := range rev.values {
			used[key.Namespace+"/"+name] = true
		}
	}
	return r.sweep(ctx, namespaces, func(namespace, name, record string) bool {
		return record == "chunk" && !used[name] || record == "value" && !used[namespace+"/"+name]
	})
}

// chunks lists the chunks a record refers to.
func (r *records) chunks(ctx context.Context, name string) ([]string, error) {
	secret, err := r.get(ctx, name)
	if err != nil || secret == nil {
		return nil, err
	}
	x, err := decode[index](secret.Data[keyIndex])
	if err != nil {
		return nil, err
	}
	var all []string
	for _, p := range x.Parts {
		all = append(all, p.Chunks...)
	}
	return all, nil
}

// sweep deletes the records that match, in the given namespaces.
func (r *records) sweep(ctx context.Context, namespaces map[string]bool, match func(namespace, name, record string) bool) error {
	selector := fmt.Sprintf("%s,%s=%s,%s=%s", labelRecord, labelRecordOf, r.stack.Name, labelRecordNS, r.stack.Namespace)
	for namespace := range namespaces {
		list, err := r.cluster.listMetadata(ctx, secretsResource, namespace, labelled(selector))
		if err != nil {
			return forbidden(err)
		}
		for i := range list {
			o := &list[i]
			if strings.HasPrefix(o.Name, r.prefix()) && match(namespace, o.Name, o.Labels[labelRecord]) {
				if err := r.remove(ctx, namespace, o.Name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *records) remove(ctx context.Context, namespace, name string) error {
	return retry(ctx, recordPatience, func(ctx context.Context) error {
		if err := r.allowed(ctx); err != nil {
			return err
		}
		ctx, cancel := r.cluster.within(ctx)
		defer cancel()
		err := r.cluster.core.Secrets(namespace).Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// forget removes all records of a stack that was deleted. The newest revision
// goes last: as long as it is there, another delete can finish the work.
func (r *records) forget(ctx context.Context) error {
	all, err := r.list(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	last := all[len(all)-1].Revision
	for _, s := range all[:len(all)-1] {
		if err := r.deleteRevision(ctx, s.Revision); err != nil {
			return err
		}
	}
	index := r.indexName(last)
	err = r.sweep(ctx, r.namespaces(all), func(_, name, _ string) bool { return name != index })
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
