// Package component holds the programs a local control plane consists of. Each
// runs in a process of its own, re-executed from the one binary they are all
// linked into: they keep their flags, their logs and their globals (feature
// gates, flag sets, signal handlers), which do not survive sharing a process.
package component

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

var programs = map[string]func() int{
	"etcd":                    etcd,
	"kube-apiserver":          func() int { return kubernetes(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return kubernetes(controllermanager.NewControllerManagerCommand()) },
	"kube-scheduler":          func() int { return kubernetes(scheduler.NewSchedulerCommand()) },
	"kwok":                    kwok,
	"kubectl":                 kubectl,
}

// Run runs one program with its own arguments and returns its exit code. It
// rewrites os.Args, which the programs read, so it may be called once.
func Run(name string, args []string) int {
	program, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no component %q: have %s\n", name, strings.Join(names(), ", "))
		return 2
	}
	os.Args = append([]string{name}, args...)
	return program()
}

func names() []string {
	var list []string
	for name := range programs {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func kubernetes(command *cobra.Command) int {
	return cli.Run(command)
}

// fail prints why a program could not start. The supervisor shows the end of
// the log to the user, so this line is what they read.
func fail(name string, err error) int {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	return 1
}
