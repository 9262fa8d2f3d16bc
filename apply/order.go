package apply

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Objects are applied in stages, and deleted in the opposite order. A stage
// begins when all objects of the one before were accepted; what a stage
// defines (namespaces, kinds) is usable by the next.
const (
	stageNamespaces = iota
	stageKinds
	stageConfig // what pods refer to: accounts, permissions, configuration
	stageStorage
	stageServices
	stageWorkloads
	stageRest    // what refers to workloads: routes, scalers, budgets, custom resources
	stageGuards  // what can refuse all others: webhooks, admission policies
	stagesNumber // of stages
)

var stageOf = map[string]int{
	"Namespace":                stageNamespaces,
	"CustomResourceDefinition": stageKinds,

	"PriorityClass": stageConfig, "ResourceQuota": stageConfig, "LimitRange": stageConfig,
	"ServiceAccount": stageConfig, "Role": stageConfig, "ClusterRole": stageConfig,
	"RoleBinding": stageConfig, "ClusterRoleBinding": stageConfig,
	"Secret": stageConfig, "ConfigMap": stageConfig, "NetworkPolicy": stageConfig,
	"RuntimeClass": stageConfig, "IngressClass": stageConfig,

	"StorageClass": stageStorage, "PersistentVolume": stageStorage, "PersistentVolumeClaim": stageStorage,

	"Service": stageServices,

	"DaemonSet": stageWorkloads, "Pod": stageWorkloads, "ReplicaSet": stageWorkloads,
	"ReplicationController": stageWorkloads, "Deployment": stageWorkloads, "StatefulSet": stageWorkloads,
	"Job": stageWorkloads, "CronJob": stageWorkloads,

	"ValidatingWebhookConfiguration": stageGuards, "MutatingWebhookConfiguration": stageGuards,
	"ValidatingAdmissionPolicy": stageGuards, "ValidatingAdmissionPolicyBinding": stageGuards,
	"APIService": stageGuards,
}

// stage returns the stage of a kind; kinds not known belong to the rest.
func stage(k ObjectKey) int {
	if s, ok := stageOf[k.Kind]; ok {
		return s
	}
	return stageRest
}

// sortChanges puts changes into the order of execution: by stage, what is
// needed first, and name; what is deleted last and in reverse.
func sortChanges(changes []Change) {
	slices.SortFunc(changes, func(a, b Change) int {
		aGone, bGone := a.Action == ActionDelete, b.Action == ActionDelete
		switch {
		case aGone && bGone:
			return cmp.Or(cmp.Compare(stage(b.Object), stage(a.Object)), cmp.Compare(b.depth, a.depth), compareKeys(a.Object, b.Object))
		case aGone:
			return 1
		case bGone:
			return -1
		}
		return cmp.Or(cmp.Compare(stage(a.Object), stage(b.Object)), cmp.Compare(a.depth, b.depth), compareKeys(a.Object, b.Object))
	})
}

// isWorkload reports whether the object runs pods from a template and keeps a
// history of it that `kubectl rollout history` shows.
func isWorkload(k ObjectKey) bool {
	return k.Group == "apps" && (k.Kind == "Deployment" || k.Kind == "StatefulSet" || k.Kind == "DaemonSet")
}

// protectedKinds are never deleted because they left a stack: data or the
// objects of others would go with them. Each needs a consent of its own, see
// [Consent.Prune].
var protectedKinds = []struct {
	group, kind string
	short       string // as kubectl abbreviates it
	with        string // what goes with an object of the kind
}{
	{"", "Namespace", "ns", "all that is in it"},
	{"", "PersistentVolume", "pv", "its data"},
	{"", "PersistentVolumeClaim", "pvc", "its data"},
	{"apiextensions.k8s.io", "CustomResourceDefinition", "crd", "every object of the kind it defines"},
}

// ParseProtectedKind reads the name of a kind for [Consent.Prune], in any case
// or as kubectl abbreviates it.
func ParseProtectedKind(text string) (string, error) {
	var names []string
	for _, k := range protectedKinds {
		if strings.EqualFold(text, k.kind) || strings.EqualFold(text, k.short) {
			return k.kind, nil
		}
		names = append(names, k.kind)
	}
	return "", fmt.Errorf("%q is no kind that is protected: those are %s; objects of other kinds are pruned without being asked", text, strings.Join(names, ", "))
}

// goesWith tells what is deleted with an object of a protected kind, "" when
// its kind is not protected.
func goesWith(k ObjectKey) string {
	for _, p := range protectedKinds {
		if p.group == k.Group && p.kind == k.Kind {
			return p.with
		}
	}
	return ""
}

// holdsData reports whether deleting the object deletes what no apply brings back.
func holdsData(k ObjectKey) bool {
	return k.Group == "" && (k.Kind == "PersistentVolumeClaim" || k.Kind == "PersistentVolume")
}
