package schema

import (
	"cmp"
	"maps"
	"slices"
)

// The rules about what is mounted, and about the containers beside the app's.

func volumesFit(r *review) {
	pods, numbered := r.app.Pods()
	for _, path := range slices.Sorted(maps.Keys(r.app.Volumes)) {
		volume := r.app.Volumes[path]
		for _, name := range []string{"size", "class", "access"} {
			if volume.Existing != "" && r.wrote("volumes", path, name) {
				r.fail("has no meaning for a claim that exists", "remove it", "volumes", path, name)
			}
			if volume.Medium != "" && name != "size" && r.wrote("volumes", path, name) {
				r.fail("has no meaning for an empty directory", "remove it", "volumes", path, name)
			}
		}
		if !volume.IsClaim() {
			continue
		}
		if volume.Size == "" {
			r.fail("the claim has no size", "add size: 10Gi, or write tmp for an empty directory", "volumes", path)
		}
		several := numbered && (pods > 1 || r.app.Autoscale != nil && r.app.Autoscale.Max > 1) ||
			r.app.Job != nil && r.app.Job.Parallelism != nil && *r.app.Job.Parallelism > 1
		if r.app.Kind != Stateful && several && (volume.Access == "ReadWriteOnce" || volume.Access == "ReadWriteOncePod") {
			hint := "write kind: stateful, and each pod gets a volume of its own; or replicas: 1; or access: ReadWriteMany"
			if r.app.Kind == JobKind || r.app.Kind == Cron {
				hint = "write parallelism: 1, or access: ReadWriteMany"
			}
			r.fail("several pods of a "+string(r.app.Kind)+" app would share a claim that one node can mount", hint, "volumes", path)
		}
	}
}

// pathsDiffer refuses two things at one path of a container.
func pathsDiffer(r *review) {
	r.programs(func(p *Program, path ...string) {
		volumes := slices.Sorted(maps.Keys(r.app.Volumes))
		if len(path) > 0 {
			volumes = slices.Sorted(maps.Keys(r.node(append(path, "volumes")...).copyOrEmpty().fields))
		}
		seen := make(map[string]string)
		for _, part := range []struct {
			name  string
			paths []string
		}{
			{"volumes", volumes},
			{"files", slices.Sorted(maps.Keys(p.Files))},
			{"secrets", slices.Sorted(maps.Keys(p.Secrets))},
		} {
			for _, one := range part.paths {
				at := append(path[:len(path):len(path)], part.name, one)
				switch clean := cleanPath(one); {
				case one[0] != '/': // a variable
				case clean == "/":
					r.fail("nothing can be mounted at /", "write a path below it, such as /data", at...)
				case clean != one:
					r.fail("is not a plain path", "write "+clean, at...)
				case seen[one] != "":
					r.fail("is a path of "+seen[one]+" too", "keep one of the two", at...)
				default:
					seen[one] = part.name
				}
			}
		}
	})
}

// filesHaveSource checks that every file and secret says where it comes from.
func filesHaveSource(r *review) {
	r.programs(func(p *Program, path ...string) {
		for _, name := range slices.Sorted(maps.Keys(p.Files)) {
			if file := p.Files[name]; file.Content == nil && file.Source == "" {
				r.fail("the file has no content", "write its text, or {source: app.conf}", append(path[:len(path):len(path)], "files", name)...)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
			if secret := p.Secrets[name]; secret.Secret == (KeyRef{}) && secret.FromEnv == "" && secret.FromFile == "" {
				r.fail("has no value", "write {secret: name/key}, {fromEnv: NAME} or {fromFile: path}", append(path[:len(path):len(path)], "secrets", name)...)
			}
		}
	})
}

// containersFit checks the containers beside the app's own.
func containersFit(r *review) {
	seen := map[string]string{r.app.Name: "the app"}
	for _, part := range []string{"init", "sidecars"} {
		containers := r.app.Init
		if part == "sidecars" {
			containers = r.app.Sidecars
		}
		for _, name := range slices.Sorted(maps.Keys(containers)) {
			if other := seen[name]; other != "" {
				r.fail("the name is that of "+other, "give the container another name", part, name)
			}
			seen[name] = "another container of the pod"
			r.containerFits(containers[name], part, name)
		}
	}
}

func (r *review) containerFits(container Container, part, name string) {
	if part == "init" {
		for _, field := range [][]string{{"ports"}, {"health"}} {
			at := append([]string{part, name}, field...)
			if !r.wrote(at...) {
				continue
			}
			if http := r.node(append(at, "http")...); http != nil && http.alias != "" {
				at = append(at, "http") // it was written as port
			}
			r.fail("has no meaning for a container that ends before the app starts", "remove it, or make it a sidecar", at...)
		}
	}
	for _, field := range []string{"fsGroup", "pod"} {
		if r.wrote(part, name, "security", field) {
			r.fail("is one for all containers of the pod", "write it in the security of the app", part, name, "security", field)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(container.Volumes)) {
		mount := container.Volumes[path]
		if _, known := r.app.Volumes[mount.From]; mount.From != "" && !known {
			hint := "the app has no volumes; write tmp for an empty directory of the container's own"
			if paths := slices.Sorted(maps.Keys(r.app.Volumes)); len(paths) > 0 {
				hint = cmp.Or(didYouMean(mount.From, paths), "its volumes are at "+either(paths))
			}
			r.fail("the app has no volume at "+mount.From, hint, part, name, "volumes", path)
		}
		if mount.From == "" && mount.Medium == "" {
			r.fail("the mount names no volume", "write the path of a volume of the app such as /data, or tmp", part, name, "volumes", path)
		}
	}
}
