package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// draft is a revision about to be recorded; create fills in its sizes.
type draft struct {
	summary   Summary
	objects   []*unstructured.Unstructured
	source    []byte
	inventory []item
	key       []byte
	run       string
	// later holds namespaces that do not exist yet: the data of Secrets in
	// them are stored by keepValues once they do.
	later map[string]bool
}

// create records a revision as pending. An AlreadyExists error means that
// another run has won the number.
func (r *records) create(ctx context.Context, d *draft) error {
	if err := r.keepValues(ctx, d.key, d.objects, func(namespace string) bool { return !d.later[namespace] }); err != nil {
		return err
	}
	stored, values := make([]storedObject, len(d.objects)), []string{}
	for i, o := range d.objects {
		stripped, data := strip(o)
		stored[i].Object = stripped
		if len(data) > 0 {
			stored[i].Value = r.valueName(d.key, o, data)
			values = append(values, o.GetNamespace()+"/"+stored[i].Value)
		}
	}
	slices.Sort(values)
	parts, blocks, err := pack(map[string][]byte{
		partObjects: canonical(stored), partInventory: canonical(d.inventory),
		partSource: d.source, partValues: canonical(slices.Compact(values)),
	})
	if err != nil {
		return err
	}
	n := d.summary.Revision
	secret := r.secret(r.indexName(n), "revision", typeRevision)
	secret.Data[keyRandom] = d.key
	x := index{Format: recordFormat, Parts: parts, Run: d.run}
	written, err := r.storeBlocks(ctx, secret, x, blocks)
	if err != nil {
		return err
	}
	d.summary.Size, d.summary.Written = 0, written
	for _, b := range blocks {
		d.summary.Size += int64(len(b))
	}
	d.summary = d.summary.recorded()
	r.sealInto(secret, x, d.summary)
	secret.Labels = indexLabels(r.stack, n)
	secret.Labels[labelStatus] = string(StatusPending)
	secret.Annotations = r.annotations(d.summary)
	return r.post(ctx, secret)
}

// finish records what became of a revision: its outcome, then its status.
func (r *records) finish(ctx context.Context, s Summary, run string, o outcome) error {
	s = s.recorded()
	secret := r.secret(r.outcomeName(s.Revision), "outcome", typeOutcome)
	secret.Labels[labelNumber], secret.Labels[labelFormat] = strconv.Itoa(s.Revision), strconv.Itoa(recordFormat)
	parts, blocks, err := pack(map[string][]byte{partOutcome: canonical(o)})
	if err != nil {
		return err
	}
	x := index{Format: recordFormat, Parts: parts, Run: run}
	if _, err := r.storeBlocks(ctx, secret, x, blocks); err != nil {
		return err
	}
	r.sealInto(secret, x, s)
	if err := r.put(ctx, secret); err != nil { // makes that of a stack anew that was deleted half
		return err
	}
	if err := failpoint("after-outcome"); err != nil {
		return err
	}
	return r.setStatus(ctx, s, StatusPending)
}

// sealInto puts the index of a record into its Secret.
func (r *records) sealInto(secret *v1.Secret, x index, s Summary) {
	x.Summary = s
	x.Digest = x.seal(r.stack, secret.Name, secret.Data[keyRandom])
	secret.Data[keyIndex] = canonical(x)
}

// storeBlocks puts the inline blocks of a record into its Secret and stores the
// others as chunks. It returns the bytes that were not stored before.
func (r *records) storeBlocks(ctx context.Context, secret *v1.Secret, x index, blocks map[string][]byte) (int64, error) {
	var written atomic.Int64
	for name, p := range x.Parts {
		if p.Inline {
			secret.Data[name] = blocks[p.Blocks[0].SHA256]
			written.Add(int64(len(secret.Data[name])))
		}
	}
	chunks := x.chunks()
	if len(chunks) == 0 {
		return written.Load(), nil
	}
	there, err := r.cluster.listMetadata(ctx, secretsResource, r.stack.Namespace, metav1.ListOptions{FieldSelector: "type=" + typeChunk})
	if err != nil {
		return 0, forbidden(err)
	}
	exists := map[string]bool{}
	for i := range there {
		exists[there[i].Name] = true
	}
	err = r.cluster.each(ctx, len(chunks), func(ctx context.Context, i int) error {
		chunk := r.secret(r.prefix()+chunks[i].chunk(), "chunk", typeChunk)
		if exists[chunk.Name] && r.known[chunks[i].SHA256] {
			return nil
		}
		chunk.Data[keyChunk] = blocks[chunks[i].SHA256]
		if !exists[chunk.Name] {
			written.Add(int64(len(chunk.Data[keyChunk])))
		}
		return r.put(ctx, chunk)
	})
	return written.Load(), err
}

// setStatus writes the status and the summary of a revision, if its status
// still is the expected one: somebody else may have judged it meanwhile.
func (r *records) setStatus(ctx context.Context, s Summary, expected RevisionStatus) error {
	return retry(ctx, recordPatience, func(ctx context.Context) error { return r.trySetStatus(ctx, s, expected) })
}

func (r *records) trySetStatus(ctx context.Context, s Summary, expected RevisionStatus) error {
	secret, err := r.get(ctx, r.indexName(s.Revision))
	if err != nil {
		return err
	}
	if secret == nil {
		return fmt.Errorf("revision %d of %s is gone", s.Revision, r.stack)
	}
	switch RevisionStatus(secret.Labels[labelStatus]) {
	case expected:
	case s.Status:
		return nil // an earlier try whose answer was lost
	default:
		return fmt.Errorf("revision %d of %s was marked %s by somebody else", s.Revision, r.stack, secret.Labels[labelStatus])
	}
	if err := r.allowed(ctx); err != nil {
		return err
	}
	patch := canonical(map[string]any{"metadata": map[string]any{
		"resourceVersion": secret.ResourceVersion,
		"labels":          map[string]string{labelStatus: string(s.Status)},
		"annotations":     r.annotations(s),
	}})
	ctx, cancel := r.cluster.within(ctx)
	defer cancel()
	_, err = r.cluster.core.Secrets(r.stack.Namespace).Patch(ctx, secret.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: r.cluster.manager})
	return err
}

func (r *records) annotations(s Summary) map[string]string {
	text := string(canonical(s.recorded()))
	return map[string]string{annotationSummary: text, annotationDigest: summaryDigest(r.stack, s.Revision, text)}
}

// recorded is the summary as it is written: lists and texts are cut so that the
// annotation stays far below the API's limit of 256 KiB, and what is read back
// is the same.
func (s Summary) recorded() Summary {
	const images, text, word = 32 << 10, 4 << 10, 1 << 10 // bytes
	if n := fitting(s.Images, images); n < len(s.Images) {
		s.Images = append(slices.Clone(s.Images[:n]), fmt.Sprintf("and %d more", len(s.Images)-n))
	}
	s.Cause, s.Error = cut(s.Cause, text), cut(s.Error, text)
	for _, field := range []*string{&s.Author, &s.Commit, &s.CI, &s.Tool, &s.Environment, &s.Plan} {
		*field = cut(*field, word)
	}
	var again Summary
	if json.Unmarshal(canonical(s), &again) != nil {
		return s
	}
	return again
}

// fitting returns how many texts to keep of those that are longer than size
// bytes together. A list that was cut is kept as it is.
func fitting(texts []string, size int) int {
	n, sum := len(texts), 0
	for i, text := range texts {
		if sum += len(text); sum > size && n == len(texts) {
			n = i
		}
	}
	if sum <= size+64 {
		return len(texts)
	}
	return n
}

// cut shortens a text to about n bytes. One that was cut is left as it is.
func cut(s string, n int) string {
	if len(s) <= n || len(s) <= n+len("…") && strings.HasSuffix(s, "…") {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// remove deletes a record; one that is gone is no error.
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
