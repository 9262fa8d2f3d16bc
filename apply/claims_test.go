package apply_test

import (
	"fmt"
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
