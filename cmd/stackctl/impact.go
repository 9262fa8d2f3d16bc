package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stackctl.dev/stackctl/apply"
)

// impactFlags say which consequences of a plan are an error.
type impactFlags struct {
	failOn impactKinds
}

func (f *impactFlags) setFailOn(c *cobra.Command) {
	names := kindNames(nil)
	c.Flags().Var(&f.failOn, "fail-on", "fail if the plan has a consequence of a `KIND`: "+strings.Join(names[:3], ", ")+
		",\n"+strings.Join(names[3:], ", ")+"; may be a list, and repeated")
	completeFlag(c, "fail-on", completeKinds)
}

// impactKinds is a flag of several kinds of consequences.
type impactKinds []apply.ImpactKind

func (k *impactKinds) Type() string { return "KIND" }

func (k *impactKinds) String() string {
	names := make([]string, len(*k))
	for i, kind := range *k {
		names[i] = string(kind)
	}
	return strings.Join(names, ",")
}

func (k *impactKinds) Set(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		kind := apply.ImpactKind(strings.TrimSpace(name))
		if !slices.Contains(apply.ImpactKinds(), kind) {
			return fmt.Errorf("%q is no kind of consequence: there are %s", name, strings.Join(kindNames(nil), ", "))
		}
		if !slices.Contains(*k, kind) {
			*k = append(*k, kind)
		}
	}
	return nil
}

// kindNames lists the kinds of consequences but for some.
func kindNames(without []string) (names []string) {
	for _, kind := range apply.ImpactKinds() {
		if !slices.Contains(without, string(kind)) {
			names = append(names, string(kind))
		}
	}
	return names
}

// completeKinds offers the kinds that are not in the list yet.
func completeKinds(_ *cobra.Command, _ []string, typed string) (all []string, _ cobra.ShellCompDirective) {
	given := ""
	if i := strings.LastIndexByte(typed, ','); i >= 0 {
		given = typed[:i+1]
	}
	for _, name := range kindNames(strings.Split(given, ",")) {
		all = append(all, given+name)
	}
	return all, noFiles | cobra.ShellCompDirectiveNoSpace
}

// onlyLabels are the labels that --only shows.
var onlyLabels = map[string][]apply.Label{
	"drift":  {apply.LabelDrift},
	"intent": {apply.LabelYou, apply.LabelDefault},
}

// onlyFlag adds --only.
func onlyFlag(c *cobra.Command, to *choice) {
	*to = choice{allowed: []string{"drift", "intent"}}
	c.Flags().Var(to, "only", "show only what others changed, or only what the file changes")
	completeFlag(c, "only", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return to.allowed, noFiles
	})
}

var _ pflag.Value = (*impactKinds)(nil)
