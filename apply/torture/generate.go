package torture

import (
	"crypto/sha256"
	"encoding/hex"
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

func (g *generator) configMap(name string, _ []*object) *object {
	return g.object("v1", "ConfigMap", name, `"data":`+g.data())
}

func (g *generator) contentConfigMap(name string, so []*object) *object {
	o := g.configMap(name, so)
	nameByContent(o)
	return o
}

// nameByContent gives a ConfigMap the name that its data ask for.
func nameByContent(o *object) {
	base := o.GetName()
	if o.GetLabels()[apply.LabelContent] != "" {
		base = base[:strings.LastIndex(base, "-")]
	}
	b, _ := json.Marshal(o.Object["data"])
	sum := sha256.Sum256(b)
	hash := hex.EncodeToString(sum[:])[:10]
	o.SetName(base + "-" + hash)
	label(o, apply.LabelContent, hash)
}

func (g *generator) changeData(o *object) {
	data, _, _ := unstructured.NestedStringMap(o.Object, "data")
	switch n := len(data); {
	case n > 1 && g.IntN(3) == 0:
		delete(data, anyKey(g, data))
	case g.IntN(3) == 0:
		data[fmt.Sprintf("more%d", g.IntN(1e6))] = g.text()
	default:
		k := anyKey(g, data)
		data[k] = g.other(data[k])
	}
	if err := unstructured.SetNestedStringMap(o.Object, data, "data"); err != nil {
		panic(err)
	}
}

func anyKey(g *generator, m map[string]string) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys[g.IntN(len(keys))]
}

func (g *generator) secret(name string, _ []*object) *object {
	return g.object("v1", "Secret", name, `"stringData":`+g.data())
}

func (g *generator) keyedSecret(name string, so []*object) *object {
	o := g.secret(name, so)
	label(o, apply.LabelContent, apply.ContentKeyed)
	return o
}

func (g *generator) changeSecret(o *object) {
	data, _, _ := unstructured.NestedStringMap(o.Object, "stringData")
	k := anyKey(g, data)
	data[k] = g.other(data[k])
	if err := unstructured.SetNestedStringMap(o.Object, data, "stringData"); err != nil {
		panic(err)
	}
}

func (g *generator) service(name string, _ []*object) *object {
	var ports []string
	for i := range 1 + g.IntN(3) {
		ports = append(ports, fmt.Sprintf(`{"name":"p%d","port":%d,"protocol":"TCP","targetPort":%d}`, i, 1000*(i+1)+g.IntN(1000), 8000+g.IntN(1000)))
	}
	kind := []string{"ClusterIP", "ClusterIP", "NodePort"}[g.IntN(3)]
	return g.object("v1", "Service", name, fmt.Sprintf(`"spec":{"type":%q,"selector":{"app":%q},"ports":[%s]}`, kind, name, strings.Join(ports, ",")))
}

func (g *generator) changeService(o *object) {
	ports, _, _ := unstructured.NestedSlice(o.Object, "spec", "ports")
	if len(ports) > 1 && g.IntN(2) == 0 {
		ports = ports[:len(ports)-1]
	} else {
		ports[0].(map[string]any)["targetPort"] = int64(9000 + g.IntN(1000))
	}
	set(o, ports, "spec", "ports")
}

// podTemplate returns the JSON of a template that a restricted namespace takes.
// It may refer to configuration of the stack that is named by its content.
func (g *generator) podTemplate(app string, so []*object, restart string) string {
	env := fmt.Sprintf(`{"name":"MODE","value":%s}`, quoted(g.text()))
	for _, o := range so {
		if o.GetLabels()[apply.LabelContent] == "" || g.IntN(2) == 0 {
			continue
		}
		switch o.GetKind() {
		case "ConfigMap":
			env += fmt.Sprintf(`,{"name":"C%d","valueFrom":{"configMapKeyRef":{"name":%q,"key":"key0"}}}`, g.IntN(1e9), o.GetName())
		case "Secret":
			env += fmt.Sprintf(`,{"name":"S%d","valueFrom":{"secretKeyRef":{"name":%q,"key":"key0"}}}`, g.IntN(1e9), o.GetName())
		}
	}
	owner, _ := json.Marshal(g.stack.OwnerLabels())
	return fmt.Sprintf(`{"metadata":{"labels":{"app":%[1]q,%[2]s},"annotations":{"example.com/round":%[3]q}},
		"spec":{"restartPolicy":%[4]q,"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},
		"containers":[{"name":"main","image":"example.com/%[1]s:v%[5]d","env":[%[6]s],
		"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}`,
		app, strings.Trim(string(owner), "{}"), fmt.Sprint(g.IntN(1e6)), restart, g.IntN(100), env)
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func (g *generator) deployment(name string, so []*object) *object {
	replicas := fmt.Sprintf(`"replicas":%d,`, g.IntN(3))
	if g.IntN(4) == 0 {
		replicas = "" // somebody else's, or the default
	}
	o := g.object("apps/v1", "Deployment", name, fmt.Sprintf(`"spec":{%s"selector":{"matchLabels":{"app":%q}},"template":%s}`, replicas, name, g.podTemplate(name, so, "Always")))
	g.need(o, so)
	return o
}

// need makes a workload wait for another, now and then.
func (g *generator) need(o *object, so []*object) {
	if g.IntN(3) > 0 {
		return
	}
	for _, other := range so {
		if !needable(other) || g.IntN(2) == 0 {
			continue
		}
		state := []string{"started", "healthy"}[g.IntN(2)]
		if other.GetKind() == "Job" {
			state = "complete"
		}
		annotate(o, apply.AnnotationNeeds, other.GetName()+"="+state)
		annotate(o, "torture.stackctl.dev/needs-kind", strings.ToLower(other.GetKind()))
		return
	}
}

func (g *generator) statefulSet(name string, so []*object) *object {
	claims := ""
	if g.IntN(5) == 0 {
		claims = `,"volumeClaimTemplates":[{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}]`
	}
	o := g.object("apps/v1", "StatefulSet", name, fmt.Sprintf(`"spec":{"replicas":%d,"serviceName":%q,"selector":{"matchLabels":{"app":%q}},"template":%s%s}`,
		g.IntN(3), name, name, g.podTemplate(name, so, "Always"), claims))
	g.need(o, so)
	return o
}

func (g *generator) changeWorkload(o *object) {
	_, scaled, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	switch p := g.IntN(3); {
	case p == 0 && scaled:
		set(o, int64(g.IntN(3)), "spec", "replicas")
	case p == 1:
		set(o, fmt.Sprint("r", g.IntN(1e6)), "spec", "template", "metadata", "annotations", "example.com/round")
	default:
		containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		containers[0].(map[string]any)["image"] = fmt.Sprintf("example.com/next:v%d", g.IntN(1e6))
		set(o, containers, "spec", "template", "spec", "containers")
	}
}

func (g *generator) cronJob(name string, so []*object) *object {
	return g.object("batch/v1", "CronJob", name, fmt.Sprintf(`"spec":{"schedule":"%d 3 1 1 *","suspend":%t,"jobTemplate":{"spec":{"template":%s}}}`,
		g.IntN(60), g.IntN(2) == 0, g.podTemplate(name, so, "Never")))
}

func (g *generator) changeCronJob(o *object) {
	set(o, fmt.Sprintf("%d 4 1 1 *", g.IntN(60)), "spec", "schedule")
}

func (g *generator) job(name string, so []*object) *object {
	ttl := ""
	if g.IntN(3) == 0 {
		ttl = fmt.Sprintf(`"ttlSecondsAfterFinished":%d,`, g.IntN(3))
	}
	o := g.object("batch/v1", "Job", name, fmt.Sprintf(`"spec":{%s"backoffLimit":%d,"template":%s}`, ttl, g.IntN(5), g.podTemplate(name, so, "Never")))
	g.need(o, so)
	return o
}

func (g *generator) contentJob(name string, so []*object) *object {
	o := g.job(name, so)
	label(o, apply.LabelContent, apply.ContentTemplate)
	return o
}

// changeJob changes what can be changed while a Job is there. One that may be
// gone by then is changed not at all.
func (g *generator) changeJob(o *object) {
	if _, expires, _ := unstructured.NestedInt64(o.Object, "spec", "ttlSecondsAfterFinished"); !expires {
		set(o, int64(5+g.IntN(5)), "spec", "backoffLimit")
	}
}

func (g *generator) ingress(name string, _ []*object) *object {
	return g.object("networking.k8s.io/v1", "Ingress", name, fmt.Sprintf(`"spec":{"rules":[{"host":%q,"http":{"paths":[{"path":"/%s","pathType":"Prefix","backend":{"service":{"name":%q,"port":{"number":%d}}}}]}}]}`,
		name+".example.com", g.word(), name, 1000+g.IntN(1000)))
}

func (g *generator) changeIngress(o *object) {
	rules, _, _ := unstructured.NestedSlice(o.Object, "spec", "rules")
	rules[0].(map[string]any)["host"] = fmt.Sprintf("h%d.example.com", g.IntN(1e6))
	set(o, rules, "spec", "rules")
}

// autoscaler scales a Deployment that leaves its replicas to it, or nothing.
func (g *generator) autoscaler(name string, so []*object) *object {
	target := name
	for _, o := range so {
		if _, scaled, _ := unstructured.NestedInt64(o.Object, "spec", "replicas"); o.GetKind() == "Deployment" && !scaled {
			target = o.GetName()
		}
	}
	return g.object("autoscaling/v2", "HorizontalPodAutoscaler", name, fmt.Sprintf(`"spec":{"minReplicas":%d,"maxReplicas":%d,
		"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":%q},
		"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":%d}}}]}`, 1+g.IntN(2), 3+g.IntN(3), target, 50+g.IntN(40)))
}

func (g *generator) changeAutoscaler(o *object) {
	set(o, int64(7+g.IntN(5)), "spec", "maxReplicas")
}

func (g *generator) budget(name string, _ []*object) *object {
	field := []string{"minAvailable", "maxUnavailable"}[g.IntN(2)]
	return g.object("policy/v1", "PodDisruptionBudget", name, fmt.Sprintf(`"spec":{%q:%d,"selector":{"matchLabels":{"app":%q}}}`, field, 1+g.IntN(3), name))
}

func (g *generator) changeBudget(o *object) {
	spec := o.Object["spec"].(map[string]any)
	delete(spec, "minAvailable")
	delete(spec, "maxUnavailable")
	spec[[]string{"minAvailable", "maxUnavailable"}[g.IntN(2)]] = int64(4 + g.IntN(4))
}

func (g *generator) networkPolicy(name string, _ []*object) *object {
	return g.object("networking.k8s.io/v1", "NetworkPolicy", name, fmt.Sprintf(`"spec":{"podSelector":{"matchLabels":{"app":%q}},"policyTypes":["Ingress"],
		"ingress":[{"from":[{"podSelector":{"matchLabels":{"tier":%q}}}],"ports":[{"protocol":"TCP","port":%d}]}]}`, name, g.word(), 1000+g.IntN(1000)))
}

func (g *generator) changeNetworkPolicy(o *object) {
	ingress, _, _ := unstructured.NestedSlice(o.Object, "spec", "ingress")
	ingress[0].(map[string]any)["ports"].([]any)[0].(map[string]any)["port"] = int64(2000 + g.IntN(1000))
	set(o, ingress, "spec", "ingress")
}

func (g *generator) role(name string, _ []*object) *object {
	return g.object("rbac.authorization.k8s.io/v1", "Role", name, `"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["get","list"]}]`)
}

func (g *generator) changeRole(o *object) {
	rules := o.Object["rules"].([]any)
	rules[0].(map[string]any)["resources"] = []any{"configmaps", fmt.Sprint("r", g.IntN(1e6))}
}

func (g *generator) roleBinding(name string, _ []*object) *object {
	return g.object("rbac.authorization.k8s.io/v1", "RoleBinding", name, fmt.Sprintf(`"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":%q},
		"subjects":[{"kind":"ServiceAccount","name":%q,"namespace":%q}]`, name, g.word(), g.stack.Namespace))
}

func (g *generator) changeRoleBinding(o *object) {
	o.Object["subjects"].([]any)[0].(map[string]any)["name"] = fmt.Sprint("a", g.IntN(1e6))
}

func (g *generator) account(name string, _ []*object) *object {
	return g.object("v1", "ServiceAccount", name, fmt.Sprintf(`"automountServiceAccountToken":%t`, g.IntN(2) == 0))
}

func (g *generator) changeAccount(o *object) {
	was, _ := o.Object["automountServiceAccountToken"].(bool)
	o.Object["automountServiceAccountToken"] = !was
}

func (g *generator) claim(name string, _ []*object) *object {
	return g.object("v1", "PersistentVolumeClaim", name, fmt.Sprintf(`"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"%dGi"}}}`, 1+g.IntN(9)))
}

func (g *generator) changeMetadata(o *object) {
	if g.IntN(2) == 0 {
		label(o, "tier", fmt.Sprint("t", g.IntN(1e6)))
	} else {
		annotate(o, "example.com/note", g.other(o.GetAnnotations()["example.com/note"]))
	}
}
