package schema

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// The rules about how a pod runs and ends.

func envHasSource(r *review) {
	r.programs(func(p *Program, path ...string) {
		for _, name := range slices.Sorted(maps.Keys(p.Env)) {
			env := p.Env[name]
			at := append(path[:len(path):len(path)], "env", name)
			if env.Value == nil && env.Secret == (KeyRef{}) && env.Config == (KeyRef{}) && env.Field == "" {
				r.fail("has no value", "write a text, {secret: name/key}, {config: name/key} or {field: metadata.name}", at...)
			}
			if _, twice := p.Secrets[name]; twice {
				r.fail("is a variable of secrets too", "keep one of the two", at...)
			}
		}
	})
}

// secretsApart refuses a reference to a Secret that stackctl makes itself: its
// name ends with a hash, and a Secret of the user's by that name would be lost
// between the two.
func secretsApart(r *review) {
	r.programs(func(p *Program, path ...string) {
		check := func(name string, at ...string) {
			owner := r.stack.makesSecret(name)
			if owner == nil {
				return
			}
			r.fail("the secret "+name+" is made for "+quote(owner.Name)+", and has another name in the cluster, which ends with a hash of its content",
				"read the value here, too: secrets: {NAME: {fromEnv: ...}}; a secret of your own needs another name", append(path[:len(path):len(path)], at...)...)
		}
		for _, name := range slices.Sorted(maps.Keys(p.Env)) {
			check(p.Env[name].Secret.Name, "env", name)
		}
		for i, source := range p.EnvFrom {
			if name, ok := strings.CutPrefix(source.From, "secret/"); ok {
				check(name, "envFrom", fmt.Sprintf("[%d]", i))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
			check(p.Secrets[name].Secret.Name, "secrets", name)
		}
	})
}

// makesSecret returns the app for which a Secret of a name is made, nil when
// none is.
func (s *Stack) makesSecret(name string) *App {
	base, ok := strings.CutSuffix(name, "-secrets")
	if !ok {
		return nil
	}
	if app := s.App(base); app != nil && app.hasOwnSecrets() {
		return app
	}
	for i := range base { // a container beside the app's
		if app := s.App(base[:i]); base[i] == '-' && app != nil {
			for _, containers := range []map[string]Container{app.Init, app.Sidecars} {
				if container, ok := containers[base[i+1:]]; ok && container.hasOwnSecrets() {
					return app
				}
			}
		}
	}
	return nil
}

// hasOwnSecrets reports whether values are read at apply.
func (p *Program) hasOwnSecrets() bool {
	for _, value := range p.Secrets {
		if value.FromEnv != "" || value.FromFile != "" {
			return true
		}
	}
	return false
}

// updateMoves checks that an update can begin, go on and end, and is one that
// apps of this kind have.
func updateMoves(r *review) {
	update, kind := r.app.Update, string(r.app.Kind)
	for _, one := range []struct {
		field string
		kinds []Kind
	}{
		{"deadline", []Kind{Web, Worker}},
		{"maxSurge", []Kind{Web, Worker, Daemon}},
		{"maxUnavailable", []Kind{Web, Worker, Daemon}},
	} {
		if !slices.Contains(one.kinds, r.app.Kind) && r.wrote("update", one.field) {
			hint := "remove it"
			if one.field != "deadline" {
				hint += "; its pods are updated one after the other"
			}
			r.fail("has no meaning for a "+kind+" app", hint, "update", one.field)
		}
	}
	switch {
	case r.app.isDeployment() && update.Type == "OnDelete":
		r.fail("a "+kind+" app has RollingUpdate and Recreate only", "write type: Recreate", "update", "type")
	case !r.app.isDeployment() && update.Type == "Recreate":
		r.fail("a "+kind+" app has RollingUpdate and OnDelete only", "write type: OnDelete", "update", "type")
	case !r.app.isDeployment() && update.Strategy == "recreate":
		r.fail("a "+kind+" app cannot end all pods first", "remove it, or write type: OnDelete to end them yourself", "update", "strategy")
	}
	if update.Strategy == "recreate" || update.Type == "Recreate" || update.Type == "OnDelete" {
		for _, name := range []string{"maxSurge", "maxUnavailable", "rollingUpdate"} {
			if r.wrote("update", name) {
				r.fail("has no meaning with "+cmp.Or(update.Strategy, update.Type), "remove it, or write strategy: rolling", "update", name)
			}
		}
		return
	}
	surge, unavailable := &update.MaxSurge, &update.MaxUnavailable
	switch rolling := update.RollingUpdate; {
	case rolling != nil:
		r.rollingFits(rolling)
		surge, unavailable = rolling.MaxSurge, rolling.MaxUnavailable
	case update.Type != "": // Kubernetes' own defaults
		for _, name := range []string{"maxSurge", "maxUnavailable"} {
			if r.wrote("update", name) {
				r.fail("cannot stand beside type", "write strategy: rolling instead of type, or put it into rollingUpdate", "update", name)
			}
		}
		surge, unavailable = nil, nil
	}
	none := func(v *IntOrPercent) bool { return v != nil && v.isZero() }
	some := func(v *IntOrPercent) bool { return v != nil && !v.isZero() }
	switch {
	case r.app.Kind == Stateful:
	case none(surge) && none(unavailable):
		r.fail("maxSurge and maxUnavailable are both 0, so an update could never begin", "write maxSurge: 1 to start a new pod first, or maxUnavailable: 1 to end an old one first", "update")
	case r.app.Kind == Daemon && some(surge) && some(unavailable):
		r.fail("a daemon app has either maxSurge or maxUnavailable", "make one of them 0", "update")
	}
	if r.app.isDeployment() && update.Deadline <= update.MinReady {
		at := "deadline"
		if !r.wrote("update", at) {
			at = "minReady"
		}
		r.fail(fmt.Sprintf("the deadline of %d s is not longer than minReady, %d s, so no update could succeed", update.Deadline, update.MinReady),
			fmt.Sprintf("write deadline: %ds", update.MinReady+defaultDeadline), "update", at)
	}
}

// defaultDeadline is how much longer than minReady an update may take.
const defaultDeadline = 180

// rollingFits checks the settings of a rolling update as Kubernetes writes them.
func (r *review) rollingFits(rolling *RollingUpdate) {
	for _, name := range []string{"strategy", "maxSurge", "maxUnavailable"} {
		if r.wrote("update", name) {
			r.fail("cannot stand beside rollingUpdate", "keep one of the two", "update", name)
		}
	}
	if rolling.Partition != nil && r.app.Kind != Stateful {
		r.fail("only a stateful app has numbered pods", "remove it", "update", "rollingUpdate", "partition")
	}
	if rolling.MaxUnavailable != nil && rolling.MaxUnavailable.isZero() && r.app.Kind == Stateful {
		r.fail("with 0 no pod could be updated", "write 1, or remove it", "update", "rollingUpdate", "maxUnavailable")
	}
	if rolling.MaxSurge != nil && r.app.Kind == Stateful {
		r.fail("has no meaning for a stateful app", "remove it", "update", "rollingUpdate", "maxSurge")
	}
}

// isDeployment reports whether the app's pods belong to a Deployment.
func (a *App) isDeployment() bool { return a.Kind == Web || a.Kind == Worker }

func (v IntOrPercent) isZero() bool { return v.Int == 0 && (v.Percent == "" || v.Percent == "0%") }

func shutdownFits(r *review) {
	shutdown := r.app.Shutdown
	if *shutdown.Drain > 0 && *shutdown.Drain >= *shutdown.Grace {
		r.fail(fmt.Sprintf("draining for %d s leaves nothing of the grace of %d s to stop in", *shutdown.Drain, *shutdown.Grace),
			"grace includes drain: raise grace, or lower drain", "shutdown")
	}
}

// limitsCoverRequests refuses what the API server refuses: a limit below the
// request.
func limitsCoverRequests(r *review) {
	r.programs(func(p *Program, path ...string) {
		for _, one := range []struct {
			name           string
			request, limit Quantity
		}{
			{"cpu", p.Resources.CPU, p.Resources.Limits.CPU},
			{"memory", p.Resources.Memory, p.Resources.Limits.Memory},
		} {
			if one.limit == "" || one.request.amount().Cmp(one.limit.amount()) <= 0 {
				continue
			}
			r.fail(fmt.Sprintf("the limit %s is below the request %s", one.limit, one.request), "raise the limit, or write a lower "+one.name,
				append(path[:len(path):len(path)], "resources", "limits", one.name)...)
		}
	})
}

// amount returns a quantity in bytes or cores, 0 for "".
func (q Quantity) amount() *big.Rat {
	text, factor := string(q), big.NewRat(1, 1)
	for _, unit := range []struct {
		suffix string
		factor *big.Rat
	}{
		{"Ki", big.NewRat(1<<10, 1)}, {"Mi", big.NewRat(1<<20, 1)}, {"Gi", big.NewRat(1<<30, 1)}, {"Ti", big.NewRat(1<<40, 1)},
		{"k", big.NewRat(1e3, 1)}, {"M", big.NewRat(1e6, 1)}, {"G", big.NewRat(1e9, 1)}, {"T", big.NewRat(1e12, 1)},
		{"m", big.NewRat(1, 1000)},
	} {
		if rest, ok := strings.CutSuffix(text, unit.suffix); ok {
			text, factor = rest, unit.factor
			break
		}
	}
	amount, ok := new(big.Rat).SetString(text)
	if !ok {
		return new(big.Rat)
	}
	return amount.Mul(amount, factor)
}

// userFitsPreset refuses root where the preset forbids it.
func userFitsPreset(r *review) {
	preset := r.app.Security.Preset
	r.programs(func(p *Program, path ...string) {
		security := p.Security
		if security.Preset == "" {
			security.Preset = preset
		}
		if security.Preset != "restricted" && security.Preset != "hardened" {
			return
		}
		for _, at := range [][]string{{"user"}, {"pod", "runAsUser"}, {"container", "runAsUser"}} {
			at = append(append(path[:len(path):len(path)], "security"), at...)
			if n := r.node(at...); n != nil && n.text == "0" {
				r.fail("user 0 is root, which the preset "+security.Preset+" forbids", "write another user, or preset: baseline beside it", at...)
			}
		}
	})
}

// ours reports whether a label is written by stackctl itself.
func ours(key string) bool {
	switch key {
	case "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by":
		return true
	}
	return strings.HasPrefix(key, "stackctl.dev/")
}

const (
	oursHint       = "stackctl sets this label itself to find its objects; choose another key"
	oursAnnotation = "annotations below stackctl.dev/ are stackctl's own; choose another key"
)

func labelsAreFree(r *review) {
	for _, key := range slices.Sorted(maps.Keys(r.app.Labels)) {
		if ours(key) {
			r.fail("cannot be set", oursHint, "labels", key)
		}
	}
	if r.app.Selector != nil && len(r.app.Selector) == 0 {
		r.fail("an empty selector finds the pods of every app", "remove it, or write the labels of the pods", "selector")
	}
	for _, key := range slices.Sorted(maps.Keys(r.app.Annotations)) {
		if strings.HasPrefix(key, "stackctl.dev/") {
			r.fail("cannot be set", oursAnnotation, "annotations", key)
		}
	}
}

// reserved are the same rules for the labels of the stack.
func (s *Stack) reserved() []Error {
	var errs []Error
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		if ours(key) {
			errs = append(errs, Error{Pos: s.PosOf("labels", key), Path: join("labels", key), Msg: "cannot be set", Hint: oursHint})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Annotations)) {
		if strings.HasPrefix(key, "stackctl.dev/") {
			errs = append(errs, Error{Pos: s.PosOf("annotations", key), Path: join("annotations", key), Msg: "cannot be set", Hint: oursAnnotation})
		}
	}
	return errs
}
