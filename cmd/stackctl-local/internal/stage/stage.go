// Package stage holds what the nodes and the storage of a local control plane
// play: kwok Stage objects, one file a stage, each with a comment on what it
// shows. Two make and remove the volumes of claims, the others are of pods. A pod
// picks its play with the annotation local.stackctl.dev/play, or with an image
// whose tag is the name of a play.
//
// The files are not complete alone: their templates call "status", which
// status.tpl defines and Config puts in front, so that how a pod's status is
// written is said once.
package stage

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	node "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	pod "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/yaml"
)

// Annotations a pod may carry. The stages spell them out: they are YAML.
const (
	AnnotationPlay      = "local.stackctl.dev/play"
	AnnotationContainer = "local.stackctl.dev/container"
	AnnotationDelay     = "local.stackctl.dev/delay"
	AnnotationMessage   = "local.stackctl.dev/message"
	AnnotationLogs      = "local.stackctl.dev/logs"
)

// Provisioner is who makes the volumes of claims: the stages claim and volume.
const Provisioner = "local.stackctl.dev/volume"

// Plays are the values of AnnotationPlay.
var Plays = []string{
	"ready", "slow", "never-ready",
	"image-pull", "image-missing", "invalid-image",
	"crash", "config-error", "run-as-root", "fail",
}

//go:embed *.yaml
var files embed.FS

//go:embed status.tpl
var status string

// preset are kwok's own stages: nodes become Ready and stay so, and a deleted
// pod goes at once, whatever its grace period.
var preset = []string{
	node.DefaultNodeInit,
	heartbeat.DefaultNodeHeartbeatWithLease,
	pod.DefaultPodDelete,
}

// Config returns all stages as one YAML stream, to be given to kwok.
func Config() (string, error) {
	documents := append([]string(nil), preset...)
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		document, err := load(name)
		if err != nil {
			return "", fmt.Errorf("stage %s: %w", name, err)
		}
		documents = append(documents, document)
	}
	return strings.Join(documents, "\n---\n"), nil
}

// load reads one stage and puts the shared definitions in front of its status
// templates.
func load(name string) (string, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return "", err
	}
	var object struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   map[string]any `json:"metadata"`
		Spec       struct {
			ResourceRef map[string]any   `json:"resourceRef"`
			Selector    map[string]any   `json:"selector"`
			Weight      int              `json:"weight,omitempty"`
			Delay       map[string]any   `json:"delay,omitempty"`
			Steps       []map[string]any `json:"steps"`
		} `json:"spec"`
	}
	if err := yaml.UnmarshalStrict(text, &object); err != nil {
		return "", err
	}
	for _, step := range object.Spec.Steps {
		patch, ok := step["patch"].(map[string]any)
		if !ok || patch["subresource"] != "status" {
			continue
		}
		patch["template"] = status + fmt.Sprint(patch["template"])
	}
	out, err := yaml.Marshal(object)
	return string(out), err
}
