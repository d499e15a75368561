package floors_test

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// arrows say which other rooms a room's packages may import; its own, and nothing else, it always
// may. Their tests are free: they import whatever they are tested against.
var arrows = map[string][]string{
	"audit":     nil,
	"internal":  nil,
	"mtls":      {"audit", "internal"},
	"replay":    {"audit", "internal"},
	"ratelimit": {"audit", "internal"},
	"encrypt":   {"audit", "internal"},
	"token":     {"audit", "internal", "replay"},
	"examples":  {"audit", "internal", "mtls", "replay", "ratelimit", "encrypt", "token"},
}

// dependencies say where a third-party module may be imported.
var dependencies = map[string]func(f file, imported string) bool{
	"github.com/lestrrat-go/jwx/v3": func(f file, _ string) bool { return f.test || f.under("internal") || f.in("examples") },
	// ratelimit's benchmarks run against it
	"github.com/ulule/limiter/v3":        func(f file, _ string) bool { return f.in("ratelimit/limiterstore") || f.test && f.in("ratelimit") },
	"github.com/redis/go-redis/v9":       func(f file, _ string) bool { return f.test || f.under("redisstore") || f.in("examples/bank") },
	"github.com/google/go-cmp":           func(f file, _ string) bool { return f.test },
	"github.com/go-json-experiment/json": func(f file, _ string) bool { return f.test },
	"golang.org/x/crypto/ocsp":           func(f file, _ string) bool { return f.test && f.in("mtls") },
	// its expirable cache starts a goroutine that never ends
	"github.com/hashicorp/golang-lru/v2": func(_ file, imported string) bool { return !strings.HasSuffix(imported, "/expirable") },
}

// in reports whether f lies in the directory or below it.
func (f file) in(dir string) bool { return f.dir == dir || strings.HasPrefix(f.dir, dir+"/") }

// under reports whether a directory on f's path has that name.
func (f file) under(name string) bool { return slices.Contains(strings.Split(f.dir, "/"), name) }

func (f file) room() string {
	room, _, _ := strings.Cut(f.dir, "/")
	return room
}

// crossings gives the imports that the floors forbid.
func crossings(files []file) (found []string) {
	for _, f := range files {
		for _, spec := range f.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				found = append(found, f.at(spec.Pos())+": "+err.Error())
				continue
			}
			if why := crossing(f, imported); why != "" {
				found = append(found, fmt.Sprintf("%s: %s imports %s: %s", f.at(spec.Pos()), f.dir, imported, why))
			}
		}
	}
	return found
}

func crossing(f file, imported string) string {
	if below, ours := strings.CutPrefix(imported, module+"/"); ours {
		room, _, _ := strings.Cut(below, "/")
		switch {
		case room == f.room():
			return ""
		case room == "examples":
			return "nothing imports examples"
		case !f.test && !slices.Contains(arrows[f.room()], room):
			return "not on a floor below"
		}
		return ""
	}
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case imported == module:
		return "the root holds no package"
	case imported == "C":
		return "no cgo"
	case !strings.Contains(first, "."):
		return ""
	case f.room() == "audit":
		return "audit needs the standard library only"
	}
	for name, allowed := range dependencies {
		if imported == name || strings.HasPrefix(imported, name+"/") {
			if allowed(f, imported) {
				return ""
			}
			return "not here, see the table of dependencies"
		}
	}
	return "no such dependency is agreed"
}

// strangers gives what does not belong at the top level.
func strangers(t testing.TB, fsys fs.FS) (found []string) {
	t.Helper()
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		_, room := arrows[name]
		switch {
		case name[0] == '.':
		case e.IsDir() && !room:
			found = append(found, name+"/")
		case !e.IsDir() && !slices.Contains([]string{"go.mod", "go.sum", "LICENSE", "README.md"}, name):
			found = append(found, name)
		}
	}
	return found
}

func TestFloors(t *testing.T) {
	fsys := root(t)
	files := source(t, fsys)
	if !slices.ContainsFunc(files, func(f file) bool { return f.name == "audit/refusal.go" }) {
		t.Fatalf("%d files, and audit is not among them", len(files))
	}
	for _, c := range crossings(files) {
		t.Error(c)
	}
	for _, s := range strangers(t, fsys) {
		t.Errorf("%s does not belong at the top level", s)
	}
}

// samples are imports, and whether the floors forbid them.
var samples = []struct {
	file, imported string
	crosses        bool
}{
	{"audit/a.go", "net/http", false},
	{"audit/a.go", module + "/audit/audittest", false},
	{"audit/a.go", module + "/internal/uri", true},
	{"audit/a.go", module + "/token", true},
	{"audit/a_test.go", "github.com/google/go-cmp/cmp", true},
	{"mtls/a.go", module + "/audit", false},
	{"mtls/a.go", module + "/internal/uri", false},
	{"mtls/a.go", module + "/replay", true},
	{"mtls/a.go", module + "/token", true},
	{"replay/redisstore/a.go", module + "/ratelimit", true},
	{"replay/replaytest/a.go", module + "/replay", false},
	{"ratelimit/a.go", module + "/encrypt", true},
	{"encrypt/a.go", module + "/token", true},
	{"encrypt/a_test.go", module + "/token", false},
	{"token/a.go", module + "/replay", false},
	{"token/a.go", module + "/replay/redisstore", false},
	{"token/a.go", module + "/mtls", true},
	{"token/a.go", module + "/ratelimit", true},
	{"internal/jose/a.go", module + "/internal/strictjson", false},
	{"internal/jose/a.go", module + "/token", true},
	{"token/a_test.go", module + "/examples/bank", true},
	{"examples/bank/a.go", module + "/token", false},
	{"token/a.go", "github.com/lestrrat-go/jwx/v3/jwk", true},
	{"token/a_test.go", "github.com/lestrrat-go/jwx/v3/jwk", false},
	{"internal/jose/a.go", "github.com/lestrrat-go/jwx/v3/jwk", false},
	{"encrypt/internal/jwe/a.go", "github.com/lestrrat-go/jwx/v3/jwe", false},
	{"examples/bank/a.go", "github.com/lestrrat-go/jwx/v3/jwk", false},
	{"token/a_test.go", "github.com/lestrrat-go/jwx/v2/jwk", true},
	{"replay/a.go", "github.com/redis/go-redis/v9", true},
	{"replay/a_test.go", "github.com/redis/go-redis/v9", false},
	{"replay/redisstore/a.go", "github.com/redis/go-redis/v9", false},
	{"ratelimit/redisstore/a.go", "github.com/redis/go-redis/v9", false},
	{"examples/bank/a.go", "github.com/redis/go-redis/v9", false},
	{"ratelimit/a.go", "github.com/ulule/limiter/v3", true},
	{"ratelimit/a_test.go", "github.com/ulule/limiter/v3", false},
	{"token/a_test.go", "github.com/ulule/limiter/v3", true},
	{"ratelimit/limiterstore/a.go", "github.com/ulule/limiter/v3/drivers/store/memory", false},
	{"token/a.go", "github.com/hashicorp/golang-lru/v2/simplelru", false},
	{"token/a.go", "github.com/hashicorp/golang-lru/v2/expirable", true},
	{"token/a.go", "github.com/google/go-cmp/cmp", true},
	{"token/a_test.go", "github.com/google/go-cmp/cmp", false},
	{"token/a.go", "github.com/go-json-experiment/json", true},
	{"token/a_test.go", "github.com/go-json-experiment/json/jsontext", false},
	{"token/a_test.go", "example.org/unheard/of", true},
	{"token/a.go", "C", true},
	{"other/a.go", module + "/audit", true},
	{"token/testdata/a.go", module + "/mtls", false},
	{"token/_old/a.go", module + "/mtls", false},
	{"examples/frameworks/a.go", "github.com/gin-gonic/gin", false}, // its own module
}

func TestFloorsSeesCrossings(t *testing.T) {
	for _, c := range samples {
		fsys := fstest.MapFS{
			c.file:                       {Data: []byte("package a\n\nimport _ " + strconv.Quote(c.imported) + "\n")},
			"examples/frameworks/go.mod": {Data: []byte("module x\n")},
		}
		if got := crossings(source(t, fsys)); (len(got) > 0) != c.crosses || len(got) > 1 {
			t.Errorf("%s imports %s: found %q", c.file, c.imported, got)
		}
	}
}

func TestFloorsSeesStrangers(t *testing.T) {
	fsys := fstest.MapFS{"go.mod": {}, "go.sum": {}, "README.md": {}, "LICENSE": {}, ".ci/run": {}, "token/a.go": {}, "utils/a.go": {}, "a.go": {}, "Makefile": {}}
	if got := strings.Join(strangers(t, fsys), " "); got != "Makefile a.go utils/" {
		t.Errorf("found %q", got)
	}
}
