package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// groupAnnotation marks the flags that are shown under a heading of their own.
const groupAnnotation = "stackctl-group"

// clusterGroup is the heading of the flags that choose a cluster.
const clusterGroup = "Cluster flags, as kubectl has them"

// setGroup puts all flags of a set under a heading.
func setGroup(flags *pflag.FlagSet, group string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[groupAnnotation] = []string{group}
	})
}

// writeHelp writes the help of a command: what it does, how it is called,
// examples, and its flags.
func writeHelp(c *cobra.Command, _ []string) {
	w := c.OutOrStdout()
	long := c.Long
	if long == "" {
		long = strings.ToUpper(c.Short[:1]) + c.Short[1:] + "."
	}
	fmt.Fprintf(w, "%s\n", long)
	if !c.HasParent() {
		writeOverview(w, c)
		return
	}
	fmt.Fprintf(w, "\nUsage:\n  %s\n", c.UseLine())
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nCommands:\n")
		for _, below := range c.Commands() {
			fmt.Fprintf(w, "  %-12s %s\n", below.Name(), below.Short)
		}
	}
	if c.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	own, cluster := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[groupAnnotation] == nil {
			own.AddFlag(f)
		} else {
			cluster.AddFlag(f)
		}
	})
	fmt.Fprintf(w, "\nFlags:\n%s", own.FlagUsages())
	if cluster.HasFlags() {
		fmt.Fprintf(w, "\n%s:\n%s", clusterGroup, cluster.FlagUsages())
	}
}

// writeOverview lists the commands by group.
func writeOverview(w io.Writer, root *cobra.Command) {
	for _, g := range root.Groups() {
		fmt.Fprintf(w, "\n%s\n", g.Title)
		for _, c := range root.Commands() {
			if c.GroupID == g.ID && !c.Hidden {
				fmt.Fprintf(w, "  %-12s %s\n", c.Name(), c.Short)
			}
		}
	}
	fmt.Fprintf(w, "\nA first day:\n%s\n", root.Example)
	fmt.Fprintf(w, "\n`stackctl COMMAND --help` says what a command does, promises and returns.\n")
}

// runHelp shows the help of the command that the arguments name.
func runHelp(c *cobra.Command, args []string) error {
	found, rest, err := c.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return unknownCommand(c.Root(), strings.Join(args, " "))
	}
	return found.Help()
}
