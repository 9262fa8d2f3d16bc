package apply

import (
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// kinds is what the API server says about the kinds it serves. It remembers
// which groups could not be asked: of their kinds nothing is known, which is
// not the same as that they are gone.
type kinds struct {
	discovery.CachedDiscoveryInterface

	mu    sync.Mutex
	asked time.Time // when the answers in use were asked for
	mute  map[schema.GroupVersion]error
}

// freshKinds is the age up to which an answer that a kind does not exist is
// believed.
const freshKinds = 2 * time.Second

func (k *kinds) ServerGroupsAndResources() ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	k.mu.Lock()
	if k.asked.IsZero() {
		k.asked = time.Now()
	}
	k.mu.Unlock()
	groups, resources, err := k.CachedDiscoveryInterface.ServerGroupsAndResources()
	var failed *discovery.ErrGroupDiscoveryFailed
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mute = nil
	if errors.As(err, &failed) {
		k.mute = failed.Groups
	}
	return groups, resources, err
}

// Invalidate forgets all answers.
func (k *kinds) Invalidate() {
	k.mu.Lock()
	k.asked = time.Now()
	k.mu.Unlock()
	k.CachedDiscoveryInterface.Invalidate()
}

// stale reports whether it is worth to ask again for a kind.
func (k *kinds) stale() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Since(k.asked) > freshKinds
}

// unknown returns why nothing is known about the kinds of a group, nil when
// the server answered for it.
func (k *kinds) unknown(group string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for gv, err := range k.mute {
		if gv.Group == group {
			return fmt.Errorf("the cluster cannot say which kinds the API group %s has: %w", group, err)
		}
	}
	return nil
}

// mapping finds the resource of a kind; an empty version asks for the server's
// preferred one. A kind the server does not know is a NoMatch error, after it
// was asked again if its answer was old.
func (c *cluster) mapping(gk schema.GroupKind, version string) (*meta.RESTMapping, error) {
	var versions []string
	if version != "" {
		versions = append(versions, version)
	}
	m, err := c.mapper.RESTMapping(gk, versions...)
	if meta.IsNoMatchError(err) && c.kinds.stale() {
		c.mapper.Reset()
		m, err = c.mapper.RESTMapping(gk, versions...)
	}
	if meta.IsNoMatchError(err) {
		if unknown := c.kinds.unknown(gk.Group); unknown != nil {
			return nil, unknown
		}
	}
	return m, err
}

// isPathGone reports that the server has no such path: not that an object is
// not there, but that its kind is not served in that version.
func isPathGone(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// follow makes a request again after the kinds were looked up anew, when its
// path is gone: what the server said before may not hold any more.
func (c *cluster) follow(f func() error) error {
	err := f()
	if isPathGone(err) {
		c.mapper.Reset()
		err = f()
	}
	return err
}
