package schema

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// wrongs are values of wrong types, each for most fields.
var wrongs = []struct {
	name string
	node func(place Pos) *node
}{
	{"a map", func(place Pos) *node { return part("no field", &node{kind: listKind, pos: place, key: place}) }},
	{"a number", func(Pos) *node { return &node{kind: intKind, text: "-4711"} }},
	{"a switch", func(Pos) *node { return &node{kind: boolKind, text: "true"} }},
	{"a text", func(Pos) *node { return textNode("\x01 no text") }},
	{"null", func(Pos) *node { return &node{} }},
	{"ambiguous", func(Pos) *node { return &node{kind: textKind, text: "0o17", plain: true} }},
	{"a list", func(place Pos) *node { return &node{kind: listKind, items: []*node{{kind: listKind, pos: place}}} }},
}

// TestOneMistakeIsOneError replaces each value of a full description by a list,
// and by one of another wrong type, and expects exactly one error, at its
// place.
func TestOneMistakeIsOneError(t *testing.T) {
	text, err := os.ReadFile("../examples/full/stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full, errs := parseYAML("stack.yaml", text)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	paths := scalars(full, "")
	if len(paths) < 80 {
		t.Fatalf("found %d values only", len(paths))
	}
	random := seeded(t)
	place := Pos{"stack.yaml", 4711, 1}
	for i, path := range paths {
		if strings.Contains(path, ".patch.") || strings.Contains(path, "].value") {
			continue // anything can stand there
		}
		list := len(wrongs) - 1
		for _, wrong := range []int{list, random.IntN(list)} {
			root := full.copy()
			spoil(root, i, place, wrongs[wrong].node)
			err := (&Stack{Dir: "../examples/full"}).build(root, nil)
			var errs Errors
			if err == nil && wrong != list {
				continue // it is right there
			}
			if !errors.As(err, &errs) || len(errs) != 1 || errs[0].Pos != place {
				t.Errorf("%s is %s: want one error at %s, got\n%v", path, wrongs[wrong].name, place, err)
			}
		}
	}
}

// TestOneTypoIsOneError misspells each field of a full description and expects
// one error at its key: nothing else is said about what was meant.
func TestOneTypoIsOneError(t *testing.T) {
	text, err := os.ReadFile("../examples/full/stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full, _ := parseYAML("stack.yaml", text)
	place := Pos{"stack.yaml", 4711, 1}
	tried := 0
	var walk func(n *node, s *shape, path string)
	walk = func(n *node, s *shape, path string) {
		for _, item := range n.items {
			if s.elem != nil {
				walk(item, s.elem, path+"[]")
			}
		}
		for _, name := range slices.Clone(n.names) {
			child := s.child(name)
			if child == nil {
				continue
			}
			walk(n.fields[name], child, path+"."+name)
			typo := name + "q"
			if whole := s.whole(); whole.fields[name] == nil || whole.fields[typo] != nil || strings.HasPrefix(name, "x-") {
				continue
			}
			tried++
			was := n.copy()
			value := n.fields[name]
			key := value.key
			value.key = place
			n.remove(name)
			n.set(typo, value)
			err := (&Stack{Dir: "../examples/full"}).build(full.copy(), nil)
			*n = *was
			n.fields[name].key = key
			var errs Errors
			if !errors.As(err, &errs) || len(errs) != 1 || errs[0].Pos != place {
				t.Errorf("%s: want one error at %s, got\n%v", path+"."+typo, place, err)
			}
		}
	}
	walk(full, language().stack, "")
	if tried < 100 {
		t.Errorf("tried %d fields only", tried)
	}
}

// scalars returns the paths of all scalars, in the order spoil counts them.
func scalars(n *node, path string) []string {
	var paths []string
	for _, name := range n.names {
		paths = append(paths, scalars(n.fields[name], path+"."+name)...)
	}
	for i, item := range n.items {
		paths = append(paths, scalars(item, path+"["+strconv.Itoa(i)+"]")...)
	}
	if n.kind != mapKind && n.kind != listKind {
		paths = append(paths, path)
	}
	return paths
}

// spoil replaces the scalar number at, and returns how many are left to count.
func spoil(n *node, at int, place Pos, wrong func(place Pos) *node) int {
	for _, name := range n.names {
		at = spoil(n.fields[name], at, place, wrong)
	}
	for _, item := range n.items {
		at = spoil(item, at, place, wrong)
	}
	if n.kind != mapKind && n.kind != listKind {
		if at == 0 {
			*n = *wrong(place)
			n.pos, n.key = place, place
		}
		at--
	}
	return at
}
