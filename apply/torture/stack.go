package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The stack of the campaigns has 25 objects of the kinds that are ready at
// once, and one Deployment. Its versions differ as the verbs need it.
const stackName = "torture"

// variant is a version of the stack.
type variant struct {
	configs  int    // ConfigMaps
	secrets  int    // Secrets
	services int    // Services without pods
	value    string // of about half of what can be set
}

// The variants that the campaigns apply.
var (
	first  = variant{configs: 13, secrets: 6, services: 4, value: "one"}
	second = variant{configs: 13, secrets: 6, services: 4, value: "two"}
	fewer  = variant{configs: 10, secrets: 4, services: 2, value: "one"} // 7 of 25 go
)

// version is one of many variants with contents of their own.
func version(n int) variant {
	return variant{configs: 5, secrets: 2, services: 1, value: fmt.Sprint("v", n)}
}

// canary is in every value of a Secret, and must be nowhere else.
const canary = "kanarienvogel-9f3a"

// write writes the variant as files of a directory.
func (v variant) write(dir string) error {
	var b strings.Builder
	object := func(kind, name, rest string) {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: %s\nmetadata: {name: %s}\n%s", kind, name, rest)
	}
	changing := func(i int) string {
		if i%2 == 0 {
			return v.value
		}
		return "always"
	}
	for i := range v.configs {
		object("ConfigMap", fmt.Sprint("config-", i), fmt.Sprintf("data: {key: %q}\n", changing(i)))
	}
	for i := range v.secrets {
		object("Secret", fmt.Sprint("login-", i), fmt.Sprintf("stringData: {password: %q}\n", canary+changing(i)))
	}
	for i := range v.services {
		object("Service", fmt.Sprint("port-", i), fmt.Sprintf("spec: {ports: [{port: %d}], selector: {app: %q}}\n", 8080+i, changing(i)))
	}
	if err := os.WriteFile(filepath.Join(dir, "objects.yaml"), []byte(b.String()), 0o600); err != nil {
		return err
	}
	stack := fmt.Sprintf("name: %s\nmanifests: [objects.yaml]\napps:\n  web: {image: example.org/web:v1, replicas: 1, port: 8080, env: {VERSION: %q}}\n", stackName, v.value)
	return os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte(stack), 0o600)
}

// dir writes the files of a variant into a new directory.
func (v variant) dir(parent, name string) (string, error) {
	dir := filepath.Join(parent, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, v.write(dir)
}
