package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
)

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
// among them, with 3.
var permissions = []permission{
	{"validate, render", nil},
	{"history, list", [][]right{rights(8, "list", secretsKind)}},
	{"status", [][]right{
		rights(8, "get list", secretsKind), rights(8, "get", leasesKind), rights(8, "list", stackKinds...), rights(8, "list", podsKind, setsKind),
	}},
	{"diff", [][]right{
		rights(8, "get list", secretsKind), rights(8, "get list", stackKinds...),
		rights(3, "create patch", stackKinds...), rights(3, "create patch", secretsKind),
		rights(0, "list", podsKind, setsKind, oldSetsKind),
	}},
	{"apply (first)", [][]right{
		rights(8, "get list", secretsKind), rights(8, "get list", stackKinds...),
		rights(3, "create patch", stackKinds...), rights(3, "create patch", secretsKind),
		rights(8, "get", leasesKind), rights(3, "create update", leasesKind),
		rights(8, "watch", watched...), rights(0, "list watch", podsKind, setsKind),
	}},
	{"apply, rollback", [][]right{
		rights(8, "get list", secretsKind), rights(8, "get list", stackKinds...),
		rights(3, "create patch delete", stackKinds...), rights(3, "create patch delete", secretsKind),
		rights(8, "get", leasesKind), rights(3, "update", leasesKind),
		rights(8, "watch", watched...), rights(0, "list watch", podsKind, setsKind), rights(0, "list", oldSetsKind),
	}},
	{"delete", [][]right{
		rights(8, "get list", secretsKind), rights(8, "get list watch", stackKinds...), rights(8, "watch", secretsKind),
		rights(3, "delete", stackKinds...), rights(3, "create delete", secretsKind),
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
	{"reader", "May look, with `stackctl list`, `history` and `status`; `diff` needs the\n# deployer's, since the server decides it by dry-runs. Whoever may read Secrets\n# may read those of the stack too.", []string{"history, list", "status"}},
	{"deployer", "May do all that stackctl does with a stack of these kinds: Deployment,\n# Service, ConfigMap, Secret, Ingress, HorizontalPodAutoscaler and\n# PodDisruptionBudget. Add a rule for every other kind that a stack has.", []string{"history, list", "status", "diff", "apply (first)", "apply, rollback", "delete"}},
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
}

const rbacStack = `
name: shop
manifests: [secret.yaml]
apps:
  web: {image: 'example.org/web:VERSION', port: 8080, ingress: shop.example.org, autoscale: 2..4, files: {/etc/web.conf: {content: 'VERSION'}}, labels: {version: VERSION}}
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
	w.write("a.yaml", strings.ReplaceAll(rbacStack, "VERSION", "v1")+rbacOld)
	w.write("b.yaml", strings.ReplaceAll(strings.ReplaceAll(rbacStack, "VERSION", "v2"), "secret.yaml", "new.yaml")+rbacNew)
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
	rbac := w.plane.Client().RbacV1()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules(all)}
	must(rbac.Roles(w.namespace).Create(w.Context(), role, metav1.CreateOptions{}))
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: "rbac.authorization.k8s.io", Name: user}},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: user},
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

// state is what stackctl made of the stack and its records, in the whole
// namespace. The Lease is not in it: to take it is to write nothing yet.
func (w *rbacWorld) state() string {
	w.Helper()
	resources := map[schema.GroupResource]string{stackKinds[3]: "v1", stackKinds[4]: "v2", stackKinds[5]: "v1"}
	var lines []string
	for _, r := range append(slices.Clone(stackKinds), secretsKind) {
		version := resources[r]
		if version == "" {
			version = "v1"
		}
		list, err := w.lists.Resource(r.WithVersion(version)).Namespace(w.namespace).List(context.Background(), metav1.ListOptions{})
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
	for _, line := range w.plane.Requests(w) {
		var e struct {
			Verb             string
			ImpersonatedUser struct{ Username string }
			ObjectRef        struct{ Resource, APIGroup, Namespace string }
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.ImpersonatedUser.Username == user && e.ObjectRef.Namespace == w.namespace && e.ObjectRef.Resource != "" && e.ObjectRef.Resource != "namespaces" {
			all[right{resource: schema.GroupResource{Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource}, verb: e.Verb}.String()] = true
		}
	}
	return all
}

// rbacCase runs a command with exactly its rights, and with each one less.
type rbacCase struct {
	permission string
	command    []string
	ok         int                // the exit code with all rights
	whole      bool               // not with one less: another case has the same rights
	reset      func(w *rbacWorld) // makes the state the command is run in
}

var rbacCases = []rbacCase{
	{"history, list", []string{"history", "shop"}, 0, false, resetToA},
	{"history, list", []string{"list"}, 0, false, resetToA},
	{"status", []string{"status", "shop"}, 0, false, resetToA},
	{"diff", []string{"diff", "-f", "b.yaml"}, 1, false, resetToA},
	{"apply (first)", []string{"apply", "-f", "a.yaml"}, 0, false, func(w *rbacWorld) {
		if code, out := w.stackctl("", "delete", "shop", "-y"); code != 0 && !strings.Contains(out, "no record of a stack") {
			w.Fatal(out)
		}
		err := w.plane.Client().CoordinationV1().Leases(w.namespace).DeleteCollection(w.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
		if err != nil {
			w.Fatal(err)
		}
	}},
	{"apply, rollback", []string{"apply", "-f", "b.yaml"}, 0, false, resetToA},
	{"apply, rollback", []string{"rollback", "shop", "-y"}, 0, true, func(w *rbacWorld) {
		resetToA(w)
		w.do("apply", "-f", "b.yaml", "-y")
	}},
	{"delete", []string{"delete", "shop", "-y"}, 0, false, resetToA},
}

func resetToA(w *rbacWorld) {
	w.do("apply", "-f", "a.yaml", "-y", "--allow-prune", "99", "--force-conflicts")
}

// TestPermissions: with exactly the documented rights a command works and uses
// each of them; with one less it says what is missing, in its exit code too,
// never that all is well, and deletes nothing.
func TestPermissions(t *testing.T) {
	if testing.Short() {
		t.Skip("each command once for each right")
	}
	for i, c := range rbacCases {
		t.Run(strings.Join(c.command, " "), func(t *testing.T) {
			w := newRBACWorld(t)
			var need []right
			for _, p := range permissions {
				if p.name == c.permission {
					need = p.rights()
				}
			}
			user := func(n int) string { return fmt.Sprintf("rbac-%d-%d", i, n) }
			lessOne := need
			if c.whole {
				lessOne = nil
			}
			for n := range lessOne {
				w.grant(user(n), slices.Concat(need[:n], need[n+1:]))
			}
			all := user(len(need))
			w.grant(all, need)
			w.granted(all, need[0])
			c.reset(w)
			for n, r := range lessOne {
				w.without(c, user(n), r)
			}
			c.reset(w)
			if code, out := w.stackctl(all, c.command...); code != c.ok {
				t.Fatalf("exits %d with all rights: %s", code, out)
			}
			used := w.used(all)
			for _, r := range need {
				delete(used, r.String())
			}
			for more := range used {
				t.Errorf("the table lacks: %s", more)
			}
		})
	}
}

// without runs a case without one right.
func (w *rbacWorld) without(c rbacCase, user string, r right) {
	w.Helper()
	before := w.state()
	code, out := w.stackctl(user, c.command...)
	after := w.state()
	missing := fmt.Sprintf("cannot %s resource %q", r.verb, r.resource.Resource)
	switch {
	case r.without == 0 && code != c.ok:
		w.Errorf("without %s: exits %d, want %d, since it is optional: %s", r, code, c.ok, out)
	case r.without == 0:
	case code != r.without || !strings.Contains(out, missing):
		w.Errorf("without %s: exits %d, want %d and %q: %s", r, code, r.without, missing, out)
	case strings.Contains(out, "No changes"):
		w.Errorf("without %s: says that all is well: %s", r, out)
	}
	if before == after {
		if c.permission == "apply (first)" {
			c.reset(w) // the Lease may be there
		}
		return
	}
	// Something was written. Then the plan could be made, and the right is one
	// that only a later step needs; and nothing is gone that was not to go.
	switch {
	case code == c.ok:
	case r.verb == "delete", r.verb == "watch", r.resource == leasesKind, r.resource == secretsKind:
	default:
		w.Errorf("without %s: written half:\n%s\nthen\n%s", r, before, after)
	}
	if code != c.ok && c.command[0] != "delete" {
		for line := range strings.Lines(before) {
			name, _, _ := strings.Cut(line, " ")
			if !strings.Contains(after, name+" ") && r.verb != "delete" {
				w.Errorf("without %s: exits %d, and %s is gone", r, code, name)
			}
		}
	}
	c.reset(w)
}
