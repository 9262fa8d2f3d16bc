package component

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/pflag"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

// kwok plays the nodes: it answers for every kubelet of the cluster. The order
// below is not free: the two InitFlags read os.Args and put the stages into
// the context, which NewCommand then reads.
func kwok() int {
	flags := pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}

	ctx := signals.SetupSignalContext()
	ctx, _ = log.InitFlags(ctx, flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		return fail("kwok", err)
	}

	command := cmd.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	// The Kubernetes libraries in this binary register a --version flag of
	// their own; a second one from cobra would panic.
	command.Version = ""
	command.SetArgs(os.Args[1:])
	if err := command.ExecuteContext(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fail("kwok", err)
	}
	return 0
}
