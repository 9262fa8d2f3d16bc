package apply

import (
	"encoding/json"
	"math"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// RevisionStatus is how a revision ended.
type RevisionStatus string

// The statuses of a revision. Corrupt and newer are never stored, they are
// found out.
const (
	StatusPending     RevisionStatus = "pending"     // its run has not ended, or died
	StatusDeployed    RevisionStatus = "deployed"    // what is live
	StatusSuperseded  RevisionStatus = "superseded"  // was deployed
	StatusFailed      RevisionStatus = "failed"      // its run ended with an error
	StatusInterrupted RevisionStatus = "interrupted" // its run was killed or cancelled
	StatusCorrupt     RevisionStatus = "corrupt"     // its record is not what was written
	StatusNewer       RevisionStatus = "newer"       // its record was written by a newer stackctl
)

// Summary is what a list of revisions shows; it is read without any payload.
type Summary struct {
	Revision   int            `json:"revision"`
	Status     RevisionStatus `json:"status"`
	Verb       Verb           `json:"verb"`
	RollbackTo int            `json:"rollbackTo,omitempty"`
	Cause      string         `json:"cause"`
	Author     string         `json:"author"`
	Commit     string         `json:"commit,omitempty"`
	Dirty      bool           `json:"dirty,omitempty"`
	// CreatedAt is informative: order is by number, never by time.
	CreatedAt   time.Time `json:"createdAt"`
	Duration    Seconds   `json:"durationSeconds,omitempty"` // 0 while unknown
	Environment string    `json:"environment,omitempty"`
	CI          string    `json:"ci,omitempty"`   // URL of the CI run
	Tool        string    `json:"tool,omitempty"` // version of stackctl
	Plan        string    `json:"plan,omitempty"` // digest of the plan file that was carried out
	Images      []string  `json:"images"`
	// Changes counts what was done; what is to be done while it is pending.
	Changes Counts `json:"changes"`
	Error   string `json:"error,omitempty"`   // why it failed, or is corrupt
	Size    int64  `json:"size,omitempty"`    // bytes of the record, without its outcome
	Written int64  `json:"written,omitempty"` // those of Size that no record before it held
	// Unverified marks a revision that ended without waiting for health.
	Unverified bool `json:"unverified,omitempty"`

	foreign bool // nothing but the name of its record is the stack's
}

func (s Summary) good() bool {
	return (s.Status == StatusDeployed || s.Status == StatusSuperseded) && !s.Unverified
}

// Good reports a revision that is worth going back to: everything it wanted
// was applied and seen healthy.
func (s Summary) Good() bool { return s.good() }

// Seconds is a duration that marshals as a number of seconds.
type Seconds time.Duration

// MarshalJSON writes seconds with their fraction.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var n float64
	err := json.Unmarshal(b, &n)
	*s = Seconds(math.Round(n * float64(time.Second))) // what is read is written the same
	return err
}

// Revision is a record in full.
type Revision struct {
	Summary
	Source []byte
	// Objects is what the revision wanted, in order of execution. The data of
	// Secrets are left out until [Engine.Revision] restores them.
	Objects []*unstructured.Unstructured

	inventory []item
	sent      map[ObjectKey]sentFact
	values    map[ObjectKey]string // Secret object → name of its value Secret
	key       []byte               // the stack's random key
	outcomes  []Outcome
	// chunks are the names of those the record was read from, and so proven.
	chunks map[string]bool
	// flaw is what is wrong with a record whose content is proven: an edited
	// summary or status, a lost outcome. It wraps errCorrupt.
	flaw error
}

// item is an object that the stack may have in the cluster.
type item struct {
	ObjectKey
	UID string `json:"uid,omitempty"` // empty when not known at the time
	// Keep says that the stack wanted the object with [AnnotationKeep].
	Keep bool `json:"keep,omitempty"`
}

// sentFact is what is known of the last successful send of an object.
type sentFact struct {
	UID    string `json:"uid"`
	Digest string `json:"digest"`          // keyed digest of what was sent
	Entry  string `json:"entry"`           // digest of our managedFields entry in the answer
	Cause  string `json:"cause,omitempty"` // change-cause that was sent
	// Complete says that the object, a Job, was seen to succeed.
	Complete bool `json:"complete,omitempty"`
}

// StackSummary is one stack of a list.
type StackSummary struct {
	Stack
	Latest Summary `json:"latest"`
	// Deployed is the revision that is live, 0 when none was ever finished.
	Deployed int `json:"deployed"`
}
