package schema

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The rules about what an app is for.

// meaning lists the fields that only some kinds have, and the way out.
var meaning = []struct {
	field string
	kinds []Kind
	hint  string
}{
	{"replicas", []Kind{Web, Worker, Stateful}, ""},
	{"service", []Kind{Web, Worker, Stateful, Daemon}, "remove it; a program that ends answers nobody"},
	{"ingress", []Kind{Web, Worker, Stateful, Daemon}, "remove it; a program that ends answers nobody"},
	{"gateway", []Kind{Web, Worker, Stateful, Daemon}, "remove it; a program that ends answers nobody"},
	{"health", []Kind{Web, Worker, Stateful, Daemon}, "remove it; nobody asks a program that ends whether it is ready"},
	{"autoscale", []Kind{Web, Worker, Stateful}, "remove it"},
	{"schedule", []Kind{Cron}, "remove it, or write kind: cron"},
	{"job", []Kind{JobKind, Cron}, "remove it, or write kind: job"},
	{"update", []Kind{Web, Worker, Stateful, Daemon}, "remove it; a new run takes the place of an old one"},
	{"disruption", []Kind{Web, Worker, Stateful}, "remove it; a budget is for pods that must stay"},
	{"spread", []Kind{Web, Worker, Stateful}, "remove it"},
	{"selector", []Kind{Web, Worker, Stateful, Daemon}, "remove it"},
}

func kindFits(r *review) {
	kind := r.app.Kind
	for _, one := range meaning {
		if slices.Contains(one.kinds, kind) || !r.wrote(one.field) || r.isBad(one.field) {
			continue
		}
		hint := one.hint
		switch {
		case one.field == "replicas" && kind == Daemon:
			hint = "remove it; a daemon has one pod on every node"
		case one.field == "replicas":
			hint = "remove it; write job: {parallelism: 2} for several pods at once"
		}
		r.fail("has no meaning for a "+string(kind)+" app", hint, one.field)
	}
	switch {
	case kind == Web && len(r.app.Ports) == 0:
		r.fail("a web app needs a port", "add port: 8080, or write kind: worker", "kind")
	case kind == Cron && !r.wrote("schedule"):
		r.fail("a cron app needs a schedule", `add schedule: "*/5 * * * *"`, "kind")
	case kind == Daemon && len(r.app.Claims()) > 0:
		r.fail("a daemon cannot claim a volume: its pods would share one", "write tmp, or {existing: NAME} for a claim that many nodes can mount", "volumes", r.app.Claims()[0])
	}
}

func autoscaleFits(r *review) {
	scale := r.app.Autoscale
	if scale == nil {
		return
	}
	if scale.Min > scale.Max {
		r.fail(fmt.Sprintf("the least number of pods, %d, is above the greatest, %d", scale.Min, scale.Max), fmt.Sprintf("write %d..%d", scale.Max, scale.Min), "autoscale")
	}
}

// cronFields are the fields of a schedule with their ranges.
var cronFields = []struct {
	name        string
	least, most int
	words       string // names for numbers, from least on
}{
	{"minute", 0, 59, ""},
	{"hour", 0, 23, ""},
	{"day of the month", 1, 31, ""},
	{"month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"},
	{"day of the week", 0, 6, "sun mon tue wed thu fri sat"},
}

// cronNames stand for five fields.
var cronNames = []string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}

// scheduleRuns checks the text of a schedule as the CronJob controller reads
// it: five fields, or one of the names that stand for them.
func scheduleRuns(r *review) {
	if r.app.Schedule == nil || !r.wrote("schedule") {
		return
	}
	text := r.app.Schedule.Cron
	if slices.Contains(cronNames, text) {
		return
	}
	const hint = `five fields are minute, hour, day of the month, month and day of the week: "0 3 * * *" is at three every night`
	at := []string{"schedule", "cron"}
	fields := strings.Fields(text)
	switch {
	case strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ="):
		_, zone, _ := strings.Cut(fields[0], "=")
		r.fail("a time zone is no part of the schedule", fmt.Sprintf("write schedule: {cron: %q, timezone: %s}", strings.Join(fields[1:], " "), zone), at...)
		return
	case strings.HasPrefix(text, "@every"):
		r.fail("@every counts from no fixed time, so a new release would shift it", `write the minutes: "*/5 * * * *" is every five minutes, "0 */2 * * *" every two hours`, at...)
		return
	case strings.HasPrefix(text, "@"):
		r.fail("there is no schedule "+shown(text), cmp.Or(didYouMean(text, cronNames), hint), at...)
		return
	case len(fields) == 6:
		r.fail(quote(text)+" has 6 fields, want 5", "leave out the seconds, or the year: \""+strings.Join(fields[1:], " ")+"\" or \""+strings.Join(fields[:5], " ")+"\"", at...)
		return
	case len(fields) != 5:
		r.fail(fmt.Sprintf("%s has %d fields, want 5", quote(text), len(fields)), hint, at...)
		return
	}
	for i, field := range fields {
		if !cronFieldFits(field, cronFields[i].least, cronFields[i].most, cronFields[i].words) {
			hint := hint
			if i == 4 && field == "7" {
				hint = "Sunday is 0"
			}
			r.fail(fmt.Sprintf("%s is no %s from %d to %d", quote(field), cronFields[i].name, cronFields[i].least, cronFields[i].most), hint, at...)
			return
		}
	}
}

// cronFieldFits reads lists of *, numbers, names and ranges, each with a step.
func cronFieldFits(field string, least, most int, words string) bool {
	number := func(text string) (int, bool) {
		if i := slices.Index(strings.Fields(words), strings.ToLower(text)); i >= 0 {
			return least + i, true
		}
		n, err := strconv.Atoi(text)
		return n, err == nil && n >= least && n <= most && text[0] != '+' && text[0] != '-'
	}
	for _, part := range strings.Split(field, ",") {
		part, step, stepped := strings.Cut(part, "/")
		if stepped {
			if n, err := strconv.Atoi(step); err != nil || n < 1 || step[0] == '+' {
				return false
			}
		}
		if part == "*" || part == "?" {
			continue
		}
		from, to, isRange := strings.Cut(part, "-")
		first, ok := number(from)
		if !ok {
			return false
		}
		if last, ok := number(to); isRange && (!ok || last < first) {
			return false
		}
	}
	return true
}

func jobEnds(r *review) {
	if job := r.app.Job; job != nil && job.Timeout != nil && *job.Timeout == 0 {
		r.fail("a timeout of 0 ends the job at once", "remove it for no limit", "job", "timeout")
	}
}

// needsExist checks that needed apps are there and can be what is asked.
func needsExist(r *review) {
	for _, name := range slices.Sorted(maps.Keys(r.app.Needs)) {
		needed, need := r.stack.App(name), r.app.Needs[name]
		switch {
		case name == r.app.Name:
			r.fail("the app needs itself", "remove it", "needs", name)
		case needed == nil && r.stack.tree.get("apps", name) != nil: // it was reported
		case needed == nil:
			names := r.stack.appNames()
			hint := "the apps are " + strings.Join(names, ", ")
			if near := didYouMean(name, names); near != "" {
				hint = near
			}
			r.fail("there is no app "+quote(name), hint, "needs", name)
		case needed.IsExternal():
			r.fail(quote(name)+" is a name for another host, for which nobody can wait", "remove it", "needs", name)
		case need == Complete && needed.Kind != JobKind && !(&review{stack: r.stack, app: needed}).isBad("kind"):
			r.fail(quote(name)+" is a "+string(needed.Kind)+" app, which never completes", "write healthy, or kind: job in "+quote(name), "needs", name)
		}
	}
}

// needsEnd refuses apps that wait for each other in a circle.
func (s *Stack) needsEnd() []Error {
	apps := make(map[string]*App)
	for _, app := range s.Apps {
		apps[app.Name] = app
	}
	var errs []Error
	done := make(map[string]bool)
	var visit func(name string, path []string)
	visit = func(name string, path []string) {
		if i := slices.Index(path, name); i >= 0 && len(path)-i > 1 {
			circle := append(slices.Clone(path[i:]), name)
			errs = append(errs, Error{
				Pos: s.PosOf("apps", name, "needs", circle[1]), Path: join("apps", name, "needs"),
				Msg: "the apps wait for each other: " + strings.Join(circle, " needs "), Hint: "remove one of these",
			})
			return
		}
		if done[name] || slices.Contains(path, name) || apps[name] == nil {
			return
		}
		for _, next := range slices.Sorted(maps.Keys(apps[name].Needs)) {
			visit(next, append(path[:len(path):len(path)], name))
		}
		done[name] = true
	}
	for _, app := range s.Apps {
		visit(app.Name, nil)
	}
	return errs
}
