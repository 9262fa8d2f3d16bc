package main

import (
	"crypto/rand"
	"os"
	"os/user"
	"path/filepath"
	"runtime/debug"
	"strings"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/gitinfo"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

// version is set by -ldflags "-X main.version=v1.2.3".
var version string

// toolVersion is the version of this program, as far as it is known.
func toolVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// runID tells this process from all others: in the User-Agent of its requests,
// which the audit log of an API server shows, and as the holder of the lock.
var runID = rand.Text()

// signRun says on whose behalf a run is, for the record and for the lock.
func (e *env) signRun(run *apply.Run) {
	run.ID = runID
	run.Holder = e.userAtHost()
	run.Author = gitinfo.UserName(".", e.getenv)
	if run.Author == "" {
		run.Author = run.Holder
	}
	run.CI = ciURL(e.getenv)
	run.Tool = tool()
}

// signCommit says which commit the files of a run are from. A description from
// stdin is from none, and what git state cannot be read is left out of the
// record: a wrong commit is worse than none.
func signCommit(run *apply.Run, files []string) {
	info, err := gitinfo.Read(".", files)
	if err != nil || len(files) == 0 {
		return
	}
	run.Commit, run.Dirty = info.Commit, info.Dirty
}

func (e *env) userAtHost() string {
	name := e.getenv("USER")
	if name == "" {
		name = e.getenv("USERNAME")
	}
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}

// ciURL returns the address of the CI run this process is part of.
func ciURL(getenv func(string) string) string {
	if server, repo, id := getenv("GITHUB_SERVER_URL"), getenv("GITHUB_REPOSITORY"), getenv("GITHUB_RUN_ID"); server != "" && repo != "" && id != "" {
		return server + "/" + repo + "/actions/runs/" + id
	}
	for _, key := range []string{
		"CI_JOB_URL",          // GitLab
		"CIRCLE_BUILD_URL",    // CircleCI
		"BUILDKITE_BUILD_URL", // Buildkite
		"CI_PIPELINE_URL",     // Woodpecker
		"BUILD_URL",           // Jenkins
	} {
		if url := getenv(key); strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://") {
			return url
		}
	}
	return ""
}

// commandLine is the command as it was typed, quoted where a shell would need
// it, with the program's name and not its path.
func commandLine(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		if i == 0 {
			arg = strings.TrimSuffix(filepath.Base(arg), ".exe")
		}
		words[i] = quote(arg)
	}
	return strings.Join(words, " ")
}

// quote puts a word in single quotes if a shell would read it otherwise.
func quote(word string) string { return ui.Quote(word) }

// tool names this stackctl in a record.
func tool() string { return "stackctl " + toolVersion() }
