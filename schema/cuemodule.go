package schema

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
)

// moduleFile says by which path the packages below the directory are imported.
const moduleFile = "cue.mod/module.cue"

// cueModule is what module.cue says.
type cueModule struct {
	path  string // such as example.com/shop
	major string // such as v0, "" if it does not say
}

// packageRoot is a directory that may hold a package. Files of the same
// package are inherited from the directories above it up to top.
type packageRoot struct{ dir, top string }

// roots returns where the files of an imported package can be: below the
// description if it is of its module, else vendored in cue.mod.
func (l *cueLoader) roots(at Pos, text string, id ast.ImportPath) ([]packageRoot, bool) {
	if !l.readModule(at, text) {
		return nil, false
	}
	rest, ours := strings.CutPrefix(id.Path, l.module.path)
	if ours && (rest == "" || rest[0] == '/') {
		if id.Version != "" && id.Version != l.module.major {
			l.fail(at, "the import "+quote(text)+" is of another major version of this module", "the module is "+quote(l.module.path+"@"+l.module.major))
			return nil, false
		}
		return []packageRoot{{path.Join(".", rest), "."}}, true
	}
	var roots []packageRoot
	for _, kind := range []string{"gen", "pkg", "usr"} {
		dir := path.Join("cue.mod", kind, id.Path)
		if _, err := fs.Stat(l.dir.view, dir); err == nil {
			roots = append(roots, packageRoot{dir, path.Join("cue.mod", kind)})
		}
	}
	if len(roots) > 0 {
		return roots, true
	}
	hint := "stackctl loads nothing from a registry: copy the package to " + l.dir.shown(path.Join("cue.mod/pkg", id.Path)) +
		", or import one below " + quote(l.module.path)
	if id.Path == schemaPath {
		hint = "this build of stackctl does not have it; " + hint
	}
	l.fail(at, "the import "+quote(text)+" is not available", hint)
	return nil, false
}

// readModule reads module.cue once. Without one nothing can be imported but
// the standard library, as in all of CUE.
func (l *cueLoader) readModule(at Pos, text string) bool {
	if l.module != nil {
		return true
	}
	if err := l.open(); err != nil {
		l.fail(at, err.Error(), "")
		return false
	}
	if _, err := fs.Stat(l.dir.view, moduleFile); errors.Is(err, fs.ErrNotExist) {
		l.fail(at, "the import "+quote(text)+" needs a module", "write "+l.dir.shown(moduleFile)+
			":\n    module: \"example.com/shop@v0\"\n    language: version: \"v0.17.0\"\n  then \"example.com/shop/lib\" is the directory lib; without one only CUE's standard library can be imported")
		return false
	}
	source, ok := l.text(moduleFile, at)
	if !ok {
		return false
	}
	name := l.dir.shown(moduleFile)
	if errs := l.words.count(name, source); len(errs) > 0 {
		l.errs = append(l.errs, errs...)
		return false
	}
	file, err := parser.ParseFile(name, source)
	if err != nil {
		l.errs = append(l.errs, syntaxErrors(name, source, err)...)
		return false
	}
	for _, decl := range file.Decls {
		field, ok := decl.(*ast.Field)
		if !ok {
			continue
		}
		label, _, _ := ast.LabelName(field.Label)
		value, ok := field.Value.(*ast.BasicLit)
		if label != "module" || !ok {
			continue
		}
		if module, err := literal.Unquote(value.Value); err == nil && module != "" {
			id := ast.ParseImportPath(module)
			l.module = &cueModule{id.Path, id.Version}
			return true
		}
	}
	l.fail(Pos{name, 1, 1}, "module is missing", "as in module: \"example.com/shop@v0\"")
	return false
}

// standardLibrary are the packages that every CUE has.
var standardLibrary = []string{
	"crypto/ed25519", "crypto/hmac", "crypto/md5", "crypto/sha1", "crypto/sha256", "crypto/sha512",
	"encoding/base64", "encoding/csv", "encoding/hex", "encoding/json", "encoding/openapi", "encoding/toml", "encoding/yaml",
	"html", "list", "math", "math/bits", "net", "path", "regexp", "strconv", "strings", "struct",
	"text/tabwriter", "text/template", "time", "uuid",
}

// standard checks the import of a package of the standard library.
func (l *cueLoader) standard(at Pos, id ast.ImportPath) {
	switch {
	case slices.Contains(standardLibrary, id.Path):
	case id.Path == "tool" || strings.HasPrefix(id.Path, "tool/"):
		l.fail(at, "the import "+quote(id.Path)+" is not supported", "a description runs nothing; only the cue command has tools")
	default:
		hint := "there are " + strings.Join(standardLibrary, ", ")
		if near := didYouMean(id.Path, standardLibrary); near != "" {
			hint = near
		}
		l.fail(at, "CUE's standard library has no "+quote(id.Path), hint)
	}
}
