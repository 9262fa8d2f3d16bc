package torture

// The kinds that a generator knows: how each is made, and changed.

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stackctl.dev/stackctl/apply"
)

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
	env := fmt.Sprintf(`{"name":"MODE","value":%s}`, quoted(cmp.Or(g.text(), "on"))) // the API server drops an empty one
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

// job returns a Job whose template stays as it is: it refers to nothing that
// is named by its content.
func (g *generator) job(name string, so []*object) *object { return g.jobWith(name, so, nil) }

func (g *generator) contentJob(name string, so []*object) *object {
	o := g.jobWith(name, so, so)
	label(o, apply.LabelContent, apply.ContentTemplate)
	return o
}

// jobWith returns a Job that may need the apps of a stack, and refer to the
// configuration of another.
func (g *generator) jobWith(name string, so, refersTo []*object) *object {
	ttl := ""
	if g.IntN(3) == 0 {
		ttl = fmt.Sprintf(`"ttlSecondsAfterFinished":%d,`, g.IntN(3))
	}
	o := g.object("batch/v1", "Job", name, fmt.Sprintf(`"spec":{%s"backoffLimit":%d,"template":%s}`, ttl, g.IntN(5), g.podTemplate(name, refersTo, "Never")))
	g.need(o, so)
	return o
}

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
