package schema

import "io/fs"

// Stack is a valid stack description with the environment applied, every
// field in its long form and the defaults filled in. It is a value to read:
// nothing here is safe to change while another goroutine reads it.
//
// The field tags name the fields of #Stack in stack.cue; a test compares the
// two in both directions.
type Stack struct {
	Pos  Pos    `cue:"-"`
	Name string `cue:"name"`
	// Namespace is the one the file asks for, "" when it asks for none.
	Namespace string `cue:"namespace"`
	// Version of the language, "" means v1 for ever.
	Version     string `cue:"schema"`
	AllowLatest bool   `cue:"allowLatest"`
	// Environment is the one in force, Environments all that the file defines,
	// sorted.
	Environment      string            `cue:"-"`
	Environments     []string          `cue:"-"`
	Labels           map[string]string `cue:"labels"`
	Annotations      map[string]string `cue:"annotations"`
	ImagePullSecrets []string          `cue:"imagePullSecrets"`
	Expect           Expect            `cue:"expect"`
	// ManifestGlobs are the patterns, Manifests the objects in the files they
	// match, in the order of the files' names.
	ManifestGlobs []string   `cue:"manifests"`
	Manifests     []Manifest `cue:"-"`
	// Apps are sorted by name.
	Apps []*App `cue:"apps"`
	// Dir is the directory that paths in the description are relative to.
	Dir string `cue:"-"`
	// Files are all files that were read, as they were opened.
	Files []string `cue:"-"`
	// Source is the text of the main file.
	Source []byte `cue:"-"`
	// Warnings are legal and will hurt, sorted like errors.
	Warnings []Error `cue:"-"`

	// root is the description in long forms, tree what is in force of it.
	root, tree *node
	// view is what Dir holds, nil for the disk.
	view fs.FS
}

// Expect is what a run must meet before it does anything.
type Expect struct {
	// Cluster is a server URL, or the uid of the namespace kube-system.
	Cluster string `cue:"cluster"`
}

// Manifest is one Kubernetes object from a file of the user's.
type Manifest struct {
	Pos    Pos
	Object map[string]any // numbers are int64 or float64

	tree *node
}

// App is one program of the stack and all it needs to run. Parts that are nil
// were not written and have no default for the app's kind.
type App struct {
	Program
	Kind        Kind                 `cue:"kind"`
	Replicas    *int32               `cue:"replicas"` // nil for kinds without, and under an autoscaler
	Service     *Service             `cue:"service"`
	Ingress     *Ingress             `cue:"ingress"`
	Gateway     *Gateway             `cue:"gateway"`
	Volumes     map[string]Volume    `cue:"volumes"` // by mount path
	Autoscale   *Autoscale           `cue:"autoscale"`
	Schedule    *Schedule            `cue:"schedule"`
	Job         *Job                 `cue:"job"`
	Needs       map[string]Need      `cue:"needs"` // by app
	Init        map[string]Container `cue:"init"`
	Sidecars    map[string]Container `cue:"sidecars"`
	Update      Update               `cue:"update"`
	Shutdown    Shutdown             `cue:"shutdown"`
	Disruption  Disruption           `cue:"disruption"`
	Spread      Spread               `cue:"spread"`
	Account     *Account             `cue:"account"`
	Network     *Network             `cue:"network"`
	Place       Place                `cue:"place"`
	Labels      map[string]string    `cue:"labels"`
	Annotations map[string]string    `cue:"annotations"`
	Selector    map[string]string    `cue:"selector"` // nil is the one stackctl makes
	Patches     []Patch              `cue:"patches"`
}

// Program is what a container runs, and with what.
type Program struct {
	Name      string                 `cue:"-"`
	Pos       Pos                    `cue:"-"`
	Image     Image                  `cue:"image"`
	Ports     map[string]Port        `cue:"ports"`
	Health    Health                 `cue:"health"`
	Env       map[string]Env         `cue:"env"`
	EnvFrom   []EnvFrom              `cue:"envFrom"`
	Files     map[string]File        `cue:"files"`   // by path
	Secrets   map[string]SecretValue `cue:"secrets"` // by path or by variable
	Command   []string               `cue:"command"`
	Args      []string               `cue:"args"`
	Workdir   string                 `cue:"workdir"`
	Resources Resources              `cue:"resources"`
	Security  Security               `cue:"security"`
}

// Container is a container beside the one of the app.
type Container struct {
	Program
	Volumes map[string]Mount `cue:"volumes"` // by mount path
}

// Kind says what an app is for; it decides which workload is emitted.
type Kind string

const (
	Web      Kind = "web"      // answers on a port: Deployment and Service
	Worker   Kind = "worker"   // answers nobody: Deployment
	JobKind  Kind = "job"      // runs to its end once: Job
	Cron     Kind = "cron"     // runs to its end on a schedule: CronJob
	Stateful Kind = "stateful" // each pod has its own name and volumes: StatefulSet
	Daemon   Kind = "daemon"   // one pod on every node: DaemonSet
)

// Need is how far a needed app must be.
type Need string

const (
	Started  Need = "started"  // a container of it runs
	Healthy  Need = "healthy"  // its rollout is complete
	Complete Need = "complete" // its job succeeded
)

// Raw is an object of the Kubernetes API as the user wrote it: maps, lists,
// texts, booleans, int64 and float64.
type Raw any
