package render

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"stackctl.dev/stackctl/schema"
)

// claims emits the volume claims of an app whose pods share them. A stateful
// app has templates instead, see claimTemplates.
func claims(c *scope) []fields {
	if c.app.Kind == schema.Stateful {
		return nil
	}
	names := volumeNames(c.app)
	var objects []fields
	for _, path := range c.app.Claims() {
		meta := metadata{c.app.Name + "-" + names[path], c.labels(), c.annotations(nil)}
		objects = append(objects, c.object("v1", "PersistentVolumeClaim", meta, fields{"spec": claimSpec(c.app.Volumes[path])}))
	}
	return objects
}

// claimTemplates emits the claims that each pod of a stateful app gets. They
// can never change, so they carry only labels that do not.
func claimTemplates(c *scope) []fields {
	names := volumeNames(c.app)
	var out []fields
	for _, path := range c.app.Claims() {
		out = append(out, fields{"metadata": fields{"name": names[path], "labels": c.fixed()}, "spec": claimSpec(c.app.Volumes[path])})
	}
	return out
}

func claimSpec(volume schema.Volume) fields {
	spec := fields{"accessModes": []string{volume.Access}, "storageClassName": given(volume.Class)}
	if size := quantity(volume.Size); size != nil {
		spec["resources"] = fields{"requests": fields{"storage": size}}
	}
	return spec
}

// mounted is what the containers of a pod mount, by the name of the container.
type mounted struct {
	volumes []fields
	in      map[string][]fields
	taken   map[string]bool // names of volumes
}

// mounts collects the volumes of a pod: those of the app, and for each
// container its files, its secrets, its own directories and the /tmp of a
// read-only root.
func mounts(c *scope) *mounted {
	m := &mounted{in: make(map[string][]fields), taken: make(map[string]bool)}
	names := volumeNames(c.app)
	for _, path := range slices.Sorted(maps.Keys(c.app.Volumes)) {
		m.taken[names[path]] = true
		if other := c.sameClaim(names, path); other != "" {
			c.fail("has the same name in Kubernetes as the volume at "+other, "mount one of the two elsewhere", "volumes", path)
		}
		if volume := appVolume(c, names[path], c.app.Volumes[path]); volume != nil {
			m.volumes = append(m.volumes, volume)
		}
		m.mount(c.app.Name, names[path], path)
	}
	c.programs(func(p *schema.Program, path ...string) {
		for mountPath, mount := range m.ownMounts(c, path) {
			if mount.From != "" {
				m.mount(p.Name, names[mount.From], mountPath)
			} else {
				m.empty(p.Name, m.unique("tmp", path), mountPath, mount.Medium)
			}
		}
		m.files(c, p, path)
		m.secrets(c, p, path)
		preset := c.app.Security.Preset
		if len(path) > 0 && p.Security.Preset != "" {
			preset = p.Security.Preset
		}
		if preset == "hardened" && !m.has(p.Name, "/tmp") {
			m.empty(p.Name, m.unique("tmp", path), "/tmp", "disk")
		}
	})
	for _, mounts := range m.in {
		slices.SortStableFunc(mounts, func(a, b fields) int {
			return strings.Compare(a["mountPath"].(string), b["mountPath"].(string))
		})
	}
	return m
}

// ownMounts are the volumes that a container beside the app's mounts, sorted.
func (m *mounted) ownMounts(c *scope, path []string) func(func(string, schema.Mount) bool) {
	var container schema.Container
	switch {
	case len(path) == 0:
	case path[0] == "init":
		container = c.app.Init[path[1]]
	default:
		container = c.app.Sidecars[path[1]]
	}
	return func(yield func(string, schema.Mount) bool) {
		for _, mountPath := range slices.Sorted(maps.Keys(container.Volumes)) {
			if !yield(mountPath, container.Volumes[mountPath]) {
				return
			}
		}
	}
}

// appVolume is a volume of the app; the claims of a stateful app are none, they
// are mounted by the name of their template.
func appVolume(c *scope, name string, volume schema.Volume) fields {
	claim := func(name string) fields { return fields{"claimName": name} }
	switch {
	case volume.Existing != "":
		return fields{"name": name, "persistentVolumeClaim": claim(volume.Existing)}
	case volume.Medium != "":
		return emptyDir(name, volume.Medium, volume.Size)
	case c.app.Kind == schema.Stateful:
		return nil
	}
	return fields{"name": name, "persistentVolumeClaim": claim(c.app.Name + "-" + name)}
}

func emptyDir(name, medium string, size schema.Quantity) fields {
	source := fields{"sizeLimit": quantity(size)}
	if medium == "memory" {
		source["medium"] = "Memory"
	}
	return fields{"name": name, "emptyDir": source}
}

// empty gives a container an empty directory of its own.
func (m *mounted) empty(container, name, path, medium string) {
	m.volumes = append(m.volumes, emptyDir(name, medium, ""))
	m.mount(container, name, path)
}

func (m *mounted) mount(container, volume, path string) fields {
	out := fields{"name": volume, "mountPath": path}
	m.in[container] = append(m.in[container], out)
	return out
}

// mountFile mounts one file of a volume by itself, so that the rest of its
// directory stays what the image has there.
func (m *mounted) mountFile(container, volume, path, key string) {
	out := m.mount(container, volume, path)
	out["subPath"], out["readOnly"] = key, true
}

func (m *mounted) has(container, path string) bool {
	return slices.ContainsFunc(m.in[container], func(mount fields) bool { return mount["mountPath"] == path })
}

// files mounts the files of a container.
func (m *mounted) files(c *scope, p *schema.Program, path []string) {
	if len(p.Files) == 0 {
		return
	}
	name, _ := c.configName(p, path)
	volume := m.unique("files", path)
	paths := slices.Sorted(maps.Keys(p.Files))
	keys := keysOf(paths)
	var items []fields
	for _, path := range paths {
		item := fields{"key": keys[path], "path": keys[path]}
		if mode, err := strconv.ParseInt(p.Files[path].Mode, 8, 32); err == nil && mode != 0o644 {
			item["mode"] = mode
		}
		items = append(items, item)
		m.mountFile(p.Name, volume, path, keys[path])
	}
	m.volumes = append(m.volumes, fields{"name": volume, "configMap": fields{"name": name, "items": items}})
}

// secrets mounts the secret files of a container, from wherever each is kept.
func (m *mounted) secrets(c *scope, p *schema.Program, path []string) {
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
		if strings.HasPrefix(name, "/") {
			paths = append(paths, name)
		}
	}
	if len(paths) == 0 {
		return
	}
	keys := keysOf(slices.Sorted(maps.Keys(p.Secrets)))
	volume := m.unique("secrets", path)
	items := make(map[string][]fields) // by the name of the Secret
	for _, file := range paths {
		ref := c.reference(p.Secrets[file], keys[file], path)
		items[ref.Name] = append(items[ref.Name], fields{"key": ref.Key, "path": keys[file]})
		m.mountFile(p.Name, volume, file, keys[file])
	}
	var sources []fields
	for _, name := range slices.Sorted(maps.Keys(items)) {
		sources = append(sources, fields{"secret": fields{"name": name, "items": items[name]}})
	}
	m.volumes = append(m.volumes, fields{"name": volume, "projected": fields{"sources": sources}})
}

// unique returns a name for a volume of a container that no other has.
func (m *mounted) unique(name string, path []string) string {
	if len(path) > 0 {
		name += "-" + path[1]
	}
	for i, base := 2, name; m.taken[name]; i++ {
		name = base + "-" + strconv.Itoa(i)
	}
	m.taken[name] = true
	return name
}

// sameClaim returns the path of a claim whose name another one has, "" when
// there is none.
func (c *scope) sameClaim(names map[string]string, path string) string {
	if !c.app.Volumes[path].IsClaim() || names[path] == volumeName(path) {
		return ""
	}
	for _, other := range c.app.Claims() {
		if names[other] == volumeName(path) {
			return other
		}
	}
	return ""
}

var notVolume = regexp.MustCompile(`[^a-z0-9]+`)

// volumeNames names the volumes of an app after the paths they are mounted at.
// The name of a claim can never change, so it depends on its own path only: two
// claims whose paths differ in nothing that a name can have are refused.
func volumeNames(app *schema.App) map[string]string {
	names, taken := make(map[string]string), make(map[string]bool)
	claims := app.Claims()
	rest := slices.DeleteFunc(slices.Sorted(maps.Keys(app.Volumes)), func(path string) bool { return slices.Contains(claims, path) })
	for _, path := range slices.Concat(claims, rest) {
		name := volumeName(path)
		for i, base := 2, name; taken[name]; i++ {
			name = base + "-" + strconv.Itoa(i)
		}
		names[path], taken[name] = name, true
	}
	return names
}

// volumeName makes a name of a path.
func volumeName(path string) string {
	name := strings.Trim(notVolume.ReplaceAllString(strings.ToLower(path), "-"), "-")
	if len(name) > 50 {
		name = strings.Trim(name[len(name)-50:], "-")
	}
	return cmp.Or(name, "volume")
}
