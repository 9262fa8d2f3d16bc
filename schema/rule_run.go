package schema

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// The rules about how a pod runs and ends.

func envHasSource(r *review) {
	for _, name := range slices.Sorted(maps.Keys(r.app.Env)) {
		env := r.app.Env[name]
		if env.Value == nil && env.Secret == (KeyRef{}) && env.Config == (KeyRef{}) && env.Field == "" {
			r.fail("has no value", "write a text, {secret: name/key}, {config: name/key} or {field: metadata.name}", "env", name)
		}
	}
}

func updateMoves(r *review) {
	update := r.app.Update
	if update.Strategy == "recreate" {
		for _, name := range []string{"maxSurge", "maxUnavailable"} {
			if r.wrote("update", name) {
				r.fail("has no meaning with recreate", "remove it, or write strategy: rolling", "update", name)
			}
		}
		return
	}
	if update.MaxSurge.isZero() && update.MaxUnavailable.isZero() {
		r.fail("maxSurge and maxUnavailable are both 0, so an update could never begin", "raise one of them", "update")
	}
	if update.Deadline <= update.MinReady {
		r.fail(fmt.Sprintf("the deadline of %d s is not longer than minReady, %d s", update.Deadline, update.MinReady), "raise the deadline", "update", "deadline")
	}
}

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
	for _, one := range []struct {
		name           string
		request, limit Quantity
	}{
		{"cpu", r.app.Resources.CPU, r.app.Resources.Limits.CPU},
		{"memory", r.app.Resources.Memory, r.app.Resources.Limits.Memory},
	} {
		if one.limit == "" || one.request.amount().Cmp(one.limit.amount()) <= 0 {
			continue
		}
		r.fail(fmt.Sprintf("the limit %s is below the request %s", one.limit, one.request), "raise the limit, or write a lower "+one.name, "resources", "limits", one.name)
	}
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
	security := r.app.Security
	if security.User != nil && *security.User == 0 && (security.Preset == "restricted" || security.Preset == "hardened") {
		r.fail("user 0 is root, which the preset "+security.Preset+" forbids", "write another user, or {preset: baseline, user: 0}", "security", "user")
	}
}

// ours reports whether a label is written by stackctl itself.
func ours(key string) bool {
	switch key {
	case "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by":
		return true
	}
	return strings.HasPrefix(key, "stackctl.dev/")
}

const oursHint = "stackctl sets this label itself to find its objects; choose another key"

func labelsAreFree(r *review) {
	for _, key := range slices.Sorted(maps.Keys(r.app.Labels)) {
		if ours(key) {
			r.fail("cannot be set", oursHint, "labels", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(r.app.Annotations)) {
		if strings.HasPrefix(key, "stackctl.dev/") {
			r.fail("cannot be set", "annotations below stackctl.dev/ are stackctl's own", "annotations", key)
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
	return errs
}
