package schema

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad loads any text as YAML and JSON. Whatever it is, the answer is a
// stack or errors that say something about a line of the file, sorted, and
// never a panic.
func FuzzLoad(f *testing.F) {
	stories, _ := filepath.Glob("../testdata/schema/*.txtar")
	fields, _ := filepath.Glob("../testdata/render/*.txtar")
	if stories = append(stories, fields...); len(stories) == 0 {
		f.Fatal("no seeds")
	}
	for _, path := range stories {
		story, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if file := story.Files[0]; !strings.HasSuffix(file.Name, ".cue") {
			f.Add(string(file.Data), strings.HasSuffix(file.Name, ".json"))
		}
	}
	for _, path := range []string{"../examples/recipes/stack.yaml", "../examples/full/stack.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), false)
	}
	dir := f.TempDir() // nothing that a pattern could match
	f.Fuzz(func(t *testing.T, text string, isJSON bool) {
		in := &input{file: filepath.Join(dir, "stack.yaml"), text: []byte(text)}
		if isJSON {
			in.file = filepath.Join(dir, "stack.json")
		}
		if len(in.check()) > 0 {
			t.Skip()
		}
		s, err := guarded(context.Background(), in.file, ordinary, func() (*Stack, error) { return load(in, "") })
		mustMakeSense(t, in, s, err)
		if err != nil {
			return
		}
		for _, environment := range s.Environments {
			s, err := guarded(context.Background(), in.file, ordinary, func() (*Stack, error) { return load(in, environment) })
			mustMakeSense(t, in, s, err)
		}
	})
}

// mustMakeSense checks what holds for every description.
func mustMakeSense(t *testing.T, in *input, s *Stack, err error) {
	t.Helper()
	if err == nil {
		if s.Name == "" || len(s.Apps) == 0 {
			t.Errorf("a stack without name or apps")
		}
		return
	}
	var errs Errors
	if !errors.As(err, &errs) || len(errs) == 0 {
		t.Fatalf("an error without a place: %v", err)
	}
	lines := strings.Count(string(in.text), "\n") + 1
	for _, one := range errs {
		if one.Msg == "" || one.Pos.File != in.file || one.Pos.Line < 1 || one.Pos.Line > lines {
			t.Errorf("%+v in %d lines", one, lines)
		}
		if strings.Contains(one.Hint, "this is a bug") {
			t.Errorf("panic: %v", one)
		}
	}
}

// FuzzStructure takes a full description apart and puts it together otherwise:
// parts are removed, doubled under another name, swapped, or set to null.
func FuzzStructure(f *testing.F) {
	text, err := os.ReadFile("../examples/full/stack.yaml")
	if err != nil {
		f.Fatal(err)
	}
	full, _ := parseYAML("stack.yaml", text)
	for seed := range uint64(20) {
		f.Add(seed, uint8(seed%5))
	}
	in := &input{file: "stack.yaml", text: text}
	f.Fuzz(func(t *testing.T, seed uint64, mutations uint8) {
		random := rand.New(rand.NewPCG(seed, 0))
		root := full.copy()
		for range mutations%8 + 1 {
			mutate(root, random)
		}
		environment := ""
		if all := root.get("environments"); all != nil && len(all.names) > 0 && random.IntN(2) == 0 {
			environment = all.names[random.IntN(len(all.names))]
		}
		s, err := guarded(context.Background(), in.file, ordinary, func() (*Stack, error) {
			s := &Stack{Dir: "../examples/full", Environment: environment}
			return s, s.build(root, nil)
		})
		mustMakeSense(t, in, s, err)
	})
}

// mutate changes one place of a tree.
func mutate(root *node, random *rand.Rand) {
	var maps []*node
	var collect func(n *node)
	collect = func(n *node) {
		if n.kind == mapKind && len(n.names) > 0 {
			maps = append(maps, n)
		}
		for _, name := range n.names {
			collect(n.fields[name])
		}
		for _, item := range n.items {
			collect(item)
		}
	}
	collect(root)
	if len(maps) == 0 {
		return
	}
	at, from := maps[random.IntN(len(maps))], maps[random.IntN(len(maps))]
	name, other := at.names[random.IntN(len(at.names))], from.names[random.IntN(len(from.names))]
	switch random.IntN(5) {
	case 0:
		at.remove(name)
	case 1:
		at.set(name, &node{pos: at.fields[name].pos, key: at.fields[name].key})
	case 2:
		at.set(other, from.fields[other].copy())
	case 3:
		at.set(name, from.fields[other].copy())
	case 4:
		copied := at.fields[name].copy()
		at.remove(name)
		at.set(name+"x", copied)
	}
}
