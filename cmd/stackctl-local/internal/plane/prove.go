package plane

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/stage"
)

// createNodes makes the nodes kwok then plays. They are of a size a developer
// knows, so that a pod that asks for too much stays Pending here too.
func createNodes(ctx context.Context, client kubernetes.Interface, count, logPort int) error {
	size := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("32"),
		corev1.ResourceMemory:           resource.MustParse("128Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("500Gi"),
		corev1.ResourcePods:             resource.MustParse("500"),
	}
	release, err := client.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	for i := 1; i <= count; i++ {
		name := fmt.Sprintf("node-%d", i)
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
				corev1.LabelHostname:     name,
				corev1.LabelOSStable:     "linux",
				corev1.LabelArchStable:   "amd64",
				corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", i),
			}},
			Status: corev1.NodeStatus{
				Capacity:    size,
				Allocatable: size,
				Addresses: []corev1.NodeAddress{
					{Type: corev1.NodeInternalIP, Address: loopback},
					{Type: corev1.NodeHostName, Address: name},
				},
				NodeInfo: corev1.NodeSystemInfo{
					KubeletVersion: release.GitVersion,
					OSImage:        "played by kwok",
				},
				DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(logPort)}},
			},
		}
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("node %s: %w", name, err)
		}
	}
	return nil
}

// createStorageClass makes the class of the claims that name none. The volumes
// are made by a stage of kwok.
func createStorageClass(ctx context.Context, client kubernetes.Interface) error {
	class := &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: "standard", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: stage.Provisioner,
	}
	_, err := client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{})
	return err
}

// awaitNodes waits until all nodes are Ready.
func awaitNodes(ctx context.Context, client kubernetes.Interface, count int) error {
	ready := map[string]bool{}
	return observe(ctx, "nodes", client.CoreV1().Nodes().Watch, metav1.ListOptions{}, func(_ watch.EventType, node *corev1.Node) bool {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				ready[node.Name] = condition.Status == corev1.ConditionTrue && len(node.Spec.Taints) == 0
			}
		}
		missing := count
		for _, ok := range ready {
			if ok {
				missing--
			}
		}
		return missing <= 0
	})
}

// proveDeployment shows that the chain works from the API to a ready pod and
// back: it needs the service account controller, those of Deployments and
// ReplicaSets, the scheduler, kwok, and in the end the garbage collector.
//
// It does so in kube-system: a namespace of its own would stay Terminating for
// ten seconds, for everybody to wonder at.
func proveDeployment(ctx context.Context, client kubernetes.Interface) error {
	accounts := client.CoreV1().ServiceAccounts(metav1.NamespaceSystem)
	err := observe(ctx, "the default service account", accounts.Watch, named("default"), is[*corev1.ServiceAccount](watch.Added))
	if err != nil {
		return err
	}
	deployments := client.AppsV1().Deployments(metav1.NamespaceSystem)
	probe, err := deployments.Create(ctx, newProbe(), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	err = observe(ctx, "a Deployment", deployments.Watch, named(probe.Name), func(_ watch.EventType, d *appsv1.Deployment) bool {
		return d.Status.ReadyReplicas == 1
	})
	if err != nil {
		return err
	}
	foreground := metav1.DeletePropagationForeground
	gone := make(chan error, 1)
	go func() {
		options := named(probe.Name)
		options.ResourceVersion = probe.ResourceVersion // so that its end is not missed
		gone <- observe(ctx, "the end of a Deployment", deployments.Watch, options, is[*appsv1.Deployment](watch.Deleted))
	}()
	if err := deployments.Delete(ctx, probe.Name, metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
		return err
	}
	return <-gone
}

func newProbe() *appsv1.Deployment {
	labels := map[string]string{"app": "stackctl-local-probe"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "stackctl-local-probe"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "probe", Image: "probe:1"}}},
			},
		},
	}
}

func named(name string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: "metadata.name=" + name}
}

type watchFunc func(context.Context, metav1.ListOptions) (watch.Interface, error)

// observe watches until done says so. A watch without a resource version first
// tells what exists, so nothing is missed between creating and watching.
func observe[T any](ctx context.Context, what string, open watchFunc, options metav1.ListOptions, done func(watch.EventType, T) bool) error {
	for {
		watcher, err := open(ctx, options)
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
		if err != nil {
			return fmt.Errorf("watching %s: %w", what, err)
		}
		for event := range watcher.ResultChan() {
			if object, ok := event.Object.(T); ok && done(event.Type, object) {
				watcher.Stop()
				return nil
			}
		}
		watcher.Stop() // the server ended it: open another
	}
}

// is waits for one kind of event.
func is[T any](want watch.EventType) func(watch.EventType, T) bool {
	return func(got watch.EventType, _ T) bool { return got == want }
}
