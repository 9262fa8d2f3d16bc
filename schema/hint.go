package schema

import (
	"regexp"
	"strconv"
	"strings"
)

// quote returns a text in quotes, cut when it is long.
func quote(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:57]) + "..."
	}
	return strconv.Quote(text)
}

// shown returns a text without quotes, unless it needs them.
func shown(text string) string {
	if isPlain(text) && len(text) <= 60 {
		return text
	}
	return quote(text)
}

// nearest returns the choice that differs least from a typo, "" when none is
// near: at most a third of its letters may differ.
func nearest(typo string, choices []string) string {
	best, least := "", max(1, len(typo)/3)
	for _, choice := range choices {
		if strings.EqualFold(typo, choice) {
			return choice
		}
		if d := distance(strings.ToLower(typo), strings.ToLower(choice)); d <= least && d < len(choice) && (best == "" || d < least) {
			best, least = choice, d
		}
	}
	return best
}

// synonyms are names that other tools have for a field.
var synonyms = map[string]string{
	"cmd": "args", "entrypoint": "command", "workingdir": "workdir", "working_dir": "workdir",
	"environment": "env", "enviroment": "env", "variables": "env", "vars": "env", "env_file": "envFrom",
	"containerport": "port", "expose": "service", "host": "ingress", "hosts": "ingress", "domain": "ingress",
	"healthcheck": "health", "probe": "health", "probes": "health", "livenessprobe": "health", "readinessprobe": "health",
	"replicacount": "replicas", "scale": "replicas", "instances": "replicas", "count": "replicas",
	"cpu": "resources", "memory": "resources", "limits": "resources", "requests": "resources",
	"strategy": "update", "rollout": "update", "stop_grace_period": "shutdown",
	"securitycontext": "security", "user": "security", "affinity": "spread", "pdb": "disruption",
	"services": "apps", "components": "apps", "containers": "apps", "profiles": "environments", "version": "schema",
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour to make b of a.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

var (
	notName   = regexp.MustCompile(`[^a-z0-9]+`)
	byteUnits = regexp.MustCompile(`^([0-9]+) ?([mgk]?)(i?)b?$`)
)

// repaired guesses what was meant by a text that breaks the constraint s, ""
// when no guess satisfies it.
func (c *checker) repaired(s *shape, text string) string {
	var guesses []string
	if m := byteUnits.FindStringSubmatch(strings.ToLower(text)); m != nil {
		unit := strings.ToUpper(m[2])
		if unit == "" {
			unit = "M"
		}
		guesses = append(guesses, m[1]+unit+"i") // 512mb is meant as 512Mi
	}
	name := strings.Trim(notName.ReplaceAllString(strings.ToLower(text), "-"), "-")
	if len(name) > 52 {
		name = strings.TrimRight(name[:52], "-")
	}
	guesses = append(guesses, "/"+text, name)
	for _, guess := range guesses {
		if guess != text && c.fits(s, guess) {
			return guess
		}
	}
	return ""
}
