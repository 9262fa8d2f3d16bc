package render_test

import (
	"context"
	"fmt"
	"strings"

	"stackctl.dev/stackctl/render"
	"stackctl.dev/stackctl/schema"
)

func ExampleRender() {
	stack, err := schema.Load(context.Background(), schema.Options{
		Filename: "-",
		Stdin:    strings.NewReader("name: shop\napps:\n  web: {image: 'web:1.0', port: 8080, replicas: 2}\n"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	objects, err := render.Render(stack, render.Options{Namespace: "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, object := range objects {
		fmt.Println(object.GetKind(), object.GetNamespace()+"/"+object.GetName())
	}
	// Output:
	// Deployment shop/web
	// Service shop/web
	// PodDisruptionBudget shop/web
}
