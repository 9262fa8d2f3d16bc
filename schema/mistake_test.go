package schema

import (
	"errors"
	"os"
	"strconv"
	"testing"
)

// TestOneMistakeIsOneError replaces each value of a full description with one
// of a wrong type and expects exactly one error, at its place.
func TestOneMistakeIsOneError(t *testing.T) {
	text, err := os.ReadFile("../testdata/render/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parse := func() (*node, []string) {
		root, errs := parseYAML("stack.yaml", text)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		return root, scalars(root, "")
	}
	_, paths := parse()
	if len(paths) < 80 {
		t.Fatalf("found %d values only", len(paths))
	}
	place := Pos{"stack.yaml", 4711, 1}
	for i, path := range paths {
		root, _ := parse()
		spoil(root, i, place)
		err := (&Stack{}).build(root, nil)
		var errs Errors
		if !errors.As(err, &errs) || len(errs) != 1 || errs[0].Pos != place {
			t.Errorf("%s: want one error at %s, got\n%v", path, place, err)
		}
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

// spoil makes a list in a list of the scalar number at, and returns how many
// are left to count.
func spoil(n *node, at int, place Pos) int {
	for _, name := range n.names {
		at = spoil(n.fields[name], at, place)
	}
	for _, item := range n.items {
		at = spoil(item, at, place)
	}
	if n.kind != mapKind && n.kind != listKind {
		if at == 0 {
			*n = node{kind: listKind, pos: place, items: []*node{{kind: listKind, pos: place}}}
		}
		at--
	}
	return at
}
