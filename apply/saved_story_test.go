package apply_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"stackctl.dev/stackctl/apply"
)

// A saved plan of these stories has its secret values in a map, by where they
// are, as a description has them in the environment and in files.
type kept map[string]string

func (k kept) sources() apply.Sources {
	return apply.Sources{
		Files: func() ([]apply.DescribedFile, error) { return nil, nil },
		Value: func(w apply.Withheld) (any, error) {
			if v, ok := k[w.Source.Env]; ok {
				return v, nil
			}
			return nil, fmt.Errorf("%s is not set", w.Source)
		},
	}
}

// save plans, and returns the plan as it is read from a file.
func (s *story) save(k kept, allowPrune int, objects ...*obj) *apply.SavedPlan {
	s.Helper()
	from := apply.Description{SourceOf: func(o *obj, path []string) apply.ValueSource {
		v := any(o.Object)
		for _, step := range path {
			v = v.(map[string]any)[step]
		}
		name := o.GetName() + "." + path[len(path)-1]
		k[name] = v.(string)
		return apply.ValueSource{Env: name}
	}}
	saved, err := s.engine.Save(s.Context(), s.plan(objects...), from, allowPrune, apply.Made{By: "ada"})
	if err != nil {
		s.Fatal(err)
	}
	text, err := apply.EncodePlans([]*apply.SavedPlan{saved})
	if err != nil {
		s.Fatal(err)
	}
	for _, v := range k {
		if strings.Contains(string(text), v) || strings.Contains(string(text), base64.StdEncoding.EncodeToString([]byte(v))) {
			s.Errorf("%q is in the plan file:\n%s", v, text)
		}
	}
	file, err := apply.DecodePlans(text)
	if err != nil {
		s.Fatal(err)
	}
	return file.Plans[0]
}

// restore makes a plan of a saved one, which must hold.
func (s *story) restore(saved *apply.SavedPlan, k kept) *apply.Plan {
	s.Helper()
	p, err := s.engine.Restore(s.Context(), saved, k.sources())
	if err != nil {
		s.Fatalf("restore: %v", err)
	}
	return p
}

// stale tries a saved plan, which must be refused for a reason before anything
// is written.
func (s *story) stale(saved *apply.SavedPlan, k kept, reason string) {
	s.Helper()
	versions := s.versions()
	before := s.writes()
	_, err := s.engine.Restore(s.Context(), saved, k.sources())
	var stale *apply.StalePlanError
	if !errors.As(err, &stale) || !regexp.MustCompile(reason).MatchString(err.Error()) {
		s.Errorf("it should be stale because of %q: %v", reason, err)
	}
	if n := s.writes() - before; n != 0 {
		s.Errorf("the stale plan made %d writing requests", n)
	}
	s.want("resource versions", s.versions(), versions)
}

// versions are those of all that a run writes.
func (s *story) versions() string {
	s.Helper()
	return s.kubectl("get", "configmap,secret,service,serviceaccount,lease", "-o", `jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`) +
		s.kubectl("get", "deployment", "-o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.generation}{"\n"}{end}`)
}

// TestSavedPlan carries out what was saved while what does not matter changes,
// and refuses once anything else does.
func TestSavedPlan(t *testing.T) {
	s := newStory(t)
	web := func(v string) *obj {
		o := s.deployment("web", "web:"+v, 1, "")
		delete(o.Object["spec"].(map[string]any), "replicas") // an autoscaler decides
		return o
	}
	first := []*obj{web("v1"), s.service("web", 80), s.configMap("settings", "a"), s.configMap("old", "a"), s.secret("login", "hunter2")}
	k := kept{}
	saved := s.save(k, 0, first...)
	k["login.password"] = "hunter3"
	s.stale(saved, k, `stringData\.password of Secret/.*/login: the environment variable login\.password has another value`)
	delete(k, "login.password")
	s.stale(saved, k, "the environment variable login.password is not set")
	k["login.password"] = "hunter2"
	if r, err := s.engine.Apply(t.Context(), s.restore(saved, k), run); err != nil || r.Changes.Created != 5 {
		t.Fatalf("%+v, %v", r, err)
	}

	// What moves by itself: pods, statuses, the work of Kubernetes' controllers.
	k = kept{}
	saved = s.save(k, 0, web("v2"), s.service("web", 80), s.configMap("settings", "a"), s.configMap("new", "b"), s.secret("login", "second"))
	s.want("digest of a value in the file", fmt.Sprint(strings.Contains(saved.Execute.Withheld[0].Digest, "argon2id")), "false")
	s.kubectl("delete", "pod", "--all")
	s.kubectl("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", `{"status":{"availableReplicas":0}}`)
	s.kubectl("patch", "deployment", "web", "--subresource=scale", "--field-manager=kube-controller-manager", "--type=merge", "-p", `{"spec":{"replicas":2}}`)
	plan := s.restore(saved, k)
	s.want("plan", actions(plan), `create ConfigMap/new
update Secret/login
  set data.password
update Deployment/web
  set spec.template.spec.containers[name="main"].image
delete ConfigMap/old`)

	// What somebody does, on objects that the plan leaves as they are too.
	for _, d := range []struct {
		args   string
		reason string
	}{
		{"annotate configmap settings note=mine", `ConfigMap/.*/settings was changed since the plan was made by kubectl-annotate`},
		{"set image deployment/web main=web:hack", `Deployment/.*/web was changed since the plan was made by kubectl-set \(spec\.template\.spec\.containers\[name="main"\]\.image\)`},
		{"delete service web", `Service/.*/web was deleted since the plan was made`},
		{"create configmap new", `ConfigMap/.*/new was made by somebody else since the plan was made`},
		{"label secret login by=hand", `Secret/.*/login was changed since the plan was made by kubectl-label`},
		{"delete configmap old", `ConfigMap/.*/old was deleted since the plan was made`},
	} {
		s.kubectl(strings.Fields(d.args)...)
		s.stale(saved, k, d.reason)
	}
	// The plan that held before is as stale: under the lock all is read again.
	before := s.writes()
	var stale *apply.StalePlanError
	if r, err := s.engine.Apply(t.Context(), plan, run); !errors.As(err, &stale) || r.Revision != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if n := s.writes() - before; n > 3 { // the lock, and its release
		t.Errorf("the stale plan made %d writing requests", n)
	}

	s.applyWith(apply.Consent{Force: true, Adopt: []apply.ObjectPattern{{}}}, first...)
	s.stale(saved, k, "it was made when revision 1 was the newest, and revision 2 was recorded since")
	s.want("history", s.history(), "1 superseded, 2 deployed")
}

// TestSavedPlanIsOfOnePlace is bound to a cluster, a stack, and who may read its
// records.
func TestSavedPlanIsOfOnePlace(t *testing.T) {
	s := newStory(t)
	s.apply(s.configMap("a", "1"), s.secret("login", "hunter2"))
	k := kept{}
	next := []*obj{s.configMap("a", "2"), s.secret("login", "hunter2")}
	saved := s.save(k, 0, next...)
	saved.Bound.Cluster = "00000000-0000-0000-0000-000000000000"
	s.stale(saved, k, `it was made for the cluster 00000000-.*, and this is `)

	saved = s.save(k, 0, next...)
	saved.Execute.AllowPrune = 99 // the digest of a file can be made anew, the seal cannot
	var forged *apply.PlanFileError
	if _, err := s.engine.Restore(t.Context(), saved, k.sources()); !errors.As(err, &forged) {
		t.Errorf("a forged plan: %v", err)
	}
	saved = s.save(k, 0, next...)
	saved.Bound.Record, saved.Seal, saved.Bound.Salt = "", "", []byte("0123456789abcdef")
	s.stale(saved, k, "were made anew since") // as if it were from before the first revision

	saved = s.save(k, 0, next...)
	other := *s
	other.stack.Name = "other"
	other.engine = other.newEngine(apply.Options{})
	if _, err := other.engine.Restore(t.Context(), saved, k.sources()); err == nil || !strings.Contains(err.Error(), "the plan is for stack "+s.stack.String()) {
		t.Errorf("in another stack: %v", err)
	}
	s.delete(false)
	s.apply(s.configMap("a", "1"), s.secret("login", "hunter2")) // revision 1 of another life
	s.stale(saved, k, "the records of .* were made anew since")
}
