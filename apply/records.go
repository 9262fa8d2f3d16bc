package apply

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// records is the history of a stack: immutable Secrets in its namespace.
//
//	stackctl.<stack>.v<N>          index of revision N, POSTed before the first write
//	stackctl.<stack>.v<N>.outcome  what became of it, POSTed at the end
//	stackctl.<stack>.c-<hash>      a chunk of either, shared by content
//	stackctl.<stack>.s-<hash>      the data of a Secret object, in that object's namespace
//
// Status and summary are labels and annotations of the index, so that a
// history is read without payloads, and can be changed while the payload
// cannot. A revision is created under a name that only one run can win.
type records struct {
	stack   Stack
	cluster *cluster
	// guard is asked before every write; it fails once the lock is lost.
	guard func(context.Context) error
	// known are the names of chunks that were proven a moment ago.
	known map[string]bool
	// cache, if any, keeps the chunks that were read: revisions share them.
	cache *chunkCache
}

// under returns the records as a run may write them that holds the lock.
func (r *records) under(l *lock) *records {
	guarded := *r
	guarded.guard = l.check
	return &guarded
}

const (
	typeRevision = "stackctl.dev/revision"
	typeOutcome  = "stackctl.dev/outcome"
	typeChunk    = "stackctl.dev/chunk"
	typeValue    = "stackctl.dev/value"

	labelRecord   = "stackctl.dev/record" // revision, outcome, chunk or value
	labelRecordOf = "stackctl.dev/record-of"
	labelRecordNS = "stackctl.dev/record-namespace"
	labelNumber   = "stackctl.dev/revision"
	labelStatus   = "stackctl.dev/status"
	labelFormat   = "stackctl.dev/format"

	annotationSummary = "stackctl.dev/summary"
	// annotationDigest covers the status, the summary and the record's place, so
	// that a list tells what was edited or copied by hand.
	annotationDigest = "stackctl.dev/summary-digest"

	keyIndex      = "index"
	keyRandom     = "key"
	keyChunk      = "chunk"
	outcomeSuffix = ".outcome"
)

var secretsResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

func (r *records) prefix() string           { return "stackctl." + r.stack.Name + "." }
func (r *records) indexName(n int) string   { return r.prefix() + "v" + strconv.Itoa(n) }
func (r *records) outcomeName(n int) string { return r.indexName(n) + outcomeSuffix }

func (r *records) labels(record string) map[string]string {
	return map[string]string{
		labelManagedBy: managedBy, labelRecord: record,
		labelRecordOf: r.stack.Name, labelRecordNS: r.stack.Namespace,
	}
}

// indexLabels are the labels of an index, but for its status.
func indexLabels(stack Stack, n int) map[string]string {
	labels := (&records{stack: stack}).labels("revision")
	labels[labelNumber], labels[labelFormat] = strconv.Itoa(n), strconv.Itoa(recordFormat)
	return labels
}

// maxRevision bounds the numbers that are taken for revisions.
const maxRevision = 1 << 53

// parseIndexName reads the stack and the number from the name of an index, as
// indexName writes it.
func parseIndexName(name string) (stack string, n int, ok bool) {
	i := strings.LastIndex(name, ".v")
	stack, ok = strings.CutPrefix(name[:max(i, 0)], "stackctl.")
	if !ok {
		return "", 0, false
	}
	n, err := strconv.Atoi(name[i+2:])
	return stack, n, err == nil && 0 < n && n < maxRevision && strconv.Itoa(n) == name[i+2:]
}

// revisions selects the indexes by their type: labels can be edited, it cannot.
var revisions = metav1.ListOptions{FieldSelector: "type=" + typeRevision}

// list returns the summaries of all revisions, oldest first. The number of a
// revision is in its name, so that a record whose content is damaged, or that
// was made anew with another type, still counts: by its labels, or because it
// has the name that comes next. So does one whose index was deleted, as long as
// its outcome is there: what it alone listed must not be forgotten.
func (r *records) list(ctx context.Context) ([]Summary, error) {
	found := make([][]metav1.PartialObjectMetadata, 2)
	err := r.cluster.each(ctx, 2, func(ctx context.Context, i int) (err error) {
		by := revisions
		if i == 1 {
			by = labelled(fmt.Sprintf("%s in (revision,outcome),%s=%s,%s=%s", labelRecord, labelRecordOf, r.stack.Name, labelRecordNS, r.stack.Namespace))
			by.FieldSelector = "type!=" + typeRevision // a revision that was recorded between the two lists is none of these
		}
		found[i], err = r.cluster.listMetadata(ctx, secretsResource, r.stack.Namespace, by)
		return err
	})
	if err != nil {
		return nil, forbidden(fmt.Errorf("read the history of %s: %w", r.stack, err))
	}
	seen := map[int]bool{}
	var ended []int // whose outcome is there
	all := make([]Summary, 0, len(found[0]))
	for i, secrets := range found {
		for j := range secrets {
			o := &secrets[j]
			name, isOutcome := strings.CutSuffix(o.Name, outcomeSuffix)
			stack, n, ok := parseIndexName(name)
			if !ok || stack != r.stack.Name || seen[n] {
				continue
			}
			if isOutcome {
				ended = append(ended, n)
				continue
			}
			seen[n] = true
			s := summaryOf(r.stack, n, o)
			if i == 1 {
				s = corruptSummary(n, o, notOfType)
			}
			all = append(all, s)
		}
	}
	for _, n := range ended {
		if seen[n] {
			continue
		}
		outcome, err := r.withoutIndex(ctx, n)
		if err != nil {
			return nil, forbidden(fmt.Errorf("read the history of %s: %w", r.stack, err))
		}
		if outcome != nil {
			seen[n], all = true, append(all, corruptSummary(n, outcome, "its index was deleted, only its outcome is left"))
		}
	}
	slices.SortFunc(all, func(a, b Summary) int { return a.Revision - b.Revision })
	for {
		n := 1
		if last := newest(all); last != nil {
			n = last.Revision + 1
		}
		foreign, err := r.named(ctx, r.indexName(n), "type!="+typeRevision)
		if err != nil {
			return nil, forbidden(fmt.Errorf("read the history of %s: %w", r.stack, err))
		}
		if foreign == nil {
			return all, nil
		}
		s := corruptSummary(n, foreign, notOfType)
		s.foreign = true
		all = append(all, s)
	}
}

const notOfType = "it is not of type " + typeRevision

// withoutIndex returns the outcome of a revision that has no index; nil when
// there is an index, or no outcome either. It asks again, in this order: a run
// that removes a revision removes its outcome first.
func (r *records) withoutIndex(ctx context.Context, n int) (outcome metav1.Object, err error) {
	index, err := r.named(ctx, r.indexName(n), "")
	if err != nil || index != nil {
		return nil, err
	}
	return r.named(ctx, r.outcomeName(n), "type="+typeOutcome)
}

// named returns the Secret of a name whose fields match a selector; nil when
// there is none. This takes no permission but to list.
func (r *records) named(ctx context.Context, name, selector string) (metav1.Object, error) {
	found, err := r.cluster.listMetadata(ctx, secretsResource, r.stack.Namespace, metav1.ListOptions{
		FieldSelector: strings.TrimSuffix("metadata.name="+name+","+selector, ","),
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// listOwn returns the summaries of the revisions that are the stack's to delete.
func (r *records) listOwn(ctx context.Context) ([]Summary, error) {
	all, err := r.list(ctx)
	return slices.DeleteFunc(all, func(s Summary) bool { return s.foreign }), err
}

// summaryOf reads the summary of a revision from its index's metadata, which
// tell by themselves when they were edited by somebody who does not know how.
func summaryOf(stack Stack, n int, o metav1.Object) Summary {
	if format := formatOf(o); format > recordFormat {
		return Summary{
			Revision: n, Status: StatusNewer, CreatedAt: o.GetCreationTimestamp().Time,
			Error: (&NewerRecordError{Revision: n, Format: format}).Error(),
		}
	}
	s, err := parseSummary(o)
	if err != nil {
		return corruptSummary(n, o, "its summary cannot be read")
	}
	status := o.GetLabels()[labelStatus]
	for name, want := range indexLabels(stack, n) {
		if got := o.GetLabels()[name]; got != want {
			return corruptSummary(n, o, fmt.Sprintf("its label %s says %q", name, got))
		}
	}
	switch {
	case status != string(s.Status):
		return corruptSummary(n, o, fmt.Sprintf("its label says %q, its summary %q", status, s.Status))
	case s.Revision != n:
		return corruptSummary(n, o, fmt.Sprintf("it is a copy of revision %d", s.Revision))
	case o.GetAnnotations()[annotationDigest] != summaryDigest(stack, n, o.GetAnnotations()[annotationSummary]):
		return corruptSummary(n, o, "its summary was edited")
	}
	return s
}

func parseSummary(o metav1.Object) (s Summary, err error) {
	err = json.Unmarshal([]byte(o.GetAnnotations()[annotationSummary]), &s)
	return s, err
}

func corruptSummary(n int, o metav1.Object, why string) Summary {
	return Summary{Revision: n, Status: StatusCorrupt, CreatedAt: o.GetCreationTimestamp().Time, Error: why}
}

// formatOf returns the format that the label of a record names, 0 for none.
func formatOf(o metav1.Object) int {
	format, err := strconv.Atoi(o.GetLabels()[labelFormat])
	if err != nil {
		return 0
	}
	return format
}

// summaryDigest covers the annotation of a summary, the status in it, and its
// place.
func summaryDigest(stack Stack, n int, text string) string {
	return sum(canonical([]any{stack.Namespace, stack.Name, n, text}))[:chunkDigits]
}

// newest returns the last revision, and nil when there is none.
func newest(all []Summary) *Summary {
	if len(all) == 0 {
		return nil
	}
	return &all[len(all)-1]
}

// deployed returns the number of the live revision, 0 when there is none. A
// crash may leave two marked as such; the higher one holds.
func deployed(all []Summary) int {
	for _, s := range slices.Backward(all) {
		if s.Status == StatusDeployed {
			return s.Revision
		}
	}
	return 0
}

// missing says why a revision is not there: it was never made, or is no longer
// kept.
func (r *records) missing(ctx context.Context, n int) error {
	all, err := r.list(ctx)
	if err != nil {
		return err
	}
	last := newest(all)
	switch {
	case last == nil:
		return fmt.Errorf("%s: %w", r.stack, ErrNoStack)
	case slices.ContainsFunc(all, func(s Summary) bool { return s.Revision == n && s.Status == StatusCorrupt }):
		return fmt.Errorf("revision %d: %w", n, corrupt("its index was deleted"))
	case n < 1 || n > last.Revision:
		return fmt.Errorf("there is no revision %d of %s, the newest is %d", n, r.stack, last.Revision)
	}
	return fmt.Errorf("revision %d of %s is no longer kept, the oldest is %d", n, r.stack, all[0].Revision)
}

// allowed asks the guard.
func (r *records) allowed(ctx context.Context) error {
	if r.guard == nil {
		return nil
	}
	return r.guard(ctx)
}

func (r *records) secret(name, record, kind string) *v1.Secret {
	immutable := true
	return &v1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.stack.Namespace, Labels: r.labels(record)},
		Type:       v1.SecretType(kind), Immutable: &immutable, Data: map[string][]byte{},
	}
}

func (r *records) get(ctx context.Context, name string) (*v1.Secret, error) {
	return r.getIn(ctx, r.stack.Namespace, name)
}

func (r *records) getIn(ctx context.Context, namespace, name string) (*v1.Secret, error) {
	ctx, cancel := r.cluster.within(ctx)
	defer cancel()
	secret, err := r.cluster.core.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err == nil && secret.Type == typeValue {
		r.cluster.redact.learnData(secret)
	}
	return secret, forbidden(err)
}

// post creates a record. After a failure that may hide a success the record is
// read back: what is there is ours if it is the same to the byte.
func (r *records) post(ctx context.Context, secret *v1.Secret) error {
	attempt := 0
	return retry(ctx, recordPatience, func(ctx context.Context) error {
		attempt++
		if err := r.allowed(ctx); err != nil {
			return err
		}
		ctx, cancel := r.cluster.within(ctx)
		defer cancel()
		_, err := r.cluster.core.Secrets(secret.Namespace).Create(ctx, secret, metav1.CreateOptions{FieldManager: r.cluster.manager})
		if attempt == 1 || !apierrors.IsAlreadyExists(err) {
			return err
		}
		live, getErr := r.getIn(ctx, secret.Namespace, secret.Name)
		switch {
		case getErr != nil:
			return getErr
		case live != nil && same(live, secret):
			return nil
		}
		return err
	})
}

// put creates a record whose name is its content. What is there under that
// name is the same, or was tampered with and is made anew.
func (r *records) put(ctx context.Context, secret *v1.Secret) error {
	err := r.post(ctx, secret)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	live, err := r.getIn(ctx, secret.Namespace, secret.Name)
	if err != nil || live != nil && same(live, secret) {
		return err
	}
	if err := r.remove(ctx, secret.Namespace, secret.Name); err != nil {
		return err
	}
	return r.post(ctx, secret)
}

// recordPatience is how long the writing of a record is tried.
const recordPatience = 30 * time.Second

func same(a, b *v1.Secret) bool {
	return a.Type == b.Type && maps.EqualFunc(a.Data, b.Data, func(x, y []byte) bool { return string(x) == string(y) })
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return key
}
