package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/schema"
)

func TestExitCode(t *testing.T) {
	interrupted := &apply.InterruptedError{Revision: 3, Err: context.Canceled}
	for _, c := range []struct {
		reason string
		err    error
		signal syscall.Signal
		want   int
	}{
		{"done", nil, 0, 0},
		{"done although interrupted: it was too late", nil, syscall.SIGINT, 0},
		{"a diff that is not empty", errDifferent, 0, 1},
		{"a flag", &usageError{msg: "unknown flag"}, 0, 2},
		{"a description", schema.Errors{{Msg: "unknown field"}}, 0, 2},
		{"a run that failed", errors.New("apply Deployment/shop/web: denied"), 0, 3},
		{"a stale plan", &apply.StalePlanError{}, 0, 3},
		{"the answer was no", errDeclined, 0, 3},
		{"a guard", &apply.PruneError{Deletes: 9, Inventory: 10}, 0, 3},
		{"a defect", &apply.PanicError{Value: "x"}, 0, 3},
		{"no such stack", apply.ErrNoStack, 0, 3},
		{"the lock was lost", &apply.LockLostError{}, 0, 3},
		{"the cluster does not answer", &clusterError{msg: "cannot reach", err: context.DeadlineExceeded}, 0, 3},
		{"locked", &apply.LockedError{}, 0, 4},
		{"conflicts", &apply.ConflictError{}, 0, 5},
		{"not ready in time", &apply.NotReadyError{}, 0, 6},
		{"a status that is not ready", errNotReady, 0, 6},
		{"not recorded", &apply.NotRecordedError{Err: context.Canceled}, 0, 7},
		{"not recorded, since it was interrupted", &apply.NotRecordedError{Err: context.Canceled}, syscall.SIGINT, 7},
		{"a forbidden read", &apply.ForbiddenError{Err: errors.New("forbidden")}, 0, 8},
		{"interrupted", interrupted, syscall.SIGINT, 130},
		{"terminated", interrupted, syscall.SIGTERM, 143},
		{"interrupted while reading", context.Canceled, syscall.SIGINT, 130},
		{"a context that ended for another reason", context.Canceled, 0, 3},
	} {
		err := c.err
		if err != nil {
			err = &stackError{err: fmt.Errorf("wrapped: %w", err)}
		}
		if got := exitCode(err, int(c.signal)); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.reason, got, c.want)
		}
	}
}

func TestExplainKeepsTheClass(t *testing.T) {
	conn := &connection{config: &rest.Config{Host: "https://127.0.0.1:1"}, context: "dev"}
	refused := &url.Error{Op: "Get", URL: "https://127.0.0.1:1/api", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		reason string
		err    error
		want   int
	}{
		{"a forbidden read stays one", &apply.ForbiddenError{Err: errors.New("forbidden")}, 8},
		{"not recorded because the network went away is not recorded", &apply.NotRecordedError{Revision: 2, Err: refused}, 7},
		{"no connection", fmt.Errorf("read objects: %w", refused), 3},
	} {
		if got := exitCode(conn.explain(c.err), 0); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.reason, got, c.want)
		}
	}
	got := conn.explain(fmt.Errorf("read objects: %w", refused)).Error()
	if want := "cannot reach the cluster of context dev at https://127.0.0.1:1: connection refused"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	lost := &apply.NotRecordedError{Revision: 2, Err: refused}
	if got := conn.explain(lost); got != error(lost) {
		t.Errorf("what was done is hidden behind how it ended: %v", got)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"apply", "delete", "diff", "history", "rollback", "status", "validate"}
	for typed, want := range map[string]string{
		"aply": "apply", "appyl": "apply", "dif": "diff", "valid": "validate", "rolback": "rollback",
		"hist": "history", "xyzzy": "", "deploy": "apply", "s": "", "run": "",
	} {
		if got := nearest(typed, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", typed, got, want)
		}
	}
}

func TestCommandLine(t *testing.T) {
	got := commandLine([]string{"/usr/local/bin/stackctl", "apply", "--record", "--cause=it's v2", "-f", "a b.yaml", ""})
	if want := `stackctl apply --record '--cause=it'\''s v2' -f 'a b.yaml' ''`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCIURL(t *testing.T) {
	for _, c := range []struct {
		reason string
		env    map[string]string
		want   string
	}{
		{"nowhere", nil, ""},
		{"GitHub", map[string]string{"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"}, "https://github.com/a/b/actions/runs/7"},
		{"half of GitHub", map[string]string{"GITHUB_SERVER_URL": "https://github.com"}, ""},
		{"GitLab", map[string]string{"CI_JOB_URL": "https://gitlab.example/a/-/jobs/1"}, "https://gitlab.example/a/-/jobs/1"},
		{"Jenkins", map[string]string{"BUILD_URL": "https://ci.example/job/1/"}, "https://ci.example/job/1/"},
		{"no address", map[string]string{"BUILD_URL": "javascript:alert(1)"}, ""},
	} {
		if got := ciURL(func(key string) string { return c.env[key] }); got != c.want {
			t.Errorf("%s: got %q, want %q", c.reason, got, c.want)
		}
	}
}
