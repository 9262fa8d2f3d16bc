package apply

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestErrorsLeaveRedacted: every method of the engine that may end with an
// error begins with seeing to it that the error says nothing secret.
func TestErrorsLeaveRedacted(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() || !isEngine(f.Recv) || f.Type.Results == nil {
				continue
			}
			results := f.Type.Results.List
			last, _ := results[len(results)-1].Type.(*ast.Ident)
			if last == nil || last.Name != "error" {
				continue
			}
			found++
			if first, ok := f.Body.List[0].(*ast.DeferStmt); !ok || calledName(first.Call) != "leaving" {
				t.Errorf("%s: (*Engine).%s does not begin with `defer e.cluster.redact.leaving(&err)`", path, f.Name.Name)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d methods were found", found)
	}
}

func isEngine(recv *ast.FieldList) bool {
	if recv == nil {
		return false
	}
	star, _ := recv.List[0].Type.(*ast.StarExpr)
	if star == nil {
		return false
	}
	name, _ := star.X.(*ast.Ident)
	return name != nil && name.Name == "Engine"
}

func calledName(call *ast.CallExpr) string {
	if s, ok := call.Fun.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return ""
}
