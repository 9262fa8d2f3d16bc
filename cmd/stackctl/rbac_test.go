package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"sigs.k8s.io/yaml"

	"stackctl.dev/stackctl/apply/applytest"
)

// right is one verb on one resource in the namespace of the stack.
type right struct {
	resource schema.GroupResource
	verb     string
	// Without is what happens to who lacks it: the exit code, or 0 when there is
	// only less to see.
	without int
}

func (r right) String() string { return r.verb + " " + r.resource.String() }

// The kinds of a typical stack.
var stackKinds = []schema.GroupResource{
	{Group: "apps", Resource: "deployments"}, {Resource: "services"}, {Resource: "configmaps"},
	{Group: "networking.k8s.io", Resource: "ingresses"}, {Group: "autoscaling", Resource: "horizontalpodautoscalers"},
	{Group: "policy", Resource: "poddisruptionbudgets"},
}

var (
	secretsKind = schema.GroupResource{Resource: "secrets"} // of the stack, and its records
	leasesKind  = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	podsKind    = schema.GroupResource{Resource: "pods"}
	setsKind    = schema.GroupResource{Group: "apps", Resource: "replicasets"}
	oldSetsKind = schema.GroupResource{Group: "apps", Resource: "controllerrevisions"}
	watched     = []schema.GroupResource{stackKinds[0]}

	// What only the cause of a trouble is found with.
	eventsKind = schema.GroupResource{Resource: "events"}
	claimsKind = schema.GroupResource{Resource: "persistentvolumeclaims"}
	logsKind   = schema.GroupResource{Resource: "pods/log"}
)

// troubles are the optional rights of who waits for health.
var troubles = slices.Concat(rights(0, "list watch", podsKind, setsKind, eventsKind, claimsKind), rights(0, "get", logsKind))

// rights makes one right of each resource and verb.
func rights(without int, verbs string, resources ...schema.GroupResource) (all []right) {
	for _, resource := range resources {
		for verb := range strings.SplitSeq(verbs, " ") {
			all = append(all, right{resource, verb, without})
		}
	}
	return all
}

// permission is what a command needs, in the namespace of the stack.
type permission struct {
	name  string // as in SECURITY.md
	needs [][]right
}

func (p permission) rights() []right { return slices.Concat(p.needs...) }

// permissions are the source of the table in SECURITY.md. Reads that are
// refused end a command with 8, since the answer is unknown; writes, dry-runs
// among them, with 3, and with 7 where only the end could not be recorded. A run
// that failed before that keeps its code.
var permissions = []permission{
	{"validate, render", nil},
	{"history, list", [][]right{rights(8, "list", secretsKind)}},
	{"history show, history diff, history verify", [][]right{rights(8, "get list", secretsKind)}},
	{"status", [][]right{
		rights(8, "get list", secretsKind), rights(8, "get", leasesKind), rights(8, "get list", stackKinds...), rights(8, "list", podsKind, setsKind),
		rights(0, "list", eventsKind, claimsKind), rights(0, "get", logsKind),
	}},
	{"diff, drift", [][]right{
		rights(8, "get list", secretsKind), rights(8, "get list", stackKinds...),
		rights(3, "create patch", stackKinds...), rights(3, "create patch", secretsKind),
		rights(0, "list", podsKind, setsKind, oldSetsKind),
	}},
	{"apply (first)", [][]right{
		rights(8, "get list", secretsKind), rights(8, "get list", stackKinds...),
		rights(3, "create patch", stackKinds...), rights(3, "create patch", secretsKind),
		rights(8, "get", leasesKind), rights(3, "create update", leasesKind),
		rights(8, "watch", watched...), troubles,
	}},
	{"apply, rollback", [][]right{
		rights(8, "get list", secretsKind), rights(8, "get list", stackKinds...),
		rights(3, "create patch delete", stackKinds...), rights(3, "create patch delete", secretsKind),
		rights(8, "get", leasesKind), rights(3, "update", leasesKind),
		rights(8, "watch", watched...), troubles, rights(0, "list", oldSetsKind),
	}},
	{"scale", [][]right{
		rights(8, "get list", secretsKind), rights(8, "list", stackKinds...), rights(8, "get watch", watched...), rights(3, "patch", watched...),
		rights(3, "create delete", secretsKind), rights(7, "patch", secretsKind), rights(8, "get", leasesKind), rights(3, "update", leasesKind), troubles,
	}},
	{"unlock", [][]right{rights(8, "get", leasesKind), rights(3, "update", leasesKind)}},
	{"delete", [][]right{
		rights(8, "get list", secretsKind), rights(8, "get list watch", stackKinds...), rights(8, "watch", secretsKind),
		rights(3, "delete", stackKinds...), rights(3, "create delete", secretsKind), rights(6, "patch", secretsKind),
		rights(8, "get", leasesKind), rights(3, "update delete", leasesKind), rights(0, "list watch", podsKind, setsKind),
	}},
}

// rules writes rights as the rules of a Role, in a fixed order.
func rules(all []right) []rbacv1.PolicyRule {
	verbs := map[schema.GroupResource][]string{}
	for _, r := range all {
		if !slices.Contains(verbs[r.resource], r.verb) {
			verbs[r.resource] = append(verbs[r.resource], r.verb)
		}
	}
	var out []rbacv1.PolicyRule
	for resource, verbs := range verbs {
		slices.Sort(verbs)
		out = append(out, rbacv1.PolicyRule{APIGroups: []string{resource.Group}, Resources: []string{resource.Resource}, Verbs: verbs})
	}
	slices.SortFunc(out, func(a, b rbacv1.PolicyRule) int {
		return strings.Compare(a.APIGroups[0]+"/"+a.Resources[0], b.APIGroups[0]+"/"+b.Resources[0])
	})
	return out
}

// tableRow is the row of a permission in SECURITY.md.
func (p permission) tableRow() string {
	if len(p.needs) == 0 {
		return "| " + code(p.name) + " | none | |"
	}
	write := func(optional bool) string {
		var cells []string
		kinds := "" // the verbs on the kinds of the stack, said once
		for _, rule := range rules(slices.DeleteFunc(p.rights(), func(r right) bool { return (r.without == 0) != optional })) {
			resource := schema.GroupResource{Group: rule.APIGroups[0], Resource: rule.Resources[0]}
			verbs := strings.Join(rule.Verbs, ", ")
			if slices.Contains(stackKinds, resource) && !slices.Contains(watched, resource) {
				kinds = "other kinds of the stack: " + verbs
				continue
			}
			cells = append(cells, "`"+resource.Resource+"`: "+verbs)
		}
		if kinds != "" {
			cells = append(cells, kinds)
		}
		return strings.Join(cells, "; ")
	}
	return fmt.Sprintf("| %s | %s | %s |", code(p.name), write(false), write(true))
}

// code writes the commands of a name as code.
func code(name string) string {
	name, when, _ := strings.Cut(name, " (")
	name = "`" + strings.ReplaceAll(name, ", ", "`, `") + "`"
	if when != "" {
		name += " (" + when
	}
	return name
}

// TestPermissionsTable compares SECURITY.md with what is tested.
func TestPermissionsTable(t *testing.T) {
	path := filepath.Join("..", "..", "SECURITY.md")
	text := string(must(os.ReadFile(path)))
	const head = "| command | needs | optional |\n|---|---|---|\n"
	before, rest, ok := strings.Cut(text, head)
	_, after, ended := strings.Cut(rest, "\n\n")
	if !ok || !ended {
		t.Fatalf("%s has no table of permissions", path)
	}
	var rows []string
	for _, p := range permissions {
		rows = append(rows, p.tableRow())
	}
	want := before + head + strings.Join(rows, "\n") + "\n\n" + after
	if update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if text != want {
		t.Errorf("the table in %s is not that of permissions; STACKCTL_UPDATE=1 writes it:\n%s", path, strings.Join(rows, "\n"))
	}
}

// roleFile is a Role that is ready to be used.
type roleFile struct {
	name  string
	about string
	holds []string // names of permissions
}

var roleFiles = []roleFile{
	{"reader", "May look, with `stackctl list`, `history` and `status`; `diff` and `drift`\n# need the deployer's, since the server decides them by dry-runs. Whoever may read\n# Secrets may read those of the stack too.", []string{"history, list", "history show, history diff", "history verify", "status"}},
	{"deployer", "May do all that stackctl does with a stack of these kinds: Deployment,\n# Service, ConfigMap, Secret, Ingress, HorizontalPodAutoscaler and\n# PodDisruptionBudget. Add a rule for every other kind that a stack has.", []string{"history, list", "history show, history diff", "history verify", "status", "diff, drift", "apply (first)", "apply, rollback", "scale", "unlock", "delete"}},
}

// manifest is the text of the file in docs/rbac.
func (f roleFile) manifest() string {
	var all []right
	for _, p := range permissions {
		if slices.Contains(f.holds, p.name) {
			all = append(all, p.rights()...)
		}
	}
	role := map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": map[string]any{"name": "stackctl-" + f.name}, "rules": rules(all),
	}
	return "# " + f.about + "\n" + string(must(yaml.Marshal(role)))
}

// TestRoleManifests compares the files in docs/rbac with the table.
func TestRoleManifests(t *testing.T) {
	for _, f := range roleFiles {
		path := filepath.Join("..", "..", "docs", "rbac", f.name+".yaml")
		if update {
			if err := os.WriteFile(path, []byte(f.manifest()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(path)
		if err != nil || string(text) != f.manifest() {
			t.Errorf("%s is not what the table of permissions says (%v); STACKCTL_UPDATE=1 writes it", path, err)
		}
		for _, word := range []string{"'*'", `"*"`, "escalate", "bind\n", "impersonate"} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s has %s", path, word)
			}
		}
	}
}

// rbacWorld is a namespace with a stack and with users who may more or less.
type rbacWorld struct {
	*testing.T
	plane     *applytest.Plane
	namespace string
	dir       string
	lists     metadata.Interface
	hung      sync.Once // that something hangs which is let go at the end
	filled    sync.Once // that there are as many revisions as are kept
}

const rbacStack = `
name: shop
manifests: [secret.yaml]
apps:
  web: {image: 'example.org/web:VERSION', port: 8080, ingress: shop.example.org, autoscale: 2..4, files: {/etc/web.conf: {content: 'VERSION'}}, labels: {version: VERSION}}
  solo: {image: 'example.org/solo:v1', port: 8080, replicas: 1}
`

const rbacNew = `
  fresh: {image: 'example.org/fresh:v1', port: 8080, ingress: fresh.example.org, autoscale: 2..4}
`

const rbacOld = `
  old: {image: 'example.org/old:v1', port: 8080, ingress: old.example.org, autoscale: 2..4, files: {/etc/old.conf: {content: old}}}
`

func newRBACWorld(t *testing.T) *rbacWorld {
	plane := applytest.Start(t)
	w := &rbacWorld{T: t, plane: plane, namespace: plane.Namespace(t), dir: t.TempDir(), lists: must(metadata.NewForConfig(plane.Config()))}
	w.write("b.yaml", strings.ReplaceAll(strings.ReplaceAll(rbacStack, "VERSION", "v2"), "secret.yaml", "new.yaml")+rbacNew)
	a := strings.ReplaceAll(rbacStack, "VERSION", "v1") + rbacOld
	w.write("a.yaml", a)
	w.write("handover.yaml", strings.ReplaceAll(a, "replicas: 1", "autoscale: 1..3"))
	w.write("crash.yaml", a+"  bad: {image: 'example.org/bad:crash', port: 8080, annotations: {local.stackctl.dev/logs: boom}}\n")
	for _, v := range []string{"one", "two"} {
		w.write("frozen-"+v+".yaml", strings.ReplaceAll(a, "secret.yaml", "settings-"+v+".yaml"))
		w.write("settings-"+v+".yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\nimmutable: true\ndata: {version: "+v+"}\n")
	}
	w.write("secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: version-one}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: old}\nstringData: {password: version-one}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {version: v1}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: gone}\ndata: {version: v1}\n")
	w.write("new.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: version-two}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {version: v2}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: fresh}\nstringData: {password: version-two}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: fresh}\ndata: {version: v2}\n")
	return w
}

func (w *rbacWorld) write(name, text string) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// stackctl runs a command line as a user, "" for the administrator. A file is
// named without its directory.
func (w *rbacWorld) stackctl(user string, args ...string) (code int, out string) {
	w.Helper()
	args = slices.Clone(args)
	for i, arg := range args {
		if strings.HasSuffix(arg, ".yaml") {
			args[i] = filepath.Join(w.dir, arg)
		}
	}
	args = append(args, "--kubeconfig", w.plane.Kubeconfig, "-n", w.namespace)
	if user != "" {
		args = append(args, "--as", user)
	}
	e, stdout, stderr := testEnv(args...)
	e.now = time.Now
	code = run(e)
	return code, stdout.String() + stderr.String()
}

// must be done, by the administrator.
func (w *rbacWorld) do(args ...string) {
	w.Helper()
	if code, out := w.stackctl("", args...); code != 0 {
		w.Fatalf("stackctl %s exits %d: %s", strings.Join(args, " "), code, out)
	}
}

// grant makes a user who has some rights and no other.
func (w *rbacWorld) grant(user string, all []right) {
	w.Helper()
	w.bind(user, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules(all)})
}

// bind gives a user a Role.
func (w *rbacWorld) bind(user string, role *rbacv1.Role) {
	w.Helper()
	rbac := w.plane.Client().RbacV1()
	must(rbac.Roles(w.namespace).Create(w.Context(), role, metav1.CreateOptions{}))
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: "rbac.authorization.k8s.io", Name: user}},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: role.Name},
	}
	must(rbac.RoleBindings(w.namespace).Create(w.Context(), binding, metav1.CreateOptions{}))
}

// granted waits until the server knows what the user granted last may do.
func (w *rbacWorld) granted(user string, r right) {
	w.Helper()
	review := &authv1.SubjectAccessReview{Spec: authv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &authv1.ResourceAttributes{
		Namespace: w.namespace, Verb: r.verb, Group: r.resource.Group, Resource: r.resource.Resource,
	}}}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := must(w.plane.Client().AuthorizationV1().SubjectAccessReviews().Create(w.Context(), review, metav1.CreateOptions{}))
		if got.Status.Allowed {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("%s never may %s", user, r)
		}
	}
}

// versionOf is in which version a kind is served.
func versionOf(r schema.GroupResource) string {
	if r.Group == "autoscaling" {
		return "v2"
	}
	return "v1"
}

// state is what stackctl made of the stack and its records, in the whole
// namespace. The Lease is not in it: to take it is to write nothing yet.
func (w *rbacWorld) state() string {
	w.Helper()
	var lines []string
	for _, r := range append(slices.Clone(stackKinds), secretsKind) {
		list, err := w.lists.Resource(r.WithVersion(versionOf(r))).Namespace(w.namespace).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			w.Fatal(err)
		}
		for _, o := range list.Items {
			line := r.Resource + "/" + o.Name + " " + string(o.UID)
			for _, f := range o.ManagedFields { // what others write is their business
				if strings.HasPrefix(f.Manager, "stackctl/") {
					line += fmt.Sprintf(" %s %s %s", f.Operation, f.Time, f.FieldsV1)
				}
			}
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// used lists the rights that a user made use of, by the audit log.
func (w *rbacWorld) used(user string) map[string]bool {
	w.Helper()
	all := map[string]bool{}
	for _, line := range w.plane.Requests(w, `"`+w.namespace+`"`, `"`+user+`"`) {
		var e struct {
			Verb, RequestURI string
			ImpersonatedUser struct{ Username string }
			ObjectRef        struct{ Resource, Subresource, APIGroup, Namespace string }
			ResponseStatus   struct{ Code int }
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.ImpersonatedUser.Username == user && e.ObjectRef.Namespace == w.namespace && e.ObjectRef.Resource != "" && e.ObjectRef.Resource != "namespaces" {
			resource := strings.TrimSuffix(e.ObjectRef.Resource+"/"+e.ObjectRef.Subresource, "/")
			verbs := []string{e.Verb}
			if e.Verb == "patch" && e.ResponseStatus.Code == http.StatusCreated {
				verbs = append(verbs, "create") // an apply that makes an object needs both
			}
			if e.Verb == "watch" && strings.Contains(e.RequestURI, "sendInitialEvents=true") {
				verbs = append(verbs, "list") // which it stands for, where a server can do that
			}
			for _, verb := range verbs {
				all[right{resource: schema.GroupResource{Group: e.ObjectRef.APIGroup, Resource: resource}, verb: verb}.String()] = true
			}
		}
	}
	return all
}
