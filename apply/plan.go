package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Verb is what a run is for.
type Verb string

// The verbs. Each is a plan with another target.
const (
	VerbApply    Verb = "apply"
	VerbRollback Verb = "rollback"
	VerbDelete   Verb = "delete"
	// VerbScale is an apply of the newest revision with another number of pods.
	VerbScale Verb = "scale"
)

// Target is the state a plan leads to.
type Target struct {
	Verb Verb
	// Objects is all that the stack is to consist of; empty for a delete. Each
	// carries the stack's [Stack.OwnerLabels] and, if its kind is namespaced,
	// a namespace.
	Objects []*unstructured.Unstructured
	// Source and Environment are what the objects were rendered from; they are
	// stored in the revision.
	Source      []byte
	Environment string
	// RollbackTo is the revision the objects were taken from, for VerbRollback.
	RollbackTo int
	// ScaledFrom is the revision the objects were taken from, for VerbScale: the
	// newest that can be read. With another one on record the plan is stale.
	ScaledFrom int
	// DeleteData lets VerbDelete delete volume claims too.
	DeleteData bool
	// Consent is what the plan may do beyond what is harmless.
	Consent Consent
	// Origin finds what decides a field in the description that the objects come
	// from, nil when they come from a revision. OriginOf does so for the
	// description of an earlier one, and returns nil for one that cannot be read.
	Origin   Origin
	OriginOf func(source []byte, environment string) Origin
	// Tool is the version of stackctl that decides what the description leaves
	// open, as in [Run].
	Tool string
}

// Action is what a plan does to one object.
type Action string

// The actions.
const (
	ActionCreate    Action = "create"
	ActionUpdate    Action = "update"
	ActionDelete    Action = "delete"
	ActionUnchanged Action = "unchanged"
	// ActionKeep leaves an object alone that is no longer part of the stack,
	// and goes on listing it in the inventory.
	ActionKeep Action = "keep"
)

// Plan is what a run would do, as a value: it is shown, approved and then
// executed by [Engine.Apply]. Its exported part is masked and safe to print.
type Plan struct {
	Stack  Stack  `json:"stack"`
	Verb   Verb   `json:"verb"`
	Server string `json:"server"`
	// Base is the newest revision on record, 0 when there is none.
	Base int `json:"base"`
	// RollbackTo is the revision a rollback leads back to.
	RollbackTo int `json:"rollbackTo,omitempty"`
	// CreateNamespace says that the stack's namespace does not exist yet.
	CreateNamespace bool `json:"createNamespace,omitempty"`
	// Settle says that nothing is to be written but the last run did not end
	// well: an apply waits for health and records a finished revision.
	Settle bool `json:"settle,omitempty"`
	// Changes lists every object of the stack in the order of execution,
	// deletes last; unchanged ones too.
	Changes []Change `json:"changes"`
	// Warnings are what the API server said about the objects.
	Warnings []string `json:"warnings,omitempty"`
	// Notices are what a reader should know beyond the objects, such as a
	// consent that nothing asks for.
	Notices []string `json:"notices,omitempty"`

	target    Target
	base      *Revision
	inventory int // objects the last record lists and guards count
	// key is the stack's random key. Before the first run is on record each plan
	// makes one, and Apply records it: until then another plan may come to other
	// names for Secrets that are named by their content.
	key []byte
	// seen reports a live object to be as it was when a saved plan was approved;
	// nil for a plan that was not saved.
	seen func(*Change, *unstructured.Unstructured) bool
}

// Change is what a plan does to one object.
type Change struct {
	Object ObjectKey `json:"object"`
	Action Action    `json:"action"`
	// Fields are the differences between the live object and what the API
	// server would store, for an update.
	Fields []FieldChange `json:"fields,omitempty"`
	// OwnershipOnly marks an update that changes no value, but makes the stack
	// the owner of a field again.
	OwnershipOnly bool `json:"ownershipOnly,omitempty"`
	// New is the object as the stack wants it, for a create.
	New map[string]any `json:"new,omitempty"`
	// Live and Merged are the whole object as it is and as it would be, masked and
	// without addresses and node ports that are yet to be drawn,
	// where it is updated; [Change.Objects] tells them with the changes in them.
	// They are no part of the JSON, which holds the Fields.
	Live   map[string]any `json:"-"`
	Merged map[string]any `json:"-"`
	// Conflicts are fields (or the whole object) owned by somebody else.
	Conflicts []Conflict `json:"conflicts,omitempty"`
	// Adopted says who an object belonged to that the run makes the stack's.
	Adopted string `json:"adopted,omitempty"`
	// Deferred marks an object whose namespace or kind comes with the same
	// run, so that the API server has not validated it yet.
	Deferred bool `json:"deferred,omitempty"`
	// Unpreviewed says why no dry-run could show the change, such as a webhook
	// that refuses dry-runs; empty when one did.
	Unpreviewed string `json:"unpreviewed,omitempty"`
	// Recreated marks a create of an object the last run left in the cluster.
	Recreated bool `json:"recreated,omitempty"`
	// Spare marks an object named by its content (see [LabelContent]) that left
	// the stack: kept while pods or revisions may need it, it is no difference,
	// and collected by a run that records a revision anyway. No guard counts it.
	Spare bool `json:"spare,omitempty"`
	// Replace lists the fields of an update that cannot change while the object
	// is there: it is deleted and made anew, with the consent to that.
	Replace []string `json:"replace,omitempty"`
	// Terminating marks an object that left the stack and that others hold back
	// from being deleted.
	Terminating bool `json:"terminating,omitempty"`
	// Label says whose doing it is that an object comes or goes, or that it is
	// updated though no field of it differs. Fields have labels of their own.
	Label Label `json:"label,omitempty"`
	// Spec is where the description decides that the object is there, or what
	// differs from its Predecessor if that is one place.
	Spec *SpecPlace `json:"spec,omitempty"`
	// Predecessor is the object of another name that this one comes instead of,
	// for one that is named by its content; Fields compare the two.
	Predecessor *ObjectKey `json:"predecessor,omitempty"`
	// Impacts are what carrying out the change does beyond the object.
	Impacts []Impact `json:"impacts,omitempty"`
	// Note is what a reader should know beyond the fields.
	Note string `json:"note,omitempty"`

	send     *unstructured.Unstructured // what is sent; nil for delete and keep
	whole    *unstructured.Unstructured // send with the fields that are left to others; nil when none is
	live     *unstructured.Unstructured // what is there, and what becomes of it: kept until the change is
	merged   *unstructured.Unstructured // labelled, nil when there is none
	awaits   string                     // the uid of an object that is on its way out, and must be gone before
	pin      pin                        // the live object the change was planned for
	template bool                       // the pod template changes
	keep     bool                       // the record says [AnnotationKeep]
	forget   bool                       // is not the stack's: the inventory goes on without it
	made     bool                       // was created before the lock could be taken
	finished bool                       // a Job that is done, and was removed since
	sent     sentFact                   // carried into the record of an unchanged object
	needs    []needEdge                 // what must be the case before it is sent
	depth    int                        // how many others of its stage may come before, one after the other
	force    bool                       // it is sent with force: all of its conflicts are taken over
	adopt    *adoption                  // what comes before it is sent
	handOver bool                       // who decides about the replicas next finds them as they are
	replicas int64                      // that an object made anew begins with; 0 for what the stack or the server says
}

// pin identifies the state of a live object a change was planned for. It is
// never a resourceVersion: status alone moves that within seconds.
type pin struct {
	uid    string
	digest string // of the normalised object; empty when there was none, or only its metadata was read
}

// holds reports whether a live object is still what the pin was taken of.
func (p pin) holds(live *unstructured.Unstructured) bool {
	now := pinOf(live)
	return p == now || p.digest == "" && p.uid == now.uid
}

// FieldOp is what happens to a field.
type FieldOp string

// The field operations.
const (
	FieldAdd    FieldOp = "add"
	FieldRemove FieldOp = "remove"
	FieldSet    FieldOp = "set"
	// FieldMove gives an item of a list another place in it; Before and After
	// are the places.
	FieldMove FieldOp = "move"
)

// FieldChange is one difference between two objects.
type FieldChange struct {
	// Path in the form spec.containers[name="web"].image, with list items
	// named by the key Kubernetes merges them by.
	Path   string  `json:"path"`
	Op     FieldOp `json:"op"`
	Before any     `json:"before,omitempty"`
	After  any     `json:"after,omitempty"`
	// Index is the place that an item of a list comes to, for one that is added
	// or moved.
	Index *int `json:"index,omitempty"`
	// Manager owns the live value, if that is somebody other than the stack.
	Manager string `json:"manager,omitempty"`
	// Since is the time of that manager's last write.
	Since time.Time `json:"since,omitzero"`
	// Label says whose doing the difference is.
	Label Label `json:"label,omitempty"`
	// Spec is where the description decides the value, for LabelYou and
	// LabelDefault.
	Spec *SpecPlace `json:"spec,omitempty"`
}

// Label says whose doing a difference is.
type Label string

// The labels.
const (
	// LabelYou is a value that the description writes, and that it wrote
	// otherwise when it was last applied.
	LabelYou Label = "you"
	// LabelDefault is a value that the description leaves to stackctl, and that
	// this version decides otherwise than the last revision did.
	LabelDefault Label = "default"
	// LabelDrift is a value that somebody else changed in the cluster.
	LabelDrift Label = "drift"
	// LabelServer is a value that the API server or an admission plugin decides.
	LabelServer Label = "server"
)

// SpecPlace is a place in a description of a stack.
type SpecPlace struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column,omitempty"`
	Path   string `json:"path,omitempty"` // such as apps.web.image
}

// ImpactKind is a kind of consequence of a change.
type ImpactKind string

// The kinds of consequences.
const (
	ImpactRestart    ImpactKind = "restart"    // pods are replaced
	ImpactRecreate   ImpactKind = "recreate"   // the object is deleted and made anew
	ImpactDataLoss   ImpactKind = "data-loss"  // data of a volume, or the objects of a kind, may be lost
	ImpactExposure   ImpactKind = "exposure"   // can be reached from where it could not
	ImpactDowntime   ImpactKind = "downtime"   // no pod serves for a while, or a way to them is gone
	ImpactAutoscaler ImpactKind = "autoscaler" // an autoscaler decides about the same field
	ImpactDisruption ImpactKind = "disruption" // a disruption budget is in the way, or goes
)

// Impact is one consequence of a change.
type Impact struct {
	Kind ImpactKind `json:"kind"`
	// Message says it for people, with no value of a Secret.
	Message string `json:"message"`
	Pods    int    `json:"pods,omitempty"`  // how many are replaced or go
	Field   string `json:"field,omitempty"` // that is the reason
}

// Text returns a value of a FieldChange or Conflict on one line: strings
// quoted, nothing for an absent one as "<none>", trees as JSON.
func Text(v any) string {
	if v == nil {
		return "<none>"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // it is for people, not for a page
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Counts summarises a plan or a run by object.
type Counts struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Deleted   int `json:"deleted"`
	Unchanged int `json:"unchanged"`
}

// Counts returns how many objects the plan creates, updates, deletes and leaves.
func (p *Plan) Counts() Counts {
	var c Counts
	for i := range p.Changes {
		c.add(p.Changes[i].Action)
	}
	return c
}

func (c *Counts) add(a Action) {
	switch a {
	case ActionCreate:
		c.Created++
	case ActionUpdate:
		c.Updated++
	case ActionDelete:
		c.Deleted++
	case ActionUnchanged:
		c.Unchanged++
	}
}

// losses counts the objects that a guard against mass deletion is about.
func (p *Plan) losses() int {
	n := 0
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Action == ActionDelete && !c.Spare {
			n++
		}
	}
	return n
}

// Empty reports whether the plan changes no object: exactly then [Engine.Apply]
// writes to no object, and a diff has nothing to show.
func (p *Plan) Empty() bool {
	for i := range p.Changes {
		switch p.Changes[i].Action {
		case ActionCreate, ActionUpdate, ActionDelete:
			return false
		}
		if slices.ContainsFunc(p.Changes[i].Conflicts, Conflict.Stops) {
			return false
		}
	}
	return !p.CreateNamespace && p.Verb != VerbDelete
}

// Refused returns the conflicts for which [Engine.Apply] stops before its first
// write.
func (p *Plan) Refused() []Conflict {
	return slices.DeleteFunc(p.Conflicts(), func(c Conflict) bool { return !c.Stops() })
}

// Refusal returns why a run stops before its first write for want of a consent
// that the plan was made without; nil when it does not.
func (p *Plan) Refusal() error {
	if refused := p.Refused(); len(refused) > 0 {
		return &ConflictError{Conflicts: refused}
	}
	unpreviewed := &UnpreviewedError{}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Unpreviewed != "" && !p.target.Consent.Unpreviewed {
			unpreviewed.Objects = append(unpreviewed.Objects, c.Object)
			unpreviewed.Reasons = append(unpreviewed.Reasons, c.Unpreviewed)
		}
	}
	if len(unpreviewed.Objects) > 0 {
		return unpreviewed
	}
	return nil
}

// Conflicts returns all conflicts of the plan, in its order.
func (p *Plan) Conflicts() []Conflict {
	var all []Conflict
	for i := range p.Changes {
		all = append(all, p.Changes[i].Conflicts...)
	}
	return all
}
