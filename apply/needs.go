package apply

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// AnnotationNeeds on an object lists apps of the same stack that must have come
// to a state before the object is applied: "db=healthy,migrate=complete". Apps
// are told by their label app.kubernetes.io/name. It is part of the object, so
// that a rollback keeps the order too.
const AnnotationNeeds = "stackctl.dev/needs"

// labelApp says which app an object is of.
const labelApp = "app.kubernetes.io/name"

// NeedState is how far a needed app must have come.
type NeedState string

// The states that can be needed.
const (
	NeedStarted  NeedState = "started"  // a container of the current template runs
	NeedHealthy  NeedState = "healthy"  // the rollout is complete
	NeedComplete NeedState = "complete" // the Job succeeded
)

// Need is an app that an object cannot do without, and how far it must be.
type Need struct {
	App   string    `json:"app"`
	State NeedState `json:"state"`
}

// String reads "db to be healthy".
func (n Need) String() string { return n.App + " to be " + string(n.State) }

// met reports whether the health of a needed object is what is asked for.
func (n Need) met(h Health) bool {
	switch n.State {
	case NeedStarted:
		return h.started
	case NeedComplete:
		return h.complete
	default:
		return h.State == StateReady
	}
}

// parseNeeds reads the annotation of an object.
func parseNeeds(o *unstructured.Unstructured) ([]Need, error) {
	text, ok := o.GetAnnotations()[AnnotationNeeds]
	if !ok {
		return nil, nil
	}
	var needs []Need
	for part := range strings.SplitSeq(text, ",") {
		app, state, _ := strings.Cut(strings.TrimSpace(part), "=")
		n := Need{App: app, State: NeedState(state)}
		switch n.State {
		case NeedStarted, NeedHealthy, NeedComplete:
		default:
			return nil, fmt.Errorf("%s: annotation %s: %q is not app=started, app=healthy or app=complete", keyOf(o), AnnotationNeeds, part)
		}
		needs = append(needs, n)
	}
	return needs, nil
}

// needEdge is a need of an object, and the objects that fulfil it.
type needEdge struct {
	Need
	on []ObjectKey
}

// needGraph is the order that objects ask for within what stages allow.
type needGraph struct {
	edges map[ObjectKey][]needEdge
	depth map[ObjectKey]int // how many others come before, one after the other
}

// newNeedGraph finds out who needs whom. An edge delays an object, it never
// moves one to another stage: what is needed must be of the same stage or of
// an earlier one.
func newNeedGraph(objects []*unstructured.Unstructured) (needGraph, error) {
	g := needGraph{map[ObjectKey][]needEdge{}, map[ObjectKey]int{}}
	apps := map[string][]ObjectKey{}
	for _, o := range objects {
		app := o.GetLabels()[labelApp]
		apps[app] = append(apps[app], keyOf(o))
	}
	for _, o := range objects {
		needs, err := parseNeeds(o)
		if err != nil {
			return g, err
		}
		key := keyOf(o)
		for _, n := range needs {
			on, err := n.providers(key, apps[n.App])
			if err != nil {
				return g, err
			}
			g.edges[key] = append(g.edges[key], needEdge{n, on})
		}
	}
	for _, key := range sortedKeys(g.edges) {
		if err := g.settle(key, nil); err != nil {
			return g, err
		}
	}
	return g, nil
}

// providers picks the objects of an app whose state decides whether the need
// of an object is met.
func (n Need) providers(of ObjectKey, app []ObjectKey) ([]ObjectKey, error) {
	if len(app) == 0 {
		return nil, fmt.Errorf("%s: needs %s, but nothing in the stack has the label %s=%s", of, n, labelApp, n.App)
	}
	var on []ObjectKey
	for _, k := range app {
		if stage(k) <= stage(of) && canBeNeeded(k) && (n.State != NeedComplete || k.isJob()) {
			on = append(on, k)
		}
	}
	switch {
	case len(on) > 0:
		return on, nil
	case n.State == NeedComplete:
		return nil, fmt.Errorf("%s: needs %s, but only a Job can be, and %s has none", of, n, n.App)
	}
	return nil, fmt.Errorf("%s: needs %s, but %s has no workload that can be applied before it", of, n, n.App)
}

// canBeNeeded reports kinds whose state says something about an app: those that
// run pods, and custom resources, which tell by a condition.
func canBeNeeded(k ObjectKey) bool { return stage(k) == stageWorkloads || !builtIn(k.Group) }

// settle computes the depth of an object; path is who asked.
func (g needGraph) settle(key ObjectKey, path []ObjectKey) error {
	if _, ok := g.depth[key]; ok {
		return nil
	}
	if i := slices.Index(path, key); i >= 0 {
		var names []string
		for _, k := range append(path[i:], key) {
			names = append(names, k.String())
		}
		return fmt.Errorf("%s: they would wait for each other for ever", strings.Join(names, " needs "))
	}
	path = append(path, key)
	depth := 0
	for _, e := range g.edges[key] {
		for _, on := range e.on {
			if err := g.settle(on, path); err != nil {
				return err
			}
			depth = max(depth, g.depth[on]+1)
		}
	}
	g.depth[key] = depth
	return nil
}
