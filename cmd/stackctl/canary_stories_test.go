package main

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var canaryStack = `
name: shop
manifests: [secrets.yaml]
apps:
  web:
    image: example.org/web:v1
    port: 8080
    env:
      DB_PASSWORD: ` + canaryLiteral + `
      DATABASE_URL: postgres://web:` + canaryURL + `@db/shop
      COPY: ` + canaryCopied + `
    secrets:
      TOKEN: {fromEnv: CANARY_TOKEN}
      /etc/app/license: {fromFile: license}
environments:
  dev: {apps: {web: {env: {DB_PASSWORD: ` + canaryLiteral + `2, MODE: dev}}}}
`

var canarySecrets = `
apiVersion: v1
kind: Secret
metadata:
  name: login
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{"kind":"Secret","stringData":{"plain":"` + canaryApplied + `"}}'
    kapp.k14s.io/original: '{"data":{"plain":"` + canaryNote + `"}}'
stringData: {plain: ` + canaryPlain + `, quoted: '"` + canaryShort + `"', copied: ` + canaryCopied + `, old-key: ` + canaryKey + `}
data:
  encoded: ` + base64.StdEncoding.EncodeToString([]byte(canaryEncoded)) + `
  binary: ` + base64.StdEncoding.EncodeToString([]byte("\x00\xff\xfe"+canaryBinary+"\x80\x00")) + `
---
apiVersion: v1
kind: Secret
metadata: {name: registry}
type: kubernetes.io/dockerconfigjson
stringData:
  .dockerconfigjson: '{"auths":{"ghcr.io":{"username":"robot","password":"` + canaryRegistry + `","auth":"` + base64.StdEncoding.EncodeToString([]byte("robot:"+canaryRegistry)) + `"}}}'
---
apiVersion: v1
kind: Secret
metadata: {name: frozen}
immutable: true
stringData: {value: ` + canaryFrozen + `}
`

// canaryStories are what happens to a stack full of canaries. Together they run
// every command.
var canaryStories = map[string]func(*canaryWorld){
	"a description and no cluster": func(w *canaryWorld) {
		f := w.path("stack.yaml")
		for _, format := range []string{"text", "json"} {
			w.stackctl("", 0, "validate", "-f", f, "-o", format)
			w.stackctl("", 0, "env", "list", "-f", f, "-o", format)
			w.stackctl("", 1, "env", "diff", "base", "dev", "-f", f, "-o", format)
			w.stackctl("", 0, "version", "-o", format)
		}
		for _, format := range []string{"yaml", "json"} {
			w.stackctl("", 0, "render", "-f", f, "-o", format)
			w.stackctl("", 0, "render", "-f", f, "-e", "dev", "-o", format)
		}
		w.stackctl("", 0, "render", "-f", f, "--explain")
		w.once("", 0, "render", "-f", f, "--all-environments", "--output-dir", w.path("out"))
		w.files("out")
		w.stackctl("", 1, "fmt", "-f", f, "--check")
		w.stackctl("", 0, "explain", "secrets")
		w.stackctl("", 0, "schema")
		w.stackctl("", 0, "help", "apply")
		w.stackctl("", 0, "completion", "bash")
		w.Chdir(filepath.Dir(f))
		w.stackctl("there is a file", 2, "init", "--name", "shop", "--image", "web:v1")
		w.stackctl("no such command", 2, "aply")
		w.stackctl("no such flag", 2, "apply", "-f", f, "--pasword", "x")
		w.edit("secrets.yaml", base64.StdEncoding.EncodeToString([]byte(canaryEncoded)), "'%"+canaryBroken+"'")
		w.stackctl("wrong base64", anyCode, "validate", "-f", f)
		w.edit("secrets.yaml", "'%"+canaryBroken+"'", "{a: "+canaryBroken+"}")
		w.stackctl("wrong type", anyCode, "validate", "-f", f)
		w.edit("secrets.yaml", "{a: "+canaryBroken+"}", "!"+canaryBroken)
		w.stackctl("a tag", 2, "validate", "-f", f, "-o", "json")
		w.edit("secrets.yaml", "!"+canaryBroken, "{"+canaryBroken)
		w.stackctl("broken YAML", 2, "render", "-f", f)
		w.write("secrets.yaml", canarySecrets)
		os.Unsetenv("CANARY_TOKEN") // t.Setenv restores it
		w.stackctl("no value", 2, "diff", "-f", f)
	},

	"releases": func(w *canaryWorld) {
		f := w.path("stack.yaml")
		w.kubectl("create", "configmap", "unrelated", "--from-literal=a=b")
		w.stackctl("", 1, "diff", "-f", f)
		w.stackctl("", 1, "diff", "-f", f, "-o", "json")
		w.stackctl("", 0, "apply", "-f", f, "--dry-run")
		w.stackctl("", 0, "apply", "-f", f, "--dry-run", "-o", "json")
		w.once("", 0, "apply", "-f", f, "--cause", "because of "+canaryPlain)
		w.stackctl("", 0, "diff", "-f", f)
		w.Setenv("CANARY_TOKEN", canaryEnv2)
		w.edit("secrets.yaml", "old-key", "new-key")
		w.edit("secrets.yaml", canaryEncodedText(), base64.StdEncoding.EncodeToString([]byte("another value")))
		w.edit("stack.yaml", canaryLiteral, canaryLiteral+"New")
		w.stackctl("", 1, "diff", "-f", f)
		w.stackctl("", 1, "diff", "-f", f, "-o", "json")
		w.once("", 0, "apply", "-f", f, "-o", "json")
		w.edit("secrets.yaml", ", new-key: "+canaryKey, "")
		w.edit("secrets.yaml", "immutable: true", "immutable: false")
		w.write("secrets.yaml", strings.Split(canarySecrets, "---")[0]) // two Secrets leave the stack
		w.execute(true, "", 0, "apply", "-f", f)
		w.stackctl("", 0, "rollback", "shop", "--to", "1", "--dry-run")
		w.stackctl("", 0, "rollback", "shop", "--to", "1", "--dry-run", "-o", "json")
		w.once("", 0, "rollback", "shop", "--to", "1", "-y")
		w.execute(true, "", 0, "rollback", "shop", "--to", "2")
		for _, format := range []string{"table", "json", "yaml"} {
			w.stackctl("", 0, "history", "shop", "-o", format)
			w.stackctl("", 0, "status", "shop", "-o", format)
			w.stackctl("", 0, "list", "-o", format)
		}
		w.cluster()
		w.stackctl("", 0, "delete", "shop", "--dry-run")
		w.stackctl("", 0, "delete", "shop", "--dry-run", "-o", "json")
		w.once("", 0, "delete", "shop", "-y", "-o", "json")
		w.stackctl("no such stack", 3, "status", "shop")
	},

	"others change the cluster": func(w *canaryWorld) {
		f := w.path("stack.yaml")
		w.write("by-kubectl.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: by-kubectl}\nstringData: {a: "+canaryKubectl+", b: "+canaryKubectl+"}\n")
		w.kubectl("apply", "-f", w.path("by-kubectl.yaml"))
		w.once("", 0, "apply", "-f", f)
		w.kubectl("patch", "secret", "login", "-p", `{"stringData":{"plain":"`+canaryLive+`","more":"`+canaryLive+`"}}`)
		w.kubectl("set", "env", "deployment/web", "DB_PASSWORD="+canaryByHand, "OTHER_TOKEN="+canaryByHand)
		w.stackctl("", 1, "diff", "-f", f)
		w.stackctl("", 1, "diff", "-f", f, "-o", "json")
		w.stackctl("conflict", 5, "apply", "-f", f)
		w.stackctl("conflict", 5, "apply", "-f", f, "-o", "json")
		w.formats("text json", "conflict", 1, "diff", "-f", f, "--take", "Secret/login:data.plain", "--yield", "Deployment/web:spec")
		w.once("", 0, "apply", "-f", f, "--yield", "Secret/login:data.plain", "--yield", "Deployment/web:spec")
		w.formats("text json", "conflict", 1, "diff", "-f", f, "--force-conflicts")
		w.once("", 0, "apply", "-f", f, "--take", "Secret/login:data.plain", "--yield", "Deployment/web:spec", "-o", "json")
		w.once("", 0, "apply", "-f", f, "--force-conflicts", "-o", "json")
		w.kubectl("set", "env", "deployment/web", "OTHER_TOKEN-")
		w.cluster()
		// An object that is there already, with the annotation of kubectl.
		w.edit("secrets.yaml", "name: registry", "name: by-kubectl")
		w.stackctl("foreign object", 5, "apply", "-f", f)
		w.stackctl("foreign object", 1, "diff", "-f", f, "-o", "json")
		w.edit("secrets.yaml", "name: by-kubectl", "name: registry")
		w.write("secrets.yaml", canarySecrets+"---\napiVersion: v1\nkind: Secret\nmetadata: {name: by-kubectl}\nstringData: {a: "+canaryPlain+"}\n")
		w.formats("text json", "foreign object", 1, "diff", "-f", f, "--adopt", "Secret/by-kubectl")
		w.once("", 0, "apply", "-f", f, "--adopt", "Secret/by-kubectl", "-o", "json")
		w.formats("text json", "", 0, "diff", "-f", f)
		w.cluster()
		w.write("secrets.yaml", canarySecrets)
		w.edit("stack.yaml", "web:v1", "web:v2")
		w.before = func() { w.kubectl("delete", "deployment", "web") }
		w.execute(true, "stale", 3, "apply", "-f", f)
	},

	"the API server refuses": func(w *canaryWorld) {
		f := w.path("stack.yaml")
		w.write("job.yaml", "apiVersion: batch/v1\nkind: Job\nmetadata: {name: task}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n      containers:\n      - {name: main, image: 'task:v1', env: [{name: API_TOKEN, value: "+canaryJob+"}, {name: PLAIN, value: "+canaryCopied+"}], securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}\n")
		w.edit("stack.yaml", "[secrets.yaml]", "[secrets.yaml, job.yaml]")
		w.once("", 0, "apply", "-f", f)
		w.edit("job.yaml", canaryJob, canaryJob+"2")
		w.stackctl("immutable Job", 3, "diff", "-f", f)
		w.once("immutable Job", 3, "apply", "-f", f, "-o", "json")
		w.formats("text json", "", 1, "diff", "-f", f, "--recreate", "Job/task")
		w.edit("job.yaml", canaryJob+"2", canaryJob)
		w.edit("secrets.yaml", canaryFrozen, canaryFrozen2)
		w.stackctl("immutable Secret", 3, "diff", "-f", f)
		w.shows(w.once("immutable Secret", 3, "apply", "-f", f), "Secret/"+w.namespace+"/frozen: data.value cannot change", `"*** (before)" → "*** (after)"`)
		w.once("immutable Secret", 3, "apply", "-f", f, "-o", "json")
		w.formats("text json", "", 1, "diff", "-f", f, "--recreate", "Secret/frozen")
		w.once("", 0, "apply", "-f", f, "--recreate", "Secret/frozen", "-o", "json")
		w.write("secrets.yaml", strings.ReplaceAll(canarySecrets, `'{"auths"`, `'{"auths`+canaryBroken))
		w.stackctl("invalid", 3, "diff", "-f", f, "-o", "json")
		w.once("invalid", 3, "apply", "-f", f, "-o", "json")
		w.write("secrets.yaml", strings.ReplaceAll(canarySecrets, canaryEncodedText(), "'%"+canaryBroken+"'"))
		w.stackctl("wrong base64", anyCode, "diff", "-f", f)
		w.stackctl("wrong base64", anyCode, "apply", "-f", f, "-o", "json")
		w.write("secrets.yaml", strings.ReplaceAll(canarySecrets, canaryEncodedText(), "{a: "+canaryBroken+"}"))
		w.stackctl("wrong type", anyCode, "diff", "-f", f)
		w.write("secrets.yaml", canarySecrets)
		w.stackctl("forbidden", 8, "diff", "-f", f, "--as", "nobody")
		w.stackctl("forbidden", 8, "apply", "-f", f, "--as", "nobody")
		w.stackctl("forbidden", 8, "status", "shop", "--as", "nobody")
		w.stackctl("forbidden", 8, "history", "shop", "--as", "nobody", "-o", "json")
		w.stackctl("forbidden", 8, "list", "--as", "nobody", "-o", "json")
		w.write("quota.yaml", "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none}\nspec: {hard: {secrets: '1'}}\n")
		w.kubectl("apply", "-f", w.path("quota.yaml"))
		w.until("the quota is counted", func() bool {
			return strings.Contains(w.kubectl("get", "resourcequota", "none", "-o", "jsonpath={.status.used}"), "secrets")
		})
		w.Setenv("CANARY_TOKEN", canaryEnv2)
		w.stackctl("quota", 3, "diff", "-f", f)
		w.once("quota", 3, "apply", "-f", f, "-o", "json")
		w.cluster()
	},

	"admission repeats the object": func(w *canaryWorld) {
		f := w.path("stack.yaml")
		w.policy("Warn")
		w.stackctl("", 1, "diff", "-f", f)
		w.stackctl("", 1, "diff", "-f", f, "-o", "json")
		w.once("", 0, "apply", "-f", f, "-o", "json")
		w.policy("Deny")
		w.edit("stack.yaml", "web:v1", "web:v2")
		w.edit("secrets.yaml", canaryPlain, canaryPlain+"New")
		w.stackctl("denied", 3, "diff", "-f", f)
		w.stackctl("denied", 3, "diff", "-f", f, "-o", "json")
		w.once("denied", 3, "apply", "-f", f, "-o", "json")
		w.write("secrets.yaml", canarySecrets) // now only the Deployment is denied
		w.stackctl("denied", 3, "diff", "-f", f)
		w.once("denied", 3, "apply", "-f", f, "-o", "json")
		w.cluster()
	},

	"a pod repeats it": func(w *canaryWorld) {
		f := w.path("stack.yaml")
		w.edit("secrets.yaml", canaryPlain, canaryMessage)
		w.edit("stack.yaml", "web:v1", "web:crash")
		w.edit("stack.yaml", "    port: 8080", "    port: 8080\n    annotations:\n      local.stackctl.dev/message: cannot log in with "+canaryMessage+"\n      local.stackctl.dev/logs: password "+canaryMessage+" is wrong")
		w.shows(w.execute(true, "not ready", 6, "apply", "-f", f, "--timeout", "8s"), "password ", " is wrong") // its log
		w.once("not ready", 6, "apply", "-f", f, "-o", "json", "--timeout", "4s")
		w.stackctl("", 6, "apply", "-f", f, "--rollback-on-failure", "--timeout", "4s") // there is nothing to go back to
		for _, format := range []string{"table", "json", "yaml"} {
			w.stackctl("not ready", 6, "status", "shop", "-o", format)
		}
		w.stackctl("", 0, "history", "shop", "-o", "json")
		w.edit("stack.yaml", "web:crash", "web:v1")
		w.once("", 0, "apply", "-f", f)
		w.edit("stack.yaml", "web:v1", "web:crash")
		w.once("not ready", 6, "apply", "-f", f, "--rollback-on-failure", "--timeout", "4s")
		w.execute(true, "not ready", 6, "apply", "-f", f, "--rollback-on-failure", "--timeout", "4s")
		w.once("not ready", 6, "apply", "-f", f, "--rollback-on-failure", "--timeout", "4s", "-o", "json")
	},

	"the records and the lock": func(w *canaryWorld) {
		f := w.path("stack.yaml")
		w.once("", 0, "apply", "-f", f)
		w.edit("stack.yaml", "web:v1", "web:v2")
		w.lock()
		w.stackctl("locked", 4, "apply", "-f", f, "--lock-timeout", "0")
		w.formats("table json yaml", "", 0, "status", "shop")
		w.stackctl("", 4, "scale", "shop/web", "2", "-y", "--lock-timeout", "0")
		w.once("not asked", 2, "unlock", "shop")
		w.once("", 0, "unlock", "shop", "-y", "-o", "json")
		w.lock()
		w.execute(true, "", 0, "unlock", "shop")
		w.stackctl("", 0, "unlock", "shop", "-y")

		w.formats("text json", "", 0, "scale", "shop/web", "2", "--dry-run")
		w.once("", 0, "scale", "shop/web", "2", "-y", "-o", "json", "--cause", "because of "+canaryPlain)
		w.execute(true, "", 0, "scale", "shop/web", "3")
		w.formats("text json", "", 0, "drift", "shop")
		w.Setenv("CANARY_TOKEN", canaryEnv2)
		w.edit("secrets.yaml", canaryKey, canaryKey+"New")
		w.edit("stack.yaml", canaryLiteral, canaryLiteral+"New")
		w.once("", 0, "apply", "-f", f)
		w.kubectl("patch", "secret", "login", "-p", `{"stringData":{"plain":"`+canaryLive+`","more":"`+canaryLive+`"}}`)
		w.kubectl("set", "env", "deployment/web", "DB_PASSWORD="+canaryByHand, "OTHER_TOKEN="+canaryByHand)
		w.kubectl("delete", "secret", "registry")
		w.formats("text json", "drift", 1, "drift", "shop")
		w.once("", 0, "apply", "-f", f, "--force-conflicts")
		w.kubectl("set", "env", "deployment/web", "OTHER_TOKEN-")

		w.formats("text json yaml", "", 0, "history", "show", "shop", "1")
		w.formats("text json yaml", "", 0, "history", "show", "shop", "4", "--objects")
		w.formats("text json", "", 1, "history", "diff", "shop", "1", "4")
		w.stackctl("", 1, "history", "diff", "shop", "1", "4", "--objects")
		w.formats("text json", "", 0, "history", "verify", "shop")
		w.corrupt("stackctl.shop.v1")
		w.stackctl("corrupt record", 3, "rollback", "shop", "--to", "1", "-y")
		w.stackctl("", 0, "history", "shop", "-o", "json")
		w.formats("text json", "corrupt record", 3, "history", "show", "shop", "1")
		w.formats("text json", "corrupt record", 3, "history", "verify", "shop")
		w.once("", 0, "apply", "-f", f, "-o", "json")
		w.lose()
		w.stackctl("lost values", 3, "rollback", "shop", "--to", "2", "-y")
		w.formats("text json", "lost values", 3, "history", "verify", "shop")
		w.cluster()
		config := string(must(os.ReadFile(w.kubeconfig)))
		server := config[strings.Index(config, "server: "):]
		w.write("unreachable", strings.ReplaceAll(config, server[:strings.Index(server, "\n")], "server: https://127.0.0.1:1"))
		w.kubeconfig = w.path("unreachable")
		w.stackctl("unreachable", 3, "apply", "-f", f)
		w.stackctl("unreachable", 3, "history", "shop", "-o", "json")
	},
}

func canaryEncodedText() string { return base64.StdEncoding.EncodeToString([]byte(canaryEncoded)) }

// lock has another run hold the lock, whose lease lasts a second.
func (w *canaryWorld) lock() {
	w.Helper()
	w.kubectl("patch", "lease", "stackctl.shop", "--type", "merge", "-p", `{"metadata":{"annotations":{"stackctl.dev/lease-duration":"1s"}},"spec":{"holderIdentity":"another"}}`)
}

// try runs kubectl, which may fail, and returns what it said.
func (w *canaryWorld) try(args ...string) (ok bool, said string) {
	cmd := exec.Command(w.plane.Binary, append([]string{"kubectl", "--kubeconfig", w.plane.Kubeconfig, "-n", w.namespace}, args...)...)
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

// shows checks that an output is about what it was made for.
func (w *canaryWorld) shows(text string, parts ...string) {
	w.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			w.Errorf("%q is not said:\n%s", part, text)
		}
	}
}

func (w *canaryWorld) until(what string, f func() bool) {
	w.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("it never happened that %s", what)
		}
	}
}

// policy makes admission repeat what is in Secrets and Deployments: as a
// warning, or when it denies them.
func (w *canaryWorld) policy(action string) {
	w.Helper()
	name := strings.ToLower(action) + "-" + w.namespace
	policy := `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAME}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [secrets]}
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  variables:
  - {name: data, expression: "object.kind == 'Secret' && object.metadata.name in ['login', 'probe'] && has(object.data) && 'plain' in object.data ? string(object.data.plain) : ''"}
  - {name: env, expression: "object.kind == 'Deployment' ? object.spec.template.spec.containers[0].env.map(e, has(e.value) ? e.value : '').join(' ') : ''"}
  validations:
  - {expression: "variables.data == '' && variables.env == ''", messageExpression: "'no: ' + variables.data + variables.env"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAME}
spec:
  policyName: NAME
  validationActions: [ACTION]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}}
`
	w.write("policy.yaml", strings.NewReplacer("NAMESPACE", w.namespace, "NAME", name, "ACTION", action).Replace(policy))
	w.kubectl("apply", "-f", w.path("policy.yaml"))
	w.Cleanup(func() {
		w.plane.Kubectl(w, "delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name)
	})
	w.write("probe.json", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"probe"},"stringData":{"plain":"probed"}}`)
	w.until("admission says so", func() bool {
		ok, said := w.try("create", "--dry-run=server", "-f", w.path("probe.json"))
		return strings.Contains(said, "no: ") && ok == (action == "Warn")
	})
}

// corrupt damages the index of a record, as only who may delete it can.
func (w *canaryWorld) corrupt(name string) {
	w.Helper()
	secrets := w.plane.Client().CoreV1().Secrets(w.namespace)
	secret := must(secrets.Get(w.Context(), name, metav1.GetOptions{}))
	secret.Data["objects"] = append([]byte("x"), secret.Data["objects"]...)
	secret.UID, secret.ResourceVersion, secret.ManagedFields = "", "", nil
	if err := secrets.Delete(w.Context(), name, metav1.DeleteOptions{}); err != nil {
		w.Fatal(err)
	}
	must(secrets.Create(w.Context(), secret, metav1.CreateOptions{}))
}

// lose changes the stored copies of values, or takes them away.
func (w *canaryWorld) lose() {
	w.Helper()
	secrets := w.plane.Client().CoreV1().Secrets(w.namespace)
	for _, s := range must(secrets.List(w.Context(), metav1.ListOptions{FieldSelector: "type=stackctl.dev/value"})).Items {
		if err := secrets.Delete(w.Context(), s.Name, metav1.DeleteOptions{}); err != nil {
			w.Fatal(err)
		}
		if _, ok := s.Data["plain"]; ok {
			s.Data["plain"] = []byte(canaryLive)
			s.UID, s.ResourceVersion, s.ManagedFields = "", "", nil
			must(secrets.Create(w.Context(), &s, metav1.CreateOptions{}))
		}
	}
}
