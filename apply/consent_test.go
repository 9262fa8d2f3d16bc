package apply

import "testing"

func TestPatternsMatchWhatTheyName(t *testing.T) {
	web := ObjectKey{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"spec.replicas", "spec.replicas", true},
		{".spec.replicas", "spec.replicas", true},
		{"spec", "spec.template.spec.containers", true},
		{"spec.rep", "spec.replicas", false},
		{"Deployment/web:spec.replicas", "spec.replicas", true},
		{"deployment:spec.replicas", "spec.replicas", true},
		{"Deployment/api:spec.replicas", "spec.replicas", false},
		{"all:spec", "spec.replicas", true},
		{`metadata.labels["a:b/c"]`, `metadata.labels["a:b/c"]`, true},
		{`spec.containers[name="web"]`, `spec.containers[name="web"].image`, true},
	} {
		p, err := ParseFieldPattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
		} else if got := p.Matches(web, c.path); got != c.want {
			t.Errorf("%s matches %s: %v", c.pattern, c.path, got)
		} else if again, err := ParseFieldPattern(p.String()); err != nil || again != p {
			t.Errorf("%s is written as %s", c.pattern, p)
		}
	}
	for _, wrong := range []string{"", ".", "Deployment/web:", "/web:spec"} {
		if p, err := ParseFieldPattern(wrong); err == nil {
			t.Errorf("%q is read as %+v", wrong, p)
		}
	}
	for _, wrong := range []string{"", "/web", "Deployment/", "apps.Deployment/web"} {
		if p, err := ParseObjectPattern(wrong); err == nil {
			t.Errorf("%q is read as %+v", wrong, p)
		}
	}
}
