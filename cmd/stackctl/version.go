package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/cmd/internal/ui"
)

type versionOptions struct{ output choice }

func newVersion(e *env) *cobra.Command {
	var o versionOptions
	c := &cobra.Command{
		Use:     "version",
		Short:   "print the version of stackctl",
		Long:    "Print the version of stackctl, of the Go it was built with, and the platform it\nwas built for." + exitCodes(exitUsage),
		Example: "  stackctl version\n  stackctl version -o json",
		Args:    atMost(0, "no argument"),
		RunE:    func(c *cobra.Command, _ []string) error { return runVersion(c.Context(), e, o) },
	}
	outputFlag(c, &o.output, "text", "json")
	return c
}

func runVersion(_ context.Context, e *env, o versionOptions) error {
	v := struct {
		Version  string `json:"version"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
	}{toolVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if o.output.value == "json" {
		return ui.WriteJSON(e.stdout, v)
	}
	_, err := fmt.Fprintf(e.stdout, "stackctl %s (%s, %s)\n", v.Version, v.Go, v.Platform)
	return err
}
