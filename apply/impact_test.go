package apply

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	impactWorkload = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {replicas: 3, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: "web:v1"}]}}}
status: {replicas: 3}
`
	impactSet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 3
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: main, image: "db:v1"}]}}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {resources: {requests: {storage: 2Gi}}}}, {metadata: {name: log}, spec: {resources: {requests: {storage: 1Gi}}}}]
`
	impactBudget = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
`
	impactScaler = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 2, maxReplicas: 5}
`
	impactService = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: ClusterIP, ports: [{name: http, port: 80}]}
`
	impactIngress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {rules: [{host: a.example.org}]}
`
	impactRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec: {hostnames: [a.example.org]}
`
	impactClaim = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {resources: {requests: {storage: 2Gi}}}
`
	impactCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ovens.example.org}
spec: {versions: [{name: v1, schema: {openAPIV3Schema: {properties: {heat: {type: integer}, door: {type: string}}}}}]}
`
	impactDaemon = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec: {updateStrategy: {type: RollingUpdate}, template: {spec: {containers: [{name: main, image: "agent:v1"}]}}}
status: {currentNumberScheduled: 5}
`
	impactPolicy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}}
`
)

// TestImpacts says of changes what they do beyond their object. edit makes the
// object to come out of the one that is there, as pairs of old and new text; one
// that only comes or only goes has no edit.
func TestImpacts(t *testing.T) {
	missing := map[ImpactKind]bool{} // kinds that no row has
	for _, kind := range ImpactKinds() {
		missing[kind] = true
	}
	for _, c := range []struct {
		reason string
		live   string
		edit   []string
		with   []string // other objects of the stack
		had    []string // objects that it had
		beside []string // autoscalers of others
		tune   func(*Change)
		want   string
	}{
		{reason: "a new image replaces the pods there are, not those to come", live: impactWorkload, edit: []string{"web:v1", "web:v2", "replicas: 3, s", "replicas: 5, s"},
			want: `restart 3 spec.template.spec.containers[name="main"].image: 3 pods are replaced`},
		{reason: "a label of the object replaces none", live: impactWorkload, edit: []string{"{name: web, namespace", "{name: web, labels: {a: b}, namespace"}},
		{reason: "a Deployment that is paused replaces none", live: impactWorkload, edit: []string{"web:v1", "web:v2", "spec: {replicas", "spec: {paused: true, replicas"}},
		{reason: "strategy Recreate stops all pods first", live: impactWorkload, edit: []string{"web:v1", "web:v2", "spec: {replicas", "spec: {strategy: {type: Recreate}, replicas"},
			want: "downtime 3 spec.strategy.type: its 3 pods stop before new ones start (strategy Recreate)\nrestart 3 spec.template.spec.containers[name=\"main\"].image: 3 pods are replaced"},
		{reason: "no replicas", live: impactWorkload, edit: []string{"replicas: 3, s", "replicas: 0, s"}, want: "downtime 3 spec.replicas: no pod is left of 3"},
		{reason: "a workload that goes", live: impactWorkload, want: "downtime 3 : its 3 pods stop"},
		{reason: "an autoscaler of the stack decides about the replicas", live: impactWorkload, edit: []string{"replicas: 3, s", "replicas: 4, s"}, with: []string{impactScaler},
			want: "autoscaler 0 spec.replicas: HorizontalPodAutoscaler/web decides about the replicas, and sets them again"},
		{reason: "an autoscaler of others will", live: impactWorkload, edit: []string{"replicas: 3, s", "replicas: 4, s"}, beside: []string{impactScaler},
			want: "autoscaler 0 spec.replicas: HorizontalPodAutoscaler/web decides about the replicas, and sets them again"},
		{reason: "a pod that goes is not replaced", live: impactWorkload, edit: []string{"web:v1", "web:v2", "replicas: 3, s", "replicas: 1, s"},
			want: `restart 1 spec.template.spec.containers[name="main"].image: 1 pod is replaced`},
		{reason: "an autoscaler of others has set them", live: impactWorkload, edit: []string{"replicas: 3, s", "replicas: 4, s"},
			tune: func(c *Change) { c.Fields[0].Manager = "kube-controller-manager (scale)" },
			want: "autoscaler 0 spec.replicas: kube-controller-manager (scale) decides about the replicas, and sets them again"},
		{reason: "an autoscaler that comes beside a number", live: "", edit: []string{"", impactScaler}, with: []string{impactWorkload},
			want: "autoscaler 0 spec.scaleTargetRef: Deployment/web says how many replicas it has, too: every apply sets them"},
		{reason: "fewer pods than the budget lets go", live: impactWorkload, edit: []string{"replicas: 3, s", "replicas: 2, s"}, with: []string{impactBudget},
			want: "disruption 0 spec.replicas: with 2 pods PodDisruptionBudget/web lets none be evicted: a drain of its node waits"},
		{reason: "a budget that leaves room", live: "", edit: []string{"", impactBudget}, with: []string{impactWorkload}},
		{reason: "a budget that leaves none", live: impactBudget, edit: []string{"minAvailable: 2", "minAvailable: 100%"}, with: []string{impactWorkload},
			want: "disruption 0 spec: lets no pod of Deployment/web be evicted: a drain of its node waits"},
		{reason: "the other way to leave none", live: impactBudget, edit: []string{"minAvailable: 2", "maxUnavailable: 0"}, with: []string{impactWorkload},
			want: "disruption 0 spec: lets no pod of Deployment/web be evicted: a drain of its node waits"},
		{reason: "a budget that goes", live: impactBudget, with: []string{impactWorkload},
			want: "disruption 0 : nothing keeps the pods of Deployment/web from being evicted all at once any more"},
		{reason: "a budget that goes with its pods", live: impactBudget},
		{reason: "a budget that goes where there is one pod", live: impactBudget, with: []string{strings.Replace(impactWorkload, "replicas: 3, s", "replicas: 1, s", 1)}},
		{reason: "a StatefulSet replaces those above the partition", live: impactSet, edit: []string{"db:v1", "db:v2", "  replicas: 3", "  updateStrategy: {rollingUpdate: {partition: 1}}\n  replicas: 3"},
			want: `restart 2 spec.template.spec.containers[name="main"].image: 2 pods are replaced`},
		{reason: "OnDelete replaces none", live: impactSet, edit: []string{"db:v1", "db:v2", "  replicas: 3", "  updateStrategy: {type: OnDelete}\n  replicas: 3"}},
		{reason: "the only pod of a StatefulSet", live: strings.Replace(impactSet, "replicas: 3", "replicas: 1", 1), edit: []string{"db:v1", "db:v2"},
			want: "downtime 1 : its only pod stops before the new one starts\nrestart 1 spec.template.spec.containers[name=\"main\"].image: 1 pod is replaced"},
		{reason: "a DaemonSet has as many pods as nodes", live: impactDaemon, edit: []string{"agent:v1", "agent:v2"},
			want: `restart 5 spec.template.spec.containers[name="main"].image: 5 pods are replaced`},
		{reason: "a DaemonSet that waits for its pods to be deleted", live: impactDaemon, edit: []string{"agent:v1", "agent:v2", "type: RollingUpdate", "type: OnDelete"}},
		{reason: "claims go with the pods when it is scaled down", live: strings.Replace(impactSet, "whenScaled: Retain", "whenScaled: Delete", 1), edit: []string{"replicas: 3", "replicas: 1"},
			want: "data-loss 0 spec.replicas: the volume claims of 2 pods and the data in them go"},
		{reason: "claims go with the StatefulSet", live: strings.Replace(impactSet, "whenDeleted: Retain", "whenDeleted: Delete", 1),
			want: "data-loss 0 spec.persistentVolumeClaimRetentionPolicy.whenDeleted: its volume claims and the data in them go with it\ndowntime 3 : its 3 pods stop"},
		{reason: "a StatefulSet that keeps its claims", live: impactSet, want: "downtime 3 : its 3 pods stop"},
		{reason: "a claim that is there keeps its size, but one that no pod has is as good as lost", live: impactSet, edit: []string{"storage: 2Gi", "storage: 1Gi", ", {metadata: {name: log}, spec: {resources: {requests: {storage: 1Gi}}}}", ""},
			tune: func(c *Change) { c.Replace = []string{"spec.volumeClaimTemplates"} },
			want: "data-loss 0 spec.volumeClaimTemplates: its pods no longer have the volumes of log and what is in them; the claims stay\n" +
				"recreate 0 spec.volumeClaimTemplates: is deleted and made anew, since spec.volumeClaimTemplates cannot change"},
		{reason: "a Deployment that is made anew", live: impactWorkload, edit: []string{"matchLabels: {app: web}", "matchLabels: {app: other}"},
			tune: func(c *Change) { c.Replace = []string{"spec.selector.matchLabels.app"} },
			want: "recreate 0 spec.selector.matchLabels.app: is deleted and made anew, since spec.selector.matchLabels.app cannot change\n" +
				"downtime 3 spec.selector.matchLabels.app: its 3 pods stop before new ones start"},
		{reason: "a claim that goes", live: impactClaim, want: "data-loss 0 : deleting it deletes its data"},
		{reason: "a claim that shrinks, however it is written", live: impactClaim, edit: []string{"2Gi", "1024Mi"},
			want: "data-loss 0 spec.resources.requests.storage: the volume shrinks from 2Gi to 1024Mi"},
		{reason: "a claim that grows", live: impactClaim, edit: []string{"2Gi", "3000Mi"}},
		{reason: "a kind that goes", live: impactCRD, want: "data-loss 0 : deleting it deletes every object of the kind it defines"},
		{reason: "a field of a kind that goes", live: impactCRD, edit: []string{", door: {type: string}", ""},
			want: `data-loss 0 spec.versions[name="v1"].schema.openAPIV3Schema.properties.door.type: objects of the kind lose the field when they are next written`},
		{reason: "a Service inside", live: "", edit: []string{"", impactService}},
		{reason: "a Service that becomes one for the world", live: impactService, edit: []string{"ClusterIP", "LoadBalancer"}, want: "exposure 0 spec.type: a load balancer leads to its port 80"},
		{reason: "a port more of it", live: strings.Replace(impactService, "ClusterIP", "NodePort", 1), edit: []string{"{name: http, port: 80}", "{name: http, port: 80}, {name: admin, port: 9000}"},
			want: "exposure 0 spec.type: every node leads to its port 9000"},
		{reason: "a new Ingress", live: "", edit: []string{"", impactIngress}, want: "exposure 0 spec.rules: the host a.example.org leads to it"},
		{reason: "a new host of one", live: impactIngress, edit: []string{"[{host: a.example.org}]", "[{host: b.example.org}, {host: a.example.org}]"}, want: "exposure 0 spec.rules: the host b.example.org leads to it"},
		{reason: "an Ingress without a host takes all", live: impactIngress, edit: []string{"host: a.example.org", "http: {}"}, want: "exposure 0 spec.rules: every host that nothing else takes leads to it"},
		{reason: "a host less", live: impactIngress, edit: []string{"[{host: a.example.org}]", "[{host: b.example.org}]"},
			want: "downtime 0 spec.rules: the host a.example.org no longer leads to it\nexposure 0 spec.rules: the host b.example.org leads to it"},
		{reason: "an Ingress that goes", live: impactIngress, want: "downtime 0 spec.rules: the host a.example.org no longer leads to it"},
		{reason: "a host that another object had", live: "", edit: []string{"", impactIngress}, had: []string{impactRoute}},
		{reason: "one whose host another takes over", live: impactIngress, with: []string{impactRoute}},
		{reason: "a Service that is none for the world any more", live: strings.Replace(impactService, "ClusterIP", "LoadBalancer", 1), edit: []string{"LoadBalancer", "ClusterIP"},
			want: "downtime 0 spec.type: a load balancer no longer leads to its port 80"},
		{reason: "a new host of a route", live: impactRoute, edit: []string{"[a.example.org]", "[a.example.org, b.example.org]"}, want: "exposure 0 spec.hostnames: the host b.example.org leads to it"},
		{reason: "a route without a host takes all", live: impactRoute, edit: []string{"{hostnames: [a.example.org]}", "{parentRefs: []}"}, want: "exposure 0 spec.hostnames: every host of its gateway leads to it"},
		{reason: "what kept traffic away is gone", live: impactPolicy, with: []string{impactWorkload}, want: "exposure 0 : it no longer keeps traffic from the pods of Deployment/web"},
	} {
		change, live, merged := changeOf(t, c.live, c.edit)
		if c.tune != nil {
			c.tune(change)
		}
		var wanted, before, scalers []*unstructured.Unstructured
		for _, text := range c.with {
			wanted = append(wanted, fromYAML(t, text))
		}
		for _, text := range c.beside {
			scalers = append(scalers, fromYAML(t, text))
		}
		for _, text := range c.had {
			before = append(before, fromYAML(t, text))
		}
		if change.Action == ActionDelete { // of what goes, only the record is at hand
			before, live = append(before, live), nil
		}
		var got []string
		for _, kind := range ImpactKinds() {
			missing[kind] = missing[kind] && !strings.Contains(c.want, string(kind)+" ")
		}
		for _, one := range impactsOf(change, live, merged, around(wanted, before, scalers)) {
			got = append(got, fmt.Sprintf("%s %d %s: %s", one.Kind, one.Pods, one.Field, one.Message))
		}
		if d := cmp.Diff(c.want, strings.Join(got, "\n")); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, d)
		}
	}
	for kind, no := range missing {
		if no {
			t.Errorf("no row is about %s", kind)
		}
	}
}

// changeOf is the change from one object to what an edit makes of it.
func changeOf(t *testing.T, text string, edit []string) (c *Change, live, merged *unstructured.Unstructured) {
	t.Helper()
	switch {
	case text == "":
		o := fromYAML(t, edit[1])
		return &Change{Object: keyOf(o), Action: ActionCreate, send: o}, nil, nil
	case edit == nil:
		live = fromYAML(t, text)
		return &Change{Object: keyOf(live), Action: ActionDelete}, live, nil
	}
	live, merged = fromYAML(t, text), fromYAML(t, strings.NewReplacer(edit...).Replace(text))
	c = &Change{Object: keyOf(live), Action: ActionUpdate, send: merged, Fields: diff(keyOf(live), live, merged, "")}
	c.template = isWorkload(c.Object) && !sameMeaning(nil, template(live), template(merged))
	return c, live, merged
}

// TestFailOnNamesObjectsAndReasons, and is nothing without a kind.
func TestFailOnNamesObjectsAndReasons(t *testing.T) {
	p := &Plan{Changes: []Change{
		{Object: ObjectKey{Kind: "Service", Namespace: "shop", Name: "web"}, Impacts: []Impact{{Kind: ImpactExposure, Message: "a way in"}, {Kind: ImpactRecreate, Message: "is made anew"}}},
		{Object: ObjectKey{Kind: "Pod", Namespace: "shop", Name: "a"}, Impacts: []Impact{{Kind: ImpactRestart, Message: "1 pod is replaced"}}},
	}}
	if err := p.FailOn(); err != nil {
		t.Error(err)
	}
	if err := p.FailOn(ImpactDataLoss); err != nil {
		t.Error(err)
	}
	got := p.FailOn(ImpactRestart, ImpactExposure).Error()
	want := "the plan does what it was not to do, so that nothing was written:\nService/shop/web: exposure: a way in\nPod/shop/a: restart: 1 pod is replaced"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
