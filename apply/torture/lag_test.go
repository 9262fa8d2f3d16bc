package torture

import (
	"bufio"
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/apply/applytest"
)

// TestTortureLag rolls out while the controllers stand still, so that every
// status is about what was before. It needs a control plane of its own, whose
// controller manager it stops and lets go on.
func TestTortureLag(t *testing.T) {
	c := start(t, "lag", 1)
	plane := applytest.Start(t) // for its binary; skips where there is none
	dir := filepath.Join(t.TempDir(), "plane")
	cmd := exec.Command(plane.Binary, "run", "--dir", dir, "--until-eof")
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hold.Close(); cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(strings.TrimSpace(line), "KUBECONFIG=")
	config, err := clientcmd.BuildConfigFromFlags("", strings.Trim(path, `'"`))
	if err != nil {
		t.Fatal(err)
	}
	manager := pidOf(t, plane.Binary, dir, "kube-controller-manager")
	t.Cleanup(func() { syscall.Kill(manager, syscall.SIGCONT) })

	client := kubernetes.NewForConfigOrDie(config)
	c.each(1, func(t *testing.T, i int) {
		ns, err := client.CoreV1().Namespaces().Create(t.Context(), &v1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "lag-"}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s := &scene{T: t, stack: apply.Stack{Namespace: ns.Name, Name: "shop"}, live: dynamic.NewForConfigOrDie(config)}
		if s.engine, err = apply.New(config, s.stack, apply.Options{}); err != nil {
			t.Fatal(err)
		}
		kind := []string{"Deployment", "StatefulSet"}[i%2]
		r := &rollout{scene: s}
		first := func(play string) *apply.Plan { return s.plan([]*object{r.workload(kind, 2, play)}) }
		if _, err := s.engine.Apply(t.Context(), first("ready"), bold); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(manager, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		run := bold
		run.Timeout = 3 * time.Second
		_, err = s.engine.Apply(t.Context(), first("slow"), run)
		if err := syscall.Kill(manager, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		var bad *apply.NotReadyError
		switch {
		case err == nil:
			c.fail(i, "%s: false ready: its controller had not seen it", kind)
		case !errors.As(err, &bad):
			c.fail(i, "%s: %v", kind, err)
		case !strings.Contains(err.Error(), "waiting for its controller"):
			c.fail(i, "%s: the verdict does not say what it waited for:\n%v", kind, err)
		}
		if _, err := s.engine.Apply(t.Context(), first("slow"), bold); err != nil {
			c.fail(i, "%s: after the controllers went on: %v", kind, err)
		}
	})
	c.done()
}

// pidOf finds a component of a plane.
func pidOf(t *testing.T, binary, dir, component string) int {
	t.Helper()
	out, err := exec.Command(binary, "status", "--dir", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == component {
			pid, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("%s is not among\n%s", component, out)
	return 0
}
