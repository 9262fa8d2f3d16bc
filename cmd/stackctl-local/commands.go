package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/cmd/stackctl-local/internal/component"
	"stackctl.dev/stackctl/cmd/stackctl-local/internal/plane"
)

func newDown(s *streams) *cobra.Command {
	f := &dirFlag{}
	cmd := &cobra.Command{
		Use:     "down",
		Short:   "end a control plane and remove what it made",
		Example: "  stackctl-local down --dir ./plane",
		RunE: func(*cobra.Command, []string) error {
			d, err := f.open()
			if err != nil {
				return err
			}
			was, err := d.Stop()
			if err != nil {
				return err
			}
			if !was {
				fmt.Fprintf(s.err, "nothing to end in %s\n", d.Path())
			}
			return nil
		},
	}
	f.set(cmd)
	return cmd
}

func newStatus(s *streams) *cobra.Command {
	f := &dirFlag{}
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "show whether a control plane is up; exit 1 when not",
		Example: "  stackctl-local status && stackctl-local kubectl get pods",
		RunE: func(*cobra.Command, []string) error {
			d, err := f.open()
			if err != nil {
				return err
			}
			return printStatus(s, d)
		},
	}
	f.set(cmd)
	return cmd
}

func printStatus(s *streams, d *plane.Dir) error {
	status, err := d.Look()
	if err != nil {
		return err
	}
	if !status.Known {
		fmt.Fprintf(s.out, "not up in %s\n", d.Path())
		return exitCode(1)
	}
	word := "not up"
	switch {
	case status.Up:
		word = "up"
	case status.Alive && !status.Ready:
		word = "starting"
	}
	fmt.Fprintf(s.out, "%s in %s\n", word, d.Path())
	if status.Up {
		fmt.Fprintf(s.out, "server %s\n", status.Server)
	}
	row := func(name string, process plane.Process) {
		fmt.Fprintf(s.out, "%-24s %8d  %s\n", name, process.PID, map[bool]string{true: "runs", false: "ended"}[process.Alive()])
	}
	row("supervisor", status.Supervisor)
	for _, c := range status.Components {
		row(c.Name, c.Process)
	}
	if !status.Up {
		return exitCode(1)
	}
	return nil
}

func newKubeconfig(s *streams) *cobra.Command {
	f := &dirFlag{}
	var user string
	var groups []string
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "print a kubeconfig, for the administrator or for another user",
		Long: `kubeconfig prints the administrator's kubeconfig. With --user it signs a
certificate for that user, who may do nothing until a role is bound to the name
or to one of the groups.`,
		Example: `  stackctl-local kubeconfig
  stackctl-local kubeconfig --user ann --group dev > ann.kubeconfig
  stackctl-local kubectl create clusterrolebinding dev --clusterrole view --group dev`,
		RunE: func(*cobra.Command, []string) error {
			if user == "" && len(groups) > 0 {
				return usageError{fmt.Errorf("--group needs --user")}
			}
			d, err := f.open()
			if err != nil {
				return err
			}
			text, err := d.UserKubeconfig(user, groups)
			if err != nil {
				return err
			}
			_, err = s.out.Write(text)
			return err
		},
	}
	f.set(cmd)
	cmd.Flags().StringVar(&user, "user", "", "sign a certificate for this user")
	cmd.Flags().StringArrayVar(&groups, "group", nil, "make the user a member of this group (repeatable)")
	return cmd
}

func newVersion(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "show which releases are linked in",
		Example: "  stackctl-local version",
		RunE: func(*cobra.Command, []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return fmt.Errorf("this binary carries no build information")
			}
			names := map[string]string{"k8s.io/kubernetes": "kubernetes", "go.etcd.io/etcd/server/v3": "etcd", "sigs.k8s.io/kwok": "kwok"}
			fmt.Fprintf(s.out, "stackctl-local %s\n", info.Main.Version)
			for _, module := range info.Deps {
				if name, ok := names[module.Path]; ok {
					fmt.Fprintf(s.out, "%s %s\n", name, module.Version)
				}
			}
			return nil
		},
	}
}

// newComponent is how a supervisor starts its children.
func newComponent() *cobra.Command {
	return &cobra.Command{
		Use:                "component NAME [ARGUMENT...]",
		Short:              "run one component of a plane",
		Hidden:             true,
		DisableFlagParsing: true,
		Args:               cobra.MinimumNArgs(1),
		Run:                func(_ *cobra.Command, args []string) { os.Exit(component.Run(args[0], args[1:])) },
	}
}

func newKubectl() *cobra.Command {
	return &cobra.Command{
		Use:                "kubectl [ARGUMENT...]",
		Short:              "run the kubectl of the same release",
		Hidden:             true,
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		Run: func(_ *cobra.Command, args []string) {
			keepCacheBeside(os.Getenv("KUBECONFIG"))
			os.Exit(component.Run("kubectl", args))
		},
	}
}

// keepCacheBeside makes kubectl keep what it learns about a plane in the
// plane's directory, where down removes it: the ports change with every plane,
// so in the home directory it would pile up.
func keepCacheBeside(kubeconfig string) {
	d, err := plane.Open(filepath.Dir(kubeconfig))
	if err != nil || kubeconfig == "" || os.Getenv("KUBECACHEDIR") != "" {
		return
	}
	if _, ours, err := d.State(); err == nil && ours && d.Kubeconfig() == kubeconfig {
		os.Setenv("KUBECACHEDIR", d.Cache())
	}
}
