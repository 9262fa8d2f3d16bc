package apply

// Status is how a stack is doing now.
type Status struct {
	Stack    Stack    `json:"stack"`
	Revision *Summary `json:"revision"` // the newest one
	Deployed int      `json:"deployed"` // the number of the live one, 0 if none
	Lock     *Holder  `json:"lock,omitempty"`
	Objects  []Health `json:"objects"`
	Routes   []Route  `json:"routes,omitempty"`
}

// Route is a way from the world to pods.
type Route struct {
	Ingress string `json:"ingress"`
	URL     string `json:"url"`
	Service string `json:"service"`
	Port    string `json:"port"`
	Ready   int    `json:"ready"` // pods behind the Service that are ready
	Pods    int    `json:"pods"`
}

// Ready reports whether every object is healthy.
func (s *Status) Ready() bool {
	for _, h := range s.Objects {
		if h.State != StateReady {
			return false
		}
	}
	return true
}
