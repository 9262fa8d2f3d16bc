package apply

import "fmt"

// State is the verdict on one object.
type State string

// The states of an object. Only Failed cannot heal by itself.
const (
	StateReady       State = "ready"
	StateProgressing State = "progressing"
	StateFailed      State = "failed"
	StateMissing     State = "missing"
)

// Health is how one object of the stack is doing.
type Health struct {
	Object ObjectKey `json:"object"`
	State  State     `json:"state"`
	// Message says it in words: "2 of 5 updated, 1 ready".
	Message string `json:"message"`
	// Replicas is nil for kinds that have none.
	Replicas *Replicas `json:"replicas,omitempty"`
	// Pods groups the pods of a workload by what they are doing.
	Pods []PodGroup `json:"pods,omitempty"`
	// Cause names why the object is not ready, once that is known.
	Cause *Cause `json:"cause,omitempty"`

	started  bool // a container of the newest template runs or has done its work, or none is wanted
	complete bool // a Job that succeeded
	echo     bool // the cause may be of a time before the run
}

// Replicas counts the pods of a workload.
type Replicas struct {
	Desired int64 `json:"desired"`
	Updated int64 `json:"updated"` // of the newest template
	Ready   int64 `json:"ready"`   // of those updated
	Total   int64 `json:"total"`   // old ones included
}

// PodGroup is a number of pods in the same situation.
type PodGroup struct {
	Reason string `json:"reason"` // "Running", "ContainerCreating", "CrashLoopBackOff", …
	Count  int    `json:"count"`
	Old    bool   `json:"old,omitempty"` // of an earlier template
}

// Cause is what keeps an object from becoming ready.
type Cause struct {
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"`
	Reason    string `json:"reason"`
	Message   string `json:"message,omitempty"`
	// Field is the field of an app most likely to blame ("image",
	// "resources", "security", …); empty when there is no telling.
	Field string `json:"field,omitempty"`
	// Log holds the last lines of a container that crashed, where they could be
	// read.
	Log []string `json:"log,omitempty"`
	// Final says that waiting longer cannot help.
	Final bool `json:"final,omitempty"`
}

func (c *Cause) String() string {
	where := ""
	if c.Pod != "" {
		where = "pod " + c.Pod
		if c.Container != "" {
			where += " container " + c.Container
		}
		where += ": "
	}
	if c.Message == "" {
		return where + c.Reason
	}
	return fmt.Sprintf("%s%s: %s", where, c.Reason, c.Message)
}
