package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// qualityIssue is one entry of a code quality report of GitLab.
type qualityIssue struct {
	Description string          `json:"description"`
	CheckName   string          `json:"check_name"`
	Fingerprint string          `json:"fingerprint"`
	Severity    string          `json:"severity"`
	Location    qualityLocation `json:"location"`
}

type qualityLocation struct {
	Path  string       `json:"path"`
	Lines qualityLines `json:"lines"`
}

type qualityLines struct {
	Begin int `json:"begin"`
}

// diffGitLab writes a code quality report, which GitLab shows at the lines of
// the description in a merge request.
func diffGitLab(w io.Writer, all []Diff, o Options) error {
	issues := []qualityIssue{}
	seen := map[string]int{}
	for _, d := range all {
		for _, f := range d.findings() {
			issue := qualityIssue{
				Description: strings.Join(cleaned(f.text), "\n"),
				CheckName:   "stackctl/" + f.check,
				Severity:    map[level]string{levelError: "critical", levelWarning: "major", levelNotice: "info"}[f.level],
				Location:    qualityLocation{Path: d.Plan.Stack.Name, Lines: qualityLines{1}},
			}
			if d.File != "" {
				issue.Location.Path = o.file(d.File)
			}
			if f.place != nil {
				issue.Location = qualityLocation{Path: o.file(f.place.File), Lines: qualityLines{max(f.place.Line, 1)}}
			}
			issue.Location.Path = Clean(issue.Location.Path)
			// What it is about and not what it says, so that GitLab knows it
			// again when a value or a time is another one.
			id := fmt.Sprintf("%s\n%s\n%s\n%s", d.Plan.Stack, f.check, f.object, f.about)
			seen[id]++
			sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d", id, seen[id]))
			issue.Fingerprint = hex.EncodeToString(sum[:16])
			issues = append(issues, issue)
		}
	}
	return WriteJSON(w, issues)
}
