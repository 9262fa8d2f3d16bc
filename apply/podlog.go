package apply

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Limits of what is read of the logs of containers that ended in a bad way.
const (
	logLines   = 5
	logBytes   = 2 << 10
	logTimeout = 5 * time.Second
	logReads   = 32 // of one run: a hundred pods fail for the same reason
)

// podLogs reads the last lines of containers that crashed, each end of one
// once, beside the wait that asks for them. What cannot be read is not shown.
type podLogs struct {
	ctx    context.Context
	core   *coreClient
	wake   func() // called when lines came
	redact *redactor

	mu    sync.Mutex
	reads map[string]*logRead // by end of a container
	last  map[string][]string // by container
}

type logRead struct{ done chan struct{} }

func (e *Engine) newPodLogs(ctx context.Context, wake func()) *podLogs {
	return &podLogs{
		ctx: ctx, core: e.cluster.core, wake: wake, redact: e.cluster.redact,
		reads: map[string]*logRead{}, last: map[string][]string{},
	}
}

// of returns the last lines of a container that ended, of the run before the
// present one if previous; none as long as they were not read.
func (l *podLogs) of(pod *unstructured.Unstructured, container string, restarts int64, previous bool) []string {
	of := string(pod.GetUID()) + "/" + container
	end := fmt.Sprint(of, "/", restarts)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reads[end] == nil && len(l.reads) < logReads {
		read := &logRead{done: make(chan struct{})}
		l.reads[end] = read
		namespace, name := pod.GetNamespace(), pod.GetName()
		go func() {
			defer close(read.done)
			lines := l.read(namespace, name, container, previous)
			if len(lines) == 0 {
				return
			}
			l.mu.Lock()
			l.last[of] = lines
			l.mu.Unlock()
			l.wake()
		}()
	}
	return l.last[of]
}

// read reads the last lines of a container.
func (l *podLogs) read(namespace, pod, container string, previous bool) []string {
	ctx, cancel := context.WithTimeout(l.ctx, logTimeout)
	defer cancel()
	lines, bytes := int64(logLines), int64(logBytes)
	stream, err := l.core.Log(namespace, pod, &v1.PodLogOptions{
		Container: container, Previous: previous, TailLines: &lines, LimitBytes: &bytes,
	}).Stream(ctx)
	if err != nil {
		return nil
	}
	defer stream.Close()
	text, err := io.ReadAll(io.LimitReader(stream, logBytes))
	if err != nil {
		return nil
	}
	return lastLines(l.redact.text(string(text)))
}

// lastLines splits a log; an empty one has no line.
func lastLines(text string) []string {
	text = strings.TrimRight(strings.ToValidUTF8(text, "\ufffd"), "\r\n ")
	if text == "" {
		return nil
	}
	all := strings.Split(text, "\n")
	for i := range all {
		all[i] = strings.TrimSuffix(all[i], "\r")
	}
	return all[max(0, len(all)-logLines):]
}

// settle waits for the reads that have begun; each is bounded in time.
func (l *podLogs) settle(ctx context.Context) {
	l.mu.Lock()
	var open []*logRead
	for _, read := range l.reads {
		open = append(open, read)
	}
	l.mu.Unlock()
	for _, read := range open {
		select {
		case <-read.done:
		case <-interruption(ctx):
			return
		}
	}
}
