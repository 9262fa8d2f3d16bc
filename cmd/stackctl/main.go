// Stackctl releases a stack of applications to a Kubernetes cluster from one
// short file, records every release, and goes back to any of them.
//
//	stackctl diff                  what would change
//	stackctl apply --record        change it, watch it become ready, record it
//	stackctl history               who changed what, when and why
//	stackctl rollback --to 1       every object as revision 1 had it
//
// `stackctl --help` is the manual. This comment is for those who work on it.
//
// # Floors
//
// Each floor knows nothing of the floors above it; floors_test.go says so.
//
//	2  cmd/stackctl      parses flags, wires the libraries, maps errors to exit codes
//	1  cmd/internal/ui   writes plans, events, results, history and errors
//	1  cmd/internal/gitinfo  reads the commit and the user from a git repository
//	1  render            turns a stack into Kubernetes objects, purely and in a fixed order
//	0  schema            loads a stack description or returns positioned errors
//	0  apply             plans, executes, records and recalls changes to one stack
//	t  apply/applytest   starts a real control plane for tests
//	t  apply/torture     breaks the built program in campaigns, and judges what is left
//
// schema and apply import nothing of ours, render imports schema, ui imports
// schema and apply for their types, and cobra stays in this
// package.
//
// # How to add
//
//   - A command: a file <name>.go with <name>Options, new<Name> and run<Name>,
//     a line in the slice of root.go, a script in testdata/script. The help
//     golden catches a forgotten step.
//   - A diff format: cmd/internal/ui/diff_<name>.go, a line in the registry of
//     diff.go, a golden in testdata/ui. The test that walks the registry
//     catches a forgotten one.
//   - A field of an app: schema/stack.cue, schema/stack.go, the emitter in
//     render, testdata/render/<field>.txtar. The types-match and the
//     every-field-is-rendered tests catch a forgotten one.
//   - An emitted kind: render/<kind>.go and a line in emitters; if needed a
//     line in apply/order.go and a case in apply/ready.go. The golden catches
//     a forgotten one; unknown kinds are judged by their conditions.
//
// # The shape of a command
//
// A command is Options, a constructor and a run function. The constructor
// binds flags to Options; run takes a context, the [env] and the Options, and
// never sees cobra. Nothing reads the process's streams, clock or environment
// but through env, except that relative paths are relative to the working
// directory.
package main

import "os"

func main() {
	collectLate()
	quiet()
	os.Exit(run(newEnv()))
}
