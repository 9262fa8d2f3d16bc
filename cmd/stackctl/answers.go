package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"stackctl.dev/stackctl/schema"
)

// answers are what a first description is made of, as they were typed.
type answers struct {
	name, image, kind, schedule, port, health, host, replicas string

	given []string // the flags that were on the command line
}

// has reports whether the command line answers a question.
func (a *answers) has(flag string) bool {
	return slices.Contains(a.given, flag) || flag == "name" && a.name != ""
}

// question is one thing a first description needs to know.
type question struct {
	flag, usage string
	text, hint  string
	required    bool
	choices     []string
	of          func(*answers) *string
	// offer is the default, and whether it makes sense to ask at all.
	offer func(*answers) (string, bool)
	// path is where the answer ends up below the app; "" is the stack's name.
	path string
}

var questions = []question{
	{
		flag: "name", usage: "`NAME` of the stack and its app (default: of the directory)", text: "name", required: true,
		hint:  "such as --name shop: lower-case letters, digits and -",
		of:    func(a *answers) *string { return &a.name },
		offer: func(*answers) (string, bool) { return directoryName(), true },
	},
	{
		flag: "image", usage: "`IMAGE` with its tag", text: "image, with its tag", required: true, path: "image",
		hint:  "such as --image ghcr.io/acme/shop:1.4.2",
		of:    func(a *answers) *string { return &a.image },
		offer: func(*answers) (string, bool) { return "", true },
	},
	{
		flag: "kind", usage: "`KIND` of the app: web, worker, job, cron, stateful or daemon\n(default: what the other answers make it)", path: "kind",
		choices: []string{"web", "worker", "job", "cron", "stateful", "daemon"},
		of:      func(a *answers) *string { return &a.kind },
		offer:   func(*answers) (string, bool) { return "", false },
	},
	{
		flag: "schedule", usage: "`CRON` line that says when it runs", path: "schedule",
		of:    func(a *answers) *string { return &a.schedule },
		offer: func(*answers) (string, bool) { return "", false },
	},
	{
		flag: "port", usage: "`PORT` the program listens on (default: none)", text: "port it listens on, empty for none", path: "port",
		of:    func(a *answers) *string { return &a.port },
		offer: func(a *answers) (string, bool) { return "", a.serves() },
	},
	{
		flag: "health", usage: "`PATH` that answers 200 when the program can work", text: "path that answers 200 when it can work, empty to only try the port", path: "health",
		of:    func(a *answers) *string { return &a.health },
		offer: func(a *answers) (string, bool) { return "", a.listens() },
	},
	{
		flag: "host", usage: "`HOST` name under which the world reaches it (default: none)", text: "host name for the world, empty for none", path: "ingress",
		of:    func(a *answers) *string { return &a.host },
		offer: func(a *answers) (string, bool) { return "", a.listens() },
	},
	{
		flag: "replicas", usage: "`N` pods (default 1, behind a host 2)", text: "how many pods", path: "replicas",
		of: func(a *answers) *string { return &a.replicas },
		offer: func(a *answers) (string, bool) {
			if a.host != "" {
				return "2", true // one is an outage with every node drain
			}
			return "1", a.serves() && a.kind != string(schema.Daemon)
		},
	},
}

// serves reports whether the app runs all the time.
func (a *answers) serves() bool {
	return a.schedule == "" && a.kind != string(schema.JobKind) && a.kind != string(schema.Cron)
}

func (a *answers) listens() bool { return a.port != "" && a.port != "0" }

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// directoryName makes a name of the one of the working directory, "" when that
// has nothing to make one of.
func directoryName() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	name := notInName.ReplaceAllString(strings.ToLower(filepath.Base(dir)), "-")
	return strings.Trim(name[:min(len(name), 52)], "-")
}

// wrong returns what is wrong with the answer to one question, as an error
// about its flag.
func (a *answers) wrong(ctx context.Context, q *question) error {
	probe := answers{name: "app", image: "example.org/app:1"}
	for _, other := range questions {
		*other.of(&probe) = *other.of(a)
		if other.flag == q.flag {
			break
		}
	}
	if a.name == "" {
		probe.name = "app"
	}
	_, err := check(ctx, probe.description(false))
	var wrong schema.Errors
	if !errors.As(err, &wrong) {
		return err
	}
	path := "apps." + probe.name + "." + q.path
	for _, one := range wrong {
		if q.path == "" && (one.Path == "name" || !strings.HasPrefix(one.Path, "apps.")) || q.path != "" && strings.HasPrefix(one.Path, path) {
			return &usageError{msg: fmt.Sprintf("--%s: %s", q.flag, one.Msg), hint: one.Hint}
		}
	}
	return nil // what several answers come to shows in the end
}

// description writes a stack in its canonical form, with the way on in
// comments.
func (a *answers) description(withSchema bool) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if withSchema {
		line("# yaml-language-server: $schema=%s", schemaFile)
	}
	line("# All fields: `stackctl explain`. What it comes to: `stackctl render`.")
	line("")
	line("name: %s", yamlText(a.name))
	line("apps:")
	line("  %s:", yamlText(a.name))
	line("    image: %s", yamlText(a.image))
	if a.kind != "" {
		line("    kind: %s", yamlText(a.kind))
	}
	if a.replicas != "" && a.replicas != "1" {
		line("    replicas: %s", yamlNumber(a.replicas))
	}
	if a.listens() {
		line("    port: %s", yamlNumber(a.port))
	}
	if a.health != "" {
		line("    health: %s", yamlText(a.health))
	}
	if a.host != "" {
		line("    ingress: %s", yamlText(a.host))
	}
	if a.schedule != "" {
		line("    schedule: %s", yamlText(a.schedule))
	}
	line("    # env: {LOG: info, DB_PASSWORD: {secret: db/password}}")
	line("    # resources: {cpu: 250m, memory: 512Mi}")
	line("")
	line("# What differs in an environment, chosen with -e; everything else is as above.")
	line("# environments:")
	line("#   dev:")
	line("#     namespace: %s-dev", a.name)
	line("#     apps: {%s: {replicas: 1}}", a.name)
	return []byte(b.String())
}

var (
	plainText   = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./@-]*(:[A-Za-z0-9_./@-]+)*$`)
	plainNumber = regexp.MustCompile(`^[0-9]+$`)
	likeBoolean = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null)$`)
)

// yamlText writes a text as YAML, in quotes where any parser could need them.
func yamlText(text string) string {
	if plainText.MatchString(text) && !likeBoolean.MatchString(text) {
		return text
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(text)
	return `"` + quoted + `"`
}

// yamlNumber writes a number, or as text what was typed instead of one, for
// the loader to refuse.
func yamlNumber(text string) string {
	if plainNumber.MatchString(text) {
		return text
	}
	return yamlText(text)
}
