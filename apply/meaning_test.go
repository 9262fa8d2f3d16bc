package apply

import (
	"strings"
	"testing"
)

// TestSameMeaning: what is written in another way is no difference, where it is
// a quantity or a duration, and only there.
func TestSameMeaning(t *testing.T) {
	for _, c := range []struct {
		path, a, b string
		want       bool
		reason     string
	}{
		{"spec.containers.[*].resources.limits.cpu", "0.5", "500m", true, "half a core"},
		{"spec.containers.[*].resources.requests.memory", "1Gi", "1024Mi", true, "a gibibyte"},
		{"spec.containers.[*].resources.requests.memory", "1Gi", "1G", false, "a gigabyte is less"},
		{"spec.containers.[*].resources.limits.cpu", "1", "one", false, "no quantity"},
		{"spec.hard.requests-cpu", "1000m", "1", true, "a quota"},
		{"spec.volumes.[*].emptyDir.sizeLimit", "0.5Gi", "512Mi", true, "a volume in memory"},
		{"spec.metrics.[*].resource.target.averageValue", "1k", "1000", true, "what an autoscaler aims at"},
		{"spec.metrics.[*].external.target.value", "1k", "1000", true, "the same in whole"},
		{"spec.limits.[*].default.memory", "1Gi", "1024Mi", true, "an item of a LimitRange"},
		{"spec.default.memory", "1Gi", "1024Mi", false, "a field called default elsewhere"},
		{"spec.template.spec.containers.[name=\"a\"].env.[name=\"CPU\"].valueFrom.resourceFieldRef.divisor", "1Mi", "1024Ki", true, "the unit of a variable"},
		{"spec.template.spec.containers.[name=\"a\"].env.[name=\"limits\"].value", "0.5", "500m", false, "the text of a variable"},
		{"spec.template.spec.containers.[name=\"a\"].args.[*]", "0.5", "500m", false, "an argument"},
		{"data.timeout", "60s", "1m", false, "a file"},
		{"metadata.annotations.example.org/timeout", "60s", "1m", false, "an annotation"},
		{"metadata.labels.limits", "0.5", "500m", false, "a label"},
		{"spec.rules.[*].timeouts.request", "60s", "1m", true, "the timeout of a route"},
		{"spec.interval", "1h", "60m", true, "how often a controller looks"},
		{"spec.interval", "1h", "61m", false, "another one"},
		{"spec.renewBefore", "24h", "1440m", true, "of a certificate"},
		{"spec.image", "1h", "60m", false, "no duration is meant"},
		{"spec.schedule", "1", "1.0", false, "no quantity is meant"},
	} {
		path := fieldPath{}
		for _, e := range strings.Split(strings.ReplaceAll(c.path, "example.org/", "example/"), ".") {
			path = append(path, e)
		}
		if got := sameMeaning(path, c.a, c.b); got != c.want {
			t.Errorf("%s, %s (%s, %s): %v", c.path, c.reason, c.a, c.b, got)
		}
	}
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{int64(1), float64(1), true}, // as a record has it
		{int64(1), "1", false},
		{nil, nil, true},
		{nil, "", false},
		{map[string]any{"a": nil}, map[string]any{}, true},
		{map[string]any{"a": nil}, map[string]any{"b": int64(1)}, false},
		{[]any{"a", "b"}, []any{"b", "a"}, false},
		{map[string]any{}, nil, false},
		{[]any{}, nil, false},
		{"a", map[string]any{}, false},
	} {
		if got := sameMeaning(fieldPath{"spec", "x"}, c.a, c.b); got != c.want || got != sameMeaning(fieldPath{"spec", "x"}, c.b, c.a) {
			t.Errorf("%v and %v: %v", c.a, c.b, got)
		}
	}
}
