package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stackctl.dev/stackctl/apply"
)

// consentFlags are the consents of one run to more than usual. A diff has them
// too: what it shows with them is what an apply does with them.
type consentFlags struct {
	force       bool
	take, yield fieldPatterns
	adopt       objectPatterns
	prune       protectedKinds
	recreate    exactObjects
	unpreviewed bool
}

// setConflicts adds the flags about fields that others own.
func (f *consentFlags) setConflicts(c *cobra.Command) {
	c.Flags().BoolVar(&f.force, "force-conflicts", false, "take over all fields that others own")
	c.Flags().Var(&f.take, "take", "take over the fields at [KIND/NAME:]`PATH` and below that others own; may be repeated")
	c.Flags().Var(&f.yield, "yield", "leave the fields at [KIND/NAME:]`PATH` and below to others who own them; may be repeated")
	for _, name := range []string{"take", "yield"} {
		completeFlag(c, name, cobra.NoFileCompletions)
	}
}

// setAdopt adds the flag about objects that belong to others.
func (f *consentFlags) setAdopt(c *cobra.Command) {
	c.Flags().Var(&f.adopt, "adopt", "make `OBJECT`s the stack's that others made: KIND/NAME, KIND or all; may be repeated")
	completeFlag(c, "adopt", cobra.NoFileCompletions)
}

// setDeletions adds the flags about deleting what is not deleted without.
func (f *consentFlags) setDeletions(c *cobra.Command) {
	c.Flags().Var(&f.prune, "prune", "also delete what left the stack of a protected `KIND`: Namespace,\nPersistentVolume, PersistentVolumeClaim, CustomResourceDefinition; may be repeated")
	c.Flags().Var(&f.recreate, "recreate", "delete `KIND/NAME` and make it anew if a field changes that cannot; may be repeated")
}

// consent is what the flags come to.
func (f *consentFlags) consent() apply.Consent {
	return apply.Consent{
		Force: f.force, Take: f.take, Yield: f.yield, Adopt: f.adopt,
		Prune: f.prune, Recreate: f.recreate, Unpreviewed: f.unpreviewed,
	}
}

// fieldPatterns is a flag that may be repeated, each time with one pattern: a
// path may have commas in it.
type fieldPatterns []apply.FieldPattern

func (p *fieldPatterns) Type() string   { return "PATH" }
func (p *fieldPatterns) String() string { return joined(*p) }

func (p *fieldPatterns) Set(text string) error {
	one, err := apply.ParseFieldPattern(text)
	if err == nil {
		*p = append(*p, one)
	}
	return err
}

// objectPatterns is a flag that may be repeated.
type objectPatterns []apply.ObjectPattern

func (p *objectPatterns) Type() string   { return "OBJECT" }
func (p *objectPatterns) String() string { return joined(*p) }

func (p *objectPatterns) Set(text string) error {
	one, err := apply.ParseObjectPattern(text)
	if err == nil {
		*p = append(*p, one)
	}
	return err
}

// protectedKinds is a flag that may be repeated, of kinds that are not pruned
// without it.
type protectedKinds []string

func (p *protectedKinds) String() string { return strings.Join(*p, " ") }
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

func (o *exactObjects) String() string { return joined(*o) }

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

// joined writes patterns as the default of a flag, "" for none.
func joined[P interface{ String() string }](patterns []P) string {
	texts := make([]string, len(patterns))
	for i, p := range patterns {
		texts[i] = p.String()
	}
	return strings.Join(texts, " ")
}

var (
	_ pflag.Value = (*fieldPatterns)(nil)
	_ pflag.Value = (*objectPatterns)(nil)
)
