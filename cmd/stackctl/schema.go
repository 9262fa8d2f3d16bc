package main

import (
	"context"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/schema"
)

type schemaOptions struct{ output choice }

func newSchema(e *env) *cobra.Command {
	var o schemaOptions
	c := &cobra.Command{
		Use:   "schema",
		Short: "print the language of descriptions for editors and other tools",
		Long: `Print the language of descriptions as JSON Schema (draft 7) or as CUE, with
the short and the long form of every field, documentation, defaults and
examples. An editor that knows it completes fields, shows what they mean and
marks mistakes while you type.

In YAML, the first line of stack.yaml names the schema for editors that use
the YAML language server:

  # yaml-language-server: $schema=stack.schema.json

In CUE, stack.cue imports the language; stackctl itself needs no copy of it:

  import "stackctl.dev/stack@v1"
  stack.#Stack & {name: "shop", apps: web: image: "ghcr.io/acme/web:1.4.2"}

The command cue and its language server find it in a module, which
"cue mod init" makes, as cue.mod/pkg/stackctl.dev/stack/stack.cue.

Both accept everything that ` + "`stackctl validate`" + ` accepts. What several fields
must agree on, such as two ports with one number, only validate can see.` + exitCodes(exitUsage),
		Example: `  stackctl schema > stack.schema.json
  stackctl schema -o cue > cue.mod/pkg/stackctl.dev/stack/stack.cue
  stackctl schema -o cue > language.cue && cue vet -c -d '#Stack' language.cue stack.yaml`,
		Args: atMost(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error { return runSchema(c.Context(), e, o) },
	}
	outputFlag(c, &o.output, "jsonschema", "cue")
	return c
}

func runSchema(_ context.Context, e *env, o schemaOptions) error {
	text := schema.JSONSchema()
	if o.output.value == "cue" {
		text = schema.CUE()
	}
	_, err := e.stdout.Write(text)
	return err
}
