package floors_test

import (
	"fmt"
	"go/ast"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"testing/fstest"
)

// answerers of net/http send what no record tells of.
var answerers = []string{"Error", "NotFound", "NotFoundHandler", "TimeoutHandler", "MaxBytesHandler"}

// successes are net/http's names of statuses below 400.
var successes = map[string]int{
	"StatusContinue":             http.StatusContinue,
	"StatusSwitchingProtocols":   http.StatusSwitchingProtocols,
	"StatusProcessing":           http.StatusProcessing,
	"StatusEarlyHints":           http.StatusEarlyHints,
	"StatusOK":                   http.StatusOK,
	"StatusCreated":              http.StatusCreated,
	"StatusAccepted":             http.StatusAccepted,
	"StatusNonAuthoritativeInfo": http.StatusNonAuthoritativeInfo,
	"StatusNoContent":            http.StatusNoContent,
	"StatusResetContent":         http.StatusResetContent,
	"StatusPartialContent":       http.StatusPartialContent,
	"StatusMultiStatus":          http.StatusMultiStatus,
	"StatusAlreadyReported":      http.StatusAlreadyReported,
	"StatusIMUsed":               http.StatusIMUsed,
	"StatusMultipleChoices":      http.StatusMultipleChoices,
	"StatusMovedPermanently":     http.StatusMovedPermanently,
	"StatusFound":                http.StatusFound,
	"StatusSeeOther":             http.StatusSeeOther,
	"StatusNotModified":          http.StatusNotModified,
	"StatusUseProxy":             http.StatusUseProxy,
	"StatusTemporaryRedirect":    http.StatusTemporaryRedirect,
	"StatusPermanentRedirect":    http.StatusPermanentRedirect,
}

// refusers gives the places outside audit that can answer with a status of 400 or above. A status
// that is no constant may be passed on by the methods of a type that has a WriteHeader itself.
func refusers(files []file) (found []string) {
	forwards := forwarding(files)
	for _, f := range files {
		if f.test {
			continue
		}
		name, dotted := importedAs(f, "net/http")
		if dotted {
			found = append(found, f.at(f.ast.Pos())+": dot import of net/http")
		}
		for _, decl := range f.ast.Decls {
			fn, _ := decl.(*ast.FuncDecl)
			free := f.room() == "audit" || fn != nil && forwards[f.dir+"."+receiver(fn)]
			found = append(found, refusing(f, decl, name, free)...)
		}
	}
	return found
}

// refusing looks at one declaration. free allows any status that is no constant.
func refusing(f file, decl ast.Decl, pkg string, free bool) (found []string) {
	judged := map[*ast.SelectorExpr]bool{}
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "WriteHeader" || len(n.Args) != 1 {
				break
			}
			judged[s] = true
			if why := status(n.Args[0], pkg); why != "" && (why != notConstant || !free) {
				found = append(found, fmt.Sprintf("%s: WriteHeader with %s", f.at(n.Pos()), why))
			}
		case *ast.SelectorExpr:
			x, _ := n.X.(*ast.Ident)
			switch {
			case x != nil && pkg != "" && x.Name == pkg && slices.Contains(answerers, n.Sel.Name):
				found = append(found, fmt.Sprintf("%s: %s.%s", f.at(n.Pos()), x.Name, n.Sel.Name))
			case n.Sel.Name == "WriteHeader" && !judged[n]:
				found = append(found, fmt.Sprintf("%s: WriteHeader as a value", f.at(n.Pos())))
			}
		}
		return true
	})
	return found
}

const notConstant = "a status that is no constant"

// status gives what is wrong with the argument of a WriteHeader, or nothing.
func status(arg ast.Expr, pkg string) string {
	switch a := arg.(type) {
	case *ast.ParenExpr:
		return status(a.X, pkg)
	case *ast.BasicLit:
		if n, err := strconv.ParseInt(a.Value, 0, 32); err == nil && n < 400 {
			return ""
		}
		return "status " + a.Value
	case *ast.SelectorExpr:
		if x, ok := a.X.(*ast.Ident); ok && pkg != "" && x.Name == pkg {
			if _, ok := successes[a.Sel.Name]; ok {
				return ""
			}
			return "status " + a.Sel.Name
		}
	}
	return notConstant
}

// forwarding gives the types, as directory.name, that have a method WriteHeader.
func forwarding(files []file) map[string]bool {
	types := map[string]bool{}
	for _, f := range files {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Name.Name == "WriteHeader" && fn.Recv != nil && !f.test {
				types[f.dir+"."+receiver(fn)] = true
			}
		}
	}
	return types
}

// receiver gives the name of a method's type, or nothing.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) != 1 {
		return ""
	}
	typ := fn.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

// importedAs gives the name under which f knows a package, if it does.
func importedAs(f file, imported string) (name string, dotted bool) {
	for _, spec := range f.ast.Imports {
		if spec.Path.Value != strconv.Quote(imported) {
			continue
		}
		switch {
		case spec.Name == nil:
			return "http", false
		case spec.Name.Name == ".":
			return "", true
		}
		return spec.Name.Name, false
	}
	return "", false
}

func TestOneWriter(t *testing.T) {
	for _, r := range refusers(source(t, root(t))) {
		t.Error(r)
	}
}

func TestOneWriterSeesRefusers(t *testing.T) {
	const head = "package a\n\nimport \"net/http\"\n\ntype plain struct{ http.ResponseWriter }\n\n" +
		"type writer[T any] struct{ under http.ResponseWriter; status int }\n\n" +
		"func (w *writer[T]) WriteHeader(status int) { w.status = status }\n\n"
	for _, c := range []struct {
		name, file, text string
		refuses          bool
	}{
		{"literal", "token/a.go", head + "func f(w http.ResponseWriter) { w.WriteHeader(204) }", false},
		{"name", "token/a.go", head + "func f(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) }", false},
		{"literal 400", "token/a.go", head + "func f(w http.ResponseWriter) { w.WriteHeader(400) }", true},
		{"hexadecimal", "token/a.go", head + "func f(w http.ResponseWriter) { w.WriteHeader(0x191) }", true},
		{"name 401", "token/a.go", head + "func f(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }", true},
		{"variable", "token/a.go", head + "func f(w http.ResponseWriter, s int) { w.WriteHeader(s) }", true},
		{"sum", "token/a.go", head + "func f(w http.ResponseWriter) { w.WriteHeader(http.StatusOK + 201) }", true},
		{"in a literal of a function", "token/a.go", head + "var f = func(w http.ResponseWriter) { w.WriteHeader(500) }", true},
		{"forwarding", "token/a.go", head + "func (w *writer[T]) send() { w.under.WriteHeader(w.status) }", false},
		{"forwarding 500", "token/a.go", head + "func (w *writer[T]) send() { w.under.WriteHeader(500) }", true},
		{"a method of another type", "token/a.go", head + "func (w plain) send(s int) { w.WriteHeader(s) }", true},
		{"as a value", "token/a.go", head + "func f(w http.ResponseWriter) { g := w.WriteHeader; g(500) }", true},
		{"method expression", "token/a.go", head + "func f(w http.ResponseWriter) { http.ResponseWriter.WriteHeader(w, 500) }", true},
		{"http.Error", "token/a.go", head + "func f(w http.ResponseWriter) { http.Error(w, \"\", 200) }", true},
		{"http.NotFound", "token/a.go", head + "func f(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }", true},
		{"http.NotFound as a value", "token/a.go", head + "var f = http.NotFound", true},
		{"http.NotFoundHandler", "examples/bank/a.go", head + "var f = http.NotFoundHandler()", true},
		{"http.TimeoutHandler", "token/a.go", head + "var f = http.TimeoutHandler(nil, 0, \"\")", true},
		{"http.MaxBytesHandler", "token/a.go", head + "var f = http.MaxBytesHandler(nil, 0)", true},
		{"another name", "token/a.go", "package a\n\nimport h \"net/http\"\n\nvar f = h.NotFound\n", true},
		{"dot", "token/a.go", "package a\n\nimport . \"net/http\"\n\nvar f = NotFound\n", true},
		{"another package's Error", "token/a.go", "package a\n\nimport \"log\"\n\nvar f = log.Error\n", false},
		{"tests", "token/a_test.go", head + "func f(w http.ResponseWriter) { w.WriteHeader(500) }", false},
		{"audit", "audit/a.go", head + "func f(w http.ResponseWriter, s int) { w.WriteHeader(s) }", false},
		{"audit with a constant", "audit/a.go", head + "func f(w http.ResponseWriter) { w.WriteHeader(503) }", true},
		{"audit with http.Error", "audit/a.go", head + "func f(w http.ResponseWriter) { http.Error(w, \"\", 200) }", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := refusers(source(t, fstest.MapFS{c.file: {Data: []byte(c.text)}})); (len(got) > 0) != c.refuses {
				t.Errorf("found %q", got)
			}
		})
	}
}

func TestSuccessesAreNoRefusals(t *testing.T) {
	for name, code := range successes {
		if code < 100 || code >= 400 {
			t.Errorf("%s is %d", name, code)
		}
	}
}
