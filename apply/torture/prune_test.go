package torture

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stackctl.dev/stackctl/apply"
)

// keepIsHonoured says whether the engine knows the annotation that keeps an
// object which leaves its stack.
const keepIsHonoured = true

const annotationKeep = "stackctl.dev/keep"

// TestTorturePrune turns stacks drawn at random into others, among objects that
// look much like what has to go, and must not be touched.
func TestTorturePrune(t *testing.T) {
	c := start(t, "prune", 4)
	c.each(4, func(t *testing.T, i int) {
		s := newScene(t, apply.Options{})
		p := &pruning{scene: s, c: c, trial: i, generator: &generator{Rand: c.Rand(i), stack: s.stack}, decoys: map[id]decoy{}}
		p.run()
	})
	c.done()
}

// pruning is a trial: stack a, decoys, stack b.
type pruning struct {
	*scene
	*generator
	c      *campaign
	trial  int
	decoys map[id]decoy
}

// decoy is an object that must be afterwards as it was.
type decoy struct {
	why     string
	uid, rv string // rv is empty where controllers write too
}

func (p *pruning) run() {
	a := p.objects(1 + p.IntN(15))
	b := p.mutate(a)
	leaving := p.leaving()
	var all []*object
	for _, why := range slices.Sorted(maps.Keys(leaving)) {
		all = append(all, leaving[why]...)
	}
	p.scene.apply(append(slices.Clone(a), all...))
	p.spoil(leaving)
	p.surround()
	if p.IntN(2) == 0 {
		// A prune that is left to a later run, as after a run without a wait.
		run := bold
		run.Wait = false
		p.converge(run, func() *apply.Plan { return p.plan(b) })
		label(b[0], "tier", "later")
	}
	p.judge(a, b, p.converge(bold, func() *apply.Plan { return p.plan(b) }))
	p.judge(a, b, p.again(b))
}

// again applies once more: what was spared is spared, and nothing is written.
func (p *pruning) again(b []*object) *apply.Plan {
	plan := p.plan(b)
	if n := p.carryOut(plan); n > 0 || !plan.Empty() {
		p.c.fail(p.trial, "the next apply made %d writes:\n%s", n, planText(plan))
	}
	return plan
}

// simple are kinds that no controller writes to, so that not even a
// resourceVersion moves.
var simple = []string{"ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Ingress"}

func (p *pruning) simple() *object { return p.named(simple[p.IntN(len(simple))], nil) }

// leaving draws objects that are part of the first stack only, by what will
// happen to them in between.
func (p *pruning) leaving() map[string][]*object {
	l := map[string][]*object{}
	for range 3 {
		l["recreated with our labels"] = append(l["recreated with our labels"], p.simple())
		l["recreated without labels"] = append(l["recreated without labels"], p.simple())
		l["lost an owner label"] = append(l["lost an owner label"], p.simple())
		l["given to another stack"] = append(l["given to another stack"], p.simple())
		l["has to go"] = append(l["has to go"], p.simple())
		if keepIsHonoured {
			o := p.simple()
			annotate(o, annotationKeep, "true")
			l["says that it is to be kept"] = append(l["says that it is to be kept"], o)
			l["is told to be kept"] = append(l["is told to be kept"], p.simple())
		}
	}
	for range 2 {
		l["holds data"] = append(l["holds data"], p.named("PersistentVolumeClaim", nil))
	}
	return l
}

// spoil does to the leaving objects what their names say.
func (p *pruning) spoil(leaving map[string][]*object) {
	for _, why := range slices.Sorted(maps.Keys(leaving)) {
		for _, o := range leaving[why] {
			i := idOf(o)
			switch why {
			case "recreated with our labels", "recreated without labels":
				p.remove(i)
				another := o.DeepCopy()
				if why == "recreated without labels" {
					another.SetLabels(nil)
				}
				p.create(another)
			case "lost an owner label":
				key := []string{apply.LabelStack, apply.LabelNamespace}[p.IntN(2)]
				p.mustEdit(i, func(live *object) {
					l := live.GetLabels()
					delete(l, key)
					live.SetLabels(l)
				})
			case "given to another stack":
				p.mustEdit(i, func(live *object) { label(live, apply.LabelStack, "other") })
			case "is told to be kept":
				p.mustEdit(i, func(live *object) { annotate(live, annotationKeep, "true") })
			case "has to go":
				continue
			}
			p.spare(i, why)
		}
	}
}

func (p *pruning) mustEdit(i id, change func(*object)) {
	p.Helper()
	if err := p.edit(i, change); err != nil {
		p.Fatalf("edit %s: %v", i, err)
	}
}

// surround makes objects that never were in the stack.
func (p *pruning) surround() {
	var owner *object
	other := p.plane.Namespace(p.T)
	for n := range 16 {
		o := p.simple()
		why := ""
		switch n {
		case 0, 1:
			why = "belongs to another tool"
			o.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "helm", "app.kubernetes.io/instance": "shop"})
		case 2, 3:
			why = "has our labels, but no record lists it"
		case 4, 5:
			why = "belongs to another stack"
			label(o, apply.LabelStack, "shop2")
		case 6, 7:
			why = "has our labels in another namespace"
			o.SetNamespace(other)
		case 8:
			why = "belongs to the stack of that name in another namespace"
			label(o, apply.LabelNamespace, other)
			o.SetNamespace(other)
		case 9:
			why = "has no labels"
			o.SetLabels(nil)
		case 10:
			owner = p.create(p.configMap("owner", nil))
			p.spare(idOf(owner), "has our labels, but no record lists it")
			continue
		default:
			why = "is made by a controller"
			yes := true
			o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.GetName(), UID: owner.GetUID(), Controller: &yes}})
		}
		p.create(o)
		p.spare(idOf(o), why)
	}
}

// spare makes an object, as it is now, a decoy.
func (p *pruning) spare(i id, why string) {
	p.Helper()
	o := p.get(i)
	if o == nil {
		p.Fatalf("the decoy %s is not there", i)
	}
	d := decoy{why: why, uid: string(o.GetUID()), rv: o.GetResourceVersion()}
	if i.kind == "PersistentVolumeClaim" { // is bound in its own time
		d.rv = ""
	}
	p.decoys[i] = d
}

// judge looks for wrong deletes and for orphans.
func (p *pruning) judge(a, b []*object, plan *apply.Plan) {
	p.Helper()
	var bad []string
	for i, d := range p.decoys {
		switch o := p.get(i); {
		case o == nil:
			bad = append(bad, fmt.Sprintf("deleted: %s, which %s", i, d.why))
		case string(o.GetUID()) != d.uid || o.GetDeletionTimestamp() != nil:
			bad = append(bad, fmt.Sprintf("deleted and made anew: %s, which %s", i, d.why))
		case d.rv != "" && o.GetResourceVersion() != d.rv:
			bad = append(bad, fmt.Sprintf("written to: %s, which %s", i, d.why))
		}
	}
	wanted := map[string]bool{}
	for _, o := range b {
		wanted[o.GetKind()+"/"+o.GetName()] = true
	}
	for i, o := range p.labelled() {
		_, spared := p.decoys[i]
		switch base, _, _ := strings.Cut(i.name, "-"); {
		case spared, wanted[i.kind+"/"+i.name], o.GetDeletionTimestamp() != nil:
		case i.kind == "PersistentVolumeClaim": // holds data
		case o.GetLabels()[apply.LabelContent] != "" && (wanted[i.kind+"/"+base] || i.kind != "Job"):
			// Wanted under its final name; or configuration that revision 1 needs.
		default:
			bad = append(bad, fmt.Sprintf("left behind: %s", i))
		}
	}
	for _, o := range b {
		if i := idOf(o); o.GetLabels()[apply.LabelContent] == "" || o.GetKind() == "ConfigMap" {
			if p.get(i) == nil && !mayBeGone(o) {
				bad = append(bad, fmt.Sprintf("deleted: %s, which is wanted", i))
			}
		}
	}
	for _, o := range a { // revision 1 is kept, and so is what a rollback to it starts from
		if o.GetKind() == "ConfigMap" && o.GetLabels()[apply.LabelContent] != "" && p.get(idOf(o)) == nil {
			bad = append(bad, fmt.Sprintf("deleted: %s, which revision 1 needs", idOf(o)))
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		p.c.fail(p.trial, "%s\nthe plan:\n%s", strings.Join(bad, "\n"), planText(plan))
	}
}
