package apply

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func secretObject(name string, data map[string]string) *unstructured.Unstructured {
	values := map[string]any{}
	for k, v := range data {
		values[k] = v
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name, "namespace": "shop"}, "stringData": values,
	}}
}

// TestRedactFindsEveryForm: whatever way a value is written, its text is gone,
// and what stands around it is not.
func TestRedactFindsEveryForm(t *testing.T) {
	for _, value := range []string{`s3cr3t-canary`, `quote"and\slash'and <&>`, "two\nlines of a canary", "späte Grüße", "\x00\x01binary\xff\xfe", "pass word+%/?=", "sixsix"} {
		r := &redactor{}
		r.learn(secretObject("login", map[string]string{"password": value}))
		escaped, _ := json.Marshal(value)
		b64 := base64.StdEncoding.EncodeToString([]byte(value))
		for form, text := range map[string]string{
			"raw": value, "base64": b64, "base64 of base64": base64.StdEncoding.EncodeToString([]byte(b64)),
			"hex": hex.EncodeToString([]byte(value)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(value))),
			"JSON": string(escaped), "JSON without HTML": Text(value), "Go": strconv.Quote(value), "query": url.QueryEscape(value), "path": url.PathEscape(value),
			"YAML": strings.ReplaceAll(value, "'", "''"), "base64 for URLs": base64.URLEncoding.EncodeToString([]byte(value)),
		} {
			core := strings.Trim(text, `"`)
			got := r.text("before " + text + " after")
			if strings.Contains(got, core) || !strings.Contains(got, "***") || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
				t.Errorf("%q as %s: %q", value, form, got)
			}
		}
		for pad := range 3 { // inside of something longer that is base64
			blob := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", pad) + value + "tail"))
			if got := r.text(blob); !strings.Contains(got, "***") {
				t.Errorf("%q in base64 after %d bytes: %q", value, pad, got)
			}
		}
	}
}

// TestRedactLearns: the places a secret value is known from.
func TestRedactLearns(t *testing.T) {
	login := base64.StdEncoding.EncodeToString([]byte("robot:canary-registry"))
	key := "-----BEGIN PRIVATE KEY-----\ncanarycanarycanaryAAAA\ncanarycanarycanaryBBBB\n-----END PRIVATE KEY-----\n"
	applied := secretObject("old", map[string]string{"p": "canary-old"})
	text, _ := applied.MarshalJSON()
	live := secretObject("old", map[string]string{"p": "canary-new"})
	live.SetAnnotations(map[string]string{lastApplied: string(text)})
	web := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "postgres"},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": "acme/web:v1", "env": []any{
			map[string]any{"name": "DB_PASSWORD", "value": "canary-literal"}, map[string]any{"name": "GREETING", "value": "hello world"},
		}}}}}}}}
	bundle := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.org/v1", "kind": "Bundle", "metadata": map[string]any{"name": "b"},
		"spec": map[string]any{"items": []any{map[string]any{"apiVersion": "v1", "kind": "Secret", "stringData": map[string]any{"p": "canary-embedded"}}}}}}
	r := &redactor{}
	r.learn(web, live, bundle, nil, secretObject("s", map[string]string{
		"dockerconfigjson": `{"auths":{"ghcr.io":{"auth":"` + login + `"}}}`, "key": key, "user": "postgres", "short": "abc",
	}))
	for _, c := range []string{"canary-registry", login, "canarycanarycanaryBBBB", "canary-old", "canary-new", "canary-literal", "canary-embedded"} {
		if got := r.text("said " + c + " again"); strings.Contains(got, c) {
			t.Errorf("%q is not known: %q", c, got)
		}
	}
	for _, c := range []string{"hello world", "postgres", "abc", "acme/web:v1", "Deployment/postgres", "-----BEGIN PRIVATE KEY-----"} {
		if got := r.text(c); got != c {
			t.Errorf("%q became %q", c, got)
		}
	}
}

// TestRedactErrors: errors keep their class, and neither their text nor the
// parts that are shown one by one say a value.
func TestRedactErrors(t *testing.T) {
	const canary = "canary-in-an-error"
	r := &redactor{}
	r.learn(secretObject("s", map[string]string{"p": canary}))
	key := ObjectKey{Kind: "Deployment", Namespace: "shop", Name: "web"}
	for _, err := range []error{
		errors.New("denied: " + canary),
		&ConflictError{Conflicts: []Conflict{{Object: key, Path: "spec.x", Live: map[string]any{"a": []any{canary}}, Want: canary}}},
		&NotReadyError{Health: []Health{{Object: key, Message: canary, Cause: &Cause{Reason: "X", Message: canary}}}},
		&StalePlanError{Reasons: []string{canary}},
		&PanicError{Value: canary, Stack: []byte("goroutine 1: " + canary)},
		&PanicError{Value: map[string]any{"data": "unknown-" + canary}},
		&NotRecordedError{Revision: 3, Err: errors.New(canary)},
		&ForbiddenError{Err: errors.New(canary)},
		&apiError{text: canary, err: errors.New("cause")},
	} {
		for _, err := range []error{err, fmt.Errorf("apply: %w", err)} {
			clean := r.error(err)
			if !errors.Is(clean, err) {
				t.Errorf("%T is no longer in the chain", err)
			}
			if text := clean.Error(); strings.Contains(text, canary) {
				t.Errorf("%T says %s", err, text)
			}
		}
		var conflict *ConflictError
		var notReady *NotReadyError
		var stale *StalePlanError
		var defect *PanicError
		for _, part := range []any{errors.As(err, &conflict), errors.As(err, &notReady), errors.As(err, &stale), errors.As(err, &defect), conflict, notReady, stale, defect} {
			if text := fmt.Sprintf("%+v", part) + string(canonical(part)); strings.Contains(text, canary) {
				t.Errorf("a part of %T says %s", err, text)
			}
		}
	}
}

// TestMaskSecretsInside: Secrets within other objects, annotations that repeat
// an object, and logins in URLs, in whole objects and field by field.
func TestMaskSecretsInside(t *testing.T) {
	const before, after = "canary-before", "canary-after"
	object := func(v string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.org/v1", "kind": "Bundle", "metadata": map[string]any{"name": "b"},
			"spec": map[string]any{
				"template": map[string]any{"kind": "Secret", "data": map[string]any{"p": v}, "metadata": map[string]any{"annotations": map[string]any{"kapp.k14s.io/original": v}}},
				"pod":      map[string]any{"metadata": map[string]any{"annotations": map[string]any{lastApplied: v}}},
				"env":      []any{map[string]any{"name": "DATABASE_URL", "value": "postgres://web:" + v + "@db/shop"}},
			}}}
	}
	secret := func(v string) *unstructured.Unstructured {
		s := secretObject("s", nil)
		s.SetAnnotations(map[string]string{"objectset.rio.cattle.io/applied": v, "team": "blue"})
		return s
	}
	for _, pair := range [][2]*unstructured.Unstructured{{object(before), object(after)}, {secret(before), secret(after)}} {
		key := keyOf(pair[0])
		changes := diff(key, pair[0], pair[1], "")
		if len(changes) == 0 {
			t.Errorf("%s: no difference", key)
		}
		all := string(canonical(changes)) + string(canonical(maskObject(key, pair[0].Object)))
		if strings.Contains(all, "canary") {
			t.Errorf("%s: %s", key, all)
		}
		for _, c := range changes {
			if Text(c.Before) == Text(c.After) {
				t.Errorf("%s: %s does not look changed", key, c.Path)
			}
		}
	}
	if text := string(canonical(maskObject(keyOf(secret(before)), secret(before).Object))); !strings.Contains(text, "blue") {
		t.Errorf("an annotation that repeats nothing is masked: %s", text)
	}
}
