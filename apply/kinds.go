package apply

import (
	"context"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// kinds knows where the objects of a kind are: its resource and its scope.
// Those of Kubernetes itself are known without a question, until an answer of
// the server shows that one of them is not as it says here. Of the others it
// asks the server once, on first need.
type kinds struct {
	rest    rest.Interface // without group and version
	timeout time.Duration

	mu     sync.Mutex
	unsure bool      // the server was found to differ from builtInKinds
	asked  time.Time // when the answer in use was asked for
	answer *discovered
}

// freshKinds is the age up to which an answer that a kind does not exist is
// believed.
const freshKinds = 2 * time.Second

// kindMapping is one version in which a kind is served.
type kindMapping struct {
	resource   schema.GroupVersionResource
	kind       schema.GroupVersionKind
	namespaced bool
}

func (m kindMapping) rest() *meta.RESTMapping {
	scope := meta.RESTScopeRoot
	if m.namespaced {
		scope = meta.RESTScopeNamespace
	}
	return &meta.RESTMapping{Resource: m.resource, GroupVersionKind: m.kind, Scope: scope}
}

// find returns the mapping of a kind; an empty version asks for the preferred
// one.
func (k *kinds) find(gk schema.GroupKind, version string) (*meta.RESTMapping, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known, ok := builtInKinds[gk]; ok && !k.unsure && (version == "" || version == known.kind.Version) {
		return known.rest(), nil
	}
	m, err := k.ask(gk, version)
	if meta.IsNoMatchError(err) && time.Since(k.asked) > freshKinds {
		k.answer = nil
		m, err = k.ask(gk, version)
	}
	return m, err
}

// ask finds a kind in what the server says.
func (k *kinds) ask(gk schema.GroupKind, version string) (*meta.RESTMapping, error) {
	if k.answer == nil {
		ctx, cancel := context.WithTimeout(context.Background(), readPatience+k.timeout)
		defer cancel()
		asked := time.Now()
		answer, err := discover(ctx, k.rest)
		if err != nil {
			return nil, err
		}
		k.answer, k.asked = answer, asked
	}
	for _, m := range k.answer.kinds[gk] {
		if version == "" || version == m.kind.Version {
			return m.rest(), nil
		}
	}
	if err := k.answer.unknown(gk.Group); err != nil {
		return nil, err
	}
	no := &meta.NoKindMatchError{GroupKind: gk}
	if version != "" {
		no.SearchedVersions = []string{version}
	}
	return nil, no
}

// forget makes the next question for a kind of others one to the server.
func (k *kinds) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answer = nil
}

// refute tells that the server does not have a path which it should have. From
// then on nothing is taken for known, and the server is asked again if it said
// itself that it has.
func (k *kinds) refute(gone schema.GroupVersionResource) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unsure = true
	if k.answer != nil && k.answer.has(gone) {
		k.answer = nil
	}
}

// refuted reports whether the server was found to differ from what is known.
func (k *kinds) refuted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unsure
}

// mapping finds the resource of a kind; an empty version asks for the server's
// preferred one. A kind the server does not know is a NoMatch error, after it
// was asked again if its answer was old.
func (c *cluster) mapping(gk schema.GroupKind, version string) (*meta.RESTMapping, error) {
	return c.kinds.find(gk, version)
}

// isPathGone reports that the server has no such path: not that an object is
// not there, which would be named, but that its kind is not served in that
// version. It says so in text for a group that it does not have, and in a Status
// for a version of one that it has.
func isPathGone(err error) bool {
	s := status(err)
	return apierrors.IsNotFound(err) && s != nil && (s.Details == nil || s.Details.Name == "" && s.Details.Kind == "")
}

// follow makes a request about a kind, and once more after the kind was looked
// up anew when its path is gone: what was known before may not hold any more.
func (c *cluster) follow(gk schema.GroupKind, version string, f func(*meta.RESTMapping) error) error {
	m, err := c.mapping(gk, version)
	if err != nil {
		return err
	}
	if err = f(m); !isPathGone(err) {
		return err
	}
	c.kinds.refute(m.Resource)
	if m, err = c.mapping(gk, version); err != nil {
		return err
	}
	return f(m)
}

// builtInKinds are the kinds of Kubernetes in the versions that every server
// since 1.23 prefers.
var builtInKinds = known{}.
	group("", "v1", "ConfigMap configmaps", "Secret secrets", "Service services", "ServiceAccount serviceaccounts",
		"PersistentVolumeClaim persistentvolumeclaims", "Pod pods", "Endpoints endpoints", "LimitRange limitranges", "ResourceQuota resourcequotas",
		"-Namespace namespaces", "-PersistentVolume persistentvolumes").
	group("apps", "v1", "Deployment deployments", "StatefulSet statefulsets", "DaemonSet daemonsets", "ReplicaSet replicasets", "ControllerRevision controllerrevisions").
	group("batch", "v1", "Job jobs", "CronJob cronjobs").
	group("autoscaling", "v2", "HorizontalPodAutoscaler horizontalpodautoscalers").
	group("policy", "v1", "PodDisruptionBudget poddisruptionbudgets").
	group("networking.k8s.io", "v1", "Ingress ingresses", "NetworkPolicy networkpolicies", "-IngressClass ingressclasses").
	group("rbac.authorization.k8s.io", "v1", "Role roles", "RoleBinding rolebindings", "-ClusterRole clusterroles", "-ClusterRoleBinding clusterrolebindings").
	group("storage.k8s.io", "v1", "-StorageClass storageclasses").
	group("scheduling.k8s.io", "v1", "-PriorityClass priorityclasses").
	group("apiextensions.k8s.io", "v1", "-CustomResourceDefinition customresourcedefinitions").
	group("admissionregistration.k8s.io", "v1", "-MutatingWebhookConfiguration mutatingwebhookconfigurations", "-ValidatingWebhookConfiguration validatingwebhookconfigurations")

// known is a table of kinds.
type known map[schema.GroupKind]kindMapping

// group adds kinds of a group, each with its resource; a dash stands before
// those that are in no namespace.
func (k known) group(group, version string, kinds ...string) known {
	for _, text := range kinds {
		text, clusterWide := strings.CutPrefix(text, "-")
		kind, resource, _ := strings.Cut(text, " ")
		gv := schema.GroupVersion{Group: group, Version: version}
		k[schema.GroupKind{Group: group, Kind: kind}] = kindMapping{gv.WithResource(resource), gv.WithKind(kind), !clusterWide}
	}
	return k
}
