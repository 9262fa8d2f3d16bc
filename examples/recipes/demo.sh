#!/usr/bin/env bash
# The story of this example on a local control plane: render, diff, apply,
# change, roll back, delete. `make demo` builds what it needs and runs it. Every
# step is checked; the first that is not what it should be ends the demo.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
export PATH="$root/bin:$PATH"
unset KUBECONFIG

cleanup() {
	status=$?
	stackctl-local down --dir "$work/plane" >/dev/null 2>&1 || true
	rm -rf "$work"
	[ $status = 0 ] || echo "demo: failed" >&2
}
trap cleanup EXIT

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold='' plain=''; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }

# run COMMAND…: shows the command and its output, keeps the output, and expects
# exit code $want (0).
run() {
	printf '$ %s\n' "$*"
	local code=0
	"$@" >"$work/out" 2>&1 || code=$?
	cat "$work/out"
	[ $code = "${want:-0}" ] || fail "exit code $code, want ${want:-0}"
}

fail() {
	echo "demo: $*" >&2
	exit 1
}

# expect TEXT: the last output contains it.
expect() { grep -qF -- "$1" "$work/out" || fail "the output does not contain: $1"; }

cp "$root/examples/recipes/stack.yaml" "$work/"
cd "$work"

say "A Kubernetes API server on this machine, with nodes that are played"
printf '$ stackctl-local up\n'
eval "$(stackctl-local up --dir "$work/plane")"

say "One short file describes both services ($(wc -l <stack.yaml) lines)"
run cat stack.yaml

say "It stands for these objects"
printf '$ stackctl render | grep -E "^kind:|^  name:"\n'
stackctl render >"$work/out"
grep -E '^kind:|^  name:' "$work/out"
expect "kind: Ingress"
expect "path: /recipes/42"

say "What would change: everything is created"
printf '$ stackctl diff | grep -v "^ "\n'
code=0
stackctl diff >"$work/out" || code=$?
[ $code = 1 ] || fail "exit code $code, want 1: there are differences"
grep -v '^ ' "$work/out"
expect "7 to create"

say "Release version 1, and say why"
run stackctl apply --yes --record
expect "revision 1"
run stackctl diff

say "Release version 2"
printf '$ sed s/recipe-api:v1/recipe-api:v2/ …\n'
sed 's/recipe-api:v1/recipe-api:v2/' "$root/examples/recipes/stack.yaml" >stack.yaml
want=1 run stackctl diff
expect "recipe-api:v2"
run stackctl apply --yes --cause "recipes in metric units"
expect "revision 2"

say "Who did what, and when"
run stackctl history
expect "recipes in metric units"

say "Back to version 1: every object of that revision"
run stackctl rollback --to 1 --yes
expect "revision 3"
printf '$ kubectl get deployment recipe-api -o jsonpath={.spec.template.spec.containers[0].image}\n'
[ "$(stackctl-local kubectl get deployment recipe-api -o 'jsonpath={.spec.template.spec.containers[0].image}')" = recipe-api:v1 ] ||
	fail "recipe-api does not run version 1"
echo recipe-api:v1
run stackctl history
expect "rollback"

say "How it is doing"
run stackctl status
expect "http://example.org/"

say "Remove it: exactly what it owns"
run stackctl delete --yes
printf '$ kubectl get deployments,services,ingresses -l stackctl.dev/stack=recipes\n'
left=$(stackctl-local kubectl get deployments,services,ingresses,poddisruptionbudgets,secrets,leases -l app.kubernetes.io/managed-by=stackctl -o name)
[ -z "$left" ] || fail "left behind: $left"
echo "nothing is left"

say "The control plane goes, too"
run stackctl-local down --dir "$work/plane"
