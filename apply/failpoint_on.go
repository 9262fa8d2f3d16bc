//go:build failpoints

package apply

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// This file is in no release: it is compiled only with the tag "failpoints".
//
//	STACKCTL_FAILPOINT=name:action[@k]   at the k-th passage of a point (default the first)
//	STACKCTL_LEASE_DURATION=1s           Options.LeaseDuration
//	STACKCTL_REQUEST_TIMEOUT=2s          Options.RequestTimeout
//
// The actions are kill (SIGKILL to itself), stop (SIGSTOP to itself), panic,
// error, and sleep=DURATION. Several points are separated by commas.

type armedPoint struct {
	action string
	hits   int // passages until it acts
}

var armed = struct {
	sync.Mutex
	points map[string]*armedPoint
}{points: arm(os.Getenv("STACKCTL_FAILPOINT"))}

func arm(text string) map[string]*armedPoint {
	points := map[string]*armedPoint{}
	for one := range strings.SplitSeq(text, ",") {
		name, action, ok := strings.Cut(strings.TrimSpace(one), ":")
		if !ok {
			continue
		}
		action, at, _ := strings.Cut(action, "@")
		points[name] = &armedPoint{action: action, hits: 1}
		if k, err := strconv.Atoi(at); err == nil {
			points[name].hits = k
		}
	}
	return points
}

func failpoint(name string) error {
	armed.Lock()
	p := armed.points[name]
	if p != nil {
		p.hits--
	}
	due := p != nil && p.hits == 0
	armed.Unlock()
	if !due {
		return nil
	}
	action, argument, _ := strings.Cut(p.action, "=")
	switch action {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "panic":
		panic("failpoint " + name)
	case "sleep":
		if d, err := time.ParseDuration(argument); err == nil {
			time.Sleep(d)
		}
	case "error":
		return fmt.Errorf("failpoint %s", name)
	}
	return nil
}

func tuned(o Options) Options {
	for variable, field := range map[string]*time.Duration{
		"STACKCTL_LEASE_DURATION": &o.LeaseDuration, "STACKCTL_REQUEST_TIMEOUT": &o.RequestTimeout,
	} {
		if d, err := time.ParseDuration(os.Getenv(variable)); err == nil {
			*field = d
		}
	}
	return o
}
