package schema

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// exported are the two exported schemas, each as a function that refuses a
// value with an error.
func exported(t testing.TB) map[string]func(any) error {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSONSchema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("stack.schema.json", document); err != nil {
		t.Fatal(err)
	}
	json, err := compiler.Compile("stack.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	ctx := cuecontext.New()
	stack := ctx.CompileBytes(CUE(), cue.Filename("stack.cue")).LookupPath(cue.ParsePath("#Stack"))
	if err := stack.Err(); err != nil {
		t.Fatal(err)
	}
	return map[string]func(any) error{
		"JSON Schema": json.Validate,
		"CUE":         func(v any) error { return stack.Unify(ctx.Encode(v)).Validate(cue.Concrete(true)) },
	}
}

// described is a description with the name that a failed test shows.
type described struct {
	name string
	tree any
	errs string // what Load says, "" when it loads
}

// allDescribed returns the examples and all descriptions of stories.
func allDescribed(t testing.TB) []described {
	t.Helper()
	var out []described
	add := func(name, file string, text []byte) {
		in := &input{file: file, text: text}
		root, errs := in.parse()
		if root == nil || len(errs) > 0 {
			return // there is no value that a schema could see
		}
		one := described{name: name, tree: root.tree()}
		if _, err := Load(context.Background(), Options{Filename: file}); err != nil {
			one.errs = err.Error()
		}
		out = append(out, one)
	}
	examples, _ := filepath.Glob("../examples/*/stack.yaml")
	for _, path := range examples {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		add(path, path, text)
	}
	stories, _ := filepath.Glob("../testdata/[rs]*/*.txtar")
	for _, path := range stories {
		story, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for _, file := range story.Files {
			name := filepath.Join(dir, file.Name)
			_ = os.MkdirAll(filepath.Dir(name), 0o755)
			if err := os.WriteFile(name, file.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, file := range story.Files {
			if strings.HasPrefix(filepath.Base(file.Name), "stack.") {
				add(path+" "+file.Name, filepath.Join(dir, file.Name), file.Data)
			}
		}
	}
	return out
}

// TestExportsAccept validates everything that loads.
func TestExportsAccept(t *testing.T) {
	refuses := exported(t)
	n := 0
	for _, one := range allDescribed(t) {
		if one.errs != "" {
			continue
		}
		n++
		for name, refuse := range refuses {
			if err := refuse(one.tree); err != nil {
				t.Errorf("%s loads, and %s refuses it: %v", one.name, name, err)
			}
		}
	}
	if n < 30 {
		t.Errorf("found %d descriptions only", n)
	}
}

// typing are the words of errors about one value or one key, which a schema
// can see, too.
var typing = []string{": want ", "unknown field", "does not fit: want"}

// unseen are stories about one value that no schema can see.
var unseen = map[string]string{
	"ambiguous_scalars": "YAML is read already, and quotes are lost",
	"image_not_pinned":  "allowLatest elsewhere in the file allows it",
	"manifest_secret":   "it is about the files that manifests names",
}

// TestExportsRefuse expects every mistake in a story that is a wrong type or an
// unknown key to be refused.
func TestExportsRefuse(t *testing.T) {
	refuses := exported(t)
	n := 0
	for _, one := range allDescribed(t) {
		seen := slices.ContainsFunc(typing, func(words string) bool { return strings.Contains(one.errs, words) })
		story := strings.TrimSuffix(filepath.Base(strings.Fields(one.name)[0]), ".txtar")
		if reason := unseen[story]; !seen || reason != "" {
			continue
		}
		n++
		for name, refuse := range refuses {
			if refuse(one.tree) == nil {
				t.Errorf("%s: %s accepts what does not load:\n%s", one.name, name, one.errs)
			}
		}
	}
	if n < 5 {
		t.Errorf("found %d mistakes only", n)
	}
}

// TestExportsRefuseEveryMistake puts a value of a wrong type in place of each
// value of the full example, and an unknown key into each of its maps. What
// stands beside is left out, which is quicker and changes nothing.
func TestExportsRefuseEveryMistake(t *testing.T) {
	text, err := os.ReadFile("../examples/full/stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full, errs := parseYAML("stack.yaml", text)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	refuses := exported(t)
	n := 0
	everyPlace(full, language().stack, nil, func(path []string, isStruct bool) {
		root, place := branch(full, path)
		if !slices.Equal(path, []string{"name"}) {
			root.set("name", full.get("name").copy())
		}
		verdict := func(what string, want bool) {
			for name, refuse := range refuses {
				if err := refuse(root.tree()); (err != nil) != want {
					t.Errorf("%s refuses %s at %s: %v", name, what, join(path...), err)
				}
			}
		}
		n++
		if !isStruct {
			*place = node{kind: listKind, items: []*node{{kind: listKind}}}
			verdict("a list in a list", true)
			return
		}
		place.set("x-free", &node{kind: textKind, text: "x"})
		verdict("a key that begins with x-", false)
		place.set("surplus", &node{kind: textKind, text: "x"})
		verdict("an unknown key", true)
	})
	if n < 300 {
		t.Errorf("found %d places only", n)
	}
}

// everyPlace visits all scalars, and all maps whose keys are known.
func everyPlace(n *node, s *shape, path []string, visit func(path []string, isStruct bool)) {
	if s = s.whole(); s.isTree() {
		return
	}
	switch {
	case n.kind != mapKind && n.kind != listKind:
		visit(path, false)
	case n.kind == mapKind && len(s.names) > 0:
		visit(path, true)
	}
	for _, name := range n.names {
		everyPlace(n.fields[name], s.child(name), append(path[:len(path):len(path)], name), visit)
	}
	for i, item := range n.items {
		everyPlace(item, s.elem, append(path[:len(path):len(path)], "["+strconv.Itoa(i)+"]"), visit)
	}
}

// branch returns a copy of n with nothing beside the path, and its end. An item
// of a list keeps all it has, since nothing else could hold the rest.
func branch(n *node, path []string) (root, end *node) {
	if len(path) == 0 {
		root = n.copy()
		return root, root
	}
	root = &node{kind: n.kind}
	if i, err := strconv.Atoi(strings.Trim(path[0], "[]")); err == nil && n.kind == listKind {
		item := n.items[i].copy()
		root.items = []*node{item}
		for _, name := range path[1:] {
			if i, err := strconv.Atoi(strings.Trim(name, "[]")); err == nil && item.kind == listKind {
				item = item.items[i]
			} else {
				item = item.get(name)
			}
		}
		return root, item
	}
	child, end := branch(n.get(path[0]), path[1:])
	root.set(path[0], child)
	return root, end
}

// TestForms compares forms.cue with the functions of short.go: what one takes,
// the other takes, and what is refused here is refused there.
func TestForms(t *testing.T) {
	everyView(view{shape: language().stack}, func(v view) {
		if name := v.shape.short["go"]; name != "" && language().forms[name] == nil {
			t.Errorf("forms.cue has no form %s, which %s has", name, pathText(v.path))
		}
	})
	fields := map[string]string{
		"image": "image", "ingress": "ingress", "health": "health", "needs": "needs", "autoscale": "autoscale",
		"spread": "spread", "parent": "gateway.parent", "peer": "network.from.[]", "volume": "volumes.[]", "mount": "init.[].volumes.[]",
	}
	texts := []string{
		"web", "web:1.0", "ghcr.io/acme/web:1.0", "localhost:5000/a", "web@sha256:" + strings.Repeat("0", 64), "web:1@sha256:" + strings.Repeat("0", 64), "Web:1", "web:",
		"shop.example.org", "shop.example.org/", "shop.example.org/api", "*.example.org", "http://a.b", "a b", "/up", "/", "tcp", "grpc", "up",
		"infra/public", "a/b/c", "same-namespace", "namespace/infra", "namespace/", "10.0.0.0/8", "fd00::/8",
		"10Gi", "10", "tmp", "10GB", "2..10", "2-10", "..", "1..", "soft", "hard", "none", "softly", "x_y", "",
	}
	for name, form := range language().forms {
		at, ok := (view{shape: language().stack}).find(append([]string{"apps", "[]"}, strings.Split(fields[name], ".")...))
		if !ok {
			t.Errorf("there is no field with the form %s", name)
			continue
		}
		for _, text := range texts {
			c := &checker{}
			c.check(&node{kind: textKind, text: text, pos: Pos{"x", 1, 1}}, at.shape, nil, []string{"x"})
			if loads, fits := len(c.errs) == 0, c.fits(form, text); loads != fits {
				t.Errorf("%s %q: loads %v, fits #%sForm %v: %v", name, text, loads, strings.ToUpper(name[:1])+name[1:], fits, c.errs)
			}
		}
	}
}

// everyView visits a field and all below it.
func everyView(v view, visit func(view)) {
	visit(v)
	for _, name := range append(slices.Clone(v.shape.whole().names), "[]") {
		if child, ok := v.child(name); ok {
			everyView(child, visit)
		}
	}
}
