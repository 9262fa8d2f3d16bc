package apply_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"stackctl.dev/stackctl/apply"
)

// stateful returns a StatefulSet with a claimed volume.
func (s *story) stateful(name, image, size string) *obj {
	return s.object(fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":%[1]q},"spec":{
		"replicas":1,"serviceName":%[1]q,"selector":{"matchLabels":{"app":%[1]q}},"template":{
		"metadata":{"labels":{"app":%[1]q,"stackctl.dev/stack":%[2]q,"stackctl.dev/namespace":%[3]q}},
		"spec":{"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},
		"containers":[{"name":"main","image":%[4]q,"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}},
		"volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":%[5]q}}}}]}}`,
		name, s.stack.Name, s.stack.Namespace, image, size))
}

// TestChangedVolumesOfAStatefulSetAreExplained: the server's own text lists
// every field but the one to blame.
func TestChangedVolumesOfAStatefulSetAreExplained(t *testing.T) {
	s := newStory(t)
	r := run
	r.Wait = false // nothing provisions volumes here
	if _, err := s.engine.Apply(t.Context(), s.plan(s.stateful("db", "db:v1", "1Gi")), r); err != nil {
		t.Fatal(err)
	}
	plan := func(o *obj) error {
		_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: []*obj{o}})
		return err
	}
	var immutable *apply.ImmutableError
	if err := plan(s.stateful("db", "db:v2", "2Gi")); !errors.As(err, &immutable) || immutable.Field != "volumes" || !strings.Contains(immutable.Hint(), "delete statefulset db --cascade=orphan") {
		t.Errorf("another size: %v", err)
	}
	other := s.stateful("db", "db:v2", "1Gi")
	set(other, "other", "spec", "serviceName")
	if err := plan(other); err == nil || errors.As(err, &immutable) {
		t.Errorf("another Service: %v", err)
	}
	// The hint leads out.
	s.kubectl("delete", "statefulset", "db", "--cascade=orphan")
	if _, err := s.engine.Apply(t.Context(), s.plan(s.stateful("db", "db:v1", "2Gi")), r); err != nil {
		t.Error(err)
	}
}
