package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// workload is a number of apps, each a Deployment, a Service and an Ingress, as
// every program wants it.
type workload struct {
	bench *bench
	n     int
	dir   string
}

// app describes an app for stackctl.
func app(name, tag string) string {
	return fmt.Sprintf("  %[1]s:\n    image: ghcr.io/acme/app:%[2]s\n    port: 8080\n    health: /healthz\n    replicas: 0\n    disruption: false\n    ingress: %[1]s.example.org\n", name, tag)
}

// stack describes n apps for stackctl; the first one is of another release.
func stack(name string, n int, tag string) []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "name: %s\nnamespace: bench\napps:\n", name)
	for i := range n {
		text.WriteString(app(fmt.Sprintf("app-%d", i), tag))
		tag = "1.4.2"
	}
	return text.Bytes()
}

// placeholder is an app's name in the templates of the rivals.
const placeholder = "placeholder"

// workload writes n apps for all programs.
func (b *bench) workload(n int) (*workload, error) {
	w := &workload{bench: b, n: n, dir: filepath.Join(b.dir, fmt.Sprint(n))}
	if err := w.write("stackctl/stack.yaml", stack("shop", n, "1.4.2")); err != nil {
		return nil, err
	}
	if err := w.write("template/stack.yaml", []byte("name: shop\nnamespace: bench\napps:\n"+app(placeholder, "1.4.2"))); err != nil {
		return nil, err
	}
	yaml, err := w.render("yaml")
	if err != nil {
		return nil, err
	}
	asJSON, err := w.render("json")
	if err != nil {
		return nil, err
	}
	for _, write := range []func(yaml, asJSON string) error{w.forHelm, w.forKustomize, w.forCUE} {
		if err := write(string(yaml), string(asJSON)); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// render returns the objects of the app that stands for all.
func (w *workload) render(format string) ([]byte, error) {
	cmd := exec.Command(w.bench.stackctl, "render", "-o", format, "-f", filepath.Join(w.dir, "template", "stack.yaml"))
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("render the template: %w", err)
	}
	return out, nil
}

func (w *workload) write(name string, text []byte) error {
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// forHelm writes a chart whose template is gone through for every app.
func (w *workload) forHelm(yaml, _ string) error {
	var values bytes.Buffer
	values.WriteString("apps:\n")
	for i := range w.n {
		fmt.Fprintf(&values, "- app-%d\n", i)
	}
	if err := w.write("helm/values.yaml", values.Bytes()); err != nil {
		return err
	}
	if err := w.write("helm/Chart.yaml", []byte("apiVersion: v2\nname: shop\nversion: 1.0.0\n")); err != nil {
		return err
	}
	return w.write("helm/templates/apps.yaml", []byte("{{- range .Values.apps }}\n---\n"+strings.ReplaceAll(yaml, placeholder, "{{ . }}")+"{{- end }}\n"))
}

// forKustomize writes a base with a file for each app, and a namespace to set.
func (w *workload) forKustomize(yaml, _ string) error {
	var list bytes.Buffer
	list.WriteString("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: bench\nresources:\n")
	for i := range w.n {
		name := fmt.Sprintf("app-%d", i)
		fmt.Fprintf(&list, "- %s.yaml\n", name)
		if err := w.write("kustomize/"+name+".yaml", []byte(strings.ReplaceAll(yaml, placeholder, name))); err != nil {
			return err
		}
	}
	return w.write("kustomize/kustomization.yaml", list.Bytes())
}

// forCUE writes a definition of an app's objects, and the apps.
func (w *workload) forCUE(_, asJSON string) error {
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal([]byte(asJSON), &list); err != nil {
		return err
	}
	var text bytes.Buffer
	text.WriteString("package shop\n\n#App: {\n\tname: string & =~\"^[a-z][a-z0-9-]*$\"\n\tobjects: [\n")
	for _, item := range list.Items {
		text.WriteString(strings.ReplaceAll(string(item), placeholder, `\(name)`) + ",\n")
	}
	text.WriteString("\t]\n}\n\napps: {\n")
	for i := range w.n {
		fmt.Fprintf(&text, "\t\"app-%[1]d\": #App & {name: \"app-%[1]d\"}\n", i)
	}
	text.WriteString("}\n\nobjects: [for app in apps for object in app.objects {object}]\n")
	return w.write("cue/shop.cue", text.Bytes())
}

// renderers are stackctl and those of the named rivals that are on the PATH.
func (w *workload) renderers(rivals ...string) []*contender {
	all := []*contender{{"stackctl", command{argv: []string{w.bench.stackctl, "render"}, dir: filepath.Join(w.dir, "stackctl")}}}
	commands := map[string][]string{
		"helm":      {"helm", "template", "shop", "helm"},
		"kustomize": {"kustomize", "build", "kustomize"},
		"cue":       {"cue", "export", "--out", "yaml", "-e", "objects", "./cue/shop.cue"},
	}
	for _, rival := range rivals {
		if _, err := exec.LookPath(rival); err == nil {
			all = append(all, &contender{rival, command{argv: commands[rival], dir: w.dir}})
		}
	}
	return all
}

// eachInItsFile is stackctl with a stack file for each app.
func (w *workload) eachInItsFile() (contender, error) {
	c := contender{"stackctl, a file for each", command{argv: []string{w.bench.stackctl, "render"}, dir: filepath.Join(w.dir, "files")}}
	for i := range w.n {
		name := fmt.Sprintf("stack-%d", i)
		if err := w.write("files/"+name+".yaml", stack(name, 1, "1.4.2")); err != nil {
			return c, err
		}
		c.argv = append(c.argv, "-f", name+".yaml")
	}
	return c, nil
}

// empty builds a program that links what stackctl links and does nothing.
func (b *bench) empty() (string, error) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, "./cmd/stackctl").Output()
	if err != nil {
		return "", fmt.Errorf("list the packages of stackctl: %w", err)
	}
	var text strings.Builder
	text.WriteString("package main\n\nimport (\n")
	for _, pkg := range strings.Fields(string(out)) {
		fmt.Fprintf(&text, "\t_ %q\n", pkg)
	}
	text.WriteString(")\n\nfunc main() {}\n")
	// Internal packages are open to programs beside cmd/stackctl only.
	dir, err := os.MkdirTemp("cmd", "empty-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(text.String()), 0o644); err != nil {
		return "", err
	}
	program := filepath.Join(b.dir, "empty")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./"+dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the empty program: %w\n%s", err, text)
	}
	return program, nil
}
