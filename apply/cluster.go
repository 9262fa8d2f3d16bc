package apply

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// cluster is the API server as the engine sees it: a few verbs on any kind,
// each bounded in time. Reads and dry-runs are repeated by the transport; a
// write is sent once, unless the caller asks for more with [retry].
type cluster struct {
	server      string
	manager     string // field manager of the stack
	timeout     time.Duration
	concurrency int

	dynamic  dynamic.Interface
	metadata metadata.Interface
	core     *coreClient
	leases   *leaseClient
	kinds    *kinds
	warnings *warnings
	redact   *redactor // knows the secret values that passed through
}

func newCluster(config *rest.Config, manager string, options Options) (*cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the server's priority and fairness is the limit
	warnings := &warnings{}
	config.WarningHandler = warnings
	config.WarningHandlerWithContext = nil
	if config.Dial == nil && config.Transport == nil {
		config.Dial = dialer(options.RequestTimeout + options.RequestTimeout/2)
	}
	config.WrapTransport = transport.Wrappers(func(next http.RoundTripper) http.RoundTripper { return fencing{next} }, config.WrapTransport)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("cluster configuration: %w", err)
	}
	client.Transport = &apiTransport{next: client.Transport, timeout: options.RequestTimeout}
	c := &cluster{
		server: config.Host, manager: manager, warnings: warnings, redact: &redactor{},
		timeout: options.RequestTimeout, concurrency: options.Concurrency,
	}
	return c, c.connect(config, client)
}

func (c *cluster) connect(config *rest.Config, client *http.Client) (err error) {
	if c.dynamic, err = dynamic.NewForConfigAndClient(config, client); err != nil {
		return err
	}
	if c.metadata, err = metadata.NewForConfigAndClient(config, client); err != nil {
		return err
	}
	if c.core, err = newCoreClient(config, client); err != nil {
		return err
	}
	if c.leases, err = newLeaseClient(config, client); err != nil {
		return err
	}
	c.kinds = &kinds{rest: c.core.rest, timeout: c.timeout}
	return nil
}

// warnings collects the distinct warnings of the API server, in the order in
// which they came first.
type warnings struct {
	mu   sync.Mutex
	seen map[string]bool
	list []string
}

func (w *warnings) HandleWarningHeader(code int, _ string, text string) {
	if code != 299 || text == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	if !w.seen[text] {
		w.seen[text] = true
		w.list = append(w.list, text)
	}
}

// take returns what was collected and starts anew.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.list
	w.seen, w.list = nil, nil
	return list
}

// within bounds a request in time, with all its repeats. The transport bounds
// each try.
func (c *cluster) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, readPatience+c.timeout)
}

// each calls f for every index below n on a bounded number of goroutines and
// returns the first error; the context of the others ends with it.
func (c *cluster) each(ctx context.Context, n int, f func(context.Context, int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.concurrency)
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return recovered(func() error { return f(ctx, i) })
		})
	}
	return g.Wait()
}

// recovered turns a panic into an error, on whatever goroutine it happens.
func recovered(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// resource returns the client of an object's kind in its namespace.
func (c *cluster) resource(key ObjectKey, version string) (dynamic.ResourceInterface, error) {
	m, err := c.mapping(key.groupKind(), version)
	if err != nil {
		return nil, err
	}
	return c.mapped(m, key.Namespace), nil
}

// mapped returns the client of a kind in a namespace, if it has any.
func (c *cluster) mapped(m *meta.RESTMapping, namespace string) dynamic.ResourceInterface {
	if m.Scope.Name() == meta.RESTScopeNameNamespace {
		return c.dynamic.Resource(m.Resource).Namespace(namespace)
	}
	return c.dynamic.Resource(m.Resource)
}

// get reads an object; nil when there is none, or when its kind is gone.
func (c *cluster) get(ctx context.Context, key ObjectKey, version string) (o *unstructured.Unstructured, err error) {
	err = c.follow(key.groupKind(), version, func(m *meta.RESTMapping) (err error) {
		ctx, cancel := c.within(ctx)
		defer cancel()
		o, err = c.mapped(m, key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
		return err
	})
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err == nil {
		c.redact.learn(o)
	}
	return o, err
}

// getMetadata reads the metadata of an object; nil when there is none, or when
// its kind is gone from the server.
func (c *cluster) getMetadata(ctx context.Context, key ObjectKey) (o *metav1.PartialObjectMetadata, err error) {
	err = c.follow(key.groupKind(), "", func(m *meta.RESTMapping) (err error) {
		ctx, cancel := c.within(ctx)
		defer cancel()
		o, err = c.metadata.Resource(m.Resource).Namespace(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
		return err
	})
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil, nil
	}
	return o, err
}

func labelled(selector string) metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: selector}
}

// listMetadata lists the metadata of the objects of a kind that options select.
func (c *cluster) listMetadata(ctx context.Context, gvr schema.GroupVersionResource, namespace string, options metav1.ListOptions) ([]metav1.PartialObjectMetadata, error) {
	var all []metav1.PartialObjectMetadata
	options.Limit = 2000
	for {
		page, err := func() (*metav1.PartialObjectMetadataList, error) {
			ctx, cancel := c.within(ctx)
			defer cancel()
			return c.metadata.Resource(gvr).Namespace(namespace).List(ctx, options)
		}()
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if options.Continue = page.Continue; options.Continue == "" {
			return all, nil
		}
	}
}

// list reads the objects of a kind that match selector; none when the kind is
// gone from the server.
func (c *cluster) list(ctx context.Context, place viewPlace, selector string) ([]*unstructured.Unstructured, error) {
	var list *unstructured.UnstructuredList
	err := c.follow(place.gk, "", func(m *meta.RESTMapping) (err error) {
		ctx, cancel := c.within(ctx)
		defer cancel()
		list, err = c.mapped(m, place.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		return err
	})
	if meta.IsNoMatchError(err) || isPathGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", place.gk.Kind, err)
	}
	all := make([]*unstructured.Unstructured, len(list.Items))
	for i := range list.Items {
		all[i] = &list.Items[i]
	}
	c.redact.learn(all...)
	return all, nil
}

// patchOptions is how an object is applied.
type patchOptions struct {
	force   bool
	dryRun  bool
	manager string // "" for that of the stack
}

// apply sends an object by server-side apply. It never creates an object
// whose body carries a uid: the server answers such a request with 409 or 422.
// The answer is asked for without what was sent.
func (c *cluster) apply(ctx context.Context, o *unstructured.Unstructured, opts patchOptions) (got *metav1.PartialObjectMetadata, err error) {
	err = c.sendApply(ctx, o, opts, func(ctx context.Context, m *meta.RESTMapping, body []byte, options metav1.PatchOptions) (err error) {
		got, err = c.metadata.Resource(m.Resource).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.ApplyPatchType, body, options)
		return err
	})
	return got, err
}

// preview returns what applying an object would make of it.
func (c *cluster) preview(ctx context.Context, o *unstructured.Unstructured, force bool) (merged *unstructured.Unstructured, err error) {
	err = c.sendApply(ctx, o, patchOptions{dryRun: true, force: force}, func(ctx context.Context, m *meta.RESTMapping, body []byte, options metav1.PatchOptions) (err error) {
		merged, err = c.mapped(m, o.GetNamespace()).Patch(ctx, o.GetName(), types.ApplyPatchType, body, options)
		return err
	})
	if err == nil {
		c.redact.learn(merged)
	}
	return merged, err
}

func (c *cluster) sendApply(ctx context.Context, o *unstructured.Unstructured, opts patchOptions, send func(context.Context, *meta.RESTMapping, []byte, metav1.PatchOptions) error) error {
	m, err := c.mapping(keyOf(o).groupKind(), o.GroupVersionKind().Version)
	if err != nil {
		return err
	}
	body, err := o.MarshalJSON()
	if err != nil {
		return err
	}
	patch := metav1.PatchOptions{FieldManager: c.manager, Force: &opts.force, FieldValidation: metav1.FieldValidationStrict}
	if opts.manager != "" {
		patch.FieldManager = opts.manager
	}
	if opts.dryRun {
		patch.DryRun = []string{metav1.DryRunAll}
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	c.redact.learn(o)
	return send(ctx, m, body, patch)
}
