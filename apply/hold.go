package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// holding is a wait for what some objects of a stage need.
type holding struct {
	*execution
	held []*Change
	// What the last look came to:
	free, still []*Change
	unmet       map[ObjectKey][]Need // by object that is held back
	lacking     map[ObjectKey]Health // what is needed and not as it must be
}

// awaitNeeds waits until at least one of the objects that are held back has
// all it needs, whether or not the run waits for health at its end.
func (x *execution) awaitNeeds(ctx context.Context, held []*Change) (free, still []*Change, err error) {
	h := &holding{execution: x, held: held, unmet: map[ObjectKey][]Need{}}
	needed := map[ObjectKey]bool{}
	for _, c := range held {
		for _, e := range c.needs {
			h.unmet[c.Object] = append(h.unmet[c.Object], e.Need)
			for _, key := range e.on {
				needed[key] = true
			}
		}
	}
	err = h.explain(x.await(ctx, sortedKeys(needed), h.look))
	return h.free, h.still, err
}

// look finds out which objects need not be held back any longer. It is an
// error if something that they need never will be as it must be.
func (h *holding) look(health []Health) (done bool, err error) {
	byKey := map[ObjectKey]Health{}
	for _, one := range health {
		byKey[one.Object] = one
	}
	h.free, h.still, h.lacking = nil, nil, map[ObjectKey]Health{}
	for _, c := range h.held {
		h.unmet[c.Object] = h.compare(c, byKey)
		if len(h.unmet[c.Object]) == 0 {
			h.free = append(h.free, c)
			continue
		}
		h.still = append(h.still, c)
	}
	if len(h.free) > 0 {
		return true, nil
	}
	for _, c := range h.still {
		if needs := h.unmet[c.Object]; !slices.Equal(needs, h.told[c.Object]) {
			h.told[c.Object] = needs
			h.run.send(NeedWait{Object: c.Object, Needs: needs})
		}
	}
	for _, one := range h.lacking {
		if one.State == StateFailed {
			return true, &NotReadyError{}
		}
	}
	return false, nil
}

// compare returns the needs of an object that are not met. What this run has
// still to write is as it was before, and says nothing.
func (h *holding) compare(c *Change, health map[ObjectKey]Health) []Need {
	var unmet []Need
	for _, e := range c.needs {
		met := true
		for _, key := range e.on {
			_, written := h.generations[key]
			switch {
			case !written && h.changes[key].Action != ActionUnchanged:
				met = false
			case !e.met(health[key]):
				met = false
				h.lacking[key] = health[key]
			}
		}
		if !met {
			unmet = append(unmet, e.Need)
		}
	}
	return unmet
}

// explain tells in an error who waited for what.
func (h *holding) explain(err error) error {
	var bad *NotReadyError
	if !errors.As(err, &bad) {
		return err
	}
	bad.Health = nil
	for _, key := range sortedKeys(h.lacking) {
		bad.Health = append(bad.Health, h.lacking[key])
	}
	for _, c := range h.held {
		texts := make([]string, len(h.unmet[c.Object]))
		for i, n := range h.unmet[c.Object] {
			texts[i] = n.String()
		}
		bad.Health = append(bad.Health, Health{Object: c.Object, State: StateProgressing, Message: "not applied: waits for " + strings.Join(texts, ", ")})
	}
	return err
}
