package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDescribeFinds follows the ways a path can be written.
func TestDescribeFinds(t *testing.T) {
	for path, want := range map[string]string{
		"":                                   "",
		"name":                               "name",
		"ingress":                            "apps.NAME.ingress",
		"apps.ingress":                       "apps.NAME.ingress",
		"apps.web.ingress":                   "apps.NAME.ingress",
		"apps.web":                           "apps.NAME",
		"apps.job.image":                     "apps.NAME.image",
		"labels":                             "labels",
		"apps.labels":                        "apps.NAME.labels",
		"apps.web.ports.http.port":           "apps.NAME.ports.NAME.port",
		"ports.port":                         "apps.NAME.ports.NAME.port",
		"files./etc/app.conf.mode":           "apps.NAME.files.NAME.mode",
		"envFrom.prefix":                     "apps.NAME.envFrom.NAME.prefix",
		"environments.dev.apps.web.replicas": "environments.NAME.apps.NAME.replicas",
		"defaults.security":                  "defaults.security",
		"security.pod.seccompProfile.type":   "apps.NAME.security.pod.seccompProfile.type",
		"network.from.podSelector.matchExpressions.key": "apps.NAME.network.from.NAME.podSelector.matchExpressions.NAME.key",
		"apps.web.health.readiness.periodSeconds":       "apps.NAME.health.readiness.periodSeconds",
	} {
		var parts []string
		if path != "" {
			parts = strings.Split(path, ".")
		}
		got, err := Describe(parts...)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		} else if got.Path != want {
			t.Errorf("%s is %s, want %s", path, got.Path, want)
		}
	}
}

// TestDescribeLost names the field that was probably meant.
func TestDescribeLost(t *testing.T) {
	for path, want := range map[string]string{
		"ingres":                 `did you mean "ingress"?`,
		"apps.ingres":            `did you mean "ingress"?`,
		"apps.web.ingress.hst":   `did you mean "host"?`,
		"image.registry":         "the fields here are digest, pullPolicy, repository, tag",
		"workdir.x":              "workdir has no fields",
		"securty.pod":            `did you mean "security"?`,
		"security.pod.runAsUsr":  `did you mean "runAsUser"?`,
		"something.else":         "`stackctl explain` shows all fields",
		"health.readiness.perod": "",
	} {
		_, err := Describe(strings.Split(path, ".")...)
		errs, ok := err.(Errors)
		if !ok || len(errs) != 1 || want != "" && errs[0].Hint != want {
			t.Errorf("%s: %#v, want the hint %s", path, err, want)
		}
	}
}

// TestDescribe shows all that is known about one field.
func TestDescribe(t *testing.T) {
	got, err := Describe("update")
	if err != nil {
		t.Fatal(err)
	}
	got.Emits, got.Fields = nil, nil
	want := &Field{
		Path: "apps.NAME.update", Name: "update", Doc: "How new pods replace old ones.", Type: "a map",
		Want:  "rolling, recreate, or {maxSurge: 1, maxUnavailable: 0}",
		Short: []Form{{Want: "rolling or recreate", Field: "strategy"}},
		Defaults: []Default{
			{Value: "{strategy: rolling, maxSurge: 25%, maxUnavailable: 0, minReady: 0, deadline: 180}", When: "web, worker"},
			{Value: "{strategy: rolling, minReady: 0}", When: "stateful"},
			{Value: "{strategy: rolling, maxSurge: 0, maxUnavailable: 1, minReady: 0}", When: "daemon"},
		},
		Examples: []string{"recreate", "{maxSurge: 1, maxUnavailable: 0}"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestDescribeIsComplete asks of every field of ours what a reader needs, and
// that its examples are valid.
func TestDescribeIsComplete(t *testing.T) {
	fields := 0
	everyView(view{shape: language().stack}, func(v view) {
		f := v.describeOne()
		if len(v.path) == 0 || f.Name == "NAME" || v.shape.value.Path().String() == "" || isRaw(v.path) {
			return
		}
		fields++
		if f.Doc == "" || !strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s has no sentence about it", f.Path)
		}
		for _, example := range f.Examples {
			n, errs := parseYAML("example", []byte(example))
			if n == nil || len(errs) > 0 {
				t.Errorf("%s: the example %s: %v", f.Path, example, errs)
				continue
			}
			c := &checker{}
			c.check(n, v.shape, nil, v.path)
			for _, err := range c.errs {
				t.Errorf("%s: the example %s: %v", f.Path, example, err)
			}
		}
	})
	if fields < 300 {
		t.Errorf("found %d fields only", fields)
	}
}

// isRaw reports whether a path leads into an object of Kubernetes.
func isRaw(path []string) bool {
	for i := range path[1:] {
		if at, ok := (view{shape: language().stack}).find(path[:i+1]); ok && at.shape.raw != "" {
			return true
		}
	}
	return false
}

// TestDefaultsAreFound expects every table of #Defaults to be shown somewhere,
// but for what Go reads.
func TestDefaultsAreFound(t *testing.T) {
	laid := make(map[string]bool)
	for _, table := range language().tables {
		laid[table.name] = true
		if _, ok := (view{shape: language().stack}).find(table.under); !ok {
			t.Errorf("@under of the table %s names no field", table.name)
		}
	}
	for _, name := range language().defaults.names {
		if !laid[name] && name != "shutdown" {
			t.Errorf("the table %s has no @under", name)
		}
	}
	for _, name := range []string{"drain", "grace"} {
		f, _ := Describe("shutdown", name)
		seconds := language().defaults.get("shutdown", name).text + "s"
		if !strings.Contains(f.Defaults[0].Value, seconds) {
			t.Errorf("the default of shutdown.%s is said to be %q, and #Defaults has %s", name, f.Defaults[0].Value, seconds)
		}
	}
}
