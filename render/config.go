package render

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stackctl.dev/stackctl/schema"
)

// config emits the files of the app's containers, a ConfigMap for each. Its
// name ends with a hash of its content, so that other content is another
// ConfigMap: pods of the old template keep theirs, and an edit rolls the pods.
func config(c *scope) []fields {
	var objects []fields
	c.programs(func(p *schema.Program, path ...string) {
		if len(p.Files) == 0 {
			return
		}
		name, hash := c.configName(p, path)
		text, binary := make(map[string]string), make(map[string][]byte)
		keys := keysOf(slices.Sorted(maps.Keys(p.Files)))
		for path, file := range p.Files {
			if utf8.Valid(file.Data) {
				text[keys[path]] = string(file.Data)
			} else {
				binary[keys[path]] = file.Data
			}
		}
		meta := metadata{name, c.content(hash), c.annotations(nil)}
		objects = append(objects, c.object("v1", "ConfigMap", meta, fields{"immutable": true, "data": text, "binaryData": binary}))
	})
	return objects
}

// configName returns the name of the ConfigMap with a container's files, and
// the hash it ends with.
func (c *scope) configName(p *schema.Program, path []string) (name, hash string) {
	sum := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(p.Files)) {
		for _, part := range [][]byte{[]byte(path), p.Files[path].Data} {
			sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			sum.Write(part)
		}
	}
	hash = hex.EncodeToString(sum.Sum(nil))[:10]
	return c.configBase(path) + "-files-" + hash, hash
}

// configBase begins the names of what a container's configuration is kept in.
func (c *scope) configBase(path []string) string {
	if len(path) == 0 {
		return c.app.Name
	}
	return c.app.Name + "-" + path[1]
}

// secret emits the secret values that are read at apply, a Secret for each
// container. The engine ends its name with a keyed hash of its data.
func secret(c *scope) []fields {
	var objects []fields
	c.programs(func(p *schema.Program, path ...string) {
		var sources []string
		data := make(map[string][]byte)
		keys := keysOf(slices.Sorted(maps.Keys(p.Secrets)))
		for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
			value := p.Secrets[name]
			switch {
			case value.FromEnv != "":
				sources = append(sources, keys[name]+"=env:"+value.FromEnv)
			case value.FromFile != "":
				sources = append(sources, keys[name]+"=file:"+value.FromFile)
			default:
				continue
			}
			if c.options.Secret == nil {
				continue
			}
			text, err := c.options.Secret(value)
			if err != nil {
				c.fail(err.Error(), "secret values are read where stackctl runs; render and validate do without them", append(path[:len(path):len(path)], "secrets", name)...)
			}
			data[keys[name]] = text
		}
		if len(sources) == 0 {
			return
		}
		sourced := c.annotations(map[string]string{annotationSources: strings.Join(sources, ",")})
		meta := metadata{c.configBase(path) + "-secrets", c.content(contentKeyed), sourced}
		objects = append(objects, c.object("v1", "Secret", meta, fields{"immutable": true, "type": "Opaque", "data": data}))
	})
	return objects
}

// reference returns where a secret value is kept in the cluster.
func (c *scope) reference(value schema.SecretValue, key string, path []string) schema.KeyRef {
	if value.Secret.Name != "" {
		return value.Secret
	}
	return schema.KeyRef{Name: c.configBase(path) + "-secrets", Key: key}
}

// variables are the environment of a container: what env says, and the secrets
// that are no files.
func (c *scope) variables(p *schema.Program, path []string) map[string]schema.Env {
	vars := maps.Clone(p.Env)
	keys := keysOf(slices.Sorted(maps.Keys(p.Secrets)))
	for name, value := range p.Secrets {
		if strings.HasPrefix(name, "/") {
			continue
		}
		if vars == nil {
			vars = make(map[string]schema.Env)
		}
		vars[name] = schema.Env{Secret: c.reference(value, keys[name], path)}
	}
	return vars
}

// programs visits the app and the containers beside it, each with its path
// below the app.
func (c *scope) programs(visit func(p *schema.Program, path ...string)) {
	if c.app.IsExternal() {
		return
	}
	visit(&c.app.Program)
	for _, part := range []struct {
		name       string
		containers map[string]schema.Container
	}{{"init", c.app.Init}, {"sidecars", c.app.Sidecars}} {
		for _, name := range slices.Sorted(maps.Keys(part.containers)) {
			container := part.containers[name]
			visit(&container.Program, part.name, name)
		}
	}
}

var notKey = regexp.MustCompile(`[^-._a-zA-Z0-9]`)

// keysOf gives each name a key of a ConfigMap or Secret: a path without its
// slashes, and nothing twice.
func keysOf(names []string) map[string]string {
	keys, taken := make(map[string]string), make(map[string]bool)
	for _, name := range names {
		key := notKey.ReplaceAllString(strings.ReplaceAll(strings.TrimPrefix(name, "/"), "/", "."), "_")
		key = key[max(0, len(key)-250):]
		if key == "" || key == "." || strings.HasPrefix(key, "..") { // no names of files
			key = "_" + key
		}
		for i, base := 2, key; taken[key]; i++ {
			key = base + "-" + strconv.Itoa(i)
		}
		keys[name], taken[key] = key, true
	}
	return keys
}
