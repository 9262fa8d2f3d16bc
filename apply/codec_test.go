package apply

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var codecStack = Stack{Namespace: "shop", Name: "web"}

// encoded is a record as it would be stored.
type encoded struct {
	data   map[string][]byte
	chunks map[string][]byte
}

func encode(t testing.TB, record string, contents map[string][]byte) encoded {
	t.Helper()
	parts, stored, err := pack(contents)
	if err != nil {
		t.Fatal(err)
	}
	x := index{Format: recordFormat, Parts: parts, Run: "run", Summary: Summary{Revision: 1, Status: StatusPending}.recorded()}
	e := encoded{data: map[string][]byte{keyRandom: []byte("random")}, chunks: map[string][]byte{}}
	for name, p := range parts {
		for _, b := range p.Blocks {
			if p.Inline {
				e.data[name] = stored[b.SHA256]
			} else {
				e.chunks[b.SHA256] = stored[b.SHA256]
			}
		}
	}
	x.Digest = x.seal(codecStack, record, e.data[keyRandom])
	e.data[keyIndex] = canonical(x)
	return e
}

// open decodes it, chunks under the names the index asks for.
func (e encoded) open(record string) (map[string][]byte, error) {
	x, err := openIndex(codecStack, record, e.data, recordFormat)
	if err != nil {
		return nil, err
	}
	contents := map[string][]byte{}
	for name := range x.Parts {
		if contents[name], err = x.unpack(name, e.data, e.chunks); err != nil {
			return nil, err
		}
	}
	return contents, nil
}

// noise is content that does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// manyObjects is the objects part of a large stack. One of them has another
// value.
func manyObjects(n, changed int) []byte {
	var all []any
	for i := range n {
		value := "a usual value"
		if i == changed {
			value = "another value, that is longer"
		}
		all = append(all, map[string]any{"object": map[string]any{
			"kind": "ConfigMap", "metadata": map[string]any{"name": fmt.Sprintf("object-%d", i)},
			"data": map[string]any{"key": value, "seed": fmt.Sprintf("%x", noise(280)[:280]), "n": fmt.Sprint(i * i * 7919)},
		}})
	}
	return canonical(all)
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	const limit = 1 << 20 // of a Secret
	for _, content := range [][]byte{
		nil, []byte("x"), noise(minBlock), noise(minBlock + 1), noise(5 << 20), bytes.Repeat([]byte("a"), 5<<20), manyObjects(6000, -1),
	} {
		e := encode(t, "v1", map[string][]byte{partObjects: content, partSource: []byte("name: web\n")})
		got, err := e.open("v1")
		if err != nil || !bytes.Equal(got[partObjects], content) || string(got[partSource]) != "name: web\n" {
			t.Errorf("%d bytes: came back as %d, %v", len(content), len(got[partObjects]), err)
		}
		size := 0
		for _, b := range e.data {
			size += len(b)
		}
		if size > 4*inlineLimit {
			t.Errorf("%d bytes: the index has %d", len(content), size)
		}
		for _, c := range e.chunks {
			if len(c) > limit*9/10 {
				t.Errorf("%d bytes: a chunk has %d", len(content), len(c))
			}
		}
	}
	if _, _, err := pack(map[string][]byte{partObjects: make([]byte, partLimit+1)}); err == nil {
		t.Error("a part may be of any size")
	}
}

// TestASmallChangeSharesChunks: a change of one object in 5 MB rewrites what is
// around it and not the rest, wherever it is.
func TestASmallChangeSharesChunks(t *testing.T) {
	before := encode(t, "v1", map[string][]byte{partObjects: manyObjects(6000, -1)})
	if len(before.chunks) < 5 {
		t.Fatalf("only %d chunks", len(before.chunks))
	}
	for _, changed := range []int{0, 1234, 5999} {
		after := encode(t, "v2", map[string][]byte{partObjects: manyObjects(6000, changed)})
		added := 0
		for name := range after.chunks {
			if before.chunks[name] == nil {
				added++
			}
		}
		if added == 0 || added > 3 {
			t.Errorf("object %d changed: %d of %d chunks are new", changed, added, len(after.chunks))
		}
	}
}

// TestEveryFlippedBitIsFound: of the index, the key, a part and a chunk.
func TestEveryFlippedBitIsFound(t *testing.T) {
	record := func() encoded {
		return encode(t, "v1", map[string][]byte{partObjects: noise(2*minBlock + minBlock/2), partSource: []byte(strings.Repeat("text ", 50))})
	}
	check := func(what string, e encoded) {
		t.Helper()
		if _, err := e.open("v1"); err == nil {
			t.Errorf("%s was not found out", what)
		} else if !errors.Is(err, errCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	e := record()
	for name, content := range e.data {
		for bit := range 8 * len(content) {
			content[bit/8] ^= 1 << (bit % 8)
			check(fmt.Sprintf("bit %d of %s", bit, name), e)
			content[bit/8] ^= 1 << (bit % 8)
		}
		e.data[name] = content[:len(content)-1]
		check("the end of "+name+" missing", e)
		e.data[name] = append(slices.Clone(content), 0)
		check("more after "+name, e)
		delete(e.data, name)
		check(name+" missing", e)
		e.data[name] = content
	}
	for name, content := range e.chunks {
		for bit := 0; bit < 8*len(content); bit += 2097 {
			content[bit/8] ^= 1 << (bit % 8)
			check(fmt.Sprintf("bit %d of a chunk", bit), e)
			content[bit/8] ^= 1 << (bit % 8)
		}
		delete(e.chunks, name)
		check("a chunk missing", e)
		e.chunks[name] = content
	}
	e.data["more"] = []byte("x")
	check("more data", e)
	delete(e.data, "more")
	if _, err := e.open("v1"); err != nil {
		t.Fatalf("undamaged: %v", err)
	}
	for _, other := range []string{"v2", "v1.outcome"} {
		if _, err := e.open(other); !errors.Is(err, errCorrupt) {
			t.Errorf("it was read under the name %s", other)
		}
	}
	if _, err := openIndex(Stack{Namespace: "shop", Name: "other"}, "v1", e.data, recordFormat); !errors.Is(err, errCorrupt) {
		t.Error("it was read as that of another stack")
	}
	x, _ := decode[index](e.data[keyIndex])
	if len(x.Parts[partObjects].Blocks) < 2 {
		t.Fatal("there is nothing to swap")
	}
	slices.Reverse(x.Parts[partObjects].Blocks)
	e.data[keyIndex] = canonical(x)
	check("swapped chunks", e)
}

// TestANewerFormatIsNoDamage: but only when the label says so too.
func TestANewerFormatIsNoDamage(t *testing.T) {
	data := map[string][]byte{keyIndex: []byte(`{"format":7,"sections":[]}`)}
	var newer *NewerRecordError
	if _, err := openIndex(codecStack, "stackctl.web.v3", data, 7); !errors.As(err, &newer) || newer.Revision != 3 || newer.Format != 7 {
		t.Errorf("got %v", err)
	}
	if _, err := openIndex(codecStack, "stackctl.web.v3", data, recordFormat); !errors.Is(err, errCorrupt) {
		t.Errorf("a format that only one side names: %v", err)
	}
}

// FuzzRecord feeds damaged records to the decoder: it gives back what was
// written or an error, in bounded memory.
func FuzzRecord(f *testing.F) {
	want := map[string][]byte{partObjects: noise(minBlock + 100), partSource: []byte(strings.Repeat("text ", 50))}
	e := encode(f, "v1", want)
	var chunk []byte
	for _, b := range e.chunks {
		chunk = b
	}
	f.Add(e.data[keyIndex], e.data[keyRandom], e.data[partSource], chunk)
	f.Add([]byte(`{"format":2,"parts":{"objects":{"blocks":[{"size":1073741824}]}}}`), []byte{}, []byte{}, []byte{0x1f, 0x8b, 8})
	f.Add([]byte(`{"format":2,"parts":{"objects":{"inline":true}}}`), []byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, index, key, source, chunk []byte) {
		fed := encoded{data: map[string][]byte{keyIndex: index, keyRandom: key, partSource: source}, chunks: map[string][]byte{}}
		for name := range e.chunks {
			fed.chunks[name] = e.chunks[name]
		}
		fed.chunks[sum(chunk)] = chunk
		got, err := fed.open("v1")
		if err == nil && !maps.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("a record was accepted that nobody wrote: %d parts", len(got))
		}
	})
}

// TestInflateIsBounded: a bomb is refused by the size it declares.
func TestInflateIsBounded(t *testing.T) {
	bomb := deflate(make([]byte, 32<<20))
	for _, size := range []int{0, 100, maxBlock} {
		if got, err := inflate(block{Size: size}, bomb); !errors.Is(err, errCorrupt) {
			t.Errorf("size %d: %d bytes, %v", size, len(got), err)
		}
	}
}

// TestSummariesMatchWhatIsSealed: only what the engine writes is believed.
func TestSummariesMatchWhatIsSealed(t *testing.T) {
	start := Summary{Revision: 4, Status: StatusPending, Verb: VerbApply, Cause: "why", Author: "ann", Commit: "abc", Images: []string{"web:v1"}, Changes: Counts{Created: 3}}
	ended := func(s RevisionStatus) *Summary {
		end := start
		end.Status, end.Duration, end.Changes = s, Seconds(1234*time.Millisecond), Counts{Created: 2}
		return &end
	}
	with := func(s Summary, status RevisionStatus, edit func(*Summary)) Summary {
		s.Status = status
		if edit != nil {
			edit(&s)
		}
		return s
	}
	for _, c := range []struct {
		what  string
		shown Summary
		end   *Summary
		ok    bool
	}{
		{"running", start, nil, true},
		{"died between outcome and status", start, ended(StatusDeployed), true},
		{"closed by a later run", with(start, StatusInterrupted, nil), nil, true},
		{"closed by a later run after its outcome", with(start, StatusInterrupted, nil), ended(StatusDeployed), true},
		{"closed by a later run after its own interrupt", with(start, StatusInterrupted, nil), ended(StatusInterrupted), true},
		{"live", *ended(StatusDeployed), ended(StatusDeployed), true},
		{"was live", with(*ended(StatusDeployed), StatusSuperseded, nil), ended(StatusDeployed), true},
		{"failed", *ended(StatusFailed), ended(StatusFailed), true},
		{"interrupted", *ended(StatusInterrupted), ended(StatusInterrupted), true},
		{"lost outcome", *ended(StatusDeployed), nil, false},
		{"a failure made good", with(*ended(StatusFailed), StatusDeployed, nil), ended(StatusFailed), false},
		{"a success made bad", with(*ended(StatusDeployed), StatusFailed, nil), ended(StatusDeployed), false},
		{"a success made an interruption", with(*ended(StatusDeployed), StatusInterrupted, nil), ended(StatusDeployed), false},
		{"an end without a run", with(start, StatusDeployed, nil), ended(StatusDeployed), false},
		{"an interrupt of other counts", with(*ended(StatusInterrupted), StatusInterrupted, func(s *Summary) { s.Changes.Deleted = 9 }), ended(StatusInterrupted), false},
		{"unknown status", with(start, "fine", nil), nil, false},
		{"another author", with(*ended(StatusDeployed), StatusDeployed, func(s *Summary) { s.Author = "bob" }), ended(StatusDeployed), false},
		{"another image", with(start, StatusPending, func(s *Summary) { s.Images = []string{"web:v2"} }), nil, false},
		{"another duration", with(*ended(StatusDeployed), StatusDeployed, func(s *Summary) { s.Duration = 1 }), ended(StatusDeployed), false},
		{"other counts", with(*ended(StatusDeployed), StatusDeployed, func(s *Summary) { s.Changes.Deleted = 9 }), ended(StatusDeployed), false},
		{"verified", with(*ended(StatusDeployed), StatusDeployed, func(s *Summary) { s.Unverified = true }), ended(StatusDeployed), false},
		{"outcome of another", *ended(StatusDeployed), func() *Summary { e := ended(StatusDeployed); e.Commit = "def"; return e }(), false},
	} {
		if err := c.shown.match(start, c.end); (err == nil) != c.ok || err != nil && !errors.Is(err, errCorrupt) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestSummariesFitAnAnnotation, and what is read back is written the same.
func TestSummariesFitAnAnnotation(t *testing.T) {
	long := strings.Repeat("long\xff\x01", 100<<10)
	s := Summary{Cause: long, Error: long, Author: long, Commit: long, CI: long, Tool: long, Environment: long, Duration: Seconds(123456789 * time.Nanosecond)}
	for i := range 20000 {
		s.Images = append(s.Images, fmt.Sprintf("registry.example.org/a/path/image-%d:v1", i))
	}
	once := s.recorded()
	if text := canonical(once); len(text) > 200<<10 || !bytes.Equal(text, canonical(once.recorded())) {
		t.Errorf("%d bytes, or not the same the second time", len(text))
	}
	if last := once.Images[len(once.Images)-1]; !strings.HasPrefix(last, "and ") {
		t.Errorf("the last image is %q", last)
	}
}

func TestNamesOfRevisions(t *testing.T) {
	for name, want := range map[string]int{
		"stackctl.web.v1": 1, "stackctl.web.v42": 42,
		"stackctl.web.v0": 0, "stackctl.web.v-1": 0, "stackctl.web.v+1": 0, "stackctl.web.v01": 0, "stackctl.web.v1.outcome": 0,
		"stackctl.web.v": 0, "stackctl.web.vx": 0, "v1": 0, "stackctl.web.v99999999999999999999": 0, "stackctl.web.v9007199254740993": 0,
	} {
		if _, n, ok := parseIndexName(name); ok != (want > 0) || ok && n != want {
			t.Errorf("%s: %d, %v", name, n, ok)
		}
	}
}

// TestWhatExpires: by number, never by time; good and other revisions are
// counted apart; bytes that revisions share count once.
func TestWhatExpires(t *testing.T) {
	year := 365 * 24 * time.Hour
	at := func(i int) time.Time { // clocks that are a year off, both ways
		return time.Unix(1e9, 0).Add([]time.Duration{year, 0, -year}[i%3])
	}
	history := func(size, written int64, statuses ...RevisionStatus) []Summary {
		var all []Summary
		for i, status := range statuses {
			all = append(all, Summary{Revision: i + 1, Status: status, CreatedAt: at(i), Size: size, Written: written})
		}
		return all
	}
	s, f, d := StatusSuperseded, StatusFailed, StatusDeployed
	for _, c := range []struct {
		what   string
		all    []Summary
		o      Options
		target int
		want   []int
	}{
		{"fewer", history(1, 1, s, d), Options{KeepRevisions: 3, KeepBytes: 99}, 0, nil},
		{"by number", history(1, 1, s, s, s, s, d), Options{KeepRevisions: 3, KeepBytes: 99}, 0, []int{1, 2}},
		{"the target stays", history(1, 1, s, s, s, s, d), Options{KeepRevisions: 3, KeepBytes: 99}, 1, []int{2}},
		{"failures push nothing good out", history(1, 1, s, d, f, f, f, f), Options{KeepRevisions: 2, KeepBytes: 99}, 0, []int{3, 4}},
		{"the last good one stays", history(1, 1, s, f, d), Options{KeepRevisions: 1, KeepBytes: 1}, 0, []int{2}},
		{"by bytes, nothing shared", history(5, 5, s, s, s, s, d), Options{KeepRevisions: 99, KeepBytes: 12}, 0, []int{1, 2, 3}},
		{"by bytes, nearly all shared", history(5, 1, s, s, s, s, d), Options{KeepRevisions: 99, KeepBytes: 12}, 0, nil},
		{"by bytes, most shared", history(5, 2, s, s, s, s, d), Options{KeepRevisions: 99, KeepBytes: 9}, 0, []int{1, 2}},
	} {
		if got := expired(c.all, c.o, c.target); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
	if n := deployed(history(1, 1, d, s, d, f)); n != 3 {
		t.Errorf("live is %d", n)
	}
}
