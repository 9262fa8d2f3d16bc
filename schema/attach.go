package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxFiles is what the files of one app may hold together: a config map has
// room for 1 MiB.
const maxFiles = 1_000_000

// cleanPath returns the shortest spelling of a path.
func cleanPath(name string) string { return path.Clean(name) }

// attach reads the files that a description refers to. They are below its
// directory: neither .. nor a symbolic link leads out of it.
func (s *Stack) attach() []Error {
	below := &directory{name: s.Dir, view: s.view}
	defer below.close()
	var errs []Error
	for _, app := range s.Apps {
		r := &review{stack: s, app: app}
		r.programs(func(p *Program, at ...string) { r.attachFiles(below, p, at) })
		errs = append(errs, r.errs...)
	}
	return append(errs, s.attachManifests(below)...)
}

// ReadFile returns the content of a regular file below the directory of the
// description. Its errors name the file and never the content.
func (s *Stack) ReadFile(name string) ([]byte, error) {
	below := &directory{name: s.Dir, view: s.view}
	defer below.close()
	return below.content(name)
}

// attachFiles fills the data of a container's files.
func (r *review) attachFiles(below *directory, p *Program, path []string) {
	total := 0
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		file := p.Files[name]
		at := append(path[:len(path):len(path)], "files", name)
		if file.Content != nil {
			file.Data = []byte(*file.Content)
		} else if file.Source != "" {
			data, err := below.content(file.Source)
			if err != nil {
				r.fail(err.Error(), "paths are relative to the directory of the description", append(at, "source")...)
				continue
			}
			file.Data = data
			r.stack.Files = append(r.stack.Files, below.shown(file.Source))
		}
		if total += len(file.Data); total > maxFiles {
			r.fail("the files are larger than 1 MB together, which a config map cannot hold", "put large files into the image or on a volume", at...)
			return
		}
		p.Files[name] = file
	}
}

// content returns the content of a file that a description refers to.
func (d *directory) content(name string) ([]byte, error) {
	data, err := d.read(name, maxBytes)
	if err == nil && len(data) > maxBytes {
		err = fmt.Errorf("%s is larger than 8 MiB", shown(d.shown(name)))
	}
	return data, err
}

// attachManifests reads the objects of all manifests.
func (s *Stack) attachManifests(below *directory) []Error {
	var errs []Error
	seen := make(map[string]bool)
	objects := make(map[string]Pos)
	for i, glob := range s.ManifestGlobs {
		item := s.tree.get("manifests", fmt.Sprintf("[%d]", i))
		if item.bad {
			continue
		}
		at := Error{Pos: item.at(), Path: fmt.Sprintf("manifests[%d]", i)}
		names, err := below.match(glob)
		switch {
		case err != nil:
			at.Msg, at.Hint = err.Error(), "* and ? stand for letters of a name, ** for any number of directories"
		case len(names) == 0:
			at.Msg, at.Hint = "no file matches "+shown(glob), "paths are relative to the directory of the description; a directory stands for the .yaml, .yml and .json files in it"
		}
		if at.Msg != "" {
			errs = append(errs, at)
			continue
		}
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			data, err := below.content(name)
			if err != nil {
				at.Msg = err.Error()
				errs = append(errs, at)
				continue
			}
			shownName := below.shown(name)
			s.Files = append(s.Files, shownName)
			manifests, wrong := readManifests(shownName, data)
			s.Manifests = append(s.Manifests, manifests...)
			errs = append(append(errs, wrong...), writtenTwice(manifests, objects)...)
		}
	}
	return errs
}

// match returns the files that a pattern names, sorted: those it matches, and
// for a directory all YAML and JSON files below it.
func (d *directory) match(glob string) ([]string, error) {
	view, err := d.open()
	if err != nil {
		return nil, err
	}
	glob = strings.TrimSuffix(path.Clean(glob), "/")
	pattern, err := regexpOf(glob)
	if err != nil {
		return nil, fmt.Errorf("%s is no pattern", shown(glob))
	}
	fixed, isFixed := glob, !strings.ContainsAny(glob, "*?[")
	if !isFixed { // the part of the path before the first pattern
		fixed = path.Dir(glob[:strings.IndexAny(glob, "*?[")] + "x")
	}
	var names []string
	err = fs.WalkDir(view, fixed, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case entry.IsDir() && name != fixed && (strings.HasPrefix(entry.Name(), ".") || !mayHold(pattern, glob, name)):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case isFixed && name == glob, !isFixed && pattern.MatchString(name):
			names = append(names, name)
		case isManifest(name) && isBelow(pattern, name):
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, d.explained(err)
	}
	slices.Sort(names)
	return names, nil
}

func isManifest(name string) bool {
	ext := path.Ext(name)
	return ext == ".yaml" || ext == ".yml" || ext == ".json"
}

// mayHold reports whether a directory can hold what a pattern matches.
func mayHold(pattern *regexp.Regexp, glob, name string) bool {
	return strings.Contains(glob, "**") || strings.Count(name, "/") < strings.Count(glob, "/") ||
		pattern.MatchString(name) || isBelow(pattern, name)
}

// isBelow reports whether a pattern matches a directory above name.
func isBelow(pattern *regexp.Regexp, name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if pattern.MatchString(dir) {
			return true
		}
	}
	return false
}

// regexpOf translates a pattern: * and ? stand for letters of one name, ** for
// any number of directories.
func regexpOf(glob string) (*regexp.Regexp, error) {
	if _, err := path.Match(glob, ""); err != nil {
		return nil, err
	}
	text := regexp.QuoteMeta(glob)
	for _, one := range [][2]string{{`\*\*/`, `(?:.*/)?`}, {`\*\*`, `.*`}, {`\*`, `[^/]*`}, {`\?`, `[^/]`}, {`\[\^`, `[^`}, {`\[`, `[`}, {`\]`, `]`}} {
		text = strings.ReplaceAll(text, one[0], one[1])
	}
	return regexp.Compile("^" + text + "$")
}

// writtenTwice reports objects that are there already.
func writtenTwice(manifests []Manifest, seen map[string]Pos) []Error {
	var errs []Error
	for _, manifest := range manifests {
		version, _ := manifest.Object["apiVersion"].(string)
		group, _, _ := strings.Cut(version, "/")
		if !strings.Contains(version, "/") {
			group = ""
		}
		metadata, _ := manifest.Object["metadata"].(map[string]any)
		object := fmt.Sprintf("%v %q", manifest.Object["kind"], metadata["name"])
		key := fmt.Sprint(group, " ", object, " ", metadata["namespace"])
		if first, twice := seen[key]; twice {
			errs = append(errs, Error{Pos: manifest.Pos, Msg: object + " is written twice", Hint: "remove one of the two; the first is at " + first.String()})
			continue
		}
		seen[key] = manifest.Pos
	}
	return errs
}

// readManifests reads all objects of one file.
func readManifests(file string, text []byte) ([]Manifest, []Error) {
	in := &input{file: file, text: text}
	if errs := in.check(); len(errs) > 0 {
		return nil, errs
	}
	documents, wrong := in.documents()
	errs := []Error(wrong)
	hide := holdsSecret().Match(in.text)
	for i := range errs {
		if hide {
			errs[i].Msg, errs[i].Hint, errs[i].Hidden = "is not valid here", "the line is not shown, since the file holds a Secret", true
		}
	}
	var out []Manifest
	for _, n := range documents {
		manifests, wrong := manifestsOf(n, hide)
		out, errs = append(out, manifests...), append(errs, wrong...)
	}
	return out, errs
}

// holdsSecret finds a Secret in a text, whether or not that can be parsed.
var holdsSecret = onUse(`(?m)kind["']?\s*:\s*["']?Secret\b`)

// documents parses the text: YAML may hold several.
func (in *input) documents() ([]*node, Errors) {
	if strings.EqualFold(filepath.Ext(in.file), ".json") {
		n, errs := parseJSON(in.file, in.text)
		return []*node{n}, errs
	}
	return yamlDocuments(in.file, in.text)
}

// serverMetadata is what the API server wrote into an object that was read
// from a cluster.
var serverMetadata = []string{"creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"}

// manifestsOf checks that a document is an object of Kubernetes, or a list of
// them. What hide is set for is said without showing a value.
func manifestsOf(n *node, hide bool) ([]Manifest, []Error) {
	if n == nil || n.kind == nullKind {
		return nil, nil
	}
	c := &checker{hide: hide}
	c.tree(n, &shape{}, nil)
	fail := func(n *node, msg, hint string) {
		c.errs = append(c.errs, Error{Pos: n.at(), Msg: msg, Hint: hint, Hidden: hide})
	}
	kind := n.get("kind")
	switch name := n.get("metadata", "name"); {
	case n.kind != mapKind:
		fail(n, "want an object of Kubernetes, got "+n.describe(), "an object has apiVersion, kind and metadata")
	case n.get("apiVersion") == nil || kind == nil || kind.kind != textKind || n.get("apiVersion").kind != textKind:
		fail(n, "the object lacks apiVersion or kind", "an object of Kubernetes has both; a stack cannot be part of another one")
	case strings.HasSuffix(kind.text, "List") && n.get("items") != nil:
		var out []Manifest
		for _, item := range n.get("items").items {
			manifests, errs := manifestsOf(item, hide)
			out, c.errs = append(out, manifests...), append(c.errs, errs...)
		}
		return out, c.errs
	case name == nil || name.kind != textKind || name.text == "":
		hint := "add metadata: {name: ...}"
		if n.get("metadata", "generateName") != nil {
			hint = "write name instead of generateName: a stack finds its objects by name"
		}
		fail(n, "the object has no name", hint)
	default:
		for _, field := range []string{"labels", "annotations"} {
			for _, value := range n.get("metadata", field).children() {
				if value.kind != textKind {
					fail(value, "want text", "put it in quotes")
				}
			}
		}
		for _, name := range serverMetadata {
			n.get("metadata").remove(name)
		}
		object, _ := n.tree().(map[string]any)
		delete(object, "status")
		return []Manifest{{Pos: n.pos, Object: object, tree: n}}, c.errs
	}
	return nil, c.errs
}
