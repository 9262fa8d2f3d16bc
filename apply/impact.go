package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// addImpacts finds out what the changes of the plan do beyond their objects.
func (p *planner) addImpacts(ctx context.Context) error {
	scalers, err := p.scalers(ctx)
	if err != nil {
		return err
	}
	around := around(p.objects, p.base.Objects, scalers)
	for i := range p.plan.Changes {
		c := &p.plan.Changes[i]
		c.Impacts = impactsOf(c, c.live, c.merged, around)
		c.live, c.merged = nil, nil // were for this
	}
	return nil
}

// scalers reads the autoscalers beside the workloads that get another number of
// pods, whoever made them, but for those that leave the stack. Of who may not
// list them nothing is said.
func (p *planner) scalers(ctx context.Context) (all []*unstructured.Unstructured, err error) {
	leaving, namespaces := map[ObjectKey]bool{}, map[string]bool{}
	for i := range p.plan.Changes {
		c := &p.plan.Changes[i]
		leaving[c.Object] = c.Action == ActionDelete
		if isWorkload(c.Object) && c.Action == ActionUpdate && c.setsReplicas() {
			namespaces[c.Object.Namespace] = true
		}
	}
	for namespace := range namespaces {
		place := viewPlace{schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}, namespace}
		some, err := p.engine.cluster.list(ctx, place, "")
		if err != nil && !apierrors.IsForbidden(err) {
			return nil, err
		}
		all = append(all, some...)
	}
	return slices.DeleteFunc(all, func(o *unstructured.Unstructured) bool { return leaving[keyOf(o)] }), nil
}

// setsReplicas reports a change of the number of pods.
func (c *Change) setsReplicas() bool {
	return slices.ContainsFunc(c.Fields, func(f FieldChange) bool { return f.Path == "spec.replicas" })
}

// neighbours are the other objects of a plan.
type neighbours struct {
	wanted  []*unstructured.Unstructured             // all that the stack is to consist of
	before  map[ObjectKey]*unstructured.Unstructured // what the newest readable revision wanted
	scalers []*unstructured.Unstructured             // autoscalers in the cluster, of others too

	hosts, hostsBefore hosting // of what is wanted, and was
}

func around(wanted, before, scalers []*unstructured.Unstructured) *neighbours {
	n := &neighbours{
		wanted: wanted, before: make(map[ObjectKey]*unstructured.Unstructured, len(before)), scalers: scalers,
		hosts: hostingOf(wanted), hostsBefore: hostingOf(before),
	}
	for _, o := range before {
		n.before[keyOf(o)] = o
	}
	return n
}

// impactsOf returns the impacts of the plan of some kinds by object, and the
// objects in their order.
func (p *Plan) impactsOf(kinds []ImpactKind) (objects []ObjectKey, impacts [][]Impact) {
	for i := range p.Changes {
		c := &p.Changes[i]
		var some []Impact
		for _, one := range c.Impacts {
			if slices.Contains(kinds, one.Kind) {
				some = append(some, one)
			}
		}
		if len(some) > 0 {
			objects, impacts = append(objects, c.Object), append(impacts, some)
		}
	}
	return objects, impacts
}

// ImpactError says that a plan has consequences that were not to be.
type ImpactError struct {
	Objects []ObjectKey
	Impacts [][]Impact // of each of the objects
}

func (e *ImpactError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the plan does what it was not to do, so that nothing was written:")
	for i, key := range e.Objects {
		for _, one := range e.Impacts[i] {
			fmt.Fprintf(&b, "\n%s: %s: %s", key, one.Kind, one.Message)
		}
	}
	return b.String()
}

// FailOn returns an [ImpactError] if carrying out the plan has a consequence of
// one of the kinds, nil when it has none.
func (p *Plan) FailOn(kinds ...ImpactKind) error {
	objects, impacts := p.impactsOf(kinds)
	if len(objects) == 0 {
		return nil
	}
	return &ImpactError{Objects: objects, Impacts: impacts}
}

// ImpactKinds are all kinds of consequences, the worst first.
func ImpactKinds() []ImpactKind {
	return []ImpactKind{ImpactDataLoss, ImpactRecreate, ImpactDowntime, ImpactExposure, ImpactAutoscaler, ImpactDisruption, ImpactRestart}
}

// impactsOf returns what a change does beyond its object, the worst first. live
// is what is there and merged what becomes of it; they are nil where there is
// none, or nothing is known of it but what was wanted.
func impactsOf(c *Change, live, merged *unstructured.Unstructured, around *neighbours) []Impact {
	if c.Action == ActionUnchanged || c.Action == ActionKeep {
		return nil
	}
	if live == nil {
		live = around.before[c.Object]
	}
	x := &impacts{Change: c, before: objectOf(live), around: around}
	switch {
	case c.Action == ActionDelete:
	case merged != nil:
		x.after = merged.Object
	default:
		x.after = c.wanted().Object
	}
	if c.Action == ActionCreate {
		x.before = nil // it may have been there, and is not
	}
	x.find()
	slices.SortStableFunc(x.found, func(a, b Impact) int {
		return slices.Index(ImpactKinds(), a.Kind) - slices.Index(ImpactKinds(), b.Kind)
	})
	return x.found
}

func objectOf(o *unstructured.Unstructured) map[string]any {
	if o == nil {
		return nil
	}
	return o.Object
}

// impacts is the search for those of one change. before is nil for an object
// that comes, after for one that goes.
type impacts struct {
	*Change
	before, after map[string]any
	around        *neighbours
	found         []Impact
}

func (x *impacts) add(kind ImpactKind, field, format string, args ...any) {
	x.found = append(x.found, Impact{Kind: kind, Field: field, Message: fmt.Sprintf(format, args...)})
}

// addPods adds one that is about a number of pods.
func (x *impacts) addPods(kind ImpactKind, n int, field, format string, args ...any) {
	x.add(kind, field, format, args...)
	x.found[len(x.found)-1].Pods = n
}

func (x *impacts) find() {
	if len(x.Replace) > 0 {
		x.add(ImpactRecreate, x.Replace[0], "is deleted and made anew, since %s cannot change", strings.Join(x.Replace, ", "))
	}
	x.data()
	x.reach()
	if isWorkload(x.Object) {
		x.workload()
	}
	if x.Object.Kind == "PodDisruptionBudget" && x.Object.Group == "policy" {
		x.budget()
	}
	if x.Object.Kind == "HorizontalPodAutoscaler" {
		x.autoscaler()
	}
}

// data finds volumes, and objects of a kind, that may be lost.
func (x *impacts) data() {
	key := x.Object
	if x.after == nil {
		switch with := goesWith(key); {
		case with != "":
			x.add(ImpactDataLoss, "", "deleting it deletes %s", with)
		case key.Kind == "StatefulSet" && text(x.before, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") == "Delete":
			x.add(ImpactDataLoss, "spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "its volume claims and the data in them go with it")
		}
		return
	}
	if x.before == nil {
		return
	}
	for i := range x.Fields {
		f := &x.Fields[i]
		switch {
		case key.Kind == "PersistentVolumeClaim" && f.Path == "spec.resources.requests.storage" && f.Op == FieldSet && less(f.After, f.Before):
			x.add(ImpactDataLoss, f.Path, "the volume shrinks from %v to %v", f.Before, f.After)
		case key.Kind == "CustomResourceDefinition" && isBelow(f.Path, "spec.versions") && f.Op == FieldRemove && strings.Contains(f.Path, "properties"):
			x.add(ImpactDataLoss, f.Path, "objects of the kind lose the field when they are next written")
		}
	}
	if key.Kind != "StatefulSet" {
		return
	}
	is := claimTemplates(x.after)
	for _, name := range claimTemplates(x.before) {
		if !slices.Contains(is, name) {
			x.add(ImpactDataLoss, "spec.volumeClaimTemplates", "its pods no longer have the volumes of %s and what is in them; the claims stay", name)
		}
	}
	if text(x.after, "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled") == "Delete" {
		if was, is := replicas(x.before), replicas(x.after); is < was {
			x.add(ImpactDataLoss, "spec.replicas", "the volume claims of %s and the data in them go", pods(was-is))
		}
	}
}

// claimTemplates lists the names of the volumes that a StatefulSet makes claims
// for.
func claimTemplates(o map[string]any) (names []string) {
	templates, _, _ := unstructured.NestedSlice(o, "spec", "volumeClaimTemplates")
	for _, t := range holders(templates) {
		names = append(names, text(t, "metadata", "name"))
	}
	return names
}

// workload finds what becomes of the pods of a workload.
func (x *impacts) workload() {
	running := runningPods(x.Object, x.before)
	switch {
	case x.before == nil:
		return
	case x.after == nil:
		if running > 0 {
			x.addPods(ImpactDowntime, running, "", "%s", stops(running))
		}
		return
	}
	x.autoscaled()
	if was, is := replicas(x.before), replicas(x.after); x.Object.Kind != "DaemonSet" && was > 0 && is == 0 {
		x.addPods(ImpactDowntime, was, "spec.replicas", "no pod is left of %d", was)
		return
	}
	x.squeezed()
	if len(x.Replace) > 0 && !takesPodsOver(x.Object, x.Replace) && running > 0 {
		x.addPods(ImpactDowntime, running, x.Replace[0], "%s before new ones start", stops(running))
		return
	}
	if x.template {
		if x.Object.Kind != "DaemonSet" {
			running = min(running, replicas(x.after)) // one that goes is not replaced
		}
		x.restart(running)
	}
}

// restart finds out how many pods are replaced when the template changes.
func (x *impacts) restart(running int) {
	spec, _ := x.after["spec"].(map[string]any)
	paused, _ := spec["paused"].(bool)
	strategy := text(spec, "updateStrategy", "type")
	if x.Object.Kind == "StatefulSet" {
		running = max(0, running-number(spec, 0, "updateStrategy", "rollingUpdate", "partition"))
	}
	rolls := x.Object.Kind == "Deployment" || x.Object.Kind == "StatefulSet" || x.Object.Kind == "DaemonSet"
	if running == 0 || paused || strategy == "OnDelete" || !rolls {
		return
	}
	field := "spec.template"
	for _, f := range x.Fields {
		if isBelow(f.Path, field) {
			field = f.Path
			break
		}
	}
	switch {
	case x.Object.Kind == "Deployment" && text(spec, "strategy", "type") == "Recreate":
		x.addPods(ImpactDowntime, running, "spec.strategy.type", "%s before new ones start (strategy Recreate)", stops(running))
	case x.Object.Kind == "StatefulSet" && running == 1 && runningPods(x.Object, x.before) == 1:
		x.addPods(ImpactDowntime, 1, "", "%s before the new one starts", stops(1))
	}
	verb := "are"
	if running == 1 {
		verb = "is"
	}
	x.addPods(ImpactRestart, running, field, "%s %s replaced", pods(running), verb)
}

// autoscaled finds an autoscaler that decides about the replicas that the
// change sets.
func (x *impacts) autoscaled() {
	const field = "spec.replicas"
	for _, c := range x.Conflicts {
		if c.Path == field && isAutoscaler(c.Manager) && c.Resolution != ResolutionYielded {
			x.add(ImpactAutoscaler, field, "%s decides about the replicas, and sets them again", c.Manager)
			return
		}
	}
	if !x.setsReplicas() {
		return
	}
	for _, f := range x.Fields {
		if f.Path == field && isAutoscaler(f.Manager) {
			x.add(ImpactAutoscaler, field, "%s decides about the replicas, and sets them again", f.Manager)
			return
		}
	}
	for _, o := range slices.Concat(x.around.wanted, x.around.scalers) {
		if Scales(o, x.Object) {
			x.add(ImpactAutoscaler, field, "%s decides about the replicas, and sets them again", o.GetKind()+"/"+o.GetName())
			return
		}
	}
}

// autoscaler finds a workload that says how many replicas it has, beside the
// autoscaler that comes.
func (x *impacts) autoscaler() {
	if x.before != nil || x.after == nil {
		return
	}
	hpa := &unstructured.Unstructured{Object: x.after}
	for _, o := range x.around.wanted {
		if _, set, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "replicas"); set && Scales(hpa, keyOf(o)) {
			x.add(ImpactAutoscaler, "spec.scaleTargetRef", "%s says how many replicas it has, too: every apply sets them", o.GetKind()+"/"+o.GetName())
		}
	}
}

// isAutoscaler reports a field manager that scales: the controller of
// HorizontalPodAutoscalers writes as kube-controller-manager.
func isAutoscaler(manager string) bool {
	return strings.HasSuffix(manager, " (scale)") && (strings.HasPrefix(manager, "kube-controller-manager") || strings.Contains(manager, "autoscaler"))
}

// budget finds what a disruption budget does to the pods it is about.
func (x *impacts) budget() {
	for _, o := range x.around.wanted {
		n := replicas(o.Object)
		switch {
		case !isWorkload(keyOf(o)):
		case x.after == nil && n > 1 && picks(x.before, "selector", o):
			x.add(ImpactDisruption, "", "nothing keeps the pods of %s from being evicted all at once any more", o.GetKind()+"/"+o.GetName())
		case x.after != nil && picks(x.after, "selector", o) && blocks(x.after, n) && !(x.before != nil && blocks(x.before, n)):
			x.add(ImpactDisruption, "spec", "lets no pod of %s be evicted: a drain of its node waits", o.GetKind()+"/"+o.GetName())
		}
	}
}

// squeezed finds a disruption budget that the new number of pods makes block.
func (x *impacts) squeezed() {
	was, is := replicas(x.before), replicas(x.after)
	if was == is {
		return
	}
	workload := &unstructured.Unstructured{Object: x.after}
	for _, o := range x.around.wanted {
		if o.GetKind() == "PodDisruptionBudget" && picks(o.Object, "selector", workload) && blocks(o.Object, is) && !blocks(o.Object, was) {
			x.add(ImpactDisruption, "spec.replicas", "with %s %s lets none be evicted: a drain of its node waits", pods(is), o.GetKind()+"/"+o.GetName())
		}
	}
}

// picks reports whether an object is about the pods of a workload, by a
// selector in its spec. An empty one selects all.
func picks(o map[string]any, selector string, workload *unstructured.Unstructured) bool {
	want, _, _ := unstructured.NestedMap(o, "spec", selector, "matchLabels")
	have, _, _ := unstructured.NestedMap(workload.Object, "spec", "template", "metadata", "labels")
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return o != nil && text(o, "metadata", "namespace") == workload.GetNamespace()
}

// blocks reports whether a budget lets none of n pods be evicted. It rounds up
// as its controller does.
func blocks(budget map[string]any, n int) bool {
	spec, _ := budget["spec"].(map[string]any)
	if n == 0 {
		return false
	}
	if v, ok := spec["maxUnavailable"]; ok {
		return scaled(v, n) == 0
	}
	v, ok := spec["minAvailable"]
	return ok && scaled(v, n) >= n
}

func scaled(v any, n int) int {
	value := intstr.Parse(strings.Trim(Text(v), `"`))
	got, err := intstr.GetScaledValueFromIntOrPercent(&value, n, true)
	if err != nil {
		return -1
	}
	return got
}

// runningPods is how many pods a workload has.
func runningPods(key ObjectKey, o map[string]any) int {
	if key.Kind == "DaemonSet" {
		return number(o, 0, "status", "currentNumberScheduled")
	}
	return number(o, replicas(o), "status", "replicas")
}

// replicas is how many pods a workload is to have.
func replicas(o map[string]any) int { return number(o, 1, "spec", "replicas") }

func number(o map[string]any, otherwise int, path ...string) int {
	v, _, _ := unstructured.NestedFieldNoCopy(o, path...)
	switch v := v.(type) {
	case int64:
		return int(v)
	case float64: // from a record
		return int(v)
	}
	return otherwise
}

func text(o map[string]any, path ...string) string {
	s, _, _ := unstructured.NestedString(o, path...)
	return s
}

func pods(n int) string {
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}

func stops(n int) string {
	if n == 1 {
		return "its only pod stops"
	}
	return fmt.Sprintf("its %d pods stop", n)
}

// less compares two quantities.
func less(a, b any) bool {
	x, y, ok := quantities(strings.Trim(Text(a), `"`), strings.Trim(Text(b), `"`))
	return ok && x.Cmp(y) < 0
}
