package render_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

// benchApps is the size of the benchmarks' stack; each app is a Deployment, a
// Service and an Ingress.
const benchApps = 1000

// describe describes n apps.
func describe(n int) string {
	var text strings.Builder
	text.WriteString("name: shop\napps:\n")
	for i := range n {
		fmt.Fprintf(&text, "  app-%d: {image: ghcr.io/acme/app:1.4.2, port: 8080, health: /healthz, replicas: 2, disruption: false, ingress: app-%d.example.org}\n", i, i)
	}
	return text.String()
}

// manyApps loads a stack of n apps.
func manyApps(t testing.TB, n int) *schema.Stack {
	t.Helper()
	stack, err := schema.Load(t.Context(), schema.Options{Filename: "-", Stdin: strings.NewReader(describe(n))})
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

// BenchmarkRender makes the objects of a large stack.
func BenchmarkRender(b *testing.B) {
	stack := manyApps(b, benchApps)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := render.Render(stack, render.Options{Namespace: "shop"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExplain finds the origin of every line of the objects of an app in a
// large stack.
func BenchmarkExplain(b *testing.B) {
	stack := manyApps(b, benchApps)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := render.ExplainApp(stack, stack.Apps[0], render.Options{Namespace: "shop"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteYAML writes the objects of a large stack.
func BenchmarkWriteYAML(b *testing.B) {
	objects, err := render.Render(manyApps(b, benchApps), render.Options{Namespace: "shop"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := objects.WriteYAML(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad reads and checks a large stack.
func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		manyApps(b, benchApps)
	}
}
