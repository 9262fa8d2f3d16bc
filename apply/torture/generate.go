package torture

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/apply"
)

// generator draws stacks that are valid: the API server takes them, their pods
// become ready, and one can be turned into the next without deleting what
// cannot be changed.
type generator struct {
	*rand.Rand
	stack  apply.Stack
	serial int // of names, so that none is used twice
}

type object = unstructured.Unstructured

// kind is how objects of a kind are made and changed. A nil change means that
// only labels and annotations can be.
type kind struct {
	name   string
	weight int
	make   func(g *generator, name string, so []*object) *object
	change func(g *generator, o *object)
}

// kinds is filled in by init, since the functions refer to it.
var kinds []kind

func init() {
	kinds = []kind{
		{"ConfigMap", 5, (*generator).configMap, (*generator).changeData},
		{"ContentConfigMap", 2, (*generator).contentConfigMap, nil}, // renamed by mutate
		{"Secret", 4, (*generator).secret, (*generator).changeSecret},
		{"KeyedSecret", 2, (*generator).keyedSecret, (*generator).changeSecret},
		{"Service", 3, (*generator).service, (*generator).changeService},
		{"Deployment", 4, (*generator).deployment, (*generator).changeWorkload},
		{"StatefulSet", 1, (*generator).statefulSet, (*generator).changeWorkload},
		{"CronJob", 2, (*generator).cronJob, (*generator).changeCronJob},
		{"Job", 1, (*generator).job, (*generator).changeJob},
		{"ContentJob", 1, (*generator).contentJob, (*generator).changeJob},
		{"Ingress", 2, (*generator).ingress, (*generator).changeIngress},
		{"HorizontalPodAutoscaler", 1, (*generator).autoscaler, (*generator).changeAutoscaler},
		{"PodDisruptionBudget", 2, (*generator).budget, (*generator).changeBudget},
		{"NetworkPolicy", 2, (*generator).networkPolicy, (*generator).changeNetworkPolicy},
		{"Role", 2, (*generator).role, (*generator).changeRole},
		{"RoleBinding", 1, (*generator).roleBinding, (*generator).changeRoleBinding},
		{"ServiceAccount", 2, (*generator).account, (*generator).changeAccount},
		{"PersistentVolumeClaim", 1, (*generator).claim, nil},
	}
}

const annotationKind = "torture.stackctl.dev/kind" // the entry of kinds an object was made by

// objects draws a stack of n objects.
func (g *generator) objects(n int) []*object {
	var so []*object
	for range n {
		so = append(so, g.one(so))
	}
	return so
}

// one draws one object that fits those there are.
func (g *generator) one(so []*object) *object {
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	pick := g.IntN(total)
	for _, k := range kinds {
		if pick -= k.weight; pick < 0 {
			return g.of(k, so)
		}
	}
	panic("unreachable")
}

func (g *generator) of(k kind, so []*object) *object {
	o := k.make(g, g.name(), so)
	annotate(o, annotationKind, k.name)
	return o
}

// named draws an object of a kind of the table.
func (g *generator) named(name string, so []*object) *object {
	return g.of(kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })], so)
}

// mutate draws a stack that another may become: objects changed, left out,
// renamed and added. What it returns shares nothing with its argument.
func (g *generator) mutate(so []*object) []*object {
	var next []*object
	renamed := map[string]string{}
	for _, o := range so {
		o = o.DeepCopy()
		k := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == o.GetAnnotations()[annotationKind] })]
		switch p := g.Float64(); {
		case p < 0.40: // stays
		case p < 0.70:
			if k.name == "ContentConfigMap" {
				was := o.GetName()
				g.changeData(o)
				nameByContent(o)
				renamed[was] = o.GetName()
			} else if k.change == nil || g.IntN(4) == 0 {
				g.changeMetadata(o)
			} else {
				k.change(g, o)
			}
		case p < 0.85:
			continue // leaves
		default: // another of its kind in its place
			o = g.of(k, nil)
		}
		next = append(next, o)
	}
	for range g.IntN(4) {
		next = append(next, g.one(next))
	}
	g.settleNeeds(next)
	for i, o := range next {
		next[i] = replaced(o, renamed)
	}
	if len(next) == 0 {
		next = append(next, g.one(nil))
	}
	return next
}

// settleNeeds drops needs of apps that have left.
func (g *generator) settleNeeds(so []*object) {
	there := map[string]bool{}
	for _, o := range so {
		if needable(o) {
			there[o.GetName()+"="+strings.ToLower(o.GetKind())] = true
		}
	}
	for _, o := range so {
		a := o.GetAnnotations()
		need, ok := a[apply.AnnotationNeeds]
		if !ok {
			continue
		}
		app, _, _ := strings.Cut(need, "=")
		if !there[app+"="+a["torture.stackctl.dev/needs-kind"]] {
			delete(a, apply.AnnotationNeeds)
			delete(a, "torture.stackctl.dev/needs-kind")
			o.SetAnnotations(a)
		}
	}
}

func needable(o *object) bool {
	switch o.GetKind() {
	case "Deployment", "StatefulSet", "Job":
		return o.GetLabels()[apply.LabelContent] == ""
	}
	return false
}

// replaced returns an object that calls others by their new names.
func replaced(o *object, names map[string]string) *object {
	if len(names) == 0 {
		return o
	}
	text, err := o.MarshalJSON()
	if err != nil {
		panic(err)
	}
	s := string(text)
	for was, is := range names {
		s = strings.ReplaceAll(s, `"`+was+`"`, `"`+is+`"`)
	}
	return parse(s)
}

func parse(text string) *object {
	o := &object{}
	if err := o.UnmarshalJSON([]byte(text)); err != nil {
		panic(fmt.Sprintf("%v in %s", err, text))
	}
	return o
}

func annotate(o *object, key, value string) {
	a := o.GetAnnotations()
	if a == nil {
		a = map[string]string{}
	}
	a[key] = value
	o.SetAnnotations(a)
}

func label(o *object, key, value string) {
	l := o.GetLabels()
	if l == nil {
		l = map[string]string{}
	}
	l[key] = value
	o.SetLabels(l)
}

func set(o *object, value any, path ...string) {
	if err := unstructured.SetNestedField(o.Object, value, path...); err != nil {
		panic(err)
	}
}

// object returns an object of the stack; body is the JSON of its fields beside
// the metadata.
func (g *generator) object(apiVersion, kind, name, body string) *object {
	if body != "" {
		body = "," + body
	}
	o := parse(fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,"namespace":%q}%s}`, apiVersion, kind, name, g.stack.Namespace, body))
	for k, v := range g.stack.OwnerLabels() {
		label(o, k, v)
	}
	label(o, "app.kubernetes.io/name", name)
	if g.IntN(3) == 0 {
		label(o, "tier", g.word())
	}
	if g.IntN(4) == 0 {
		annotate(o, "example.com/note", g.text())
	}
	return o
}

var words = []string{"web", "api", "db", "cache", "mail", "queue", "auth", "feed", "search", "jobs"}

func (g *generator) word() string { return words[g.IntN(len(words))] }

func (g *generator) name() string {
	g.serial++
	return fmt.Sprintf("%s%d", g.word(), g.serial)
}

// texts are values that parsers and writers like to get wrong.
var texts = []string{
	"", "yes", "0123", "1e3", "null", "~", "a: b", "- x", "{{ x }}", "line\nline\n", "\ttab", "ünï©ødé", `"quoted"`, `back\slash`, "trailing ", "#no comment",
}

func (g *generator) text() string {
	if g.IntN(4) == 0 {
		return texts[g.IntN(len(texts))]
	}
	return fmt.Sprintf("%s-%d", g.word(), g.IntN(1e6))
}

// other returns a text that differs from what there is.
func (g *generator) other(was any) string {
	for {
		if s := g.text(); s != was {
			return s
		}
	}
}

func (g *generator) data() string {
	data := map[string]string{}
	for i := range 1 + g.IntN(4) {
		data[fmt.Sprintf("key%d", i)] = g.text()
	}
	b, _ := json.Marshal(data)
	return string(b)
}
