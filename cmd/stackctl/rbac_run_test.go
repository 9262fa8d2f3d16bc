package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

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
	{"history show, history diff, history verify", []string{"history", "show", "shop", "1"}, 0, false, resetToA},
	{"history show, history diff, history verify", []string{"history", "diff", "shop", "1", "1"}, 0, false, resetToA},
	{"history show, history diff, history verify", []string{"history", "verify", "shop"}, 0, false, resetToA},
	{"status", []string{"status", "shop"}, 6, false, resetToDrift},
	{"status", []string{"status", "shop"}, 6, true, resetToCrash},
	{"diff, drift", []string{"diff", "-f", "b.yaml"}, 1, false, resetToA},
	{"diff, drift", []string{"drift", "shop"}, 1, false, resetToDrift},
	{"apply (first)", []string{"apply", "-f", "a.yaml"}, 0, false, resetToNothing},
	{"apply (first)", []string{"apply", "-f", "crash.yaml", "--timeout", "5s"}, 6, true, resetToNothing},
	{"apply (first)", []string{"apply", "-f", "frozen-one.yaml"}, 0, true, resetToNothing}, // few objects are read one by one
	{"apply, rollback", []string{"apply", "-f", "b.yaml"}, 0, false, resetToA},
	{"apply, rollback", []string{"apply", "-f", "crash.yaml", "--timeout", "5s"}, 6, true, resetToA},
	{"apply, rollback", []string{"apply", "-f", "b.yaml", "--adopt", "ConfigMap/fresh"}, 0, true, resetToForeign},
	{"apply, rollback", []string{"apply", "-f", "frozen-two.yaml", "--recreate", "ConfigMap/settings"}, 0, true, resetToFrozen},
	{"apply, rollback", []string{"apply", "-f", "handover.yaml"}, 0, true, resetToA},
	{"apply, rollback", []string{"rollback", "shop", "-y"}, 0, true, resetToB},
	{"scale", []string{"scale", "shop/solo", "2"}, 0, false, resetToMany},
	{"scale", []string{"scale", "shop/bad", "2", "--timeout", "5s"}, 6, true, resetToCrash},
	{"unlock", []string{"unlock", "shop", "-y"}, 0, false, resetToLocked},
	{"delete", []string{"delete", "shop", "-y"}, 0, false, resetToA},
	{"delete", []string{"delete", "shop", "-y", "--timeout", "2s"}, 6, false, resetToHanging}, // which is watched
}

func resetToA(w *rbacWorld) {
	w.Helper()
	w.do("apply", "-f", "a.yaml", "-y", "--allow-prune", "99", "--force-conflicts")
}

func resetToB(w *rbacWorld) {
	w.Helper()
	resetToA(w)
	w.do("apply", "-f", "b.yaml", "-y")
}

// resetToMany has as many revisions as are kept, so that the next one removes one.
func resetToMany(w *rbacWorld) {
	w.Helper()
	resetToA(w)
	w.filled.Do(func() {
		for n := range 10 {
			w.do("scale", "shop/solo", fmt.Sprint(2-n%2), "-y")
		}
	})
}

func resetToCrash(w *rbacWorld) {
	w.Helper()
	resetToA(w)
	if code, out := w.stackctl("", "apply", "-f", "crash.yaml", "-y", "--timeout", "5s"); code != 6 {
		w.Fatalf("a crash exits %d: %s", code, out)
	}
}

func resetToNothing(w *rbacWorld) {
	w.Helper()
	if code, out := w.stackctl("", "delete", "shop", "-y"); code != 0 && !strings.Contains(out, "no record of a stack") {
		w.Fatal(out)
	}
	err := w.plane.Client().CoordinationV1().Leases(w.namespace).DeleteCollection(w.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
	if err != nil {
		w.Fatal(err)
	}
}

// resetToForeign leaves an object of nobody where the stack wants one.
func resetToForeign(w *rbacWorld) {
	w.Helper()
	resetToA(w)
	w.plane.Kubectl(w, "-n", w.namespace, "create", "configmap", "fresh", "--from-literal=version=theirs", "--save-config")
}

func resetToFrozen(w *rbacWorld) {
	w.Helper()
	w.do("apply", "-f", "frozen-one.yaml", "-y", "--allow-prune", "99")
}

// resetToDrift takes an object of each kind away, and changes another.
func resetToDrift(w *rbacWorld) {
	w.Helper()
	resetToA(w)
	names := map[string][2]string{"configmaps": {"gone", "settings"}, "secrets": {"old", "login"}}
	for _, r := range append(slices.Clone(stackKinds), secretsKind) {
		gone, changed := "old", "web"
		if n, ok := names[r.Resource]; ok {
			gone, changed = n[0], n[1]
		}
		patch := `{"metadata":{"labels":{"app.kubernetes.io/name":"another"}}}`
		if gone != "old" || changed != "web" {
			patch = `{"data":{"version":"bmV3","password":"bmV3"}}`
		}
		kind := w.lists.Resource(r.WithVersion(versionOf(r))).Namespace(w.namespace)
		if err := kind.Delete(w.Context(), gone, metav1.DeleteOptions{}); err != nil {
			w.Fatal(err)
		}
		if _, err := kind.Patch(w.Context(), changed, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			w.Fatal(err)
		}
	}
}

// resetToHanging has an object of each kind that is not gone when it is deleted.
func resetToHanging(w *rbacWorld) {
	w.Helper()
	finalize := func(finalizers string) {
		for _, r := range append(slices.Clone(stackKinds), secretsKind) {
			name := "old"
			if r.Resource == "configmaps" {
				name = "gone"
			}
			patch := `{"metadata":{"finalizers":` + finalizers + `}}`
			_, err := w.lists.Resource(r.WithVersion(versionOf(r))).Namespace(w.namespace).Patch(context.Background(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				w.Fatal(err)
			}
		}
	}
	finalize("null")
	resetToA(w)
	finalize(`["example.org/hold"]`)
	w.hung.Do(func() { w.Cleanup(func() { finalize("null") }) })
}

// resetToLocked has a run that was silent for a second, elsewhere.
func resetToLocked(w *rbacWorld) {
	w.Helper()
	resetToA(w)
	patch := `{"metadata":{"annotations":{"stackctl.dev/lease-duration":"1s"}},"spec":{"holderIdentity":"another"}}`
	_, err := w.plane.Client().CoordinationV1().Leases(w.namespace).Patch(w.Context(), "stackctl.shop", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		w.Fatal(err)
	}
}

// TestPermissions: with exactly the documented rights a command works, and the
// commands of a row use each of them; with one less it says what is missing, in
// its exit code too, never that all is well, and deletes nothing.
func TestPermissions(t *testing.T) {
	t.Chdir(t.TempDir()) // for recovery files
	var mu sync.Mutex
	used := map[string]map[string]bool{} // by permission, of all its cases
	t.Run("cases", func(t *testing.T) {
		for i, c := range rbacCases {
			t.Run(strings.Join(c.command, " "), func(t *testing.T) {
				t.Parallel()
				all := newRBACWorld(t).try(i, c)
				mu.Lock()
				defer mu.Unlock()
				if used[c.permission] == nil {
					used[c.permission] = map[string]bool{}
				}
				maps.Copy(used[c.permission], all)
			})
		}
	})
	if t.Failed() {
		return // those that ended early used less
	}
	for _, p := range permissions {
		for _, r := range p.rights() {
			if !used[p.name][r.String()] {
				t.Errorf("%s: no command made use of: %s", p.name, r)
			}
		}
	}
}

// try runs a case, and returns which rights it used.
func (w *rbacWorld) try(i int, c rbacCase) map[string]bool {
	w.Helper()
	p := permissions[slices.IndexFunc(permissions, func(p permission) bool { return p.name == c.permission })]
	need := p.rights()
	all := fmt.Sprintf("rbac-%d", i)
	lessOne := w.lessOne(c, need)
	for n, less := range lessOne {
		w.grant(fmt.Sprint(all, "-", n), slices.DeleteFunc(slices.Clone(need), less.takes))
	}
	w.grant(all, need)
	w.granted(all, need[0])
	if len(lessOne) > 0 {
		c.reset(w)
		w.withoutAtOnce(c, all, lessOne)
		for n, less := range lessOne {
			if !less.early {
				w.without(c, fmt.Sprint(all, "-", n), less.right)
			}
		}
	}
	c.reset(w)
	if code, out := w.stackctl(all, c.command...); code != c.ok {
		w.Fatalf("exits %d with all rights: %s", code, out)
	}
	used := w.used(all)
	more := maps.Clone(used)
	for _, r := range need {
		delete(more, r.String())
	}
	for r := range more {
		w.Errorf("the table lacks: %s", r)
	}
	return used
}

// less is what is taken away from the rights of a case: one verb, or where only
// less is said then, one rule.
type less struct {
	right
	// early says that the command must end before it writes anything, so that
	// several are run at once.
	early bool
}

func (l less) takes(r right) bool {
	return r == l.right || l.without == 0 && r.without == 0 && r.resource == l.resource
}

// lessOne lists what is taken away, each by itself.
func (w *rbacWorld) lessOne(c rbacCase, need []right) (all []less) {
	if c.whole || testing.Short() {
		return nil
	}
	for _, r := range need {
		if slices.ContainsFunc(all, func(l less) bool { return l.takes(r) }) {
			continue
		}
		late := r.verb == "patch" || r.verb == "watch" && r.resource != watched[0]
		if hangs := c.ok == 6; c.command[0] == "delete" && hangs != late {
			continue // what is gone at once is not watched, and nothing else fails
		}
		planned := slices.Contains(stackKinds, r.resource) && (r.verb == "create" || r.verb == "patch")
		read := r.without == 8 && r.verb != "watch"
		all = append(all, less{right: r, early: read || planned || c.looks()})
	}
	return all
}

// looks reports a command that writes nothing.
func (c rbacCase) looks() bool {
	return slices.Contains([]string{"history", "list", "status", "diff", "drift"}, c.command[0])
}

// withoutAtOnce runs a case several times without one right, with nothing
// written by any.
func (w *rbacWorld) withoutAtOnce(c rbacCase, user string, all []less) {
	w.Helper()
	before := w.state()
	var running sync.WaitGroup
	places := make(chan struct{}, 4)
	for n, less := range all {
		if !less.early {
			continue
		}
		running.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			code, out := w.stackctl(fmt.Sprint(user, "-", n), c.command...)
			w.judge(c, less.right, code, out)
		})
	}
	running.Wait()
	if after := w.state(); after != before {
		w.Fatalf("with one right less something was written:\n%s\nthen\n%s", before, after)
	}
	if c.permission == "apply (first)" {
		c.reset(w) // the Lease may be there
	}
}

// judge says what is wrong with the end of a command that lacked one right.
func (w *rbacWorld) judge(c rbacCase, r right, code int, out string) {
	w.Helper()
	missing := fmt.Sprintf("cannot %s resource %q", r.verb, r.resource.Resource)
	switch {
	case r.without == 0 && code != c.ok:
		w.Errorf("without %s: exits %d, want %d, since it is optional: %s", r, code, c.ok, out)
	case r.without == 0:
	case code != r.without || !strings.Contains(out, missing):
		w.Errorf("without %s: exits %d, want %d and %q: %s", r, code, r.without, missing, out)
	case strings.Contains(out, "No changes"), strings.Contains(out, "No drift"):
		w.Errorf("without %s: says that all is well: %s", r, out)
	}
}

// without runs a case without one right that it may need after its first write.
func (w *rbacWorld) without(c rbacCase, user string, r right) {
	w.Helper()
	before := w.state()
	code, out := w.stackctl(user, c.command...)
	after := w.state()
	w.judge(c, r, code, out)
	if before == after && c.command[0] != "unlock" {
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

// TestRoleFiles does what the Roles in docs/rbac are for, as who has them.
func TestRoleFiles(t *testing.T) {
	w := newRBACWorld(t)
	for _, f := range roleFiles {
		var role rbacv1.Role
		text := must(os.ReadFile(filepath.Join("..", "..", "docs", "rbac", f.name+".yaml")))
		if err := yaml.UnmarshalStrict(text, &role); err != nil {
			t.Fatal(err)
		}
		w.bind(f.name+"-"+w.namespace, &role)
		rule := role.Rules[0]
		w.granted(f.name+"-"+w.namespace, right{schema.GroupResource{Group: rule.APIGroups[0], Resource: rule.Resources[0]}, rule.Verbs[0], 0})
	}
	t.Chdir(t.TempDir())
	for _, step := range []struct {
		role    string
		code    int
		command string
	}{
		{"reader", 3, "apply -f a.yaml"},
		{"deployer", 1, "diff -f a.yaml"},
		{"deployer", 0, "apply -f a.yaml"},
		{"deployer", 0, "drift shop"},
		{"deployer", 0, "apply -f b.yaml"},
		{"deployer", 0, "scale shop/solo 2"},
		{"deployer", 0, "rollback shop -y"},
		{"deployer", 6, "apply -f crash.yaml --timeout 5s --rollback-on-failure"},
		{"reader", 0, "list"},
		{"reader", 0, "history shop"},
		{"reader", 0, "history show shop 1"},
		{"reader", 1, "history diff shop 1 2"},
		{"reader", 0, "history verify shop"},
		{"reader", 0, "status shop"},
		{"reader", 3, "diff -f a.yaml"},
		{"reader", 3, "rollback shop --to 1 -y"},
		{"reader", 3, "delete shop -y"},
		{"deployer", 0, "unlock shop -y"},
		{"deployer", 0, "delete shop -y"},
	} {
		if code, out := w.stackctl(step.role+"-"+w.namespace, strings.Fields(step.command)...); code != step.code {
			t.Errorf("%s: stackctl %s exits %d, want %d: %s", step.role, step.command, code, step.code, out)
		}
	}
}
