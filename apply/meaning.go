package apply

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// sameMeaning reports whether two values at a path of an object mean the same:
// a field that is null is not there, 1 is 1.0, and where Kubernetes expects a
// quantity or a duration, "0.5" is "500m" and "90s" is "1m30s". The API server
// rewrites those of the kinds it knows; of others it keeps the text.
func sameMeaning(path fieldPath, a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range a {
			if !sameMeaning(path.field(k), v, b[k]) {
				return false
			}
		}
		for k, v := range b {
			if _, ok := a[k]; !ok && v != nil {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameMeaning(path.item("*"), a[i], b[i]) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b || a != nil && b != nil && sameScalar(path, a, b)
}

func sameScalar(path fieldPath, a, b any) bool {
	x, y := Text(a), Text(b)
	switch {
	case x == y:
		return true
	case path.quantity():
		return sameQuantity(strings.Trim(x, `"`), strings.Trim(y, `"`))
	case path.duration():
		return sameDuration(strings.Trim(x, `"`), strings.Trim(y, `"`))
	}
	return false
}

func sameQuantity(a, b string) bool {
	x, y, ok := quantities(a, b)
	return ok && x.Cmp(y) == 0
}

func quantities(a, b string) (x, y resource.Quantity, ok bool) {
	x, err := resource.ParseQuantity(a)
	if err != nil {
		return x, y, false
	}
	y, err = resource.ParseQuantity(b)
	return x, y, err == nil
}

func sameDuration(a, b string) bool {
	x, err := time.ParseDuration(a)
	if err != nil {
		return false
	}
	y, err := time.ParseDuration(b)
	return err == nil && x == y
}

// freeText are maps whose entries have names and values of the user's own, which
// mean nothing to Kubernetes.
var freeText = []string{
	"annotations", "labels", "matchLabels", "nodeSelector", "selector", "data", "stringData", "binaryData", "env",
}

func (p fieldPath) isFreeText() bool {
	for i, e := range p[:len(p)-1] {
		if slices.Contains(freeText, e) && !strings.HasPrefix(p[i+1], "[") {
			return true
		}
	}
	return false
}

// quantityMaps hold quantities by the name of a resource; limitMaps do in an
// item of a LimitRange.
var (
	quantityMaps = []string{"limits", "requests", "hard", "capacity", "allocatable", "allocatedResources", "overhead", "podFixed", "minAllowed", "maxAllowed"}
	limitMaps    = []string{"max", "min", "default", "defaultRequest", "maxLimitRequestRatio"}
)

// quantity reports whether what stands at the path is a quantity.
func (p fieldPath) quantity() bool {
	n := len(p)
	if n < 2 || p.isFreeText() {
		return false
	}
	switch p[n-1] {
	case "sizeLimit", "divisor", "averageValue":
		return true
	case "value":
		return p[n-2] == "target"
	}
	return slices.Contains(quantityMaps, p[n-2]) ||
		n >= 3 && slices.Contains(limitMaps, p[n-2]) && strings.HasPrefix(p[n-3], "[")
}

var durationField = onUse(`(?i)(timeout|interval|duration|period|delay|ttl|renewBefore)$`)

// duration reports whether what stands at the path is a duration.
func (p fieldPath) duration() bool {
	n := len(p)
	return n >= 2 && !p.isFreeText() && (durationField().MatchString(p[n-1]) || p[n-2] == "timeouts")
}
