package apply

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
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

	annotationSummary = "stackctl.dev/summary"
	keyIndex          = "index"
	keyRandom         = "key"
)

var secretsResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

func (r *records) prefix() string           { return "stackctl." + r.stack.Name + "." }
func (r *records) indexName(n int) string   { return r.prefix() + "v" + strconv.Itoa(n) }
func (r *records) outcomeName(n int) string { return r.indexName(n) + ".outcome" }

func (r *records) labels(record string) map[string]string {
	return map[string]string{
		labelManagedBy: managedBy, labelRecord: record,
		labelRecordOf: r.stack.Name, labelRecordNS: r.stack.Namespace,
	}
}

// revisions selects the indexes by their type: labels can be edited, it cannot.
var revisions = metav1.ListOptions{FieldSelector: "type=" + typeRevision}

// list returns the summaries of all revisions, oldest first. The number of a
// revision is in its name, so that a record whose content is damaged still
// counts.
func (r *records) list(ctx context.Context) ([]Summary, error) {
	secrets, err := r.cluster.listMetadata(ctx, secretsResource, r.stack.Namespace, revisions)
	if err != nil {
		return nil, forbidden(fmt.Errorf("read the history of %s: %w", r.stack, err))
	}
	all := make([]Summary, 0, len(secrets))
	for i := range secrets {
		if stack, n, ok := parseIndexName(secrets[i].Name); ok && stack == r.stack.Name {
			all = append(all, summaryOf(n, &secrets[i]))
		}
	}
	slices.SortFunc(all, func(a, b Summary) int { return a.Revision - b.Revision })
	return all, nil
}

// summaryOf reads the summary of a revision from its index's metadata.
func summaryOf(n int, o metav1.Object) Summary {
	var s Summary
	if json.Unmarshal([]byte(o.GetAnnotations()[annotationSummary]), &s) != nil {
		return Summary{Revision: n, Status: StatusCorrupt, CreatedAt: o.GetCreationTimestamp().Time, Error: "its summary cannot be read"}
	}
	s.Revision = n
	s.Status = RevisionStatus(o.GetLabels()[labelStatus])
	return s
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

// read returns a revision in full, but for the data of Secrets. A record that
// is not what was written is an error that wraps errCorrupt.
func (r *records) read(ctx context.Context, n int) (*Revision, error) {
	secret, err := r.get(ctx, r.indexName(n))
	if err != nil {
		return nil, err
	}
	if secret == nil {
		return nil, r.missing(ctx, n)
	}
	rev := &Revision{Summary: summaryOf(n, secret), key: secret.Data[keyRandom]}
	parts, run, err := r.parts(ctx, secret)
	if err != nil {
		return rev, fmt.Errorf("revision %d: %w", n, err)
	}
	rev.Source = parts[partSource]
	stored, err := decode[[]storedObject](parts[partObjects])
	if err != nil {
		return rev, err
	}
	rev.values = map[ObjectKey]string{}
	for _, s := range stored {
		o := &unstructured.Unstructured{Object: s.Object}
		rev.Objects = append(rev.Objects, o)
		if s.Value != "" {
			rev.values[keyOf(o)] = s.Value
		}
	}
	if rev.inventory, err = decode[[]item](parts[partInventory]); err != nil {
		return rev, err
	}
	if rev.sent, err = r.readOutcome(ctx, n, run); err != nil {
		return rev, err
	}
	for i := range rev.inventory { // what was created got its uid after the index was written
		if sent, ok := rev.sent[rev.inventory[i].ObjectKey]; ok {
			rev.inventory[i].UID = sent.UID
		}
	}
	return rev, nil
}

// newestReadable returns the newest revision that can be read, an empty one when
// there is none, and the numbers of the corrupt ones passed over.
func (r *records) newestReadable(ctx context.Context, history []Summary) (*Revision, []int, error) {
	var passed []int
	for _, s := range slices.Backward(history) {
		rev, err := r.read(ctx, s.Revision)
		if !errors.Is(err, errCorrupt) {
			return rev, passed, err
		}
		passed = append(passed, s.Revision)
	}
	return &Revision{}, passed, nil
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
	case n < 1 || n > last.Revision:
		return fmt.Errorf("there is no revision %d of %s, the newest is %d", n, r.stack, last.Revision)
	}
	return fmt.Errorf("revision %d of %s is no longer kept, the oldest is %d", n, r.stack, all[0].Revision)
}

// readOutcome returns what is known about the objects sent by the run of a
// revision. A revision that did not end, or whose outcome is damaged or of
// another run, has nothing.
func (r *records) readOutcome(ctx context.Context, n int, run string) (map[ObjectKey]sentFact, error) {
	secret, err := r.get(ctx, r.outcomeName(n))
	if err != nil || secret == nil {
		return nil, err
	}
	parts, of, err := r.parts(ctx, secret)
	if err != nil || of != run {
		return nil, nil // only a shortcut is lost: every object is dry-run
	}
	o, err := decode[outcome](parts[partOutcome])
	if err != nil {
		return nil, nil // as above
	}
	sent := make(map[ObjectKey]sentFact, len(o.Sent))
	for _, s := range o.Sent {
		sent[s.ObjectKey] = s.sentFact
	}
	return sent, nil
}

// draft is a revision about to be recorded; create fills in its size.
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
	stored := make([]storedObject, len(d.objects))
	d.summary.ValueNamespaces = nil
	for i, o := range d.objects {
		stripped, data := strip(o)
		stored[i].Object = stripped
		if len(data) == 0 {
			continue
		}
		stored[i].Value = r.valueName(d.key, o, data)
		if !slices.Contains(d.summary.ValueNamespaces, o.GetNamespace()) {
			d.summary.ValueNamespaces = append(d.summary.ValueNamespaces, o.GetNamespace())
		}
	}
	secret := r.secret(r.indexName(d.summary.Revision), "revision", typeRevision)
	secret.Labels[labelNumber] = strconv.Itoa(d.summary.Revision)
	secret.Labels[labelStatus] = string(StatusPending)
	secret.Data[keyRandom] = d.key
	size, err := r.addParts(ctx, secret, d.run, map[string][]byte{
		partObjects: canonical(stored), partInventory: canonical(d.inventory), partSource: d.source,
	})
	if err != nil {
		return err
	}
	d.summary.Size = size
	secret.Annotations = map[string]string{annotationSummary: summaryText(d.summary)}
	return r.post(ctx, secret)
}

// finish records what became of a revision: its outcome, then its status.
func (r *records) finish(ctx context.Context, s Summary, run string, o outcome) error {
	secret := r.secret(r.outcomeName(s.Revision), "outcome", typeOutcome)
	secret.Labels[labelNumber] = strconv.Itoa(s.Revision)
	if _, err := r.addParts(ctx, secret, run, map[string][]byte{partOutcome: canonical(o)}); err != nil {
		return err
	}
	err := r.post(ctx, secret)
	if apierrors.IsAlreadyExists(err) { // of a stack of that name that was deleted half
		if err := r.remove(ctx, secret.Namespace, secret.Name); err != nil {
			return err
		}
		err = r.post(ctx, secret)
	}
	if err != nil {
		return err
	}
	return r.setStatus(ctx, s, StatusPending)
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
		"annotations":     map[string]string{annotationSummary: summaryText(s)},
	}})
	ctx, cancel := r.cluster.within(ctx)
	defer cancel()
	_, err = r.cluster.core.Secrets(r.stack.Namespace).Patch(ctx, secret.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: r.cluster.manager})
	return err
}

// summaryText is the annotation of a summary. Lists and texts in it are cut so
// that the annotation stays far below the API's limit of 256 KiB.
func summaryText(s Summary) string {
	const images, text = 500, 4 << 10
	if len(s.Images) > images {
		s.Images = append(slices.Clone(s.Images[:images]), fmt.Sprintf("and %d more", len(s.Images)-images))
	}
	s.Cause, s.Error = cut(s.Cause, text), cut(s.Error, text)
	return string(canonical(s))
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// addParts puts the parts of a record into its index Secret, or into chunks,
// and returns their size in bytes.
func (r *records) addParts(ctx context.Context, secret *v1.Secret, run string, contents map[string][]byte) (size int64, err error) {
	x := index{Format: recordFormat, Run: run, Parts: map[string]part{}}
	compressed := map[string][]byte{}
	for name, content := range contents {
		if len(content) > partLimit {
			return 0, fmt.Errorf("a revision of %d MiB is more than can be recorded (%d MiB)", len(content)>>20, partLimit>>20)
		}
		x.Parts[name] = part{SHA256: sum(content), Size: len(content)}
		compressed[name] = deflate(content)
		size += int64(len(compressed[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(compressed)) {
		if size <= inlineLimit {
			secret.Data[name] = compressed[name]
			continue
		}
		p := x.Parts[name]
		for _, b := range split(compressed[name]) {
			chunk := r.secret(r.prefix()+"c-"+sum(b)[:40], "chunk", typeChunk)
			chunk.Data["chunk"] = b
			if err := r.post(ctx, chunk); err != nil && !apierrors.IsAlreadyExists(err) {
				return 0, err
			}
			p.Chunks = append(p.Chunks, chunk.Name)
		}
		x.Parts[name] = p
	}
	x.Digest = x.seal(r.stack, secret.Name)
	secret.Data[keyIndex] = canonical(x)
	return size, nil
}

// parts reads and verifies the parts of a record, and which run wrote it.
func (r *records) parts(ctx context.Context, secret *v1.Secret) (contents map[string][]byte, run string, err error) {
	x, err := decode[index](secret.Data[keyIndex])
	if err != nil {
		return nil, "", err
	}
	if x.Format != recordFormat {
		return nil, "", fmt.Errorf("record format %d is not known to this version of stackctl", x.Format)
	}
	if x.Digest != x.seal(r.stack, secret.Name) {
		return nil, "", corrupt("the index does not match its digest")
	}
	contents = map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(x.Parts)) {
		p := x.Parts[name]
		compressed := secret.Data[name]
		for _, c := range p.Chunks {
			chunk, err := r.get(ctx, c)
			if err != nil {
				return nil, "", err
			}
			if chunk == nil {
				return nil, "", corrupt("chunk %s is missing", c)
			}
			compressed = append(compressed, chunk.Data["chunk"]...)
		}
		if contents[name], err = inflate(p, compressed); err != nil {
			return nil, "", err
		}
	}
	return contents, x.Run, nil
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
		if live, getErr := r.getIn(ctx, secret.Namespace, secret.Name); getErr == nil && live != nil && sameData(live.Data, secret.Data) {
			return nil
		}
		return err
	})
}

// recordPatience is how long the writing of a record is tried.
const recordPatience = 30 * time.Second

func sameData(a, b map[string][]byte) bool {
	return maps.EqualFunc(a, b, func(x, y []byte) bool { return string(x) == string(y) })
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return key
}
