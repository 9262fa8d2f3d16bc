package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// schemaPath is how a stack.cue imports the definitions of the language:
//
//	import "stackctl.dev/stack@v1"
//
//	stack.#Stack
//
// The path, without the major version, is where their text lies when it is
// vendored for other CUE tools: cue.mod/pkg/stackctl.dev/stack.
const schemaPath, schemaMajor = "stackctl.dev/stack", "v1"

// schemaPackage returns the text of the package at schemaPath, nil when this
// build has none.
var schemaPackage = CUE

// cueLoader collects the files of a description: those of its package, and
// what they import from below its directory. It is our own, since the loader
// of the cue command also knows registries and the rest of the disk.
type cueLoader struct {
	in      *input
	dir     *cueDir    // nil until another file is needed
	module  *cueModule // nil until a package is imported
	words   wordCount
	context *build.Context
	loaded  map[string]*build.Instance // by canonical import path; nil while it is being loaded
	syntax  []*ast.File                // of the user
	errs    Errors
}

// loadCUE returns the package that in is part of, ready to be evaluated.
func loadCUE(in *input) (*cueLoader, *build.Instance) {
	l := &cueLoader{in: in, loaded: map[string]*build.Instance{}}
	l.context = build.NewContext(build.Loader(l.find))
	root := l.context.NewInstance(filepath.Dir(in.file), l.find)
	l.main(root)
	if l.dir != nil {
		slices.Sort(l.dir.read)
		in.files = append(in.files, slices.Compact(l.dir.read)...)
		l.dir.close()
	}
	return l, root
}

func (l *cueLoader) fail(at Pos, msg, hint string) {
	l.errs = append(l.errs, Error{Pos: at, Msg: msg, Hint: hint})
}

// open opens the directory of the description once.
func (l *cueLoader) open() error {
	if l.dir != nil {
		return nil
	}
	dir, err := openCUEDir(l.in)
	l.dir = dir
	return err
}

// main loads the description and, if it has a package clause, the other files
// of that package, as "cue vet ." would.
func (l *cueLoader) main(root *build.Instance) {
	files := []*ast.File{l.parse(l.in.file, l.in.text)}
	// Not from files[0]: mistakes in the others are shown beside those in it.
	if name, at := packageClause(l.in.file, l.in.text); name != "" {
		if err := l.open(); err != nil {
			l.fail(at, err.Error(), "")
			return
		}
		files = append(files, l.packageFiles(".", name, at, filepath.Base(l.in.file))...)
	}
	if len(l.errs) == 0 {
		l.complete(root, files)
	}
}

// packageFiles parses the files of a package in a directory, except one.
func (l *cueLoader) packageFiles(dir, name string, at Pos, except string) []*ast.File {
	names, err := l.dir.names(dir, ".cue")
	if err != nil {
		l.fail(at, err.Error(), "")
		return nil
	}
	var files []*ast.File
	for _, file := range names {
		if file == except || strings.HasSuffix(file, "_test.cue") || strings.HasSuffix(file, "_tool.cue") {
			continue
		}
		if syntax := l.sibling(file, name, at); syntax != nil {
			files = append(files, syntax)
		}
	}
	return files
}

// sibling parses a file if it belongs to the package, nil if not.
func (l *cueLoader) sibling(file, name string, at Pos) *ast.File {
	text, ok := l.text(file, at)
	if !ok {
		return nil
	}
	shown := l.dir.shown(file)
	if its, _ := packageClause(shown, text); its != name {
		l.dir.forget(file)
		return nil
	}
	syntax := l.parse(shown, text)
	if syntax == nil || !included(syntax) {
		return nil
	}
	return syntax
}

// text reads a file below the directory of the description; at is where it is
// asked for.
func (l *cueLoader) text(file string, at Pos) ([]byte, bool) {
	text, err := l.dir.text(file)
	if err != nil {
		l.fail(at, err.Error(), "a description consists of regular files in its own directory or below it")
		return nil, false
	}
	other := &input{file: l.dir.shown(file), text: text}
	if l.dir.left < 0 {
		l.fail(at, "the files of the description are larger than 8 MiB together", "a description holds no data; put data into an image or an object of its own")
		return nil, false
	}
	if errs := other.check(); len(errs) > 0 {
		l.errs = append(l.errs, errs...)
		return nil, false
	}
	return other.text, true
}

// parse reads a file of the user, nil with errors.
func (l *cueLoader) parse(file string, text []byte) *ast.File {
	if errs := l.words.count(file, text); len(errs) > 0 {
		l.errs = append(l.errs, errs...)
		return nil
	}
	syntax, err := parser.ParseFile(file, text)
	if err != nil {
		l.errs = append(l.errs, syntaxErrors(file, text, err)...)
		return nil
	}
	for _, decl := range syntax.Decls {
		if attribute, ok := decl.(*ast.Attribute); ok && strings.HasPrefix(attribute.Text, "@extern") {
			l.fail(position(file, attribute.Pos()), "other files cannot be embedded",
				"remove "+shown(attribute.Text)+"; import a package or write the text here")
		}
	}
	l.syntax = append(l.syntax, syntax)
	return syntax
}

// complete loads what files import and makes them one package.
func (l *cueLoader) complete(inst *build.Instance, files []*ast.File) {
	before := len(l.errs)
	for _, file := range files {
		for spec := range file.ImportSpecs() {
			l.importSpec(position(l.in.file, spec.Path.Pos()), spec)
		}
	}
	if len(l.errs) > before {
		return
	}
	inst.CanonicalImportPath = l.canonical
	for _, file := range files {
		if err := inst.AddSyntax(file); err != nil {
			l.errs = append(l.errs, cueErrors(l.places(), err)...)
			return
		}
	}
	if err := inst.Complete(); err != nil {
		l.errs = append(l.errs, cueErrors(l.places(), err)...)
	}
}

// importSpec loads an imported package unless it is known already.
func (l *cueLoader) importSpec(at Pos, spec *ast.ImportSpec) {
	text, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		l.fail(at, "the import "+spec.Path.Value+" is not understood", "")
		return
	}
	id := ast.ParseImportPath(text)
	switch first, _, _ := strings.Cut(id.Path, "/"); {
	case !strings.Contains(first, "."):
		l.standard(at, id)
		return
	case first == "." || first == ".." || !filepath.IsLocal(filepath.FromSlash(id.Path)) || path.Clean(id.Path) != id.Path:
		l.fail(at, "the import "+quote(text)+" is no path of a package", "write the module's path in front, as in \"example.com/shop/lib\"; a path has no \".\" or \"..\" in it")
		return
	}
	canonical := l.canonical(text)
	if inst, ok := l.loaded[canonical]; ok {
		if inst == nil {
			l.fail(at, "the import "+quote(text)+" leads back to this package", "move what both need into a third package")
		}
		return
	}
	l.loaded[canonical] = nil
	if inst := l.imported(at, text, id); inst != nil {
		l.loaded[canonical] = inst
		return
	}
	delete(l.loaded, canonical)
}

// imported loads a package from below the directory of the description.
func (l *cueLoader) imported(at Pos, text string, id ast.ImportPath) *build.Instance {
	if id.Path == schemaPath {
		if inst, ok := l.schema(at, text, id); ok {
			return inst
		}
	}
	roots, ok := l.roots(at, text, id)
	if !ok {
		return nil
	}
	before := len(l.errs)
	var files []*ast.File
	for _, root := range roots {
		files = append(files, l.inherited(root, id.Qualifier, at)...)
	}
	switch {
	case len(l.errs) > before:
		return nil
	case len(files) == 0:
		dirs := make([]string, len(roots))
		for i, root := range roots {
			dirs[i] = l.dir.shown(root.dir)
		}
		l.fail(at, "the import "+quote(text)+" has no files", fmt.Sprintf("expected files of package %s in %s", id.Qualifier, strings.Join(dirs, ", ")))
		return nil
	}
	inst := l.context.NewInstance(roots[0].dir, l.find)
	inst.PkgName = id.Qualifier
	if id.Path == schemaPath {
		for _, file := range files {
			loosen(file)
		}
	}
	if l.complete(inst, files); len(l.errs) > before {
		return nil
	}
	return inst
}

// inherited returns the files of a package in its directory and, if there are
// any, those of the same package in the directories above it, as in all of CUE.
func (l *cueLoader) inherited(root packageRoot, name string, at Pos) []*ast.File {
	var files []*ast.File
	for dir := root.dir; ; dir = path.Dir(dir) {
		if _, err := fs.Stat(l.dir.view, dir); errors.Is(err, fs.ErrNotExist) {
			return files
		}
		found := l.packageFiles(dir, name, at, "")
		files = append(files, found...)
		if len(files) == 0 || dir == root.top || dir == "." {
			return files
		}
	}
}

// schema returns the package that stackctl brings along.
func (l *cueLoader) schema(at Pos, text string, id ast.ImportPath) (*build.Instance, bool) {
	if id.Version != "" && id.Version != schemaMajor {
		l.fail(at, "the import "+quote(text)+" is of another version", "this stackctl knows "+quote(schemaPath+"@"+schemaMajor))
		return nil, true
	}
	source := schemaPackage()
	if source == nil {
		return nil, false
	}
	file, err := parser.ParseFile(schemaPath+"@"+schemaMajor+"/stack.cue", source)
	if err != nil {
		panic(fmt.Sprintf("the schema of this build: %v", err))
	}
	loosen(file)
	inst := l.context.NewInstance(schemaPath, l.find)
	inst.PkgName = id.Qualifier
	l.complete(inst, []*ast.File{file})
	return inst, true
}

// loosen makes definitions of the schema accept anything. What they say is
// checked later and in better words: CUE answers one mistake in a value that
// has a short and a long form with an error for each form.
func loosen(file *ast.File) {
	for _, decl := range file.Decls {
		field, ok := decl.(*ast.Field)
		if !ok {
			continue
		}
		if name, _, err := ast.LabelName(field.Label); err == nil && strings.HasPrefix(name, "#") {
			// With the dots, since a definition that is only _ is closed.
			field.Value = &ast.StructLit{Elts: []ast.Decl{&ast.EmbedDecl{Expr: ast.NewIdent("_")}, &ast.Ellipsis{}}}
		}
	}
	imports := func(decl ast.Decl) bool { _, ok := decl.(*ast.ImportDecl); return ok }
	file.Decls = slices.DeleteFunc(file.Decls, imports) // nothing uses them any more
}

// find returns a package that was loaded before; nil is the standard library.
func (l *cueLoader) find(_ token.Pos, path string) *build.Instance {
	return l.loaded[l.canonical(path)]
}

// canonical returns one of the paths by which a package can be imported: no
// version, and a name only if it differs from the end of the path.
func (l *cueLoader) canonical(text string) string {
	id := ast.ParseImportPath(text)
	id.Version = ""
	return id.Canonical().String()
}

// places knows the user's files.
func (l *cueLoader) places() *places { return &places{main: l.in.file, files: l.syntax} }

// packageClause returns the name of the package of a file, "" if it has none,
// and where it says so.
func packageClause(file string, text []byte) (string, Pos) {
	if _, deep := deepAttribute(file, text); deep {
		return "", Pos{}
	}
	header, _ := parser.ParseFile(file, text, parser.PackageClauseOnly)
	for _, decl := range header.Decls {
		if clause, ok := decl.(*ast.Package); ok && clause.Name.Name != "_" {
			return clause.Name.Name, position(file, clause.Pos())
		}
	}
	return "", Pos{}
}

// included evaluates the attributes @ignore() and @if(tag) before the package
// clause. No tag is ever set.
func included(file *ast.File) bool {
	for _, decl := range file.Decls {
		switch x := decl.(type) {
		case *ast.Attribute:
			key, body := x.Split()
			if key == "ignore" {
				return false
			}
			if expr, err := parser.ParseExpr("", body); key == "if" && err == nil && !satisfied(expr) {
				return false
			}
		case *ast.Package:
			return true
		}
	}
	return true
}

// satisfied evaluates the condition of an @if while no tag is set.
func satisfied(expr ast.Expr) bool {
	switch x := expr.(type) {
	case *ast.ParenExpr:
		return satisfied(x.X)
	case *ast.UnaryExpr:
		return x.Op == token.NOT && !satisfied(x.X)
	case *ast.BinaryExpr:
		if x.Op == token.LOR {
			return satisfied(x.X) || satisfied(x.Y)
		}
		return x.Op == token.LAND && satisfied(x.X) && satisfied(x.Y)
	}
	return false
}
