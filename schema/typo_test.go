package schema

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cuelang.org/go/cue"
)

// typos returns texts that differ from a word by one letter: left out, put in,
// replaced, swapped with its neighbour, or of the other case.
func typos(word string, random *rand.Rand) []string {
	const letters = "abcdefghijklmnopqrstuvwxyz-_1é"
	letter := func() string { return string([]rune(letters)[random.IntN(len([]rune(letters)))]) }
	var out []string
	for i := range len(word) + 1 {
		for range 5 {
			out = append(out, word[:i]+letter()+word[i:])
		}
		if i == len(word) {
			break
		}
		out = append(out, word[:i]+word[i+1:], word[:i]+strings.ToUpper(word[i:i+1])+word[i+1:], word[:i]+strings.ToLower(word[i:i+1])+word[i+1:])
		for range 5 {
			out = append(out, word[:i]+letter()+word[i+1:])
		}
		if i+1 < len(word) {
			out = append(out, word[:i]+word[i+1:i+2]+word[i:i+1]+word[i+2:])
		}
	}
	return out
}

// seeded returns a source of random numbers whose seed is logged.
func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// shapesBelow visits every shape of the language once.
func shapesBelow(s *shape, path string, seen map[string]bool, visit func(path string, s *shape)) {
	s = s.whole()
	key := strings.Join(s.names, " ") + "|" + strings.Join(s.enum, " ") + "|" + s.want
	if !seen[key] {
		seen[key] = true
		visit(path, s)
	}
	for _, name := range s.names {
		if field := s.fields[name]; len(path) < 300 {
			shapesBelow(field, path+"."+name, seen, visit)
		}
	}
	if s.elem != nil {
		shapesBelow(s.elem, path+"[]", seen, visit)
	}
}

// TestMisspeltKeys misspells every key of the language, those of Kubernetes
// objects among them, by one letter at every place. The hint names the key.
func TestMisspeltKeys(t *testing.T) {
	random, tried := seeded(t), 0
	shapesBelow(language().stack, "stack", make(map[string]bool), func(path string, s *shape) {
		for _, name := range s.names {
			for _, typo := range typos(name, random) {
				if s.fields[typo] != nil || strings.HasPrefix(typo, "x-") {
					continue
				}
				tried++
				c := &checker{}
				c.unknown(textNode("1"), &node{kind: mapKind}, s, []string{typo})
				if hint := c.errs[0].Hint; !strings.Contains(hint, quote(name)) {
					t.Errorf("%s: %s written as %s: %s", path, name, typo, hint)
				}
			}
		}
	})
	if tried < 20_000 {
		t.Errorf("tried %d typos only", tried)
	}
}

// TestMisspeltValues does so with every word of a list of words.
func TestMisspeltValues(t *testing.T) {
	random, tried := seeded(t), 0
	shapesBelow(language().stack, "stack", make(map[string]bool), func(path string, s *shape) {
		for _, word := range s.choices() {
			for _, typo := range typos(word, random) {
				other := func(one string) bool { return one != word && strings.EqualFold(one, typo) }
				if s.takes(textKind, typo) || s.kind == cue.BoolKind || slices.ContainsFunc(s.choices(), other) {
					continue
				}
				tried++
				c := &checker{}
				c.check(textNode(typo), s, nil, strings.Split(path, "."))
				if len(c.errs) != 1 || !strings.Contains(c.errs[0].Hint, quote(word)) {
					t.Errorf("%s: %s written as %s: %+v", path, word, typo, c.errs)
				}
			}
		}
	})
	if tried < 1000 {
		t.Errorf("tried %d typos only", tried)
	}
}

// TestMisspeltNames does so with names of apps, ports, volumes and environments
// wherever a description refers to them.
func TestMisspeltNames(t *testing.T) {
	random := seeded(t)
	for _, test := range []struct{ name, text string }{
		{"database", "apps: {database: {image: 'a:1'}, web: {image: 'a:1', needs: [TYPO]}}"},
		{"cache", "apps: {cache: {image: 'a:1'}, web: {image: 'a:1', needs: {TYPO: healthy}}}"},
		{"front", "apps: {front: {image: 'a:1'}, web: {image: 'a:1', network: {from: [TYPO]}}}"},
		{"back", "apps: {back: {image: 'a:1'}, web: {image: 'a:1', network: {to: [{app: TYPO}]}}}"},
		{"database", "apps: {database: {image: 'a:1'}}\nenvironments: {dev: {apps: {TYPO: {replicas: 2}}}}"},
		{"metrics", "apps: {web: {image: 'a:1', ports: {http: 80, metrics: 9090}, service: {ports: {TYPO: 90}}}}"},
		{"metrics", "apps: {web: {image: 'a:1', ports: {http: 80, metrics: 9090}, health: {port: TYPO}}}"},
		{"/data", "apps: {web: {image: 'a:1', volumes: {/data: tmp}, init: {i: {image: 'a:1', volumes: {/w: TYPO}}}}}"},
	} {
		for _, typo := range typos(test.name, random) {
			isName := (&checker{}).fits(language().stack.child("name"), strings.TrimPrefix(typo, "/"))
			if typo == test.name || !isName && (test.name == "metrics" || test.name == "/data") || strings.HasPrefix(test.name, "/") && !strings.HasPrefix(typo, "/") {
				continue // no name at all, which is said before anybody looks for it
			}
			in := &input{file: "stack.yaml", text: []byte("name: shop\n" + strings.Replace(test.text, "TYPO", typo, 1))}
			_, err := guarded(context.Background(), in.file, patient, func() (*Stack, error) { return load(in, "") })
			var errs Errors
			if !errors.As(err, &errs) || len(errs) != 1 || !strings.Contains(errs[0].Hint, quote(test.name)) {
				t.Errorf("%s written as %s: %q", test.name, typo, []Error(errs))
			}
		}
	}
	for _, typo := range typos("staging", random) {
		if typo == "staging" {
			continue
		}
		in := &input{file: "stack.yaml", text: []byte("name: shop\napps: {web: {image: 'a:1'}}\nenvironments: {staging: {}, prod: {}}")}
		_, err := load(in, typo)
		var errs Errors
		if !errors.As(err, &errs) || !strings.Contains(errs[0].Hint, `did you mean "staging"?`) {
			t.Errorf("-e %s: %v", typo, err)
		}
	}
}
