package render

import (
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
func podSecurity(s schema.Security) *corev1.PodSecurityContextApplyConfiguration {
	out := corev1.PodSecurityContext()
	if isRestricted(s) {
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
	if s.Preset == "none" && out.RunAsUser == nil && group == nil && fsGroup == nil {
		return nil
	}
	return out
}

// containerSecurity emits the part of a preset that a container has, nil when
// there is none.
func containerSecurity(s schema.Security) *corev1.SecurityContextApplyConfiguration {
	if !isRestricted(s) {
		return nil
	}
	out := corev1.SecurityContext().
		WithAllowPrivilegeEscalation(false).
		WithCapabilities(corev1.Capabilities().WithDrop("ALL"))
	if s.Preset == "hardened" {
		out.WithReadOnlyRootFilesystem(true)
	}
	return out
}

func isRestricted(s schema.Security) bool {
	return s.Preset == "restricted" || s.Preset == "hardened"
}
