package apply

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A cluster changes under a stack: versions of kinds go, and what is on record
// about an object may be of one that nobody can read any more.

// UnservedError says that objects are written in a version of their kind that
// the cluster does not serve.
type UnservedError struct {
	Objects []UnservedObject
	// Revision is the revision that they are from, 0 for a spec.
	Revision int
}

// UnservedObject is an object and the version its kind is served in.
type UnservedObject struct {
	Object     ObjectKey
	APIVersion string
	Served     string // the version to use; empty when the cluster does not have the kind
}

func (e *UnservedError) Error() string {
	anyMore := "" // it may never have, by what a spec says
	if e.Revision > 0 {
		anyMore = " any more"
	}
	lines := make([]string, len(e.Objects))
	for i, o := range e.Objects {
		if o.Served == "" {
			lines[i] = fmt.Sprintf("%s: the cluster has no kind %s in %s", o.Object, o.Object.Kind, o.APIVersion)
		} else {
			lines[i] = fmt.Sprintf("%s: the cluster does not serve %s%s; it has %s in %s", o.Object, o.APIVersion, anyMore, o.Object.Kind, o.Served)
		}
	}
	if e.Revision > 0 {
		return fmt.Sprintf("revision %d cannot be applied to this cluster, nothing was written:\n%s", e.Revision, strings.Join(lines, "\n"))
	}
	return strings.Join(lines, "\n")
}

// Hint says how to go on.
func (e *UnservedError) Hint() string {
	served := slices.ContainsFunc(e.Objects, func(o UnservedObject) bool { return o.Served != "" })
	switch {
	case e.Revision > 0 && served:
		return fmt.Sprintf("go back to a newer revision, or take the source of revision %d, render it in the served version, and apply that", e.Revision)
	case e.Revision > 0:
		return "install what the kind comes with, or go back to another revision"
	case served:
		return "write the objects in the version that is served"
	}
	return "install what the kind comes with, or put its CustomResourceDefinition into the stack"
}

// OutdatedFieldsError says that an object that is in order cannot be applied,
// because the record of who owns its fields is of a version of its kind that
// the API server cannot read any more.
type OutdatedFieldsError struct {
	Object   ObjectKey
	Versions []string // of the entries that may be in the way
	resource string   // as kubectl names it
	err      error
}

func (e *OutdatedFieldsError) Error() string {
	return fmt.Sprintf("%s: the stack's object is valid, but the live one has managed fields of %s that the server cannot convert any more",
		e.Object, strings.Join(e.Versions, ", "))
}

func (e *OutdatedFieldsError) Unwrap() error { return e.err }

// Hint says how to go on.
func (e *OutdatedFieldsError) Hint() string {
	ns := ""
	if e.Object.Namespace != "" {
		ns = "-n " + e.Object.Namespace + " "
	}
	return fmt.Sprintf("no value is lost by forgetting who owned which field: `kubectl %spatch %s %s --type=json -p '[{\"op\":\"replace\",\"path\":\"/metadata/managedFields\",\"value\":[{}]}]'`, then apply again",
		ns, e.resource, e.Object.Name)
}

// outdatedFields finds out whether it is not the object that is refused but the
// live one's managed fields: then the same object passes under another name.
func (p *planner) outdatedFields(ctx context.Context, o, live *unstructured.Unstructured, refusal error) error {
	s := status(refusal)
	if live == nil || s == nil || s.Code != 500 && s.Code != 422 && s.Code != 400 {
		return nil
	}
	e := &OutdatedFieldsError{Object: keyOf(o), err: refusal}
	for _, f := range live.GetManagedFields() {
		if f.APIVersion != o.GetAPIVersion() && !slices.Contains(e.Versions, f.APIVersion) {
			e.Versions = append(e.Versions, f.APIVersion)
		}
	}
	if len(e.Versions) == 0 {
		return nil
	}
	probe := o.DeepCopy()
	probe.SetName(cut(o.GetName(), 40) + "-" + strings.ToLower(rand.Text()[:8]))
	probe.SetUID("")
	if _, err := p.engine.cluster.apply(ctx, probe, patchOptions{dryRun: true}); err != nil {
		return nil
	}
	m, err := p.engine.cluster.mapping(keyOf(o).groupKind(), o.GroupVersionKind().Version)
	if err != nil {
		return nil
	}
	e.resource = m.Resource.GroupResource().String()
	return e
}
