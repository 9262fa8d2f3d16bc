package render

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1 "k8s.io/client-go/applyconfigurations/core/v1"

	"stackctl.dev/stackctl/schema"
)

// claims emits the volume claims of an app whose pods share them. A stateful
// app has templates instead, see claimTemplates.
func claims(c *scope) []any {
	if c.app.Kind == schema.Stateful {
		return nil
	}
	names := volumeNames(c.app)
	var objects []any
	for _, path := range c.app.Claims() {
		objects = append(objects, corev1.PersistentVolumeClaim(c.app.Name+"-"+names[path], c.namespace()).
			WithLabels(c.labels()).
			WithAnnotations(c.annotations(nil)).
			WithSpec(claimSpec(c.app.Volumes[path])))
	}
	return objects
}

// claimTemplates emits the claims that each pod of a stateful app gets. They
// can never change, so they carry only labels that do not.
func claimTemplates(c *scope) []*corev1.PersistentVolumeClaimApplyConfiguration {
	names := volumeNames(c.app)
	var out []*corev1.PersistentVolumeClaimApplyConfiguration
	for _, path := range c.app.Claims() {
		claim := corev1.PersistentVolumeClaim(names[path], "").WithLabels(c.fixed()).WithSpec(claimSpec(c.app.Volumes[path]))
		claim.Namespace, claim.Kind, claim.APIVersion = nil, nil, nil
		out = append(out, claim)
	}
	return out
}

func claimSpec(volume schema.Volume) *corev1.PersistentVolumeClaimSpecApplyConfiguration {
	spec := corev1.PersistentVolumeClaimSpec().WithAccessModes(v1.PersistentVolumeAccessMode(volume.Access))
	if volume.Class != "" {
		spec.WithStorageClassName(volume.Class)
	}
	if size, err := resource.ParseQuantity(string(volume.Size)); err == nil {
		spec.WithResources(corev1.VolumeResourceRequirements().WithRequests(v1.ResourceList{v1.ResourceStorage: size}))
	}
	return spec
}

// mounted is what the containers of a pod mount, by the name of the container.
type mounted struct {
	volumes []*corev1.VolumeApplyConfiguration
	in      map[string][]*corev1.VolumeMountApplyConfiguration
	taken   map[string]bool // names of volumes
}

// mounts collects the volumes of a pod: those of the app, and for each
// container its files, its secrets, its own directories and the /tmp of a
// read-only root.
func mounts(c *scope) *mounted {
	m := &mounted{in: make(map[string][]*corev1.VolumeMountApplyConfiguration), taken: make(map[string]bool)}
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
				m.empty(p.Name, m.unique("tmp", path), mountPath, mount.Medium, "")
			}
		}
		m.files(c, p, path)
		m.secrets(c, p, path)
		preset := c.app.Security.Preset
		if len(path) > 0 && p.Security.Preset != "" {
			preset = p.Security.Preset
		}
		if preset == "hardened" && !m.has(p.Name, "/tmp") {
			m.empty(p.Name, m.unique("tmp", path), "/tmp", "disk", "")
		}
	})
	for _, mounts := range m.in {
		slices.SortStableFunc(mounts, func(a, b *corev1.VolumeMountApplyConfiguration) int {
			return strings.Compare(*a.MountPath, *b.MountPath)
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
func appVolume(c *scope, name string, volume schema.Volume) *corev1.VolumeApplyConfiguration {
	out := corev1.Volume().WithName(name)
	switch {
	case volume.Existing != "":
		return out.WithPersistentVolumeClaim(corev1.PersistentVolumeClaimVolumeSource().WithClaimName(volume.Existing))
	case volume.Medium != "":
		return out.WithEmptyDir(emptyDir(volume.Medium, volume.Size))
	case c.app.Kind == schema.Stateful:
		return nil
	}
	return out.WithPersistentVolumeClaim(corev1.PersistentVolumeClaimVolumeSource().WithClaimName(c.app.Name + "-" + name))
}

func emptyDir(medium string, size schema.Quantity) *corev1.EmptyDirVolumeSourceApplyConfiguration {
	out := corev1.EmptyDirVolumeSource()
	if medium == "memory" {
		out.WithMedium(v1.StorageMediumMemory)
	}
	if limit, err := resource.ParseQuantity(string(size)); size != "" && err == nil {
		out.WithSizeLimit(limit)
	}
	return out
}

// empty gives a container an empty directory of its own.
func (m *mounted) empty(container, name, path, medium string, size schema.Quantity) {
	m.volumes = append(m.volumes, corev1.Volume().WithName(name).WithEmptyDir(emptyDir(medium, size)))
	m.mount(container, name, path)
}

func (m *mounted) mount(container, volume, path string) *corev1.VolumeMountApplyConfiguration {
	out := corev1.VolumeMount().WithName(volume).WithMountPath(path)
	m.in[container] = append(m.in[container], out)
	return out
}

func (m *mounted) has(container, path string) bool {
	return slices.ContainsFunc(m.in[container], func(mount *corev1.VolumeMountApplyConfiguration) bool { return *mount.MountPath == path })
}

// files mounts each file by itself, so that the rest of its directory stays
// what the image has there.
func (m *mounted) files(c *scope, p *schema.Program, path []string) {
	if len(p.Files) == 0 {
		return
	}
	name, _ := c.configName(p, path)
	source := corev1.ConfigMapVolumeSource().WithName(name)
	volume := m.unique("files", path)
	paths := slices.Sorted(maps.Keys(p.Files))
	keys := keysOf(paths)
	for _, path := range paths {
		item := corev1.KeyToPath().WithKey(keys[path]).WithPath(keys[path])
		if mode, err := strconv.ParseInt(p.Files[path].Mode, 8, 32); err == nil && mode != 0o644 {
			item.WithMode(int32(mode))
		}
		source.WithItems(item)
		m.mount(p.Name, volume, path).WithSubPath(keys[path]).WithReadOnly(true)
	}
	m.volumes = append(m.volumes, corev1.Volume().WithName(volume).WithConfigMap(source))
}

// secrets mounts each secret file by itself, from wherever it is kept.
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
	bySecret := make(map[string]*corev1.SecretProjectionApplyConfiguration)
	for _, file := range paths {
		ref := c.reference(p.Secrets[file], keys[file], path)
		if bySecret[ref.Name] == nil {
			bySecret[ref.Name] = corev1.SecretProjection().WithName(ref.Name)
		}
		bySecret[ref.Name].WithItems(corev1.KeyToPath().WithKey(ref.Key).WithPath(keys[file]))
		m.mount(p.Name, volume, file).WithSubPath(keys[file]).WithReadOnly(true)
	}
	source := corev1.ProjectedVolumeSource()
	for _, name := range slices.Sorted(maps.Keys(bySecret)) {
		source.WithSources(corev1.VolumeProjection().WithSecret(bySecret[name]))
	}
	m.volumes = append(m.volumes, corev1.Volume().WithName(volume).WithProjected(source))
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
