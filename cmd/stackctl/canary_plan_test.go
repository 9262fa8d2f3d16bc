package main

import (
	"os"
	"slices"
)

func init() { canaryStories["a plan is kept in a file"] = aPlanIsKept }

// aPlanIsKept has plans of a stack full of canaries written to files: before it
// has a revision, after, and when others have changed what is live.
func aPlanIsKept(w *canaryWorld) {
	f, plan := w.path("stack.yaml"), w.path("plan.json")
	save := func(args ...string) {
		w.Helper()
		w.once("", 1, append([]string{"diff", "-f", f, "--out", plan}, args...)...)
		w.scan("the plan file", must(os.ReadFile(plan)), slices.Concat(hidden, literals))
		if info := must(os.Stat(plan)); info.Mode().Perm() != 0o600 {
			w.Errorf("the plan file has the mode %s", info.Mode())
		}
	}
	save()
	w.Setenv("CANARY_TOKEN", canaryEnv2)
	w.edit("secrets.yaml", canaryPlain, canaryPlain+"New")
	w.shows(w.once("stale", 3, "apply", plan), "the environment variable CANARY_TOKEN has another value", "secrets.yaml was changed")
	w.once("stale", 3, "apply", plan, "-o", "json")
	save()
	w.once("", 0, "apply", plan, "-o", "json")

	w.Setenv("CANARY_TOKEN", canaryEnv)
	w.write("secrets.yaml", canarySecrets)
	w.edit("stack.yaml", canaryLiteral, canaryLiteral+"New")
	w.kubectl("patch", "secret", "login", "-p", `{"stringData":{"plain":"`+canaryLive+`","more":"`+canaryLive+`"}}`)
	w.kubectl("set", "env", "deployment/web", "DB_PASSWORD="+canaryByHand, "OTHER_TOKEN="+canaryByHand)
	save()
	w.stackctl("conflict", 5, "apply", plan)
	save("--force-conflicts", "-o", "json")
	w.kubectl("patch", "secret", "login", "-p", `{"stringData":{"more":"`+canaryKubectl+`"}}`)
	w.shows(w.execute(true, "stale", 3, "apply", plan), "was changed since the plan was made by kubectl-patch")
	save("--force-conflicts")
	w.execute(true, "", 0, "apply", plan)
	w.cluster()
}
