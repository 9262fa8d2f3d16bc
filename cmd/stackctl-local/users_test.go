package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// testUsers signs a user in and shows that roles decide what it may do.
func testUsers(t *testing.T, p *testPlane) {
	admin := p.client(t)
	ns := namespace(t, admin, nil)
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(p.mustRun(t, "kubeconfig", "--user=ann", "--group=dev")))
	if err != nil {
		t.Fatal(err)
	}
	ann := kubernetes.NewForConfigOrDie(config)
	list := func() error {
		_, err := ann.CoreV1().ConfigMaps(ns).List(t.Context(), metav1.ListOptions{})
		return err
	}
	if err := list(); !apierrors.IsForbidden(err) {
		t.Errorf("without a role: got %v, want forbidden", err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "dev"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "dev"}},
	}
	if _, err := admin.RbacV1().RoleBindings(ns).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if !within(settle, func() bool { return list() == nil }) {
		t.Errorf("with a role: %v", list())
	}

	config.CertData, config.KeyData = nil, nil
	anonymous := kubernetes.NewForConfigOrDie(config)
	if _, err := anonymous.Discovery().ServerVersion(); !apierrors.IsUnauthorized(err) {
		t.Errorf("without a certificate: got %v, want unauthorized", err)
	}
}

// testAuditLog counts what one client has changed, as a test of stackctl would.
func testAuditLog(t *testing.T, p *testPlane) {
	admin := p.client(t)
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "audited-"}}
	created, err := admin.CoreV1().ConfigMaps(metav1.NamespaceDefault).Create(t.Context(), object, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(p.dir.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	found := 0
	for lines.Scan() {
		var event struct {
			Verb, UserAgent string
			ObjectRef       struct{ Resource, Namespace, Name string }
			RequestObject   any
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatalf("%v in line %q", err, lines.Text())
		}
		if event.RequestObject != nil {
			t.Error("the log holds bodies, and with them secrets")
		}
		if event.ObjectRef.Resource == "leases" && strings.HasPrefix(event.ObjectRef.Namespace, "kube-") {
			t.Errorf("the log holds heartbeats: %s", lines.Text())
		}
		if event.Verb == "create" && event.ObjectRef.Resource == "configmaps" && event.UserAgent == "e2e-test" {
			found++
		}
	}
	if found != 1 {
		t.Errorf("found %d creations of %s, want 1", found, created.Name)
	}
}
