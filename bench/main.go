// Bench runs stackctl and what people use today side by side on the same work,
// and prints a table of medians and ratios. `make bench` runs it; it is no part
// of the program.
//
//	go run ./bench -stackctl bin/stackctl            # rendering
//	go run ./bench -stackctl bin/stackctl -local bin/stackctl-local
//	go run ./bench -stackctl bin/stackctl -growth docs/growth.svg
//
// Rivals are those of helm, kustomize, cue and kubectl that are on the PATH.
// All get the same objects: one app is rendered by stackctl, and every rival's
// template is made of it. Runs alternate between the programs, so that what
// else the machine does meets all of them.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	b := &bench{}
	flag.StringVar(&b.stackctl, "stackctl", "bin/stackctl", "the program to compare")
	flag.StringVar(&b.local, "local", "", "stackctl-local, for the rows on a cluster")
	flag.StringVar(&b.kubectl, "kubectl", "kubectl", "the kubectl to compare with")
	flag.StringVar(&b.growth, "growth", "", "write the growth chart to this file instead of the table")
	flag.IntVar(&b.runs, "runs", 9, "runs of each, of which the median is taken")
	flag.BoolVar(&b.large, "large", false, "the cluster row with 10,000 objects, too (minutes)")
	flag.BoolVar(&b.clusterOnly, "cluster-only", false, "only the rows on a cluster")
	flag.Parse()
	if err := b.main(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	stackctl, local, growth string
	kubectl                 string
	runs                    int
	large, clusterOnly      bool
	dir                     string // of the workloads, removed at the end
}

func (b *bench) main() (err error) {
	if b.stackctl, err = filepath.Abs(b.stackctl); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "stackctl-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.growth != "" {
		return b.chart()
	}
	printMachine(b)
	parts := []func() error{b.startUp, b.rendering}
	if b.clusterOnly {
		parts = nil
	}
	if b.local != "" {
		parts = append(parts, b.cluster)
	}
	for _, part := range parts {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// startUp compares commands that do next to nothing with a program that does
// nothing and links the same packages.
func (b *bench) startUp() error {
	empty, err := b.empty()
	if err != nil {
		return err
	}
	return b.table("start-up", []*contender{
		{"empty program, same packages", command{argv: []string{empty}}},
		{"stackctl --help", command{argv: []string{b.stackctl, "--help"}}},
		{"stackctl version", command{argv: []string{b.stackctl, "version"}}},
		{"stackctl completion bash", command{argv: []string{b.stackctl, "completion", "bash"}}},
	})
}

// rendering compares the making of objects.
func (b *bench) rendering() error {
	for _, n := range []int{2, 1000} {
		w, err := b.workload(n)
		if err != nil {
			return err
		}
		all := w.renderers("helm", "kustomize", "cue")
		if n == 2 {
			all = w.renderers("kustomize", "helm", "cue")
		}
		if err := b.table(fmt.Sprintf("render %d apps", n), all); err != nil {
			return err
		}
		if n == 1000 {
			files, err := w.eachInItsFile()
			if err != nil {
				return err
			}
			all := append([]*contender{all[0], &files}, all[1:]...)
			if err := b.table("render 1000 apps in 1000 stack files", all[1:]); err != nil {
				return err
			}
		}
	}
	return nil
}
