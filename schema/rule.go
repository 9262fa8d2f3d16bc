package schema

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// rules are what several fields must agree on. A rule about a field is left out
// for kinds of apps that do not have it, and any rule where one of the fields
// it reads was reported already: it would only repeat that. Errors about
// values that were reported are dropped anyway.
var rules = []struct {
	check func(*review)
	field string
	reads []string
}{
	{imageIsPinned, "image", nil},
	{kindFits, "kind", []string{"kind", "ports", "schedule", "volumes"}},
	{portsDiffer, "ports", nil},
	{serviceFits, "service", []string{"kind", "ports", "service", "sidecars"}},
	{ingressFits, "ingress", []string{"kind", "ports", "service"}},
	{gatewayFits, "gateway", []string{"kind", "ports", "service"}},
	{probesFit, "health", []string{"ports"}},
	{envHasSource, "env", nil},
	{secretsApart, "secrets", []string{"env", "envFrom"}},
	{updateMoves, "update", []string{"kind", "update", "volumes"}},
	{shutdownFits, "shutdown", []string{"kind", "ports", "service", "sidecars", "shutdown"}},
	{limitsCoverRequests, "resources", nil},
	{userFitsPreset, "security", nil},
	{labelsAreFree, "labels", nil},
	{autoscaleFits, "autoscale", nil},
	{scheduleRuns, "schedule", nil},
	{jobEnds, "job", nil},
	{volumesFit, "volumes", []string{"kind", "replicas", "autoscale", "job"}},
	{pathsDiffer, "files", nil},
	{filesHaveSource, "files", nil},
	{needsExist, "needs", nil},
	{containersFit, "sidecars", []string{"volumes"}},
	{networkFits, "network", nil},
	{accountFits, "account", nil},
	{patchesFit, "patches", nil},
}

// review is one app under the rules.
type review struct {
	stack *Stack
	app   *App
	errs  []Error
}

// fail reports a broken rule at a field of the app, unless that field was
// reported before.
func (r *review) fail(msg, hint string, path ...string) {
	n := r.node()
	for i, name := range path {
		if n = n.get(name); n != nil && (n.bad || i == len(path)-1 && n.anyBad()) {
			return
		}
	}
	full := append([]string{"apps", r.app.Name}, path...)
	r.errs = append(r.errs, Error{Pos: r.stack.PosOf(full...), Path: r.stack.place(full), Msg: msg, Hint: hint})
}

// place returns the path of a field of an app where it was written: in the app,
// in the defaults of the stack or in the environment in force.
func (s *Stack) place(path []string) string {
	app := s.tree.get(path[:2]...)
	last := app
	for i := 2; i <= len(path); i++ {
		if n := s.tree.get(path[:i]...); n != nil && n.at().IsValid() {
			last = n
		}
	}
	out := s.written(path)
	if last.inherited {
		out = append([]string{"defaults"}, out[2:]...)
	}
	if last.chosen && !app.chosen {
		out = append([]string{"environments", s.Environment}, out...)
	}
	return join(out...)
}

// written returns a path as the user wrote it: short where a short form was,
// and with the other spelling of a field.
func (s *Stack) written(path []string) []string {
	var out []string
	n, single := s.tree, false
	for i, name := range path {
		if n = n.get(name); n == nil {
			return append(out, path[i:]...)
		}
		if single { // the only item of a list that was written without brackets
			single = false
			continue
		}
		if n.alias != "" {
			name = n.alias
			if single = n.kind == listKind; !single { // it was moved a level down
				out = out[:len(out)-1]
			}
		}
		if out = append(out, name); n.short {
			return out
		}
	}
	return out
}

// wrote reports whether the user wrote a field, as opposed to a default.
func (r *review) wrote(path ...string) bool {
	n := r.node(path...)
	return n != nil && n.at().IsValid()
}

func (r *review) node(path ...string) *node {
	return r.stack.tree.get(append([]string{"apps", r.app.Name}, path...)...)
}

// isBad reports whether something in a field was reported already. What an app
// is for follows from other fields where it is not written.
func (r *review) isBad(field string) bool {
	if n := r.node(field); n != nil && n.anyBad() {
		return true
	}
	return field == "kind" && !r.wrote("kind") && (r.isBad("schedule") || r.isBad("volumes") || r.isBad("ports"))
}

// hasMeaning reports whether apps of this kind have a field.
func (r *review) hasMeaning(field string) bool {
	for _, one := range meaning {
		if one.field == field {
			return slices.Contains(one.kinds, r.app.Kind)
		}
	}
	return true
}

// rules applies every rule to every app, and those between apps.
func (s *Stack) rules() []Error {
	var errs []Error
	reviews := make([]review, len(s.Apps))
	Concurrently(len(s.Apps), func(i int) {
		reviews[i] = review{stack: s, app: s.Apps[i]}
		reviews[i].all()
	})
	for _, r := range reviews {
		errs = append(errs, r.errs...)
	}
	// A default of the stack is wrong once, however many apps lie over it.
	type mistake struct {
		at  Pos
		msg string
	}
	seen := make(map[mistake]bool)
	errs = slices.DeleteFunc(errs, func(e Error) bool {
		twice := seen[mistake{e.Pos, e.Msg}]
		seen[mistake{e.Pos, e.Msg}] = true
		return twice
	})
	errs = append(errs, s.routesDiffer()...)
	errs = append(errs, s.needsEnd()...)
	errs = append(errs, s.secretsDiffer()...)
	return append(errs, s.reserved()...)
}

func (r *review) all() {
	if r.app.IsExternal() && !r.isBad("service") {
		r.external()
		return
	}
	for _, rule := range rules {
		if slices.ContainsFunc(rule.reads, r.isBad) || !r.hasMeaning(rule.field) {
			continue
		}
		first := len(r.errs)
		rule.check(r)
		for i := range r.errs[first:] {
			r.blame(&r.errs[first+i], append(slices.Clone(rule.reads), rule.field))
		}
	}
}

// blame moves the error of a rule that holds without the environment to what
// the environment wrote into one of the fields that the rule reads.
func (r *review) blame(e *Error, fields []string) {
	if r.stack.Environment == "" {
		return
	}
	base := r.stack.withoutEnvironment()
	for _, app := range base.Apps {
		if app.Name != r.app.Name {
			continue
		}
		before := &review{stack: base, app: app}
		before.all()
		if slices.ContainsFunc(before.errs, func(one Error) bool { return one.Path == e.Path && one.Msg == e.Msg }) {
			return
		}
	}
	app := r.node()
	if strings.HasPrefix(e.Path, "environments.") {
		return
	}
	if n, path := app.firstChosen(fields); n != nil && !app.chosen && n.at() != e.Pos {
		e.Msg = "with this, " + e.Path + ": " + e.Msg
		e.Pos, e.Path = n.at(), join(append([]string{"environments", r.stack.Environment, "apps", r.app.Name}, path...)...)
	}
}

// withoutEnvironment returns the stack as it is when no environment is chosen.
func (s *Stack) withoutEnvironment() *Stack {
	base := &Stack{tree: inForce(s.root, "")}
	fill(base.tree)
	if base.decode(s.root) != nil {
		base.Apps = nil // what the types cannot hold has been reported
	}
	return base
}

// firstChosen returns the first value in some fields of n that the environment
// wrote, with its path.
func (n *node) firstChosen(fields []string) (*node, []string) {
	for _, name := range n.names {
		child := n.fields[name]
		if fields != nil && !slices.Contains(fields, name) || child == nil {
			continue
		}
		if found, path := child.firstChosen(nil); found != nil && !child.short {
			return found, append([]string{name}, path...)
		}
		if child.chosen {
			return child, []string{name}
		}
	}
	return nil, nil
}

// imageIsPinned refuses an image that means something else tomorrow.
func imageIsPinned(r *review) {
	if allow := r.stack.tree.get("allowLatest"); r.stack.AllowLatest || allow != nil && allow.bad {
		return
	}
	r.programs(func(p *Program, path ...string) {
		image := p.Image
		if image.Repository == "" || image.Digest != "" || image.Tag != "" && image.Tag != "latest" {
			return
		}
		msg := "the image has no tag"
		if image.Tag != "" {
			msg = "the tag latest names another image after every push"
		}
		r.fail(msg+", so a rollback could not bring the old code back",
			"write the release you mean, such as "+image.Repository+":1.4.2; allowLatest: true on the stack or in an environment allows it", append(path, "image")...)
	})
}

// programs visits the app and the containers beside it, each with its path
// below the app.
func (r *review) programs(visit func(p *Program, path ...string)) {
	visit(&r.app.Program)
	for _, part := range []struct {
		name       string
		containers map[string]Container
	}{{"init", r.app.Init}, {"sidecars", r.app.Sidecars}} {
		for _, name := range slices.Sorted(maps.Keys(part.containers)) {
			container := part.containers[name]
			visit(&container.Program, part.name, name)
		}
	}
}

// secretsDiffer refuses the same pull secret twice, which the API server would.
func (s *Stack) secretsDiffer() []Error {
	var errs []Error
	for i, name := range s.ImagePullSecrets {
		item := "[" + strconv.Itoa(i) + "]"
		if slices.Contains(s.ImagePullSecrets[:i], name) && !s.tree.get("imagePullSecrets", item).bad {
			errs = append(errs, Error{
				Pos: s.PosOf("imagePullSecrets", item), Path: join("imagePullSecrets", item), Msg: name + " is written twice", Hint: "remove one of the two",
			})
		}
	}
	return errs
}
