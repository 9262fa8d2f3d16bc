package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// cluster compares applying with kubectl apply --server-side and helm of the same
// objects: on an API server, and then on one whose controllers answer every
// object with more requests than made it, on the same processors.
func (b *bench) cluster() error {
	if _, err := exec.LookPath(b.kubectl); err != nil {
		return fmt.Errorf("the rows on a cluster need kubectl: %w", err)
	}
	plane, err := b.startPlane("--api-only")
	if err != nil {
		return err
	}
	defer plane.end()
	if err := plane.applying(100); err != nil {
		return err
	}
	if b.large {
		if err := plane.large(3334); err != nil {
			return err
		}
	}
	plane.end()
	busy, err := b.startPlane()
	if err != nil {
		return err
	}
	defer busy.end()
	_, err = busy.firstApply(100, ", with the controllers on the same cores")
	return err
}

// plane is a running control plane.
type plane struct {
	bench      *bench
	kubeconfig string
	end        func()
	namespaces int
	releases   int
}

func (b *bench) startPlane(flags ...string) (*plane, error) {
	local, err := filepath.Abs(b.local)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(local, append([]string{"run", "--dir", filepath.Join(b.dir, "plane"), "--until-eof"}, flags...)...)
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start the control plane: %w", err)
	}
	_, path, _ := strings.Cut(strings.TrimSpace(line), "KUBECONFIG=")
	return &plane{bench: b, kubeconfig: strings.Trim(path, `'"`), end: sync.OnceFunc(func() { hold.Close(); _ = cmd.Wait() })}, nil
}

func (p *plane) env() []string { return []string{"KUBECONFIG=" + p.kubeconfig} }

// namespace makes a namespace for the next first apply.
func (p *plane) namespace() string {
	p.namespaces++
	name := fmt.Sprintf("bench-%d", p.namespaces)
	cmd := exec.Command(p.bench.kubectl, "create", "namespace", name)
	cmd.Env = append(os.Environ(), p.env()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("create a namespace: %v\n%s", err, out))
	}
	return name
}

// release describes the workload in a namespace, with one app in a release of
// its own if asked to: for stackctl, as objects for kubectl, and as a chart.
func (p *plane) release(n int, namespace, tag string) (dir string) {
	dir = filepath.Join(p.bench.dir, namespace)
	write := func(name string, text []byte) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			panic(err)
		}
	}
	write("stack.yaml", bytes.Replace(stack("shop", n, tag), []byte("namespace: bench"), []byte("namespace: "+namespace), 1))
	objects, err := exec.Command(p.bench.stackctl, "render", "-f", filepath.Join(dir, "stack.yaml")).Output()
	if err != nil {
		panic(fmt.Sprintf("render: %v", err))
	}
	write("objects.yaml", objects)
	write("chart/Chart.yaml", []byte("apiVersion: v2\nname: shop\nversion: 1.0.0\n"))
	write("chart/templates/objects.yaml", objects)
	return dir
}

// applier is a program that applies the workload in a namespace of its own.
type applier struct {
	contender
	namespace   string
	apply, diff func(dir, namespace string) []string // diff is nil for a program that has none
}

// appliers are stackctl and its rivals that are on the PATH.
func (p *plane) appliers() []*applier {
	ours, kubectl := p.bench.stackctl, p.bench.kubectl
	all := []*applier{{
		contender: contender{"stackctl", command{env: p.env()}},
		apply: func(dir, _ string) []string {
			return []string{ours, "apply", "-y", "--wait=false", "-f", filepath.Join(dir, "stack.yaml")}
		},
		diff: func(dir, _ string) []string { return []string{ours, "diff", "-f", filepath.Join(dir, "stack.yaml")} },
	}, {
		contender: contender{"kubectl --server-side", command{env: p.env()}},
		apply: func(dir, _ string) []string {
			return []string{kubectl, "apply", "--server-side", "-f", filepath.Join(dir, "objects.yaml")}
		},
		diff: func(dir, _ string) []string {
			return []string{kubectl, "diff", "--server-side", "-f", filepath.Join(dir, "objects.yaml")}
		},
	}}
	if _, err := exec.LookPath("helm"); err == nil {
		all = append(all, &applier{
			contender: contender{"helm upgrade --install", command{env: p.env()}},
			apply: func(dir, namespace string) []string {
				return []string{"helm", "upgrade", "--install", "shop", filepath.Join(dir, "chart"), "--namespace", namespace}
			},
		})
	}
	return all
}

// compare measures some appliers, each prepared before each of its runs.
func (p *plane) compare(title string, n int, some []*applier, prepare func(*applier)) error {
	var contenders []*contender
	for _, a := range some {
		a.prep = func() { prepare(a) }
		contenders = append(contenders, &a.contender)
	}
	return p.bench.table(fmt.Sprintf(title, 3*n), contenders)
}

// next describes the next release of what an applier applies.
func (p *plane) next(a *applier, n int, tag string) {
	a.argv = a.apply(p.release(n, a.namespace, tag), a.namespace)
}

// applying measures the life of a stack of n apps.
func (p *plane) applying(n int) error {
	all, err := p.firstApply(n, "")
	if err != nil {
		return err
	}
	if err := p.compare("apply again, nothing changed, %d objects", n, all, func(*applier) {}); err != nil {
		return err
	}
	err = p.compare("apply, one object changed, %d objects", n, all, func(a *applier) {
		p.releases++
		p.next(a, n, fmt.Sprintf("1.5.%d", p.releases))
	})
	if err != nil {
		return err
	}
	differs := slices.DeleteFunc(all, func(a *applier) bool { return a.diff == nil })
	return p.compare("diff, nothing changed, %d objects", n, differs, func(a *applier) {
		a.argv = a.diff(filepath.Join(p.bench.dir, a.namespace), a.namespace)
	})
}

// firstApply measures making the objects of n apps, each time in a new namespace,
// and returns the appliers with what they made last.
func (p *plane) firstApply(n int, where string) ([]*applier, error) {
	all := p.appliers()
	return all, p.compare("first apply, %d objects"+where, n, all, func(a *applier) {
		a.namespace = p.namespace()
		p.next(a, n, "1.4.2")
	})
}

// large measures a stack of n apps of which nothing changed.
func (p *plane) large(n int) error {
	file := filepath.Join(p.release(n, p.namespace(), "1.4.2"), "stack.yaml")
	c := contender{fmt.Sprintf("stackctl apply, %d objects", 3*n), command{
		argv: []string{p.bench.stackctl, "apply", "-y", "--wait=false", "-f", file}, env: p.env(),
	}}
	if _, err := c.run(); err != nil {
		return err
	}
	return p.bench.table("apply again, nothing changed", []*contender{&c})
}
