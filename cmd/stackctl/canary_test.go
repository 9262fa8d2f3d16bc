package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply/applytest"
)

// A canary is a value that must be seen nowhere but in the data of Secrets.
// Each place that can hold a secret value has its own, so that a leak says where
// it came from. The core of every canary is of letters and digits, and so is the
// same in JSON, YAML and URLs.
const (
	canaryPlain    = "Cnry01plainQx7Zr"    // stringData of a manifest
	canaryEncoded  = "Cnry02encodedQx7Zr"  // data of a manifest
	canaryBinary   = "Cnry03binaryQx7Zr"   // the same, between bytes that are no text
	canaryApplied  = "Cnry04appliedQx7Zr"  // the annotation of `kubectl apply` in a manifest
	canaryRegistry = "Cnry05registryQx7Zr" // the login of a registry
	canaryFrozen   = "Cnry06frozenQx7Zr"   // an immutable Secret
	canaryFrozen2  = "Cnry07frozenQx7Zr"   // what it cannot change to
	canaryEnv      = "Cnry08envQx7Zr"      // secrets: fromEnv
	canaryEnv2     = "Cnry09envQx7Zr"      // another value of it
	canaryFile     = "Cnry10fileQx7Zr"     // secrets: fromFile, a file of several lines
	canaryLive     = "Cnry11liveQx7Zr"     // put into the live Secret by kubectl
	canaryKubectl  = "Cnry12kubectlQx7Zr"  // a Secret made with `kubectl apply`
	canaryKey      = "Cnry13keyQx7Zr"      // under a key that is renamed, then removed
	canaryMessage  = "Cnry14messageQx7Zr"  // repeated by a pod
	canaryBroken   = "Cnry15brokenQx7Zr"   // in a manifest that is wrong
	canaryShort    = "Cnry16"              // with quotes around it
	// The user wrote these as literals, or twice: they are in the Deployment and
	// its record, and where the description itself is printed.
	canaryLiteral = "Cnry20literalQx7Zr" // env: {DB_PASSWORD: …}
	canaryURL     = "Cnry21urlQx7Zr"     // in a URL
	canaryCopied  = "Cnry22copiedQx7Zr"  // data of a Secret, and a literal of another name
	canaryNote    = "Cnry23noteQx7Zr"    // an annotation of another tool on a Secret
	canaryByHand  = "Cnry25byhandQx7Zr"  // what kubectl set in env
	canaryJob     = "Cnry24jobQx7Zr"     // env of a Job, whose pod template cannot change
)

var (
	hidden   = []string{canaryPlain, canaryEncoded, canaryBinary, canaryApplied, canaryRegistry, canaryFrozen, canaryFrozen2, canaryEnv, canaryEnv2, canaryFile, canaryLive, canaryKubectl, canaryKey, canaryMessage, canaryBroken, canaryShort}
	literals = []string{canaryLiteral, canaryURL, canaryCopied, canaryNote, canaryByHand, canaryJob}
)

// leaks returns the canaries in some bytes, and in what form they are there.
func leaks(b []byte, canaries []string) (found []string) {
	lower := bytes.ToLower(b)
	for _, c := range canaries {
		if bytes.Contains(lower, bytes.ToLower([]byte(c))) {
			found = append(found, c)
		}
		once := base64.StdEncoding.EncodeToString([]byte(c))
		for form, text := range map[string]string{"base64": c, "base64 of base64": once[:len(once)/4*4-4]} {
			for offset := range 3 {
				code := base64.RawStdEncoding.EncodeToString(append(make([]byte, offset), text...))
				code = code[(8*offset+5)/6 : 8*(offset+len(text))/6]
				if bytes.Contains(b, []byte(code)) || bytes.Contains(b, []byte(strings.NewReplacer("+", "-", "/", "_").Replace(code))) {
					found = append(found, c+" as "+form)
				}
			}
		}
		if bytes.Contains(lower, []byte(hex.EncodeToString([]byte(c)))) {
			found = append(found, c+" as hex")
		}
	}
	return found
}

// TestCanaryScanner plants leaks: a scanner that finds nothing proves nothing.
func TestCanaryScanner(t *testing.T) {
	for _, c := range slices.Concat(hidden, literals) {
		b64 := base64.StdEncoding.EncodeToString([]byte("x" + c + "y"))
		for form, text := range map[string]string{
			"raw": c, "lower case": strings.ToLower(c), "base64": b64, "base64 of base64": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(c)))),
			"hex": hex.EncodeToString([]byte(c)), "JSON": string(must(json.Marshal(map[string]string{"a": "\"" + c}))), "base64 for URLs": base64.RawURLEncoding.EncodeToString([]byte("??" + c + ">>")),
		} {
			if len(leaks([]byte("some text "+text+" more"), slices.Concat(hidden, literals))) == 0 {
				t.Errorf("%s as %s is not found in %s", c, form, text)
			}
		}
	}
	if found := leaks([]byte("nothing to see, *** (before) Cnry"), hidden); len(found) > 0 {
		t.Errorf("found %s", found)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// canaryWorld is a stack full of canaries in a namespace of its own.
type canaryWorld struct {
	*testing.T
	plane      *applytest.Plane
	namespace  string
	dir        string
	kubeconfig string
	before     func() // what happens while a person is asked

	count *canaryCount
}

// canaryCount is what was looked at, in all worlds.
type canaryCount struct {
	ran      map[string]int  // by command
	kinds    map[string]bool // kinds of errors
	scanned  int             // outputs, files, objects and records
	bytes    int
	inflated int // parts of records among them
	findings int
}

func newCanaryWorld(t *testing.T, plane *applytest.Plane, count *canaryCount) *canaryWorld {
	t.Helper()
	w := &canaryWorld{T: t, plane: plane, namespace: plane.Namespace(t), dir: t.TempDir(), kubeconfig: plane.Kubeconfig, count: count}
	t.Setenv("CANARY_TOKEN", canaryEnv)
	w.write("license", "first line\n"+canaryFile+" and more than a few letters\nlast line\n")
	w.write("stack.yaml", canaryStack)
	w.write("secrets.yaml", canarySecrets)
	if err := os.Mkdir(w.path("work"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(w.path("work")) // where a recovery file goes
	return w
}

func (w *canaryWorld) path(name string) string { return filepath.Join(w.dir, name) }

func (w *canaryWorld) write(name, text string) {
	w.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// edit replaces a text in a file, which must be there.
func (w *canaryWorld) edit(name, from, to string) {
	w.Helper()
	text := string(must(os.ReadFile(w.path(name))))
	if !strings.Contains(text, from) {
		w.Fatalf("%s has no %q", name, from)
	}
	w.write(name, strings.ReplaceAll(text, from, to))
}

func (w *canaryWorld) kubectl(args ...string) string {
	w.Helper()
	return w.plane.Kubectl(w, append([]string{"-n", w.namespace}, args...)...)
}

// scan looks for canaries.
func (w *canaryWorld) scan(what string, b []byte, canaries []string) {
	w.Helper()
	w.count.scanned++
	w.count.bytes += len(b)
	for _, found := range leaks(b, canaries) {
		w.count.findings++
		w.Errorf("%s: %s:\n%s", what, found, b)
	}
}

// stackctl runs a command line without a terminal and on one, and scans all
// that is written. kind names the error that is expected, "" for none.
func (w *canaryWorld) stackctl(kind string, want int, args ...string) {
	w.Helper()
	w.execute(false, kind, want, args...)
	w.execute(true, kind, want, args...)
}

// formats runs a command line in each format.
func (w *canaryWorld) formats(formats, kind string, want int, args ...string) {
	w.Helper()
	for format := range strings.SplitSeq(formats, " ") {
		w.stackctl(kind, want, append(slices.Clone(args), "-o", format)...)
	}
}

// once runs a command line that does something else the second time.
func (w *canaryWorld) once(kind string, want int, args ...string) (text string) {
	w.Helper()
	return w.execute(false, kind, want, args...)
}

const anyCode = -1

func (w *canaryWorld) execute(terminal bool, kind string, want int, args ...string) (text string) {
	w.Helper()
	e, stdout, stderr := testEnv(args...)
	if c, _, err := newRoot(e).Find(args); err == nil {
		w.count.ran[c.CommandPath()]++
		if c.Flags().Lookup("kubeconfig") != nil {
			e.args = append(e.args, "--kubeconfig", w.kubeconfig, "-n", w.namespace)
		}
	}
	e.now = time.Now
	e.getenv = func(key string) string { return map[string]string{"TERM": "xterm", "GIT_AUTHOR_NAME": "Ann"}[key] }
	if terminal {
		p := &person{t: w.T, answer: "y\n", before: w.before}
		e.stdin, e.stdinTTY, e.stdout.tty, e.stderr.tty = p, true, true, true
	}
	code := run(e)
	line := "stackctl " + strings.Join(args, " ")
	if want != anyCode && code != want {
		w.Errorf("%s exits %d, want %d:\n%s%s", line, code, want, stdout, stderr)
	}
	if kind != "" {
		w.count.kinds[kind] = true
	}
	canaries := slices.Concat(hidden, literals)
	switch strings.Join(args[:min(2, len(args))], " ") { // print what the user wrote, but for Secrets
	case "render -f", "fmt -f", "explain secrets", "history show", "history diff":
		canaries = hidden
	}
	w.scan(line+": stdout", stdout.Bytes(), canaries)
	w.scan(line+": stderr", stderr.Bytes(), canaries)
	return stdout.String() + stderr.String()
}

// cluster scans all that is in the namespace but the data of Secrets that the
// stack, or a copy of its values, is made of.
func (w *canaryWorld) cluster() {
	w.Helper()
	kinds := strings.Fields(w.plane.Kubectl(w, "api-resources", "--verbs=list", "--namespaced", "-o", "name"))
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(w.kubectl("get", strings.Join(kinds, ","), "-o", "json")), &list); err != nil {
		w.Fatal(err)
	}
	before := w.count.inflated
	for _, o := range list.Items {
		metadata := o["metadata"].(map[string]any)
		name := fmt.Sprintf("%s/%s", o["kind"], metadata["name"])
		if annotations, ok := metadata["annotations"].(map[string]any); ok && metadata["name"] == "by-kubectl" {
			delete(annotations, "kubectl.kubernetes.io/last-applied-configuration") // kubectl put it there
		}
		if o["kind"] == "Secret" {
			data, _ := o["data"].(map[string]any)
			kind, _ := o["type"].(string)
			if strings.HasPrefix(kind, "stackctl.dev/") && kind != "stackctl.dev/value" {
				for k, v := range data {
					content := must(base64.StdEncoding.DecodeString(v.(string)))
					w.scan(name+": "+k, content, hidden)
					if r, err := gzip.NewReader(bytes.NewReader(content)); err == nil {
						inflated, _ := io.ReadAll(r) // a damaged one as far as it goes
						w.scan(name+": "+k+" inflated", inflated, hidden)
						w.count.inflated++
					}
				}
			}
			delete(o, "data")
		}
		w.scan(name, must(json.Marshal(o)), hidden)
	}
	if w.count.inflated == before {
		w.Error("no record was looked at")
	}
}

// files scans what was written below the directory, but for what the test wrote.
func (w *canaryWorld) files(dir string) {
	w.Helper()
	n := 0
	err := filepath.WalkDir(w.path(dir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
			canaries := hidden
			if strings.Contains(path, "recovery") {
				canaries = slices.Concat(hidden, literals)
			}
			w.scan(path, must(os.ReadFile(path)), canaries)
		}
		return err
	})
	if err != nil || n == 0 {
		w.Errorf("%s: %d files, %v", dir, n, err)
	}
}

// TestCanaries runs every command in every format, when all is well and when
// something is wrong, and looks at every byte that comes out of it.
func TestCanaries(t *testing.T) {
	plane := applytest.Start(t)
	count := &canaryCount{ran: map[string]int{}, kinds: map[string]bool{}}
	own := os.Stderr // of this process, past all that commands write to
	aside := must(os.Create(filepath.Join(t.TempDir(), "stderr")))
	os.Stderr = aside
	defer func() {
		os.Stderr = own
		if text := must(os.ReadFile(aside.Name())); len(text) > 0 {
			t.Errorf("a library wrote to standard error by itself: %s", text)
		}
	}()
	for _, name := range slices.Sorted(maps.Keys(canaryStories)) {
		t.Run(name, func(t *testing.T) { canaryStories[name](newCanaryWorld(t, plane, count)) })
	}
	if t.Failed() {
		return // a story that stopped ran less
	}
	e, _, _ := testEnv()
	for _, c := range allCommands(newRoot(e)) {
		if c.Runnable() && !c.HasSubCommands() && count.ran[c.CommandPath()] == 0 {
			t.Errorf("%s: no canary story runs it; add it to one of canaryStories", c.CommandPath())
		}
	}
	if len(count.kinds) < 10 {
		t.Errorf("only %d kinds of errors: %v", len(count.kinds), slices.Sorted(maps.Keys(count.kinds)))
	}
	w := &canaryWorld{T: t, count: count}
	for _, line := range plane.Requests(t) {
		var request struct{ UserAgent, RequestURI, ObjectRef any } // what admission noted is its own
		if err := json.Unmarshal([]byte(line), &request); err != nil {
			t.Fatal(err)
		}
		w.scan("a request", must(json.Marshal(request)), hidden)
	}
	runs := 0
	for _, n := range count.ran {
		runs += n
	}
	t.Logf("%d runs of %d commands, %d kinds of errors, %d texts with %d KiB scanned for %d canaries: %d findings",
		runs, len(count.ran), len(count.kinds), count.scanned, count.bytes>>10, len(hidden)+len(literals), count.findings)
}
