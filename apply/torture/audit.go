package torture

import (
	"bufio"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Event is a request of a run of stackctl that the API server has finished, as
// its audit log tells.
type Event struct {
	Run         string // the id in the User-Agent
	Verb        string // get, list, watch, create, update, patch, delete
	Group       string
	Resource    string
	Namespace   string
	Name        string
	Subresource string
	DryRun      bool
	Code        int // of the answer
	Received    time.Time
	Completed   time.Time
}

// Mutates reports a request that could change something.
func (e *Event) Mutates() bool {
	switch e.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return !e.DryRun && e.Resource != "selfsubjectaccessreviews"
	}
	return false
}

// Writes reports a request that was carried out and could change something.
func (e *Event) Writes() bool { return e.Mutates() && e.Code/100 == 2 }

// Lock reports a request about the lock.
func (e *Event) Lock() bool { return e.Resource == "leases" }

// Record reports a request about a record.
func (e *Event) Record() bool {
	return e.Resource == "secrets" && (strings.HasPrefix(e.Name, "stackctl.") || e.Name == "")
}

// Key names what the request is about.
func (e *Event) Key() string { return e.Resource + " " + e.Namespace + "/" + e.Name }

// Audit follows an audit log. It keeps the events of runs of stackctl until
// they are taken.
type Audit struct {
	path string

	mu     sync.Mutex
	file   *os.File
	reader *bufio.Reader
	rest   []byte // of a line that is not complete yet
	runs   map[string][]Event
}

// NewAudit follows the audit log at a path, from its beginning.
func NewAudit(path string) *Audit { return &Audit{path: path, runs: map[string][]Event{}} }

// Take returns the events of a run so far, in the order in which they ended,
// and forgets them.
func (a *Audit) Take(run string) ([]Event, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.read(); err != nil {
		return nil, err
	}
	events := a.runs[run]
	delete(a.runs, run)
	return events, nil
}

// read reads what is new. The API server goes on in a new file of the same
// name when one is large.
func (a *Audit) read() error {
	for {
		if a.file == nil {
			file, err := os.Open(a.path)
			if err != nil {
				return err
			}
			a.file, a.reader, a.rest = file, bufio.NewReaderSize(file, 1<<20), nil
		}
		for {
			line, err := a.reader.ReadBytes('\n')
			a.rest = append(a.rest, line...)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			a.add(a.rest)
			a.rest = nil
		}
		read, err := a.file.Stat()
		if err != nil {
			return err
		}
		current, err := os.Stat(a.path)
		if err != nil {
			return err
		}
		if os.SameFile(read, current) {
			return nil
		}
		_ = a.file.Close()
		a.file = nil
	}
}

// add keeps the event of a line, if it is one of a run of stackctl.
func (a *Audit) add(line []byte) {
	var e struct {
		UserAgent  string
		Verb       string
		RequestURI string
		ObjectRef  struct{ Resource, Namespace, Name, APIGroup, Subresource string }
		Response   struct{ Code int } `json:"responseStatus"`
		Received   time.Time          `json:"requestReceivedTimestamp"`
		Completed  time.Time          `json:"stageTimestamp"`
	}
	if json.Unmarshal(line, &e) != nil {
		return
	}
	_, run, ok := strings.Cut(e.UserAgent, " run=")
	if !ok || !strings.HasPrefix(e.UserAgent, "stackctl/") {
		return
	}
	query := url.Values{}
	if u, err := url.Parse(e.RequestURI); err == nil {
		query = u.Query()
	}
	a.runs[run] = append(a.runs[run], Event{
		Run: run, Verb: e.Verb, Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource,
		Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name, Subresource: e.ObjectRef.Subresource,
		DryRun: query.Get("dryRun") == "All", Code: e.Response.Code, Received: e.Received, Completed: e.Completed,
	})
}
