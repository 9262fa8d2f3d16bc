package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// campaign is a number of trials of one kind. Its methods may be called from
// the goroutines of its trials.
type campaign struct {
	Name   string
	Trials int    // from $TRIALS, else the default of the campaign
	Seed   uint64 // from $SEED, else drawn

	t       *testing.T
	started time.Time

	mu     sync.Mutex
	run    int          // trials that were made, and not skipped
	failed map[int]bool // trials with at least one failure
	tests  map[int]*testing.T
	note   string // further figures, for the summary
}

// start begins a campaign and prints its seed. It ends with [campaign.done].
func start(t *testing.T, name string, defaultTrials int) *campaign {
	t.Helper()
	c := &campaign{Name: name, Trials: defaultTrials, Seed: rand.Uint64N(1 << 32), t: t, started: time.Now(), failed: map[int]bool{}, tests: map[int]*testing.T{}}
	for variable, set := range map[string]func(uint64){
		"TRIALS": func(n uint64) { c.Trials = int(n) },
		"SEED":   func(n uint64) { c.Seed = n },
	} {
		text := os.Getenv(variable)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			t.Fatalf("%s=%q is not a number", variable, text)
		}
		set(n)
	}
	t.Logf("torture: campaign=%s trials=%d seed=%d", c.Name, c.Trials, c.Seed)
	return c
}

// full reports whether somebody asked for a number of trials: a campaign that
// enumerates points tries all of them then, up to Trials.
func (c *campaign) full() bool { return os.Getenv("TRIALS") != "" }

// Rand returns the source of all chances of trial i: the same for the same
// seed, whichever trials run before or beside it.
func (c *campaign) Rand(i int) *rand.Rand { return rand.New(rand.NewPCG(c.Seed, uint64(i))) }

// each runs the trials, some of them in parallel, as subtests named by their
// number, so that -run 'TestTortureKill/^17$' repeats one.
func (c *campaign) each(parallel int, trial func(t *testing.T, i int)) {
	gate := make(chan struct{}, max(1, parallel))
	c.t.Run("trial", func(t *testing.T) {
		for i := range c.Trials {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				gate <- struct{}{}
				defer func() { <-gate }()
				c.mu.Lock()
				c.tests[i] = t
				c.mu.Unlock()
				defer func() {
					if !t.Skipped() {
						c.mu.Lock()
						c.run++
						c.mu.Unlock()
					}
					if t.Failed() {
						c.failure(i)
						t.Logf("again: %s", c.again(i))
					}
				}()
				trial(t, i)
			})
		}
	})
}

func (c *campaign) failure(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed[i] = true
}

// again is the command that repeats trial i.
func (c *campaign) again(i int) string {
	name, _, _ := strings.Cut(c.t.Name(), "/")
	return fmt.Sprintf("SEED=%d TRIALS=%d go test ./apply/torture -count=1 -run '^%s$/^trial$/^%d$'", c.Seed, c.Trials, name, i)
}

// fail reports a failure of trial i, with the command that repeats it. The
// trial goes on.
func (c *campaign) fail(i int, format string, args ...any) {
	c.mu.Lock()
	t := c.tests[i]
	c.mu.Unlock()
	if t == nil {
		t = c.t
	}
	t.Helper()
	c.failure(i)
	t.Errorf("trial %d: %s", i, fmt.Sprintf(format, args...))
}

// figure adds a figure of its own to the summary of the campaign.
func (c *campaign) figure(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.note != "" {
		c.note += ", "
	}
	c.note += fmt.Sprintf(format, args...)
}

// done ends the campaign: it prints its summary, and appends it to the table
// in $TORTURE_RESULTS if that is set.
func (c *campaign) done() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == 0 && len(c.failed) == 0 {
		return // there was no cluster
	}
	duration, commit := time.Since(c.started).Round(time.Second), commit()
	note := ""
	if c.note != "" {
		note = " (" + c.note + ")"
	}
	fmt.Printf("torture: campaign=%s trials=%d failures=%d seed=%d commit=%s duration=%s%s\n", c.Name, c.run, len(c.failed), c.Seed, commit, duration, note)
	path := os.Getenv("TORTURE_RESULTS")
	if path == "" {
		return
	}
	row := fmt.Sprintf("| %s | %s | %d | %d | %d | %s | %s | %s | %s |\n",
		time.Now().UTC().Format(time.DateOnly), c.Name, c.run, len(c.failed), c.Seed, commit, duration, machine(), c.note)
	if _, err := os.Stat(path); os.IsNotExist(err) {
		row = "| date | campaign | trials | failures | seed | commit | duration | machine | notes |\n|---|---|---|---|---|---|---|---|---|\n" + row
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(row)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		c.t.Errorf("write the result: %v", err)
	}
}

// commit names the code under test. The results themselves do not make it dirty.
func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short=10", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	changed, err := exec.Command("git", "status", "--porcelain", "--", ":(top)", ":(top,exclude)testdata/torture").Output()
	if err != nil || len(changed) > 0 {
		return strings.TrimSpace(string(out)) + "-dirty"
	}
	return strings.TrimSpace(string(out))
}

func machine() string {
	return fmt.Sprintf("%s/%s, %d CPU", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}
