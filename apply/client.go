package apply

import (
	"net/http"
	"sync"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/rest"
)

// The few kinds that the engine itself works with have typed clients. Those of
// client-go register every kind there is when the program starts, also for a
// command that asks no cluster anything.

// ownKinds are the types of those kinds.
var ownKinds = sync.OnceValue(func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{core.AddToScheme, coordination.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two types of one name: it cannot happen at one release only
		}
	}
	return scheme
})

// typedClient makes requests about the kinds of one group and version.
type typedClient struct {
	rest   rest.Interface
	params runtime.ParameterCodec
}

func newTypedClient(config *rest.Config, client *http.Client, gv schema.GroupVersion, path string) (typedClient, error) {
	config = rest.CopyConfig(config)
	config.GroupVersion, config.APIPath = &gv, path
	config.NegotiatedSerializer = rest.CodecFactoryForGeneratedClient(ownKinds(), serializer.NewCodecFactory(ownKinds())).WithoutConversion()
	r, err := rest.RESTClientForConfigAndClient(config, client)
	return typedClient{rest: r, params: runtime.NewParameterCodec(ownKinds())}, err
}

// coreClient makes requests about the core kinds.
type coreClient struct{ typedClient }

func newCoreClient(config *rest.Config, client *http.Client) (*coreClient, error) {
	c, err := newTypedClient(config, client, core.SchemeGroupVersion, "/api")
	return &coreClient{c}, err
}

func (c *coreClient) Namespaces() *gentype.Client[*core.Namespace] {
	return gentype.NewClient("namespaces", c.rest, c.params, "", func() *core.Namespace { return &core.Namespace{} })
}

func (c *coreClient) Secrets(namespace string) *gentype.ClientWithList[*core.Secret, *core.SecretList] {
	return gentype.NewClientWithList("secrets", c.rest, c.params, namespace,
		func() *core.Secret { return &core.Secret{} }, func() *core.SecretList { return &core.SecretList{} })
}

func (c *coreClient) PersistentVolumeClaims(namespace string) *gentype.ClientWithList[*core.PersistentVolumeClaim, *core.PersistentVolumeClaimList] {
	return gentype.NewClientWithList("persistentvolumeclaims", c.rest, c.params, namespace,
		func() *core.PersistentVolumeClaim { return &core.PersistentVolumeClaim{} },
		func() *core.PersistentVolumeClaimList { return &core.PersistentVolumeClaimList{} })
}

func (c *coreClient) Events(namespace string) *gentype.ClientWithList[*core.Event, *core.EventList] {
	return gentype.NewClientWithList("events", c.rest, c.params, namespace,
		func() *core.Event { return &core.Event{} }, func() *core.EventList { return &core.EventList{} })
}

// Log returns the request for what a container wrote.
func (c *coreClient) Log(namespace, pod string, options *core.PodLogOptions) *rest.Request {
	return c.rest.Get().Namespace(namespace).Resource("pods").Name(pod).SubResource("log").VersionedParams(options, c.params)
}

// leaseClient makes requests about Leases.
type leaseClient struct{ typedClient }

func newLeaseClient(config *rest.Config, client *http.Client) (*leaseClient, error) {
	c, err := newTypedClient(config, client, coordination.SchemeGroupVersion, "/apis")
	return &leaseClient{c}, err
}

func (c *leaseClient) Leases(namespace string) *gentype.Client[*coordination.Lease] {
	return gentype.NewClient("leases", c.rest, c.params, namespace, func() *coordination.Lease { return &coordination.Lease{} })
}
