package apply_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stackctl.dev/stackctl/apply"
)

// app labels an object as one of an app that needs others.
func app(o *obj, name, needs string) *obj {
	labels := o.GetLabels()
	labels["app.kubernetes.io/name"] = name
	o.SetLabels(labels)
	if needs != "" {
		o.SetAnnotations(map[string]string{apply.AnnotationNeeds: needs})
	}
	return o
}

// job returns a Job whose pod does as play says ("" = succeeds); fields is the
// beginning of more of its spec.
func (s *story) job(name, image, play, fields string) *obj {
	if play != "" {
		play = fmt.Sprintf(`"local.stackctl.dev/play":%q`, play)
	}
	return s.object(fmt.Sprintf(`{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":%q},"spec":{%s"backoffLimit":0,"template":{
		"metadata":{"labels":{"stackctl.dev/stack":%q,"stackctl.dev/namespace":%q},"annotations":{%s}},
		"spec":{"restartPolicy":"Never","securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},
		"containers":[{"name":"main","image":%q,"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}}}`,
		name, fields, s.stack.Name, s.stack.Namespace, play, image))
}

// slow is a Deployment that takes a second and a half to become ready.
func (s *story) slow(name, image string) *obj {
	o := s.deployment(name, image, 1, "slow")
	set(o, "1500ms", "spec", "template", "metadata", "annotations", "local.stackctl.dev/delay")
	return o
}

// sequence records what a run does, in order, and calls then for every object
// that was applied.
func sequence(r *apply.Run, then func(apply.ObjectKey)) *strings.Builder {
	var b strings.Builder
	r.Events = func(e apply.Event) {
		switch e := e.(type) {
		case apply.Applied:
			fmt.Fprintf(&b, "%s %s\n", e.Action, e.Object.Name)
			then(e.Object)
		case apply.NeedWait:
			fmt.Fprintf(&b, "%s waits for %v\n", e.Object.Name, e.Needs)
		}
	}
	return &b
}

// TestNeedsAreWaitedFor: an object is written once what it needs is as it must
// be, even if the run does not wait for health; and again when that changes.
func TestNeedsAreWaitedFor(t *testing.T) {
	s := newStory(t)
	stack := func(version string) []*obj {
		return []*obj{
			app(s.slow("db", "db:"+version), "db", ""),
			app(s.job("migrate-"+version, "db:"+version, "", ""), "migrate", "db=healthy"),
			app(s.deployment("cache", "cache:"+version, 1, "never-ready"), "cache", ""),
			app(s.deployment("api", "api:"+version, 1, ""), "api", "cache=started,migrate=complete"),
		}
	}
	for _, version := range []string{"v1", "v2"} {
		r := run
		r.Wait = false
		said := sequence(&r, func(k apply.ObjectKey) {
			if strings.HasPrefix(k.Name, "migrate") {
				s.want("db when migrate was applied", s.kubectl("get", "deployment", "db", "-o", "jsonpath={.spec.template.spec.containers[0].image} {.status.updatedReplicas} {.status.readyReplicas} {.status.replicas}"), "db:"+version+" 1 1 1")
			}
			if k.Name == "api" {
				s.want("migrate when api was applied", s.kubectl("get", "job", "migrate-"+version, "-o", "jsonpath={.status.succeeded}"), "1")
			}
		})
		if _, err := s.engine.Apply(t.Context(), s.plan(stack(version)...), r); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(said.String(), "migrate-"+version+" waits for [db to be healthy]") {
			t.Errorf("%s said:\n%s", version, said)
		}
	}
	s.want("left to do, since nobody waited for health", actions(s.plan(stack("v2")...)), "delete Job/migrate-v1")
	// Only what changes waits, and not for what is well already.
	changed := stack("v2")
	changed[3] = app(s.deployment("api", "api:v3", 1, ""), "api", "cache=started,migrate=complete")
	r := run
	r.Wait = false
	said := sequence(&r, func(apply.ObjectKey) {})
	if _, err := s.engine.Apply(t.Context(), s.plan(append(changed, s.configMap("other", "1"))...), r); err != nil {
		t.Fatal(err)
	}
	s.want("the third run", said.String(), "create other\nupdate api\n")
}

// TestNeedsAreInTheRecord: a rollback waits as the apply did, and a delete goes
// the other way round.
func TestNeedsAreInTheRecord(t *testing.T) {
	s := newStory(t)
	stack := func(version string) []*obj {
		return []*obj{
			app(s.deployment("api", "api:"+version, 1, ""), "api", "db=healthy"),
			app(s.slow("db", "db:"+version), "db", ""),
			app(s.deployment("entry", "entry:"+version, 1, ""), "entry", "api=healthy"),
		}
	}
	s.apply(stack("v1")...)
	s.apply(stack("v2")...)
	rev, err := s.engine.Revision(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbRollback, Objects: rev.Objects, RollbackTo: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.kubectl("annotate", "deployment", "api", "harmless=yes") // so that it is planned once more
	r := run
	said := sequence(&r, func(apply.ObjectKey) {})
	if _, err := s.engine.Apply(t.Context(), p, r); err != nil {
		t.Fatal(err)
	}
	s.want("rollback", said.String(), `update db
api waits for [db to be healthy]
entry waits for [api to be healthy]
update api
update entry
`)
	p, err = s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbDelete})
	if err != nil {
		t.Fatal(err)
	}
	s.want("delete", actions(p), "delete Deployment/entry\ndelete Deployment/api\ndelete Deployment/db")
	s.apply(app(s.deployment("web", "web:v1", 1, ""), "web", "db=healthy"), stack("v1")[1])
	p, err = s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbDelete})
	if err != nil {
		t.Fatal(err)
	}
	s.want("delete, where names are the other way round", actions(p), "delete Deployment/web\ndelete Deployment/db")
}

// TestWhatIsNeededFails: the run ends as soon as that is certain, or in time,
// and says who waited for what.
func TestWhatIsNeededFails(t *testing.T) {
	for _, c := range []struct {
		play, needs string
		timeout     time.Duration
		want        string
	}{
		{"image-missing", "db=healthy", 0, "not applied: waits for db to be healthy"},
		{"fail", "db=complete", 0, "not applied: waits for db to be complete"},
		{"never-ready", "db=healthy", 2 * time.Second, "not applied: waits for db to be healthy"},
	} {
		t.Run(c.play, func(t *testing.T) {
			s := newStory(t)
			db := s.deployment("db", "db:v1", 1, c.play)
			if c.play == "fail" {
				db = s.job("db", "db:v1", c.play, "")
			}
			r := run
			r.Wait = false
			if c.timeout > 0 {
				r.Timeout = c.timeout
			}
			_, err := s.engine.Apply(t.Context(), s.plan(app(db, "db", ""), app(s.deployment("web", "web:v1", 1, ""), "web", c.needs)), r)
			var bad *apply.NotReadyError
			if !errors.As(err, &bad) || bad.Timeout != c.timeout || len(bad.Health) != 2 {
				t.Fatalf("apply: %#v %v", bad, err)
			}
			s.want("of the needed", bad.Health[0].Object.Name, "db")
			s.want("of the other", bad.Health[1].Object.Name+" "+bad.Health[1].Message, "web "+c.want)
			s.want("applied", s.kubectl("get", "deployment", "web", "--ignore-not-found", "-o", "name"), "")
			s.want("history", s.history(), "1 failed")
		})
	}
}

// TestNeedsThatCannotBeMet are errors of the plan.
func TestNeedsThatCannotBeMet(t *testing.T) {
	s := newStory(t)
	web := func(needs string) *obj { return app(s.deployment("web", "web:v1", 1, ""), "web", needs) }
	db := func(needs string) *obj { return app(s.deployment("db", "db:v1", 1, ""), "db", needs) }
	route := app(s.object(`{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"route"},"spec":{"defaultBackend":{"service":{"name":"web","port":{"number":80}}}}}`), "route", "")
	name := "Deployment/" + s.stack.Namespace
	for _, c := range []struct {
		objects []*obj
		want    string
	}{
		{[]*obj{web("db=ready"), db("")}, name + `/web: annotation stackctl.dev/needs: "db=ready" is not app=started, app=healthy or app=complete`},
		{[]*obj{web("dbb=healthy"), db("")}, name + "/web: needs dbb to be healthy, but nothing in the stack has the label app.kubernetes.io/name=dbb"},
		{[]*obj{web("db=complete"), db("")}, name + "/web: needs db to be complete, but only a Job can be, and db has none"},
		{[]*obj{web("route=started"), route}, name + "/web: needs route to be started, but route has no workload that can be applied before it"},
		{[]*obj{web("web=healthy")}, name + "/web needs " + name + "/web: they would wait for each other for ever"},
		{[]*obj{web("db=healthy"), db("cache=started"), app(s.deployment("cache", "c:v1", 1, ""), "cache", "web=started")},
			name + "/cache needs " + name + "/web needs " + name + "/db needs " + name + "/cache: they would wait for each other for ever"},
	} {
		_, err := s.engine.Plan(t.Context(), apply.Target{Verb: apply.VerbApply, Objects: c.objects})
		s.want("error", fmt.Sprint(err), c.want)
	}
}
