package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/cmd/internal/ui"
	"stackctl.dev/stackctl/schema"
)

type explainOptions struct {
	field  string
	output choice
}

func newExplain(e *env) *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain [FIELD]",
		Short: "say what a field of a description means, and what it becomes",
		Long: `Say what a field of a description means: its short and its long form, what is
assumed without it and how to do without that, examples, the Kubernetes
objects it decides, and the fields below it. Without FIELD, list all fields of
a stack and of an app.

FIELD is a path with dots. The names that you chose may be left out, and so may
"apps": apps.web.health.path, apps.health.path and health.path are one field.
Where a field is an object of Kubernetes, the path goes on into it. What cannot
be told from names is put in quotes: files."/etc/app.conf".mode.

No file is read and no cluster is asked.` + exitCodes(exitUsage),
		Example: `  stackctl explain
  stackctl explain ingress
  stackctl explain apps.web.health.readiness.periodSeconds
  stackctl explain security.pod.seccompProfile
  stackctl explain update -o json`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) <= 1 {
				return nil
			}
			return &usageError{msg: "explain takes one FIELD", hint: fmt.Sprintf("write `stackctl explain %s`", strings.Join(args, "."))}
		},
		ValidArgsFunction: completeField,
		RunE: func(c *cobra.Command, args []string) error {
			o.field = strings.Join(args, "")
			return runExplain(c.Context(), e, o)
		},
	}
	outputFlag(c, &o.output, "text", "json")
	return c
}

func runExplain(_ context.Context, e *env, o explainOptions) error {
	field, err := schema.Describe(fieldPath(o.field)...)
	if err != nil {
		return err
	}
	switch {
	case o.output.value == "json":
		return ui.WriteJSON(e.stdout, field)
	case o.field != "":
		return ui.WriteField(e.stdout, field, e.options(e.stdout))
	}
	app, err := schema.Describe("apps", "NAME")
	if err != nil {
		return err
	}
	return ui.WriteFields(e.stdout, field, app, e.options(e.stdout))
}

// fieldPath splits a path at its dots, those in quotes apart.
func fieldPath(text string) []string {
	var parts []string
	quoted := false
	var part strings.Builder
	for _, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '.' && !quoted:
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteRune(r)
		}
	}
	if text != "" {
		parts = append(parts, part.String())
	}
	return parts
}

// completeField offers the fields that go on from what was typed.
func completeField(_ *cobra.Command, args []string, typed string) (fields []string, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	known := ""
	if i := strings.LastIndexByte(typed, '.'); i >= 0 {
		known = typed[:i]
	}
	for _, parent := range []string{known, "apps.NAME"} {
		field, err := schema.Describe(fieldPath(parent)...)
		if err != nil {
			return nil, noFiles
		}
		for _, f := range field.Fields {
			name := f.Name
			if known != "" {
				name = known + "." + name
			}
			if strings.HasPrefix(name, typed) {
				doc, _, _ := strings.Cut(f.Doc, ". ")
				fields = append(fields, cobra.CompletionWithDesc(name, doc))
			}
		}
		if known != "" {
			break
		}
	}
	return fields, noFiles | cobra.ShellCompDirectiveNoSpace
}
