package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stackctl.dev/stackctl/apply"
)

// deletionFlags are the consent to deleting what is not deleted without.
type deletionFlags struct {
	prune    protectedKinds
	recreate exactObjects
}

func (f *deletionFlags) set(c *cobra.Command) {
	c.Flags().Var(&f.prune, "prune", "also delete what left the stack of a protected `KIND`: Namespace,\nPersistentVolume, PersistentVolumeClaim, CustomResourceDefinition; may be repeated")
	c.Flags().Var(&f.recreate, "recreate", "delete `KIND/NAME` and make it anew if a field changes that cannot; may be repeated")
}

// consent adds what the flags consent to.
func (f *deletionFlags) consent(to *apply.Consent) {
	to.Prune, to.Recreate = f.prune, f.recreate
}

// protectedKinds is a flag that may be repeated, of kinds that are not pruned
// without it.
type protectedKinds []string

func (p *protectedKinds) String() string { return strings.Join(*p, ",") }
func (p *protectedKinds) Type() string   { return "KIND" }

func (p *protectedKinds) Set(v string) error {
	kind, err := apply.ParseProtectedKind(v)
	if err == nil && !slices.Contains(*p, kind) {
		*p = append(*p, kind)
	}
	return err
}

// exactObjects is a flag that may be repeated, of objects by kind and name.
type exactObjects []apply.ObjectPattern

func (o *exactObjects) String() string {
	all := make([]string, len(*o))
	for i, pattern := range *o {
		all[i] = pattern.String()
	}
	return strings.Join(all, ",")
}

func (o *exactObjects) Type() string { return "KIND/NAME" }

func (o *exactObjects) Set(v string) error {
	pattern, err := apply.ParseObjectPattern(v)
	if err != nil {
		return err
	}
	if err := apply.CheckRecreate(pattern); err != nil {
		return err
	}
	*o = append(*o, pattern)
	return nil
}
