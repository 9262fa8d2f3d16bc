package apply

import (
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// conflictManager finds the manager in a cause's text:
// conflict with "kubectl-edit" using apps/v1
// conflict with "kube-controller-manager" with subresource "scale" using apps/v1 at 2026-…
var conflictManager = regexp.MustCompile(`conflict with "([^"]*)"(?: with subresource "([^"]*)")?`)

var quotedField = regexp.MustCompile(`\["([^"]*)"\]`)

// conflictsOf turns the server's refusal into conflicts as data, with the
// values and times that its text does not tell.
func conflictsOf(key ObjectKey, err error, live *unstructured.Unstructured, fields []FieldChange) []Conflict {
	var all []Conflict
	for _, cause := range status(err).Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		c := Conflict{Object: key, Path: strings.TrimPrefix(cause.Field, ".")}
		subresource := ""
		if m := conflictManager.FindStringSubmatch(cause.Message); m != nil {
			c.Manager, subresource = m[1], m[2]
		}
		for _, f := range live.GetManagedFields() {
			if f.Manager == c.Manager && f.Subresource == subresource && f.Time != nil && f.Time.After(c.Since) {
				c.Since = f.Time.Time
			}
		}
		if subresource != "" {
			c.Manager += " (" + subresource + ")"
		}
		if f := fieldAt(fields, c.Path); f != nil {
			c.Path, c.Live, c.Want = f.Path, f.Before, f.After
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Conflict) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// fieldAt finds the change of a field that the server names without quoting.
func fieldAt(fields []FieldChange, path string) *FieldChange {
	for i := range fields {
		plain := quotedField.ReplaceAllString(fields[i].Path, ".$1")
		if plain == path || strings.HasPrefix(path, plain+".") || strings.HasPrefix(path, plain+"[") {
			return &fields[i]
		}
	}
	return nil
}
