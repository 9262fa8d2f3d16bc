package schema

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
	// Apps are sorted by name.
	Apps []*App `cue:"apps"`
	// Files are all files that were read, as they were opened.
	Files []string `cue:"-"`
	// Source is the text of the main file.
	Source []byte `cue:"-"`
	// Warnings are legal and will hurt, sorted like errors.
	Warnings []Error `cue:"-"`

	tree *node
}

// App is one program of the stack.
type App struct {
	Name        string            `cue:"-"`
	Pos         Pos               `cue:"-"`
	Image       Image             `cue:"image"`
	Kind        Kind              `cue:"kind"`
	Replicas    *int32            `cue:"replicas"`
	Ports       map[string]Port   `cue:"ports"`
	Service     *Service          `cue:"service"` // nil unless it was written
	Ingress     *Ingress          `cue:"ingress"` // nil when there is none
	Health      Health            `cue:"health"`
	Env         map[string]Env    `cue:"env"`
	EnvFrom     []EnvFrom         `cue:"envFrom"`
	Command     []string          `cue:"command"`
	Args        []string          `cue:"args"`
	Workdir     string            `cue:"workdir"`
	Resources   Resources         `cue:"resources"`
	Labels      map[string]string `cue:"labels"`
	Annotations map[string]string `cue:"annotations"`
	Security    Security          `cue:"security"`
	Shutdown    Shutdown          `cue:"shutdown"`
	Update      Update            `cue:"update"`
	Spread      Spread            `cue:"spread"`
	Disruption  Disruption        `cue:"disruption"`
}

// Kind says what an app is for; it decides which workload is emitted.
type Kind string

const (
	Web    Kind = "web"    // answers on a port: Deployment and Service
	Worker Kind = "worker" // answers nobody: Deployment
)

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
	Preset  string `cue:"preset"`
	User    *int64 `cue:"user"`
	Group   *int64 `cue:"group"`
	FSGroup *int64 `cue:"fsGroup"`
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
	Strategy       string       `cue:"strategy"` // rolling or recreate
	MaxSurge       IntOrPercent `cue:"maxSurge"`
	MaxUnavailable IntOrPercent `cue:"maxUnavailable"`
	MinReady       Seconds      `cue:"minReady"`
	Deadline       Seconds      `cue:"deadline"`
}

// Spread says how hard pods are kept apart: soft, hard or none.
type Spread struct {
	Host string `cue:"host"`
	Zone string `cue:"zone"`
}

// Disruption is how many pods a node drain may take at once.
type Disruption struct {
	Enabled        *bool        `cue:"enabled"`
	MaxUnavailable IntOrPercent `cue:"maxUnavailable"`
}
