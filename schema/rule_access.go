package schema

import (
	"net/netip"
	"strconv"
	"strings"
)

// The rules about who may talk to whom and do what, and about patches.

func networkFits(r *review) {
	network := r.app.Network
	if network == nil {
		return
	}
	for _, side := range []struct {
		name  string
		peers []Peer
	}{{"from", network.From}, {"to", network.To}} {
		for i, peer := range side.peers {
			r.peerFits(peer, "network", side.name, "["+strconv.Itoa(i)+"]")
		}
	}
	if network.Preset == "" && network.From == nil && network.To == nil {
		r.fail("the policy says nothing", "write open, same-namespace, or {from: [web]}", "network")
	}
}

func (r *review) peerFits(peer Peer, at ...string) {
	app := r.stack.App(peer.App)
	_, wrong := netip.ParsePrefix(peer.CIDR)
	switch {
	case peer.App == "" && peer.Namespace == "" && peer.CIDR == "" && peer.PodSelector == nil && peer.NamespaceSelector == nil && peer.IPBlock == nil:
		r.fail("the peer names nobody", "write an app, namespace/NAME or a range of addresses such as 10.0.0.0/8", at...)
	case peer.CIDR != "" && wrong != nil:
		r.fail(shown(peer.CIDR)+" is no range of addresses", "write one such as 10.0.0.0/8 or fd00::/8", append(at, "cidr")...)
	case app != nil && app.IsExternal():
		r.fail(quote(peer.App)+" is a name for another host, which has no pods", "write the addresses of that host, such as 10.0.0.0/8", at...)
	case peer.App != "" && app == nil && r.stack.tree.get("apps", peer.App) == nil:
		names := r.stack.appNames()
		hint := didYouMean(peer.App, append(names, "same-namespace"))
		if hint == "" {
			hint = "the apps are " + either(names) + "; another namespace is written namespace/" + peer.App
		}
		r.fail("there is no app "+quote(peer.App), hint, at...)
	}
}

func accountFits(r *review) {
	account := r.app.Account
	if account == nil {
		return
	}
	if isFalse(account.Enabled) {
		for _, name := range []string{"name", "annotations", "rules", "token"} {
			if r.wrote("account", name) {
				r.fail("cannot stand beside enabled: false", "remove one of the two", "account", name)
			}
		}
	}
	for i := range account.Rules {
		at := []string{"account", "rules", "[" + strconv.Itoa(i) + "]"}
		rule := r.node(at...)
		if rule.get("nonResourceURLs") != nil {
			r.fail("a role of one namespace cannot allow URLs", "remove it", append(at, "nonResourceURLs")...)
			continue
		}
		for _, one := range [][2]string{
			{"apiGroups", `apiGroups: [""] is the group of pods, services, config maps and secrets`},
			{"resources", "such as resources: [pods]"},
			{"verbs", "such as verbs: [get, list, watch]"},
		} {
			if list := rule.get(one[0]); list == nil || len(list.items) == 0 {
				r.fail("the rule allows nothing without "+one[0], one[1], at...)
			}
		}
	}
}

// operations are those of a JSON patch, with the field each needs.
var operations = map[string]string{"add": "value", "replace": "value", "test": "value", "move": "from", "copy": "from", "remove": ""}

// patchesFit checks the form of patches; what they hit is known when the
// objects are.
func patchesFit(r *review) {
	for i := range r.app.Patches {
		at := []string{"patches", "[" + strconv.Itoa(i) + "]", "patch"}
		patch := r.node(at...)
		if patch == nil || r.node(at[:2]...).anyBad() {
			continue
		}
		if len(patch.items) == 0 && len(patch.names) == 0 {
			r.fail("the patch is empty", "write a part of the object, such as {spec: {revisionHistoryLimit: 3}}", at...)
		}
		for j, operation := range patch.items {
			r.operationFits(operation, append(at, "["+strconv.Itoa(j)+"]"))
		}
	}
}

func (r *review) operationFits(n *node, at []string) {
	const form = "such as {op: replace, path: /spec/replicas, value: 3}"
	op, path := n.get("op"), n.get("path")
	switch {
	case n.kind != mapKind:
		r.fail("want an operation of a JSON patch, got "+n.describe(), "write one "+form, at...)
		return
	case op == nil || path == nil:
		r.fail("an operation has op and path", "write one "+form, at...)
		return
	}
	needs, known := operations[op.text]
	switch {
	case !known || op.kind != textKind:
		hint := didYouMean(op.text, []string{"add", "copy", "move", "remove", "replace", "test"})
		if hint == "" {
			hint = "write add, copy, move, remove, replace or test"
		}
		r.fail("want an operation of a JSON patch, got "+op.describe(), hint, append(at, "op")...)
	case path.kind != textKind || !strings.HasPrefix(path.text, "/"):
		r.fail("want a path such as /spec/replicas, got "+path.describe(), "~1 stands for a / inside a key", append(at, "path")...)
	case needs != "" && n.get(needs) == nil:
		r.fail("the operation "+op.text+" needs "+needs, "write one "+form, at...)
	}
}
