package schema

// Image is a container image, by tag, by digest or by both.
type Image struct {
	Pos        Pos    `cue:"-"`
	Repository string `cue:"repository"`
	Tag        string `cue:"tag"`
	Digest     string `cue:"digest"`
	PullPolicy string `cue:"pullPolicy"`
}

// String returns the image as a container runtime reads it.
func (i Image) String() string {
	text := i.Repository
	if i.Tag != "" {
		text += ":" + i.Tag
	}
	if i.Digest != "" {
		text += "@" + i.Digest
	}
	return text
}

// Port is a port the program listens on. Service nil means that the Service
// carries it.
type Port struct {
	Pos      Pos    `cue:"-"`
	Port     int32  `cue:"port"`
	Protocol string `cue:"protocol"`
	Service  *bool  `cue:"service"`
}

// Service is how other programs reach the app.
type Service struct {
	Pos     Pos              `cue:"-"`
	Enabled *bool            `cue:"enabled"`
	Type    string           `cue:"type"`  // "" is ClusterIP
	Port    int32            `cue:"port"`  // of the main port; 0 is the default
	Ports   map[string]int32 `cue:"ports"` // by the name of the app's port
	// Annotations are added to those of the app.
	Annotations map[string]string `cue:"annotations"`
	Headless    bool              `cue:"headless"`
	External    string            `cue:"external"` // another host; no pods then
}

// Ingress is how the world reaches the app.
type Ingress struct {
	Pos         Pos               `cue:"-"`
	Hosts       []string          `cue:"hosts"`
	Paths       []string          `cue:"paths"`
	PathType    string            `cue:"pathType"`
	TLS         *TLS              `cue:"tls"`
	Class       string            `cue:"class"`
	Annotations map[string]string `cue:"annotations"`
}

// Gateway is how the world reaches the app through the Gateway API.
type Gateway struct {
	Pos         Pos               `cue:"-"`
	Hosts       []string          `cue:"hosts"`
	Paths       []string          `cue:"paths"`
	Parent      Parent            `cue:"parent"`
	Annotations map[string]string `cue:"annotations"`
}

// Parent is the Gateway an app is reached through.
type Parent struct {
	Name      string `cue:"name"`
	Namespace string `cue:"namespace"` // "" is the app's own
	Section   string `cue:"section"`
}

// TLS of an ingress; Secret "" is the default name.
type TLS struct {
	Enabled *bool  `cue:"enabled"`
	Secret  string `cue:"secret"`
}

// Health is how the kubelet asks whether the app is well: one handler and up
// to three probes that use it unless they bring their own.
type Health struct {
	Pos       Pos      `cue:"-"`
	Enabled   *bool    `cue:"enabled"`
	Path      string   `cue:"path"`
	TCP       bool     `cue:"tcp"`
	GRPC      bool     `cue:"grpc"`
	Command   []string `cue:"command"`
	Port      PortRef  `cue:"port"`
	Startup   *Probe   `cue:"startup"`
	Readiness *Probe   `cue:"readiness"`
	Liveness  *Probe   `cue:"liveness"`
}

// Probe mirrors the Probe of the Kubernetes API; numbers are seconds or
// counts, 0 means unset.
type Probe struct {
	Pos                           Pos        `cue:"-"`
	Enabled                       *bool      `cue:"enabled"`
	HTTPGet                       *HTTPGet   `cue:"httpGet"`
	TCPSocket                     *TCPSocket `cue:"tcpSocket"`
	GRPC                          *GRPC      `cue:"grpc"`
	Exec                          *Exec      `cue:"exec"`
	InitialDelaySeconds           int32      `cue:"initialDelaySeconds"`
	PeriodSeconds                 int32      `cue:"periodSeconds"`
	TimeoutSeconds                int32      `cue:"timeoutSeconds"`
	SuccessThreshold              int32      `cue:"successThreshold"`
	FailureThreshold              int32      `cue:"failureThreshold"`
	TerminationGracePeriodSeconds int32      `cue:"terminationGracePeriodSeconds"`
}

// HTTPGet is the probe handler of the same name.
type HTTPGet struct {
	Path        string   `cue:"path"`
	Port        PortRef  `cue:"port"`
	Host        string   `cue:"host"`
	Scheme      string   `cue:"scheme"`
	HTTPHeaders []Header `cue:"httpHeaders"`
}

// Header is one HTTP header of a probe.
type Header struct {
	Name  string `cue:"name"`
	Value string `cue:"value"`
}

// TCPSocket is the probe handler of the same name.
type TCPSocket struct {
	Port PortRef `cue:"port"`
	Host string  `cue:"host"`
}

// GRPC is the probe handler of the same name. Kubernetes wants a number as
// its port, so a named one is looked up.
type GRPC struct {
	Port    PortRef `cue:"port"`
	Service string  `cue:"service"`
}

// Exec is the probe handler of the same name.
type Exec struct {
	Command []string `cue:"command"`
}

// Env is the value of one environment variable: a text, or where it is read.
type Env struct {
	Pos    Pos     `cue:"-"`
	Value  *string `cue:"value"`
	Secret KeyRef  `cue:"secret"`
	Config KeyRef  `cue:"config"`
	Field  string  `cue:"field"`
}

// EnvFrom takes all variables of a Secret or ConfigMap: "secret/NAME" or
// "config/NAME".
type EnvFrom struct {
	From   string `cue:"from"`
	Prefix string `cue:"prefix"`
}

// File is a file in a container.
type File struct {
	Pos     Pos     `cue:"-"`
	Content *string `cue:"content"`
	Source  string  `cue:"source"`
	Mode    string  `cue:"mode"` // octal digits
	// Data is what the file holds, wherever it was written.
	Data []byte `cue:"-"`
}

// SecretValue is where a secret value comes from. A FromFile is relative to
// the directory of the description.
type SecretValue struct {
	Pos      Pos    `cue:"-"`
	Secret   KeyRef `cue:"secret"`
	FromEnv  string `cue:"fromEnv"`
	FromFile string `cue:"fromFile"`
}

// Volume is what is mounted at a path of the app. Without Existing and Medium
// it is a claim.
type Volume struct {
	Pos      Pos      `cue:"-"`
	Size     Quantity `cue:"size"`
	Class    string   `cue:"class"`
	Access   string   `cue:"access"`
	Existing string   `cue:"existing"`
	Medium   string   `cue:"medium"` // disk or memory: an empty directory
}

// IsClaim reports whether the volume is one that stackctl claims.
func (v Volume) IsClaim() bool { return v.Existing == "" && v.Medium == "" }

// Mount is a volume in a container beside the app's: one that the app has at
// From, or an empty directory of its own.
type Mount struct {
	Pos    Pos    `cue:"-"`
	From   string `cue:"from"`
	Medium string `cue:"medium"`
}

// Autoscale is how many pods run under which load. Percentages are of the
// request; the zero value is unset.
type Autoscale struct {
	Pos      Pos     `cue:"-"`
	Min      int32   `cue:"min"`
	Max      int32   `cue:"max"`
	CPU      Percent `cue:"cpu"`
	Memory   Percent `cue:"memory"`
	Metrics  []Raw   `cue:"metrics"`
	Behavior Raw     `cue:"behavior"`
}

// Schedule is when a cron app runs.
type Schedule struct {
	Pos         Pos      `cue:"-"`
	Cron        string   `cue:"cron"`
	Timezone    string   `cue:"timezone"`
	Concurrency string   `cue:"concurrency"`
	History     *int32   `cue:"history"`
	Deadline    *Seconds `cue:"deadline"`
	Suspend     bool     `cue:"suspend"`
}

// Job is how a job is carried out; nil is unset.
type Job struct {
	Pos         Pos      `cue:"-"`
	Retries     *int32   `cue:"retries"`
	Timeout     *Seconds `cue:"timeout"`
	TTL         *Seconds `cue:"ttl"`
	Parallelism *int32   `cue:"parallelism"`
	Completions *int32   `cue:"completions"`
}

// Resources are requests and limits; "" is unset. A preset is already spelled
// out in the other fields.
type Resources struct {
	Pos    Pos      `cue:"-"`
	Preset string   `cue:"preset"`
	CPU    Quantity `cue:"cpu"`
	Memory Quantity `cue:"memory"`
	Limits Limits   `cue:"limits"`
}

// Limits are the most a container may use.
type Limits struct {
	CPU    Quantity `cue:"cpu"`
	Memory Quantity `cue:"memory"`
}

// Security is a preset of the security contexts and the ids to run as.
type Security struct {
	Pos     Pos    `cue:"-"`
	Preset  string `cue:"preset"` // "" for a container that has the app's
	User    *int64 `cue:"user"`
	Group   *int64 `cue:"group"`
	FSGroup *int64 `cue:"fsGroup"`
	// PodContext and ContainerContext are laid over what the preset says.
	PodContext       Raw `cue:"pod"`
	ContainerContext Raw `cue:"container"`
}

// Shutdown says how long a pod keeps serving after it was told to go (Drain)
// and how long it may take altogether (Grace). nil is the default, which
// depends on whether a Service sends it requests.
type Shutdown struct {
	Pos   Pos      `cue:"-"`
	Grace *Seconds `cue:"grace"`
	Drain *Seconds `cue:"drain"`
}

// Update is how new pods replace old ones.
type Update struct {
	Pos            Pos          `cue:"-"`
	Strategy       string       `cue:"strategy"` // rolling or recreate, "" with Type
	MaxSurge       IntOrPercent `cue:"maxSurge"`
	MaxUnavailable IntOrPercent `cue:"maxUnavailable"`
	MinReady       Seconds      `cue:"minReady"`
	Deadline       Seconds      `cue:"deadline"`
	// Type and RollingUpdate are the strategy as Kubernetes writes it.
	Type          string         `cue:"type"`
	RollingUpdate *RollingUpdate `cue:"rollingUpdate"`
}

// RollingUpdate mirrors the settings of the Kubernetes API; "" is unset.
type RollingUpdate struct {
	MaxSurge       *IntOrPercent `cue:"maxSurge"`
	MaxUnavailable *IntOrPercent `cue:"maxUnavailable"`
	Partition      *int32        `cue:"partition"`
}

// Spread says how hard pods are kept apart: soft, hard or none.
type Spread struct {
	Host string `cue:"host"`
	Zone string `cue:"zone"`
	// Constraints are further ones as Kubernetes writes them.
	Constraints []Raw `cue:"constraints"`
}

// Disruption is how many pods a node drain may take at once, or must leave.
type Disruption struct {
	Pos                        Pos           `cue:"-"`
	Enabled                    *bool         `cue:"enabled"`
	MaxUnavailable             *IntOrPercent `cue:"maxUnavailable"`
	MinAvailable               *IntOrPercent `cue:"minAvailable"`
	UnhealthyPodEvictionPolicy string        `cue:"unhealthyPodEvictionPolicy"`
}

// Account is what the pods are to the API server.
type Account struct {
	Pos         Pos               `cue:"-"`
	Enabled     *bool             `cue:"enabled"`
	Name        string            `cue:"name"` // "" is the app's name
	Annotations map[string]string `cue:"annotations"`
	Token       bool              `cue:"token"`
	Rules       []Raw             `cue:"rules"`
}

// Network is who may talk to the pods and to whom they may talk. nil lists
// restrict nothing.
type Network struct {
	Pos    Pos    `cue:"-"`
	Preset string `cue:"preset"`
	From   []Peer `cue:"from"`
	To     []Peer `cue:"to"`
}

// Peer is one party of a Network.
type Peer struct {
	Pos               Pos    `cue:"-"`
	App               string `cue:"app"`
	Namespace         string `cue:"namespace"`
	CIDR              string `cue:"cidr"`
	PodSelector       Raw    `cue:"podSelector"`
	NamespaceSelector Raw    `cue:"namespaceSelector"`
	IPBlock           Raw    `cue:"ipBlock"`
}

// Place is on which nodes the pods run.
type Place struct {
	Node        map[string]string `cue:"node"`
	Tolerations []Raw             `cue:"tolerations"`
	Affinity    Raw               `cue:"affinity"`
	Priority    string            `cue:"priority"`
	Runtime     string            `cue:"runtime"`
}

// Patch changes an object of the app: a part of it that is merged, or a list
// of JSON patch operations.
type Patch struct {
	Pos    Pos    `cue:"-"`
	Target string `cue:"target"` // Kind or Kind/name
	Patch  Raw    `cue:"patch"`
}
