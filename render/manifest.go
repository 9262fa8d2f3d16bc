package render

import (
	"maps"
	"slices"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"stackctl.dev/stackctl/schema"
)

// Manifests returns the objects of manifests as they are. Those in a namespace
// that name none are put into the given one.
func Manifests(manifests []schema.Manifest, namespace string) Objects {
	scoped := clusterScoped(manifests)
	var objects Objects
	for _, manifest := range manifests {
		object := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(manifest.Object)}
		if object.GetNamespace() == "" && !scoped[object.GroupVersionKind().GroupKind().String()] {
			object.SetNamespace(namespace)
		}
		// It repeats all values, those of Secrets among them.
		if annotations := object.GetAnnotations(); annotations[core.LastAppliedConfigAnnotation] != "" {
			delete(annotations, core.LastAppliedConfigAnnotation)
			object.SetAnnotations(annotations)
		}
		objects = append(objects, object)
	}
	return objects
}

// manifests returns the user's own objects, marked as the stack's.
func manifests(s *schema.Stack, namespace string) Objects {
	objects := Manifests(s.Manifests, namespace)
	for _, object := range objects {
		labels := object.GetLabels()
		if labels == nil {
			labels = make(map[string]string)
		}
		maps.Copy(labels, map[string]string{
			labelPartOf:    s.Name,
			labelManagedBy: "stackctl",
			LabelStack:     s.Name,
			LabelNamespace: namespace,
		})
		object.SetLabels(labels)
	}
	return objects
}

// clusterKinds are the kinds of Kubernetes that are in no namespace.
var clusterKinds = []string{
	"Namespace", "Node", "PersistentVolume",
	"ClusterRole.rbac.authorization.k8s.io", "ClusterRoleBinding.rbac.authorization.k8s.io",
	"CustomResourceDefinition.apiextensions.k8s.io", "APIService.apiregistration.k8s.io",
	"StorageClass.storage.k8s.io", "CSIDriver.storage.k8s.io", "CSINode.storage.k8s.io",
	"VolumeAttachment.storage.k8s.io", "VolumeAttributesClass.storage.k8s.io",
	"PriorityClass.scheduling.k8s.io", "RuntimeClass.node.k8s.io", "DeviceClass.resource.k8s.io",
	"IngressClass.networking.k8s.io", "IPAddress.networking.k8s.io", "ServiceCIDR.networking.k8s.io",
	"GatewayClass.gateway.networking.k8s.io", "CertificateSigningRequest.certificates.k8s.io",
	"ClusterTrustBundle.certificates.k8s.io",
	"FlowSchema.flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io",
	"MutatingWebhookConfiguration.admissionregistration.k8s.io", "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
	"ValidatingAdmissionPolicy.admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
	"MutatingAdmissionPolicy.admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding.admissionregistration.k8s.io",
}

// clusterScoped returns the kinds that are in no namespace as far as can be
// known without a cluster: those of Kubernetes, and those that the manifests
// define. The engine knows the rest.
func clusterScoped(manifests []schema.Manifest) map[string]bool {
	known := make(map[string]bool)
	for kind := range slices.Values(clusterKinds) {
		known[kind] = true
	}
	for _, manifest := range manifests {
		if manifest.Object["kind"] != "CustomResourceDefinition" {
			continue
		}
		group, _, _ := unstructured.NestedString(manifest.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(manifest.Object, "spec", "names", "kind")
		if scope, _, _ := unstructured.NestedString(manifest.Object, "spec", "scope"); scope == "Cluster" {
			known[kind+"."+group] = true
		}
	}
	return known
}
