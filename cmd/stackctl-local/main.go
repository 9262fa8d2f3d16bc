// Command stackctl-local runs a real Kubernetes control plane on this machine:
// etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok,
// which plays nodes and pods. They are linked into this one binary and run as
// child processes of it, so there is nothing to download and nothing to install.
//
//	eval "$(stackctl-local up)"
//	stackctl-local kubectl get nodes
//	stackctl-local down
//
// Everything that decides about objects is the real thing: validation,
// defaulting, merging, admission, roles, controllers, scheduling. What is played
// are the node and the storage: no container ever runs, and the volume a claim is
// bound to holds nothing. A pod says with an annotation how it wants to fare
// (package internal/stage), and is ready at once otherwise.
//
// It promises: up means that a Deployment became ready; nothing listens beyond
// 127.0.0.1 or answers without a certificate; down leaves no process and no file.
// It does not promise: anything for production; data that survives down; safety
// from other processes of the same user. Linux only: the kernel is asked to end
// the children with their parent.
//
// It is a module of its own, because k8s.io/kubernetes needs replace directives
// that users of the main module should not inherit.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
