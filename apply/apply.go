// Package apply plans, executes, records and recalls the changes to one stack
// in one cluster.
//
// A stack is a set of objects that are released together. Its identity is a
// namespace and a name; that namespace holds its lock (a Lease) and its
// revisions (Secrets), whatever namespaces its objects are in.
//
// There is one path for everything that changes a cluster:
//
//	plan, err := engine.Plan(ctx, target) // reads only
//	result, err := engine.Apply(ctx, plan, run)
//
// A diff is a plan that is printed, an apply is a plan that is carried out, a
// rollback is a plan whose target is an older revision, and a delete is a plan
// whose target is nothing.
//
// # What it promises
//
//   - A plan is decided by server-side dry-run, so it shows what the API
//     server would store; a plan without changes is one whose Apply writes
//     nothing.
//   - What was shown is what runs: under the lock every object to be written
//     is read again, and a change set that differs from the approved one stops
//     the run with [StalePlanError] before the first write.
//   - Intent is recorded before the first write, so a run that is killed at
//     any point leaves nothing that the next run cannot find and mend.
//   - What an object needs ([AnnotationNeeds]) is as it must be before the
//     object is written, in an apply and in a rollback.
//   - Configuration named by its content ([LabelContent]) stays as long as pods
//     or revisions may come back to it.
//   - Fields owned by somebody else are never taken without a [Consent], and
//     only objects that the last record lists and a live owner label confirms
//     are deleted, by UID.
//   - One run of a stack writes at a time. A write is not handed to the network
//     once the lock is not surely held, so that a process which was stopped
//     and goes on writes nothing beside its successor.
//   - A record that is not what was written is found out, is never applied and
//     stops no later run.
//   - What a Plan, an Event, a Result or an error carries is masked here, so
//     that no printer can leak the value of a Secret. Only [Engine.Revision]
//     and [Engine.Newest] return such values, as part of objects to apply.
//
// # Limits
//
// Objects are applied one by one: a run is not atomic across objects, and a
// reader of the cluster may see half of it. Data (a migrated database, a
// deleted volume) is not brought back by a rollback.
package apply

import (
	"fmt"
	"time"

	"k8s.io/client-go/rest"
)

// Labels and annotations that mark what belongs to a stack. Two labels hold
// the owner, since "namespace/name" may exceed the 63 characters of a label.
const (
	LabelStack     = "stackctl.dev/stack"
	LabelNamespace = "stackctl.dev/namespace"
	labelManagedBy = "app.kubernetes.io/managed-by"
	managedBy      = "stackctl"

	// annotationCause is what `kubectl rollout history` shows.
	annotationCause = "kubernetes.io/change-cause"
)

// Stack is the identity of a stack: the namespace of its records, and its name.
type Stack struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String returns "namespace/name".
func (s Stack) String() string { return s.Namespace + "/" + s.Name }

// Manager returns the field manager of the stack. It is per stack, because
// with a shared name the apply of one stack silently removes the fields of
// another. It fits the API's limit of 128 bytes: a namespace has at most 63
// and a stack name at most 52.
func (s Stack) Manager() string { return "stackctl/" + s.Namespace + "/" + s.Name }

// OwnerLabels returns the labels that every object of the stack carries.
func (s Stack) OwnerLabels() map[string]string {
	return map[string]string{LabelStack: s.Name, LabelNamespace: s.Namespace}
}

func (s Stack) selector() string {
	return fmt.Sprintf("%s=%s,%s=%s", LabelStack, s.Name, LabelNamespace, s.Namespace)
}

// Options tune an [Engine]. The zero value is the default of each field.
type Options struct {
	// LeaseDuration is how long the lock outlives its holder's last sign of
	// life (default 30 s); it is renewed every third of that.
	LeaseDuration time.Duration
	// RequestTimeout bounds a single API request (default 10 s). It must be
	// shorter than LeaseDuration for the lock to protect a request in flight.
	RequestTimeout time.Duration
	// Concurrency is the number of requests in flight (default 8). There is no
	// client-side rate limit: the API server's priority and fairness does that.
	Concurrency int
	// KeepRevisions is the number of revisions retained (default 10).
	KeepRevisions int
	// KeepBytes is the size of the revisions retained (default 32 MiB).
	KeepBytes int64
}

func (o Options) withDefaults() Options {
	o = tuned(o)
	if o.LeaseDuration == 0 {
		o.LeaseDuration = 30 * time.Second
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = 10 * time.Second
	}
	if o.Concurrency == 0 {
		o.Concurrency = 8
	}
	if o.KeepRevisions == 0 {
		o.KeepRevisions = 10
	}
	if o.KeepBytes == 0 {
		o.KeepBytes = 32 << 20
	}
	return o
}

// Engine plans and executes the changes to one stack. Its methods may be
// called concurrently; those that write exclude each other, and other
// processes, through the stack's Lease.
type Engine struct {
	stack   Stack
	options Options
	cluster *cluster
	records *records
}

// New returns the engine of one stack in the cluster of config. It does no I/O.
func New(config *rest.Config, stack Stack, options Options) (*Engine, error) {
	options = options.withDefaults()
	c, err := newCluster(config, stack.Manager(), options)
	if err != nil {
		return nil, err
	}
	return &Engine{stack: stack, options: options, cluster: c, records: &records{stack: stack, cluster: c}}, nil
}

// Stack returns the identity the engine works on.
func (e *Engine) Stack() Stack { return e.stack }
