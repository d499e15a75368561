package floors_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

const module = "github.com/tegata-go/tegata"

// file is one parsed Go file of the module.
type file struct {
	name string // slash-separated, from the module's root
	dir  string
	test bool
	ast  *ast.File
	set  *token.FileSet
}

// at gives a position as file:line.
func (f file) at(p token.Pos) string {
	return f.set.Position(p).String()
}

// source parses all Go files of the module at fsys, in the way the go command sees them: nothing
// under testdata, a name that starts with '.' or '_', or a directory with its own go.mod.
func source(t testing.TB, fsys fs.FS) (files []file) {
	t.Helper()
	set := token.NewFileSet()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		hidden := name != "." && (base[0] == '.' || base[0] == '_')
		if d.IsDir() {
			_, nested := fs.Stat(fsys, path.Join(name, "go.mod"))
			if hidden || base == "testdata" || base == "node_modules" || name != "." && nested == nil {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, file{name: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), ast: tree, set: set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// root is the module itself.
func root(t testing.TB) fs.FS {
	t.Helper()
	fsys := os.DirFS("../..")
	text, err := fs.ReadFile(fsys, "go.mod")
	if err != nil || !strings.HasPrefix(string(text), "module "+module+"\n") {
		t.Fatalf("../.. is not the module: %v", err)
	}
	return fsys
}
