package token_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

func TestGuard(t *testing.T) {
	k := newRig(t)
	guard := token.NewGuard()
	h := http.HandlerFunc(k.serve)
	guard.Handle("GET /accounts/{id}", token.Scope("accounts"), h)
	guard.Handle("POST /echo", token.Authenticated(), h)
	guard.Public("GET /rates", h)
	trail := policyOf(audit.New(k.log))
	k.chain = trail.Wrap(k.verifier.Wrap(guard))

	t.Run("Z11 a route has its policy", func(t *testing.T) {
		k.gets("/accounts/1").ok(t)
		k.gets("/accounts/1", claim("scope", `"x"`)).refused(t, eIS, token.ErrScope)
		k.call(k.sending("POST", "/echo", "x", claim("scope", `""`))).ok(t)
		k.gets("/rates").ok(t)
	})
	t.Run("Z11 a public route outside a Verifier, and no other", func(t *testing.T) {
		bare := trail.Wrap(guard)
		for path, want := range map[string]int{"/rates": 200, "/accounts/1": 500} {
			w := httptest.NewRecorder()
			bare.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != want {
				t.Errorf("%s: %d, want %d", path, w.Code, want)
			}
		}
	})
	t.Run("404 and 405 are problems", func(t *testing.T) {
		for path, want := range map[string]int{"/nowhere": 404, "/accounts": 404, "/accounts/1/": 404, "//accounts/1": 404, "/accounts/../rates": 404, "/echo": 405} {
			a := k.gets(path)
			if a.status != want || a.ran != 0 || !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") || want == 405 && a.header.Get("Allow") != "POST" {
				t.Errorf("%s: %d, %v", path, a.status, a.header)
			}
		}
	})
	t.Run("Z11 routes are listed", func(t *testing.T) {
		want := []token.Route{{Pattern: "GET /accounts/{id}"}, {Pattern: "POST /echo"}, {Pattern: "GET /rates", Public: true}}
		got := guard.Routes()
		if !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
		got[0].Public = true
		if !slices.Equal(guard.Routes(), want) {
			t.Error("the list is the Guard's own")
		}
	})
	t.Run("Z11 the inventory", func(t *testing.T) {
		if err := guard.Check("GET /rates", "POST /echo", "GET /accounts/{id}"); err != nil {
			t.Error(err)
		}
		err := guard.Check("GET /rates", "POST /payments", "GET /accounts/{id}", "GET /old")
		if err == nil || strings.Count(err.Error(), "\n") != 2 || !strings.Contains(err.Error(), `"POST /payments" is in the inventory`) || !strings.Contains(err.Error(), `"POST /echo" is a route`) {
			t.Errorf("%v", err)
		}
	})
	for name, f := range map[string]func(){
		"no policy": func() { guard.Handle("GET /a", nil, h) }, "no handler": func() { guard.Handle("GET /b", token.Authenticated(), nil) },
		"public without handler": func() { guard.Public("GET /c", nil) }, "twice": func() { guard.Handle("GET /rates", token.Authenticated(), h) },
		"a pattern that is none": func() { guard.Handle("GET", token.Authenticated(), h) },
	} {
		n := len(guard.Routes())
		if !panics(f) || len(guard.Routes()) != n {
			t.Errorf("Z11 %s: registered", name)
		}
	}
	k.gets("/a").refused(t, shape{"404", 404, "", inNone}, audit.ErrNotFound)
}
