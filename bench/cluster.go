package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// cluster compares applying on a control plane that is started for it, with
// kubectl apply --server-side of the same objects.
func (b *bench) cluster() error {
	if _, err := exec.LookPath(b.kubectl); err != nil {
		return fmt.Errorf("the rows on a cluster need kubectl: %w", err)
	}
	plane, err := b.startPlane()
	if err != nil {
		return err
	}
	defer plane.end()
	if err := plane.applying(100); err != nil {
		return err
	}
	if b.large {
		return plane.large(3334)
	}
	return nil
}

// plane is a running control plane.
type plane struct {
	bench      *bench
	kubeconfig string
	end        func()
	namespaces int
	releases   int
}

func (b *bench) startPlane() (*plane, error) {
	local, err := filepath.Abs(b.local)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(local, "run", "--dir", filepath.Join(b.dir, "plane"), "--until-eof")
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
	return &plane{bench: b, kubeconfig: strings.Trim(path, `'"`), end: func() { hold.Close(); _ = cmd.Wait() }}, nil
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
// its own if asked to, and the same as objects for kubectl.
func (p *plane) release(n int, namespace, tag string) (file, objects string) {
	text := bytes.Replace(stack("shop", n, tag), []byte("namespace: bench"), []byte("namespace: "+namespace), 1)
	dir := filepath.Join(p.bench.dir, namespace)
	file, objects = filepath.Join(dir, "stack.yaml"), filepath.Join(dir, "objects.yaml")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		panic(err)
	}
	out, err := exec.Command(p.bench.stackctl, "render", "-f", file).Output()
	if err != nil {
		panic(fmt.Sprintf("render: %v", err))
	}
	if err := os.WriteFile(objects, out, 0o644); err != nil {
		panic(err)
	}
	return file, objects
}

// applying measures the life of a stack of n apps.
func (p *plane) applying(n int) error {
	ours := contender{"stackctl apply", command{env: p.env()}}
	theirs := contender{"kubectl apply --server-side", command{env: p.env()}}
	apply := func(c *contender, namespace, tag string) {
		file, objects := p.release(n, namespace, tag)
		c.argv = []string{p.bench.stackctl, "apply", "-y", "--wait=false", "-f", file}
		if c == &theirs {
			c.argv = []string{p.bench.kubectl, "apply", "--server-side", "-f", objects}
		}
	}
	mine, other := "", ""
	ours.prep = func() { mine = p.namespace(); apply(&ours, mine, "1.4.2") }
	theirs.prep = func() { other = p.namespace(); apply(&theirs, other, "1.4.2") }
	run := func(title string) error { return p.bench.table(title, []*contender{&ours, &theirs}) }
	if err := run(fmt.Sprintf("first apply of %d objects", 3*n)); err != nil {
		return err
	}
	ours.prep, theirs.prep = nil, nil
	if err := run(fmt.Sprintf("apply again, nothing changed in %d objects", 3*n)); err != nil {
		return err
	}
	again := func() string { p.releases++; return fmt.Sprintf("1.5.%d", p.releases) }
	ours.prep, theirs.prep = func() { apply(&ours, mine, again()) }, func() { apply(&theirs, other, again()) }
	if err := run(fmt.Sprintf("apply, one of %d objects changed", 3*n)); err != nil {
		return err
	}
	ours.prep, theirs.prep = nil, nil
	ours.name, ours.argv = "stackctl diff", []string{p.bench.stackctl, "diff", "-f", filepath.Join(p.bench.dir, mine, "stack.yaml")}
	theirs.name, theirs.argv = "kubectl diff --server-side", []string{p.bench.kubectl, "diff", "--server-side", "-f", filepath.Join(p.bench.dir, other, "objects.yaml")}
	return run(fmt.Sprintf("diff, nothing changed in %d objects", 3*n))
}

// large measures a stack of n apps of which nothing changed.
func (p *plane) large(n int) error {
	file, _ := p.release(n, p.namespace(), "1.4.2")
	c := contender{fmt.Sprintf("stackctl apply, %d objects", 3*n), command{
		argv: []string{p.bench.stackctl, "apply", "-y", "--wait=false", "-f", file}, env: p.env(),
	}}
	if _, err := c.run(); err != nil {
		return err
	}
	return p.bench.table("apply again, nothing changed", []*contender{&c})
}
