package render

import (
	"cmp"
	"reflect"
	"slices"

	"k8s.io/api/core/v1"
	corev1 "k8s.io/client-go/applyconfigurations/core/v1"

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
func podSecurity(c *scope) *corev1.PodSecurityContextApplyConfiguration {
	s := c.app.Security
	out := corev1.PodSecurityContext()
	if isRestricted(s.Preset) {
		out.WithRunAsNonRoot(true)
	}
	if s.Preset != "none" {
		out.WithSeccompProfile(corev1.SeccompProfile().WithType(v1.SeccompProfileTypeRuntimeDefault))
	}
	// The group follows the user, so that files of one app fit together.
	group, fsGroup := s.Group, s.FSGroup
	if group == nil {
		group = s.User
	}
	if fsGroup == nil {
		fsGroup = s.User
	}
	out.RunAsUser, out.RunAsGroup, out.FSGroup = s.User, group, fsGroup
	c.into(s.PodContext, out, "security", "pod")
	if reflect.ValueOf(*out).IsZero() {
		return nil
	}
	return out
}

// containerSecurity emits the part of a preset that a container has, nil when
// there is none. A container beside the app's has its preset unless it says
// another one.
func containerSecurity(c *scope, p *schema.Program, path ...string) *corev1.SecurityContextApplyConfiguration {
	preset, shared := cmp.Or(p.Security.Preset, c.app.Security.Preset), c.app.Security.Preset
	out := corev1.SecurityContext()
	if isRestricted(preset) {
		out.WithAllowPrivilegeEscalation(false).
			WithCapabilities(corev1.Capabilities().WithDrop("ALL"))
	}
	if preset == "hardened" {
		out.WithReadOnlyRootFilesystem(true)
	}
	if isRestricted(preset) != isRestricted(shared) {
		out.WithRunAsNonRoot(isRestricted(preset))
	}
	if preset != "none" && shared == "none" {
		out.WithSeccompProfile(corev1.SeccompProfile().WithType(v1.SeccompProfileTypeRuntimeDefault))
	}
	if len(path) > 0 {
		out.RunAsUser, out.RunAsGroup = p.Security.User, p.Security.Group
		if out.RunAsGroup == nil {
			out.RunAsGroup = p.Security.User
		}
	}
	c.into(p.Security.ContainerContext, out, append(path, "security", "container")...)
	if raw, _ := p.Security.ContainerContext.(map[string]any); raw["allowPrivilegeEscalation"] == nil && gainsPrivileges(out) {
		out.AllowPrivilegeEscalation = nil // the server refuses both
	}
	if reflect.ValueOf(*out).IsZero() {
		return nil
	}
	return out
}

// gainsPrivileges reports a context with which escalation cannot be forbidden.
func gainsPrivileges(context *corev1.SecurityContextApplyConfiguration) bool {
	return context.Privileged != nil && *context.Privileged ||
		context.Capabilities != nil && slices.Contains(context.Capabilities.Add, "SYS_ADMIN")
}

func isRestricted(preset string) bool { return preset == "restricted" || preset == "hardened" }
