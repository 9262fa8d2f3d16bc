package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// discovered is what the API server says about the kinds it serves. It
// remembers which groups could not be asked: of their kinds nothing is known,
// which is not the same as that they are gone.
type discovered struct {
	kinds map[schema.GroupKind][]kindMapping // the preferred version first
	mute  map[schema.GroupVersion]error
}

// unknown returns why nothing is known about the kinds of a group, nil when
// the server answered for it.
func (d *discovered) unknown(group string) error {
	for gv, err := range d.mute {
		if gv.Group == group {
			return fmt.Errorf("the cluster cannot say which kinds the API group %s has: %w", group, err)
		}
	}
	return nil
}

func (d *discovered) add(gv schema.GroupVersion, kind, resource string, namespaced bool) {
	if kind == "" || resource == "" || strings.Contains(resource, "/") {
		return // a subresource
	}
	gk := schema.GroupKind{Group: gv.Group, Kind: kind}
	d.kinds[gk] = append(d.kinds[gk], kindMapping{gv.WithResource(resource), gv.WithKind(kind), namespaced})
}

// has reports whether a resource is served.
func (d *discovered) has(resource schema.GroupVersionResource) bool {
	for _, mappings := range d.kinds {
		if slices.ContainsFunc(mappings, func(m kindMapping) bool { return m.resource == resource }) {
			return true
		}
	}
	return false
}

// discover asks for all kinds: two requests, or on a server before 1.27 one
// for each version of each group.
func discover(ctx context.Context, client rest.Interface) (*discovered, error) {
	d := &discovered{kinds: map[schema.GroupKind][]kindMapping{}, mute: map[schema.GroupVersion]error{}}
	var old []schema.GroupVersion
	for _, path := range []string{"/api", "/apis"} {
		text, err := client.Get().AbsPath(path).SetHeader("Accept", acceptKinds).Do(ctx).Raw()
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		more, err := d.read(text)
		if err != nil {
			return nil, fmt.Errorf("read the kinds at %s: %w", path, err)
		}
		old = append(old, more...)
	}
	return d, d.askEach(ctx, client, old)
}

// acceptKinds asks for all kinds in one answer, where the server can do that.
const acceptKinds = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
	"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"

// kindsAnswer is what /api and /apis answer: all kinds, or the names of
// versions to ask for.
type kindsAnswer struct {
	Kind  string
	Items []struct {
		Metadata struct{ Name string }
		Versions []struct {
			Version   string
			Freshness string
			Resources []struct {
				Resource     string
				Scope        string
				ResponseKind struct{ Kind string }
			}
		}
	}
	Versions []string // of the core group
	Groups   []metav1.APIGroup
}

// read takes over an answer, and returns the versions that it only names.
func (d *discovered) read(text []byte) (old []schema.GroupVersion, err error) {
	var answer kindsAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	switch answer.Kind {
	case "APIGroupDiscoveryList":
		for _, group := range answer.Items {
			for _, version := range group.Versions {
				gv := schema.GroupVersion{Group: group.Metadata.Name, Version: version.Version}
				if version.Freshness == "Stale" {
					d.mute[gv] = fmt.Errorf("stale GroupVersion discovery: %s", gv)
				}
				for _, r := range version.Resources {
					d.add(gv, r.ResponseKind.Kind, r.Resource, r.Scope == "Namespaced")
				}
			}
		}
	case "APIVersions":
		for _, version := range answer.Versions {
			old = append(old, schema.GroupVersion{Version: version})
		}
	case "APIGroupList":
		for _, group := range answer.Groups {
			preferred := schema.GroupVersion{Group: group.Name, Version: group.PreferredVersion.Version}
			old = append(old, preferred)
			for _, version := range group.Versions {
				if version.Version != preferred.Version {
					old = append(old, schema.GroupVersion{Group: group.Name, Version: version.Version})
				}
			}
		}
	default:
		return nil, fmt.Errorf("%q is no list of kinds", answer.Kind)
	}
	return old, nil
}

// askEach asks for the kinds of each version. One that cannot be asked is kept
// in mind.
func (d *discovered) askEach(ctx context.Context, client rest.Interface, old []schema.GroupVersion) error {
	lists := make([]metav1.APIResourceList, len(old))
	failed := make([]error, len(old))
	var g errgroup.Group
	g.SetLimit(8)
	for i, gv := range old {
		path := "/apis/" + gv.String()
		if gv.Group == "" {
			path = "/api/" + gv.Version
		}
		g.Go(func() error {
			var text []byte
			if text, failed[i] = client.Get().AbsPath(path).SetHeader("Accept", "application/json").Do(ctx).Raw(); failed[i] == nil {
				failed[i] = json.Unmarshal(text, &lists[i])
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, gv := range old {
		if failed[i] != nil && !apierrors.IsNotFound(failed[i]) {
			d.mute[gv] = failed[i]
		}
		for _, r := range lists[i].APIResources {
			d.add(gv, r.Kind, r.Name, r.Namespaced)
		}
	}
	return nil
}
