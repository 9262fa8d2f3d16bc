package schema_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"stackctl.dev/stackctl/schema"
)

// hintOf returns the hint of the only error in a text.
func hintOf(t *testing.T, text string) string {
	t.Helper()
	_, err := schema.Load(context.Background(), schema.Options{Filename: "-", Stdin: strings.NewReader(text)})
	var errs schema.Errors
	if !errors.As(err, &errs) || len(errs) != 1 {
		t.Fatalf("want one error, got %v\n%s", err, text)
	}
	return errs[0].Hint
}

// TestPasted writes fields as other tools write them, then what the hint says
// instead, which must be right.
func TestPasted(t *testing.T) {
	for _, pasted := range []string{
		// Docker Compose
		`ports: ["8080:80"]`, `ports: ["127.0.0.1:8080:80/tcp", "53:53/udp", 9090]`, `ports: [{target: 80, published: 8080}]`, `ports: 80`, `port: "8080:80"`, `port: "80"`,
		`environment: [A=b, "C=x=y", "D=on"]`, `environment: {A: b, C: 1}`, `env: [A=b]`, `env: "A=b"`,
		`volumes: ["data:/data", "./conf:/etc/conf:ro"]`, `volumes: [{type: tmpfs, target: /tmp}]`,
		`depends_on: [db]`, `depends_on: {db: {condition: service_healthy}}`,
		`command: npm run start`, `command: "echo $HOME && exec web"`, `entrypoint: [web, --port, "80"]`, `args: --verbose`, `cmd: run`,
		`working_dir: /srv`, `user: "1000:1000"`, `user: 0`, `tmpfs: [/run, /tmp]`, `stop_grace_period: 90s`, `expose: ["80"]`,
		`healthcheck: {test: [CMD, curl, -f, "http://localhost/"]}`, `healthcheck: {test: pg_isready -U postgres}`, `healthcheck: /up`,
		`deploy: {replicas: 2, resources: {limits: {cpus: "0.5", memory: 50M}, reservations: {memory: 20M}}}`, `labels: [team=web]`, `mem_limit: 128Mi`,
		`privileged: true`, `cap_add: [NET_ADMIN]`,
		// Kubernetes
		`env: [{name: A, value: b}, {name: C, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]`,
		`ports: [{containerPort: 80}]`, `ports: [{containerPort: 80, name: web}, {containerPort: 53, name: dns, protocol: UDP}]`, `containerPort: 80`,
		`resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}`,
		`livenessProbe: {httpGet: {path: /healthz, port: 80}, periodSeconds: 10}`, `readinessProbe: {exec: {command: [cat, /tmp/up]}}`, `startupProbe: {tcpSocket: {port: 80}}`,
		`volumeMounts: [{name: data, mountPath: /data}]`, `nodeSelector: {disktype: ssd}`, `tolerations: [{key: gpu, operator: Exists}]`,
		`affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}`, `serviceAccountName: reader`,
		`securityContext: {runAsUser: 1000}`, `securityContext: {fsGroup: 1000}`, `terminationGracePeriodSeconds: 60`, `hostNetwork: true`,
		`initContainers: [{name: schema, image: "schema:3"}]`, `strategy: {type: Recreate}`, `priorityClassName: high`, `minReadySeconds: 5`,
		`topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]`, `lifecycle: {}`,
		// Helm
		`replicaCount: 2`, `autoscaling: {enabled: true, minReplicas: 2, maxReplicas: 5}`, `persistence: {size: 8Gi}`, `serviceAccount: {create: true}`,
		`podAnnotations: {a: b}`, `podSecurityContext: {fsGroup: 1000}`,
		// A slip of the pen
		`schedule: {cron: "0 3 * * *", timezone: Europe/Berlin, suspend: "yes"}`, `autoscale: 5`, `replicas: "3"`, `envFrom: secret/db`, `patches: {target: Deployment, patch: {a: b}}`,
	} {
		frame := func(field string) string {
			return "name: shop\napps:\n  db: {image: \"db:1.0\"}\n  web:\n    image: web:1.0\n    " + field + "\n"
		}
		hint := hintOf(t, frame(pasted))
		fix, found := strings.CutPrefix(hint, "write ")
		if !found {
			t.Errorf("%s: the hint shows nothing to write: %s", pasted, hint)
			continue
		}
		field, _, _ := strings.Cut(pasted, ":")
		fix, _, _ = strings.Cut(fix, "; ")
		fix, _, _ = strings.Cut(fix, " to go on")
		switch {
		case strings.HasPrefix(fix, "a list: "), strings.HasPrefix(fix, "it without quotes: "):
			_, fix, _ = strings.Cut(fix, ": ")
			fix = field + ": " + fix
		case !strings.Contains(fix, ": "):
			fix = field + ": " + fix
		}
		if strings.HasPrefix(pasted, "schedule") {
			continue // the hint is about a part of it
		}
		if strings.HasPrefix(pasted, "deploy") { // several fields, as they stand in braces
			fix = "x-a: {}\n    " + strings.Replace(fix, ", resources", "\n    resources", 1)
		}
		_, err := schema.Load(context.Background(), schema.Options{Filename: "-", Stdin: strings.NewReader(frame(fix))})
		if err != nil && !strings.Contains(err.Error(), "has no meaning") && !strings.Contains(err.Error(), "a probe needs a port") {
			t.Errorf("%s: the hint %q is wrong: %v", pasted, fix, err)
		}
	}
}

// TestForeignFiles loads what the hint for a file of another tool shows.
func TestForeignFiles(t *testing.T) {
	for _, name := range []string{"compose_file", "kubernetes_manifest", "kubernetes_cronjob", "helm_file", "app_without_stack"} {
		story, err := txtar.ParseFile(filepath.Join("../testdata/schema", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), story.Files[0].Name)
		if err := os.WriteFile(path, story.Files[0].Data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = schema.Load(context.Background(), schema.Options{Filename: path})
		var errs schema.Errors
		if !errors.As(err, &errs) || len(errs) != 1 {
			t.Fatalf("%s: want one error, got %v", name, err)
		}
		_, text, _ := strings.Cut(errs[0].Hint, "\n")
		text, _, _ = strings.Cut(text, "\n    left out")
		load(t, text, "")
	}
}
