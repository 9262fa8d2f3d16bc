package apply

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// ClusterUID returns the uid of the namespace kube-system, by which a cluster
// is known whatever address it is reached at.
func ClusterUID(ctx context.Context, config *rest.Config) (string, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return "", fmt.Errorf("cluster configuration: %w", err)
	}
	core, err := newCoreClient(config, client)
	if err != nil {
		return "", fmt.Errorf("cluster configuration: %w", err)
	}
	namespace, err := core.Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the namespace kube-system: %w", err)
	}
	return string(namespace.UID), nil
}

// uid is the [ClusterUID] of the engine's cluster.
func (c *cluster) uid(ctx context.Context) (string, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	namespace, err := c.core.Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", forbidden(fmt.Errorf("read the namespace kube-system, by which a plan file knows its cluster: %w", err))
	}
	return string(namespace.UID), nil
}
