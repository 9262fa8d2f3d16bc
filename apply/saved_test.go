package apply

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestPlanFileIsWhatWasWritten(t *testing.T) {
	saved := &SavedPlan{
		Made:    Made{By: "Ann <ann@example.org>"},
		Shown:   canonical(&Plan{Stack: Stack{"shop", "web"}, Base: 3, Changes: []Change{{Object: ObjectKey{Kind: "Service", Name: "a"}, Action: ActionCreate}}}),
		Bound:   bound{Cluster: "c", Objects: []objectState{}},
		Execute: savedTarget{Verb: VerbApply, Objects: []map[string]any{{"n": json.Number("9007199254740993")}}, Withheld: []Withheld{}},
	}
	f := &fingerprint{key: []byte("key"), redact: &redactor{}}
	saved.Seal = saved.seal(f)
	text, err := EncodePlans([]*SavedPlan{saved})
	if err != nil {
		t.Fatal(err)
	}
	var compact, sorted bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	content, err := exactly[any](text)
	if err != nil {
		t.Fatal(err)
	}
	sorted.Write(canonical(content))
	for reason, text := range map[string][]byte{"as written": text, "compact": compact.Bytes(), "sorted": sorted.Bytes()} {
		file, err := DecodePlans(text)
		if err != nil {
			t.Errorf("%s: %v", reason, err)
			continue
		}
		if one := file.Plans[0]; one.Stack() != (Stack{"shop", "web"}) || one.shown.Base != 3 || one.seal(f) != one.Seal {
			t.Errorf("%s: it is another plan: %+v", reason, one)
		}
	}

	var wrong *PlanFileError
	for n := range len(text) - 2 { // the last two are the brace and the end of its line
		if _, err := DecodePlans(text[:n]); !errors.As(err, &wrong) && !errors.Is(err, ErrNoPlan) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	for _, edit := range [][2]string{
		{`"create"`, `"delete"`}, {`"cluster": "c"`, `"cluster": "d"`}, {`9007199254740993`, `9007199254740992`}, {`"base": 3`, `"base": 4`},
		{`"made"`, `"more": 1, "made"`}, {`"version": 1`, `"version": 0`}, {"sha256:", "sha256:0"},
	} {
		edited := strings.Replace(string(text), edit[0], edit[1], 1)
		if _, err := DecodePlans([]byte(edited)); edited == string(text) || !errors.As(err, &wrong) {
			t.Errorf("%s edited: %v", edit[0], err)
		}
	}
	if _, err := DecodePlans(append(text, "{}"...)); !errors.As(err, &wrong) {
		t.Errorf("with something after its end: %v", err)
	}
	var newer *NewerPlanError
	if _, err := DecodePlans([]byte(strings.Replace(string(text), `"version": 1`, `"version": 7`, 1))); !errors.As(err, &newer) || newer.Version != 7 {
		t.Errorf("of a newer version: %v", err)
	}
}

func TestHoldsSecret(t *testing.T) {
	known := &redactor{}
	known.add([]string{"hunter2"}, nil)
	f := &fingerprint{redact: known}
	for text, want := range map[string]bool{
		"name: shop\nimage: web:v1":                    false,
		"PASSWORD: {secret: db/password}":              false,
		"PASSWORD:\n  secret: db/password":             false,
		"secrets: {TOKEN: {fromEnv: TOKEN}}":           false,
		"secrets:\n  TOKEN:\n    fromEnv: TOKEN":       false,
		"secretName: web-tls":                          false,
		"note: the word hunter2 is known":              true,
		"DB_PASSWORD: abc":                             true,
		`"db_password": "abc"`:                         true,
		"DB_PASSWORD: {value: abc}":                    true,
		"API_TOKEN:\n  value: abc":                     true,
		"credentials:\n  PASSWORD: abc":                true,
		"DATABASE_URL: postgres://web:abc@db/shop":     true,
		"secrets: {TOKEN: {fromEnv: TOKEN}}\nDSN: abc": true,
	} {
		if got := f.holdsSecret([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestWithheldValuesComeBack takes values out of an object and puts them in
// again.
func TestWithheldValuesComeBack(t *testing.T) {
	o := &unstructured.Unstructured{}
	text := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","annotations":{"note":"it is hunter2"}},"spec":{"replicas":2,"template":{"spec":{"containers":[
		{"name":"main","args":["-p","hunter2"],"env":[{"name":"MODE","value":"dev"},{"name":"API_TOKEN","value":"abc"},{"name":"DB","value":"postgres://web:xyz@db/shop"}]}]}}}}`
	if err := o.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	r := &redactor{}
	r.add([]string{"hunter2"}, nil)
	shown, values := r.withhold(o)
	var places []string
	for _, w := range values {
		places = append(places, w.place())
	}
	const env = "spec.template.spec.containers.0.env."
	if got, want := strings.Join(places, " "), "metadata.annotations.note spec.template.spec.containers.0.args.1 "+env+"1.value "+env+"2.value"; got != want {
		t.Errorf("withheld: %s, want %s", got, want)
	}
	for _, secret := range []string{"hunter2", "abc", "xyz"} {
		if strings.Contains(string(canonical(shown)), secret) {
			t.Errorf("%s is shown: %s", secret, canonical(shown))
		}
	}
	for _, w := range values {
		if v, ok := w.In(o); !ok || !w.put(shown, v) {
			t.Errorf("%s: nothing is there", w.place())
		}
	}
	if got, want := string(canonical(shown)), string(canonical(o.Object)); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestSavedTargetIsWhole saves a target that has everything: a field that is
// forgotten would be gone when the plan is carried out.
func TestSavedTargetIsWhole(t *testing.T) {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "a"}, "data": map[string]any{"k": "dmFsdWU="}}}
	one := []ObjectPattern{{Kind: "Deployment", Name: "web"}}
	target := Target{
		Verb: VerbApply, Objects: []*unstructured.Unstructured{o}, Source: []byte("name: shop\n"), Environment: "dev",
		RollbackTo: 1, ScaledFrom: 2, DeleteData: true,
		Consent: Consent{
			Force: true, Take: []FieldPattern{{Path: "spec.replicas"}}, Yield: []FieldPattern{{Object: one[0], Path: "data"}},
			Adopt: []ObjectPattern{{}}, Recreate: one, Unpreviewed: true, Prune: []string{"Namespace"},
		},
	}
	// Labels were decided when the plan was made, and travel with what is shown.
	forLabels := []string{"Origin", "OriginOf", "Tool"}
	for _, v := range []reflect.Value{reflect.ValueOf(target), reflect.ValueOf(target.Consent)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() && !slices.Contains(forLabels, v.Type().Field(i).Name) {
				t.Errorf("%s: give %s a value here, and save and fill it", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
	e := &Engine{cluster: &cluster{redact: &redactor{}}}
	f := &fingerprint{key: []byte("key"), redact: e.cluster.redact}
	from := Description{SourceOf: func(*unstructured.Unstructured, []string) ValueSource { return ValueSource{Env: "A"} }}
	var err error
	saved := &SavedPlan{}
	if saved.Execute, err = e.saveTarget(target, from, f); err != nil {
		t.Fatal(err)
	}
	again, reasons, err := e.fill(saved, f, Sources{
		Files: func() ([]DescribedFile, error) { return nil, nil },
		Value: func(Withheld) (any, error) { return "dmFsdWU=", nil },
	})
	if err != nil || len(reasons) > 0 {
		t.Fatal(err, reasons)
	}
	if diff := cmp.Diff(target, again); diff != "" {
		t.Errorf("-saved +filled:\n%s", diff)
	}
}
