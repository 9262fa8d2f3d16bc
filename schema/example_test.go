package schema_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stackctl.dev/stackctl/schema"
)

func ExampleLoad() {
	stack, err := schema.Load(context.Background(), schema.Options{
		Filename: "-",
		Stdin: strings.NewReader(`
name: shop
apps:
  web: {image: "ghcr.io/acme/web:1.4.2", port: 8080}
environments:
  prod:
    namespace: shop
    apps: {web: {replicas: 3}}
`),
		Environment: "prod",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, app := range stack.Apps {
		fmt.Println(stack.Namespace, app.Name, app.Kind, app.Image, *app.Replicas)
		fmt.Println(stack.PosOf("apps", "web", "replicas"))
	}
	// Output:
	// shop web web ghcr.io/acme/web:1.4.2 3
	// -:8:28
}

func ExampleErrors() {
	_, err := schema.Load(context.Background(), schema.Options{
		Filename: "-",
		Stdin:    strings.NewReader("name: shop\napps:\n  web: {image: web, replcas: 3}\n"),
	})
	var errs schema.Errors
	if errors.As(err, &errs) {
		for _, one := range errs {
			fmt.Println(one)
			fmt.Println("  hint:", one.Hint)
		}
	}
	// Output:
	// -:3:16: apps.web.image: the image has no tag, so a rollback could not bring the old code back
	//   hint: write the release you mean, such as web:1.4.2; allowLatest: true on the stack or in an environment allows it
	// -:3:21: apps.web.replcas: unknown field
	//   hint: did you mean "replicas"?
}
