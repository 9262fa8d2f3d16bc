package render

import (
	"cmp"
	"slices"

	"k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/schema"
)

// The presets, from strict to none:
//
//	hardened    restricted, a read-only root file system and a /tmp
//	restricted  Pod Security "restricted" exactly: no root, default seccomp
//	            profile, no capabilities, no way to gain privileges
//	baseline    Pod Security "baseline" with the default seccomp profile: the
//	            way out for an image that starts as root
//	none        nothing but the ids that were written

// podSecurity emits the part of a preset that all containers share, nil when
// there is none.
func podSecurity(c *scope) any {
	s := c.app.Security
	// The group follows the user, so that files of one app fit together.
	out := fields{"runAsUser": s.User, "runAsGroup": cmp.Or(s.Group, s.User), "fsGroup": cmp.Or(s.FSGroup, s.User)}
	if isRestricted(s.Preset) {
		out["runAsNonRoot"] = true
	}
	if s.Preset != "none" {
		out["seccompProfile"] = fields{"type": "RuntimeDefault"}
	}
	overlay[v1.PodSecurityContext](c, s.PodContext, out, "security", "pod")
	return nonEmpty(out)
}

// containerSecurity emits the part of a preset that a container has, nil when
// there is none. A container beside the app's has its preset unless it says
// another one.
func containerSecurity(c *scope, p *schema.Program, path ...string) any {
	preset, shared := cmp.Or(p.Security.Preset, c.app.Security.Preset), c.app.Security.Preset
	out := fields{}
	if isRestricted(preset) {
		out["allowPrivilegeEscalation"] = false
		out["capabilities"] = fields{"drop": []string{"ALL"}}
	}
	if preset == "hardened" {
		out["readOnlyRootFilesystem"] = true
	}
	if isRestricted(preset) != isRestricted(shared) {
		out["runAsNonRoot"] = isRestricted(preset)
	}
	if preset != "none" && shared == "none" {
		out["seccompProfile"] = fields{"type": "RuntimeDefault"}
	}
	if len(path) > 0 {
		out["runAsUser"], out["runAsGroup"] = p.Security.User, cmp.Or(p.Security.Group, p.Security.User)
	}
	overlay[v1.SecurityContext](c, p.Security.ContainerContext, out, append(path, "security", "container")...)
	if raw, _ := p.Security.ContainerContext.(map[string]any); raw["allowPrivilegeEscalation"] == nil && gainsPrivileges(out) {
		delete(out, "allowPrivilegeEscalation") // the server refuses both
	}
	return nonEmpty(out)
}

// gainsPrivileges reports a context with which escalation cannot be forbidden.
func gainsPrivileges(context fields) bool {
	added, _, _ := unstructured.NestedStringSlice(context, "capabilities", "add")
	return context["privileged"] == true || slices.Contains(added, "SYS_ADMIN")
}

func isRestricted(preset string) bool { return preset == "restricted" || preset == "hardened" }
