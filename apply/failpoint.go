//go:build !failpoints

package apply

// failpoint marks a place where tests of a build with the tag "failpoints"
// make a run stop, die or fail. In any other build it is nothing.
func failpoint(string) error { return nil }

// tuned lets the same tests shorten the times of the lock.
func tuned(o Options) Options { return o }
