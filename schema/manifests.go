package schema

import (
	"context"
	"path"
	"slices"
	"strings"
)

// LoadManifests reads all Kubernetes objects in the YAML and JSON files of a
// directory and, if below is set, of those below it, hidden ones apart. What the
// user can correct comes back as [Errors]. The ceilings are those of [Load].
func LoadManifests(ctx context.Context, dir string, below bool) ([]Manifest, error) {
	return guarded(ctx, dir, ordinary, func() ([]Manifest, error) {
		d := &directory{name: dir}
		defer d.close()
		if _, err := d.open(); err != nil {
			return nil, err
		}
		names, err := d.manifests(below)
		if err != nil {
			return nil, err
		}
		var all []Manifest
		var errs Errors
		seen := map[string]Pos{}
		for _, name := range names {
			text, err := d.content(name)
			if err != nil {
				return nil, err
			}
			manifests, wrong := readManifests(d.shown(name), text)
			all = append(all, manifests...)
			errs = append(append(errs, wrong...), writtenTwice(manifests, seen)...)
		}
		if len(errs) > 0 {
			return nil, Errors(sorted(errs))
		}
		return all, nil
	})
}

// manifests returns the files in the directory that may hold manifests, sorted.
func (d *directory) manifests(below bool) ([]string, error) {
	glob := "*"
	if below {
		glob = "**"
	}
	names, err := d.match(glob)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return !isManifest(name) || strings.HasPrefix(path.Base(name), ".")
	}), nil
}
