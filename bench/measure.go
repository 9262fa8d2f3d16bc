package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// command is a process to measure.
type command struct {
	argv []string
	dir  string
	env  []string
	fine []int  // exit codes besides 0 that are no failure
	prep func() // before each run, not measured
}

// contender is a command under the name that the table has for it.
type contender struct {
	name string
	command
}

// sample is what one run took.
type sample struct {
	wall, user time.Duration
	rss, anon  int64 // KiB, at the peak
}

// run runs the command once. Its output is read and thrown away.
func (c *command) run() (sample, error) {
	if c.prep != nil {
		c.prep()
	}
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return sample{}, err
	}
	ended, anon := make(chan struct{}), make(chan int64)
	go func() { anon <- watchAnonymous(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	s := sample{wall: time.Since(begin)}
	close(ended)
	s.anon = <-anon
	if err != nil && !slices.Contains(c.fine, cmd.ProcessState.ExitCode()) {
		return s, fmt.Errorf("%s: %w\n%.2000s", strings.Join(c.argv[:min(3, len(c.argv))], " "), err, stderr.String())
	}
	s.user = cmd.ProcessState.UserTime()
	s.rss = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	return s, nil
}

// watchAnonymous returns the most anonymous memory that a process was seen to
// have, in KiB; a short peak between two looks is missed.
func watchAnonymous(pid int, ended <-chan struct{}) (most int64) {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ended:
			return most
		case <-look.C:
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err != nil {
				continue
			}
			_, text, _ := strings.Cut(string(status), "RssAnon:")
			var kib int64
			if _, err := fmt.Sscan(text, &kib); err == nil {
				most = max(most, kib)
			}
		}
	}
}

// once is the time from which a program is run only once: its median is not worth
// the wait.
const once = 20 * time.Second

// median runs all contenders in turn, and returns the medians of each.
func median(runs int, all []*contender) ([]sample, error) {
	taken := make([][]sample, len(all))
	for range runs {
		for i := range all {
			if len(taken[i]) > 0 && taken[i][0].wall > once {
				continue
			}
			s, err := all[i].run()
			if err != nil {
				return nil, err
			}
			taken[i] = append(taken[i], s)
		}
	}
	out := make([]sample, len(all))
	for i, t := range taken {
		out[i] = sample{
			wall: middle(t, func(s sample) time.Duration { return s.wall }), user: middle(t, func(s sample) time.Duration { return s.user }),
			rss: middle(t, func(s sample) int64 { return s.rss }), anon: middle(t, func(s sample) int64 { return s.anon }),
		}
	}
	return out, nil
}

func middle[T int64 | time.Duration](all []sample, of func(sample) T) T {
	var values []T
	for _, s := range all {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// table measures contenders and prints the medians, each with its ratio to the
// first one's.
func (b *bench) table(title string, all []*contender) error {
	medians, err := median(b.runs, all)
	if err != nil {
		return fmt.Errorf("%s: %w", title, err)
	}
	fmt.Printf("\n### %s\n\n| program | wall | user | peak RSS | anonymous | %s : this, wall | user |\n|---|---|---|---|---|---|---|\n", title, all[0].name)
	for i, m := range medians {
		fmt.Printf("| %s | %s | %s | %.1f MiB | %.1f MiB | %.2f | %.2f |\n", all[i].name, round(m.wall), round(m.user), mib(m.rss), mib(m.anon),
			ratio(medians[0].wall, m.wall), ratio(medians[0].user, m.user))
	}
	return nil
}

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}

func mib(kib int64) float64 { return float64(kib) / 1024 }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

// printMachine says what was measured where, and what else was going on there.
func printMachine(b *bench) {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(text), "model name"); ok {
			model, _, _ = strings.Cut(rest, "\n")
			model = strings.Trim(model, "\t :")
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%d cores (%s), %s/%s, %s, load %s; medians of %d alternating runs\n\n", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version(), strings.Fields(string(load) + " ?")[0], b.runs)
	for _, argv := range [][]string{{b.stackctl, "version"}, {"helm", "version", "--short"}, {"kustomize", "version"}, {"cue", "version"}, {b.kubectl, "version", "--client"}} {
		if out, err := exec.Command(argv[0], argv[1:]...).Output(); err == nil {
			line, _, _ := strings.Cut(string(out), "\n")
			fmt.Printf("- %s: %s\n", strings.TrimSuffix(argv[0][strings.LastIndex(argv[0], "/")+1:], ".exe"), line)
		}
	}
}
