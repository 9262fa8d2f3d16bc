package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// read returns a revision in full, but for the data of Secrets. A record whose
// content is not what was written is an error that wraps errCorrupt; what else
// is wrong with it is the flaw of the revision.
func (r *records) read(ctx context.Context, n int) (*Revision, error) {
	secret, err := r.get(ctx, r.indexName(n))
	if err != nil {
		return nil, err
	}
	if secret == nil {
		return nil, r.missing(ctx, n)
	}
	rev := &Revision{Summary: corruptSummary(n, secret, "its record cannot be read"), chunks: map[string]bool{}}
	o, err := r.open(ctx, secret, typeRevision)
	if err == nil {
		rev.Summary = o.Summary
		rev.key = secret.Data[keyRandom]
		err = rev.fill(o)
	}
	if newer := (*NewerRecordError)(nil); errors.As(err, &newer) {
		return rev, err
	}
	if err != nil {
		return rev, fmt.Errorf("revision %d: %w", n, err)
	}
	end, err := r.readOutcome(ctx, rev, o.Run)
	if err != nil {
		return rev, err
	}
	shown := summaryOf(r.stack, n, secret)
	if rev.flaw == nil {
		rev.flaw = shown.match(o.Summary, end)
	}
	if rev.flaw == nil {
		rev.Summary = shown
	} else if end != nil {
		rev.Summary = *end // what is sealed is what happened
	}
	return rev, nil
}

// fill takes over the parts of a record.
func (rev *Revision) fill(o *opened) (err error) {
	for _, b := range o.chunks() {
		rev.chunks[b.SHA256] = true
	}
	if rev.Source, err = o.part(partSource); err != nil {
		return err
	}
	stored, err := partOf[[]storedObject](o, partObjects)
	if err != nil {
		return err
	}
	rev.values = map[ObjectKey]string{}
	for _, s := range stored {
		o := &unstructured.Unstructured{Object: s.Object}
		rev.Objects = append(rev.Objects, o)
		if s.Value != "" {
			rev.values[keyOf(o)] = s.Value
		}
	}
	if rev.inventory, err = partOf[[]item](o, partInventory); err != nil {
		return err
	}
	_, err = o.part(partValues) // retention reads it, and must not be led astray
	return err
}

// readOutcome adds what is known about the objects sent by the run of a
// revision, and returns the summary at its end. A revision that did not end,
// or whose outcome is damaged or of another run, has nothing: only a shortcut
// is lost, since every object is then compared in full.
func (r *records) readOutcome(ctx context.Context, rev *Revision, run string) (*Summary, error) {
	secret, err := r.get(ctx, r.outcomeName(rev.Revision))
	if err != nil || secret == nil {
		return nil, err
	}
	o, out, err := r.openOutcome(ctx, secret)
	if err == nil && o.Run != run {
		err = corrupt("it is of another run")
	}
	switch newer := (*NewerRecordError)(nil); {
	case errors.Is(err, errCorrupt), errors.As(err, &newer):
		rev.flaw = fmt.Errorf("the outcome: %w", err)
		return nil, nil
	case err != nil:
		return nil, err
	}
	for _, b := range o.chunks() {
		rev.chunks[b.SHA256] = true
	}
	rev.outcomes = out.Outcomes
	rev.sent = make(map[ObjectKey]sentFact, len(out.Sent))
	for _, s := range out.Sent {
		rev.sent[s.ObjectKey] = s.sentFact
	}
	for i := range rev.inventory { // what was created got its uid after the index was written
		if sent, ok := rev.sent[rev.inventory[i].ObjectKey]; ok {
			rev.inventory[i].UID = sent.UID
		}
	}
	return &o.Summary, nil
}

// sentBy returns what the run of a revision sent, by its outcome alone: nothing
// if that cannot be read either.
func (r *records) sentBy(ctx context.Context, n int) ([]item, error) {
	secret, err := r.get(ctx, r.outcomeName(n))
	if err != nil || secret == nil {
		return nil, err
	}
	_, out, err := r.openOutcome(ctx, secret)
	if newer := (*NewerRecordError)(nil); errors.Is(err, errCorrupt) || errors.As(err, &newer) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var items []item
	for _, s := range out.Sent {
		items = append(items, item{ObjectKey: s.ObjectKey, UID: s.UID})
	}
	return items, nil
}

// remember adds objects to the inventory that a newer run sent.
func (rev *Revision) remember(items []item) {
	at := map[ObjectKey]int{}
	for j := range rev.inventory {
		at[rev.inventory[j].ObjectKey] = j
	}
	for _, i := range items {
		if j, ok := at[i.ObjectKey]; ok {
			rev.inventory[j].UID = i.UID
		} else {
			rev.inventory = append(rev.inventory, i)
		}
	}
}

// openOutcome proves and reads the outcome of a revision.
func (r *records) openOutcome(ctx context.Context, secret *v1.Secret) (o *opened, out outcome, err error) {
	if o, err = r.open(ctx, secret, typeOutcome); err == nil {
		out, err = partOf[outcome](o, partOutcome)
	}
	return o, out, err
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

// match compares what labels and annotations say with what is sealed: the
// summary at the start of the run, and the one at its end, if it came to that.
// Only what the engine itself writes is allowed.
func (shown Summary) match(start Summary, end *Summary) error {
	if shown.Status == StatusCorrupt || shown.Status == StatusNewer {
		return corrupt("%s", shown.Error)
	}
	says := func(want Summary) bool {
		want.Status = shown.Status
		return string(canonical(shown)) == string(canonical(want))
	}
	want := start
	switch {
	case end != nil && string(canonical(end.facts())) != string(canonical(start.facts())):
		return corrupt("its outcome is that of another revision")
	case shown.Status == StatusPending:
	// Closed by a later run, which does not read what the dead one came to. That
	// may have been an interrupt, too, on record but not yet in the status.
	case shown.Status == StatusInterrupted && (end == nil || end.Status != StatusInterrupted || says(start)):
	case shown.Status == StatusDeployed, shown.Status == StatusSuperseded, shown.Status == StatusFailed, shown.Status == StatusInterrupted:
		if end == nil {
			return corrupt("it is marked %s, but what became of it is not on record", shown.Status)
		}
		if end.Status != shown.Status && !(end.Status == StatusDeployed && shown.Status == StatusSuperseded) {
			return corrupt("it is marked %s, but ended as %s", shown.Status, end.Status)
		}
		want = *end
	default:
		return corrupt("it is marked %q", shown.Status)
	}
	if !says(want) {
		return corrupt("its summary does not say what was recorded")
	}
	return nil
}

// facts is the part of a summary that is known when a run begins.
func (s Summary) facts() Summary {
	s.Status, s.Duration, s.Changes, s.Error, s.Unverified = "", 0, Counts{}, "", false
	return s
}

// opened is a record that was read and proven.
type opened struct {
	index
	data   map[string][]byte // of the index
	blocks map[string][]byte // chunks by their hash
}

func (o *opened) part(name string) ([]byte, error) { return o.unpack(name, o.data, o.blocks) }

func partOf[T any](o *opened, name string) (v T, err error) {
	content, err := o.part(name)
	if err != nil {
		return v, err
	}
	return decode[T](content)
}

// open proves an index and reads its chunks.
func (r *records) open(ctx context.Context, secret *v1.Secret, kind string) (*opened, error) {
	x, err := r.openIndex(secret, kind)
	if err != nil {
		return nil, err
	}
	o := &opened{index: x, data: secret.Data, blocks: map[string][]byte{}}
	chunks := x.chunks()
	read := make([][]byte, len(chunks))
	err = r.cluster.each(ctx, len(chunks), func(ctx context.Context, i int) (err error) {
		read[i], err = r.chunk(ctx, chunks[i])
		return err
	})
	for i, b := range chunks {
		o.blocks[b.SHA256] = read[i]
	}
	return o, err
}

func (r *records) openIndex(secret *v1.Secret, kind string) (index, error) {
	if string(secret.Type) != kind {
		return index{}, corrupt("Secret %s is of type %s", secret.Name, secret.Type)
	}
	return openIndex(r.stack, secret.Name, secret.Data, formatOf(secret))
}

// chunk reads the bytes of a block.
func (r *records) chunk(ctx context.Context, b block) ([]byte, error) {
	if r.cache != nil {
		if content := r.cache.get(b.SHA256); content != nil {
			return content, nil
		}
	}
	secret, err := r.get(ctx, r.prefix()+b.chunk())
	switch {
	case err != nil:
		return nil, err
	case secret == nil:
		return nil, corrupt("chunk %s is missing", b.chunk())
	case secret.Type != typeChunk || len(secret.Data) != 1 || sum(secret.Data[keyChunk]) != b.SHA256:
		return nil, corrupt("chunk %s is not what was written", b.chunk())
	}
	if r.cache != nil {
		r.cache.set(b.SHA256, secret.Data[keyChunk])
	}
	return secret.Data[keyChunk], nil
}

// caching returns records that keep the chunks they read, for reading several
// revisions.
func (r *records) caching() *records {
	cached := *r
	cached.cache = &chunkCache{content: map[string][]byte{}}
	return &cached
}

// chunkCache may be used concurrently.
type chunkCache struct {
	mu      sync.Mutex
	content map[string][]byte
}

func (c *chunkCache) get(name string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.content[name]
}

func (c *chunkCache) set(name string, content []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.content[name] = content
}
