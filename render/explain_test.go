package render

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"stackctl.dev/stackctl/schema"
)

// explained loads a file and explains it.
func explained(t *testing.T, path string) (*schema.Stack, Explained) {
	t.Helper()
	t.Chdir(filepath.Dir(path))
	s, err := schema.Load(context.Background(), schema.Options{Filename: filepath.Base(path)})
	if err != nil {
		t.Fatal(err)
	}
	x, err := Explain(s, Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return s, x
}

// TestEveryLineHasAnOrigin looks at every line of every example: a value, other
// than what only holds others, is decided by something that names it.
func TestEveryLineHasAnOrigin(t *testing.T) {
	files, err := filepath.Glob("../examples/*/stack.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("found %v: %v", files, err)
	}
	for _, file := range files {
		path, _ := filepath.Abs(file)
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			_, x := explained(t, path)
			for _, object := range x {
				for _, line := range object.Lines {
					o, steps := line.Origin()
					holds := strings.HasSuffix(line.Text, ":")
					if o == nil || o.Note == "" && !o.Pos.IsValid() || !holds && steps == 0 {
						t.Errorf("%s %s: %q has no origin", object.Object.GetKind(), object.Object.GetName(), line.Text)
					}
				}
			}
		})
	}
}

// TestExplainIsTheSameYAML reads the explained YAML and compares it with what
// it explains.
func TestExplainIsTheSameYAML(t *testing.T) {
	path, _ := filepath.Abs("../examples/full/stack.yaml")
	s, x := explained(t, path)
	objects, err := Render(s, Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	var plain, commented bytes.Buffer
	if err := objects.WriteYAML(&plain); err != nil {
		t.Fatal(err)
	}
	if err := x.WriteYAML(&commented, schema.Pos.String); err != nil {
		t.Fatal(err)
	}
	want, got := strings.Split(plain.String(), "\n---\n"), strings.Split(commented.String(), "\n---\n")
	if len(want) != len(got) {
		t.Fatalf("got %d objects, want %d", len(got), len(want))
	}
	for i := range want {
		var a, b any
		if err := yaml.Unmarshal([]byte(want[i]), &a); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(got[i]), &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("(-plain +explained)\n%s", diff)
		}
	}
}

// far are fields whose change reaches lines that name another field, with the
// reason.
var far = map[string]string{
	"manifests[0]":                     "it names a file, whose lines are the origin",
	"apps.api.security.preset":         "a container beside the app's says how it differs from this one",
	"apps.queue.health.grpc":           "without a handler of its own the default asks",
	"apps.queue.ports.http.port":       "Kubernetes wants a number in a gRPC probe, which is that of the port",
	"apps.agent.ports.statsd.protocol": "the default asks whether a TCP port is open",
	"apps.queue.service.enabled":       "without a Service there is nothing to drain",
}

// TestOriginsAreTrue changes each value of the full example. Every line that is
// other then has that field, one above or one below it as its origin, or stands
// in a part that came or went with such a line; and there is one.
func TestOriginsAreTrue(t *testing.T) {
	if testing.Short() {
		t.Skip("renders the full example hundreds of times")
	}
	t.Chdir("../examples/full")
	text, err := os.ReadFile("stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	before, err := tryExplain(tree)
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	kinds := make(namedKinds)
	eachChange(tree, func(path string) bool {
		after, err := tryExplain(tree)
		if err != nil {
			return false
		}
		changes++
		kinds.check(t, path, before, after)
		field := strings.TrimSuffix(path, ".enabled") // false is short for enabled: false
		changed, own := 0, 0
		for _, place := range slices.Sorted(maps.Keys(union(before, after))) {
			a, b := before[place], after[place]
			if a.Text == b.Text {
				continue
			}
			changed++
			if related(field, a) || related(field, b) {
				own++
			} else if far[path] == "" && !cameOrWent(field, place, before, after) && !cameOrWent(field, place, after, before) {
				t.Errorf("%s changes %s %q → %q, whose origin is %s %s", path, place, a.Text, b.Text, pathOf(a), pathOf(b))
			}
		}
		if changed > 0 && own == 0 && far[path] == "" {
			t.Errorf("%s is the origin of no line that it changes", path)
		}
		return true
	})
	if changes < 200 {
		t.Errorf("changed %d values only", changes)
	}
	kinds.checkAll(t)
}

// namedKinds are the kinds of objects that changes of a field really changed.
type namedKinds map[string]map[string]bool

// kindWords are what stands for several kinds in @emits.
var kindWords = map[string][]string{
	"JobSpec": {"Job", "CronJob"}, "Workload": workloads, "PodTemplate": workloads, "Pod": workloads, "Container": workloads,
}

var workloads = []string{"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"}

// check expects that a change reaches only objects of kinds that the field says
// it decides.
func (k namedKinds) check(t *testing.T, path string, before, after map[string]Line) {
	t.Helper()
	f, err := schema.Describe(strings.Split(indexes.ReplaceAllString(path, ""), ".")...)
	if err != nil {
		t.Error(err)
		return
	}
	changed := make(map[string]bool)
	for place := range union(before, after) {
		if before[place].Text != after[place].Text {
			kind, _, _ := strings.Cut(place, "/")
			changed[kind] = true
		}
	}
	said := make(map[string]bool)
	for _, named := range f.Emits {
		word, _, _ := strings.Cut(named, " ")
		key := f.Path + " " + word
		if k[key] == nil {
			k[key] = make(map[string]bool)
		}
		for _, kind := range append(slices.Clone(kindWords[word]), word) {
			k[key][kind] = k[key][kind] || changed[kind] || word == "*"
			said[kind] = true
		}
	}
	if said["*"] || far[path] != "" || strings.HasSuffix(path, ".kind") || strings.HasPrefix(path, "apps.api.files.") {
		return // with other content files have another name, which pods mount
	}
	for kind := range changed {
		if !said[kind] {
			t.Errorf("%s changes a %s, and says that it decides %s", path, kind, strings.Join(f.Emits, ", "))
		}
	}
}

// checkAll expects each kind that a field names to have been changed by it.
func (k namedKinds) checkAll(t *testing.T) {
	t.Helper()
	for _, named := range slices.Sorted(maps.Keys(k)) {
		if !slices.Contains(slices.Collect(maps.Values(k[named])), true) && unproved[named] == "" {
			t.Errorf("no change of the full example proves that %s is decided", named)
		}
	}
}

// unproved are kinds that a field names and the full example does not change,
// with the reason.
var unproved = map[string]string{
	"apps.NAME.replicas StatefulSet":                            noSuchApp,
	"apps.NAME.update.maxSurge DaemonSet":                       noSuchApp,
	"apps.NAME.update.maxUnavailable DaemonSet":                 noSuchApp,
	"apps.NAME.update.minReady DaemonSet":                       noSuchApp,
	"apps.NAME.update.type Deployment":                          "another type needs other fields beside it",
	"apps.NAME.update.type StatefulSet":                         "another type needs other fields beside it",
	"apps.NAME.update.minReady StatefulSet":                     noSuchApp,
	"apps.NAME.update.rollingUpdate.maxSurge DaemonSet":         noSuchApp,
	"apps.NAME.update.rollingUpdate.maxUnavailable DaemonSet":   noSuchApp,
	"apps.NAME.update.rollingUpdate.maxUnavailable StatefulSet": noSuchApp,
	"apps.NAME.volumes.NAME.access PersistentVolumeClaim":       noSuchApp,
	"apps.NAME.volumes.NAME.class PersistentVolumeClaim":        noSuchApp,
	"apps.NAME.volumes.NAME.size PersistentVolumeClaim":         noSuchApp,
}

const noSuchApp = "no app of that kind in the full example writes it"

var indexes = regexp.MustCompile(`\[\d+\]`)

// cameOrWent reports whether a place is in a part of an object, or an object,
// that only one side has, and that has a line of the field. An object is there
// or not for more reasons than one line can say.
func cameOrWent(field, place string, here, there map[string]Line) bool {
	if here[place].Text == "" || there[place].Text != "" {
		return false
	}
	steps := strings.SplitAfter(place, "\x00")
	for i := 1; i <= len(steps); i++ {
		part := strings.Join(steps[:i], "")
		isIn := func(place string) bool { return strings.HasPrefix(place, part) }
		if slices.ContainsFunc(slices.Collect(maps.Keys(there)), isIn) {
			continue
		}
		return i == 1 || slices.ContainsFunc(slices.Collect(maps.Keys(here)), func(place string) bool {
			return isIn(place) && related(field, here[place])
		})
	}
	return false
}

// eachChange visits each value of a tree with another valid value in its place,
// where there is one.
func eachChange(tree map[string]any, try func(path string) bool) {
	walkLeaves(tree, nil, func(parts []string, value any, set func(any)) {
		path := joined(parts)
		if strings.HasPrefix(path, "environments.") {
			return
		}
		defer set(value)
		for _, other := range otherValues(parts, value) {
			if other == value {
				continue
			}
			set(other)
			if try(path) {
				return
			}
		}
	})
}

// tryExplain returns the lines of all objects by their place. The name of an
// object that is named by its content is left out of the place, and items of
// lists go by what they are called.
func tryExplain(tree any) (map[string]Line, error) {
	text, err := yaml.Marshal(tree)
	if err != nil {
		return nil, err
	}
	s, err := schema.Load(context.Background(), schema.Options{Filename: "-", Stdin: bytes.NewReader(text)})
	if err != nil {
		return nil, err
	}
	x, err := Explain(s, Options{Namespace: s.Namespace})
	if err != nil {
		return nil, err
	}
	lines := make(map[string]Line)
	for _, object := range x {
		name := hashed.ReplaceAllString(object.Object.GetName(), "")
		for _, line := range object.Lines {
			lines[object.Object.GetKind()+"/"+name+"\x00"+placeText(object.Object.Object, line.Place)] = line
		}
	}
	return lines, nil
}

// placeText writes a place, each step with an end.
func placeText(object any, place []any) string {
	var out strings.Builder
	for _, step := range place {
		object = valueAt(object, []any{step})
		if fields, ok := object.(map[string]any); ok {
			for _, by := range []string{"name", "topologyKey", "mountPath"} {
				if _, isItem := step.(int); isItem && fields[by] != nil {
					step = fields[by]
				}
			}
		}
		fmt.Fprint(&out, step, "\x00")
	}
	return out.String()
}

var hashed = regexp.MustCompile(`-[0-9a-f]{10}$`)

func union(a, b map[string]Line) map[string]Line {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func pathOf(line Line) string {
	o, _ := line.Origin()
	if o == nil {
		return ""
	}
	return o.Path + o.Note
}

// related reports whether the origin of a line is a field, above it or below.
func related(path string, line Line) bool {
	origin := strings.ReplaceAll(pathOf(line), `"`, "")
	if origin == "" {
		return false
	}
	return origin == path || isBelow(path, origin) || isBelow(origin, path)
}

func isBelow(path, above string) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && rest != "" && strings.ContainsRune(".[", rune(rest[0]))
}
