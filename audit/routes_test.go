package audit_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
)

// patterns of a mux that has everything a mux can have.
var patterns = []string{
	"GET /accounts", "POST /accounts", "GET /accounts/{id}", "/tree/", "GET /tree/leaf", "/exact/{$}", "/files/{path...}",
	"GET /a/{b}/c/", "api.example/host/", "DELETE /accounts/{id}/x/{y}", "/moved", "CONNECT /tunnel",
}

// marked registers on each pattern a handler that says which it is.
func marked() *http.ServeMux {
	mux := http.NewServeMux()
	for _, p := range patterns {
		if p == "/moved" {
			mux.Handle(p, http.RedirectHandler("/accounts", http.StatusMovedPermanently))
			continue
		}
		mux.HandleFunc(p, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Handler", r.Pattern)
			_, _ = io.WriteString(w, r.PathValue("id")+r.PathValue("path"))
		})
	}
	return mux
}

var everything = marked()

func TestNotFound(t *testing.T) {
	s := &spy{}
	overBoth(t, trail(t, s).Wrap(audit.NotFound(marked())), func(t *testing.T, client *http.Client, url string) {
		for _, c := range []struct {
			method, path string
			status       int
			allow, body  string
			reason       any
			route        string
		}{
			{"GET", "/accounts", 200, "", "", nil, "GET /accounts"},
			{"GET", "/accounts/7", 200, "", "7", nil, "GET /accounts/{id}"},
			{"GET", "/files/a/b%2Fc", 200, "", "a/b/c", nil, "/files/{path...}"},
			{"GET", "/files/", 200, "", "", nil, "/files/{path...}"},
			{"GET", "/tree/", 200, "", "", nil, "/tree/"},
			{"GET", "/tree/x/y/z", 200, "", "", nil, "/tree/"},
			{"GET", "/exact/", 200, "", "", nil, "/exact/{$}"},
			{"GET", "/moved", 301, "", "", nil, "/moved"},
			{"GET", "/SECRET", 404, "", "", "audit: not found", ""},
			{"GET", "/", 404, "", "", "audit: not found", ""},
			{"GET", "/exact/SECRET", 404, "", "", "audit: not found", ""},
			{"PUT", "/accounts", 405, "GET, HEAD, POST", "", "audit: method not allowed", ""},
			{"DELETE", "/accounts/SECRET", 405, "GET, HEAD", "", "audit: method not allowed", ""},
			// what the mux would redirect
			{"GET", "/tree", 404, "", "", "audit: not found", ""},
			{"GET", "/exact", 404, "", "", "audit: not found", ""},
			{"GET", "/files", 404, "", "", "audit: not found", ""},
			{"GET", "/a/SECRET/c", 404, "", "", "audit: not found", ""},
			{"GET", "//accounts", 404, "", "", "audit: not found", ""},
			{"GET", "/x/../accounts", 404, "", "", "audit: not found", ""},
			{"GET", "/accounts/./SECRET", 404, "", "", "audit: not found", ""},
			{"GET", "/tree//SECRET", 404, "", "", "audit: not found", ""},
		} {
			t.Run(c.method+" "+c.path, func(t *testing.T) {
				a := do(t, client, c.method, url+c.path+"?q=SECRET")
				if c.status >= 400 {
					a.isProblem(t, c.status)
				} else if a.err != nil || a.StatusCode != c.status || c.status == 200 && a.body != c.body {
					t.Errorf("%+v", a)
				}
				if got := a.Header.Get("Allow"); got != c.allow {
					t.Errorf("Allow %q, want %q", got, c.allow)
				}
				l := s.one(t)
				l.has(t, line{"reason": c.reason, "route": c.route, "status": int64(c.status)})
				if text := fmt.Sprint(l, a.Header, a.body); strings.Contains(text, "SECRET") {
					t.Errorf("reflected: %s", text)
				}
			})
		}
	})
}

func TestNotFoundIsNeverWaived(t *testing.T) {
	s := &spy{}
	w := httptest.NewRecorder()
	l := trail(t, s, func(c *audit.Config) { c.Waive = func(*http.Request, *audit.Refusal) bool { return true } })
	l.Wrap(audit.NotFound(marked())).ServeHTTP(w, httptest.NewRequest("GET", "/nothing", nil))
	if w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
}

// lawful demands that NotFound differs from the mux only where the mux itself answers, and there
// with the same judgement.
func lawful(t *testing.T, method, host, path string) {
	u, err := url.Parse(path)
	if err != nil || u.Host != "" {
		return
	}
	ask := func(h http.Handler) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, &http.Request{Method: method, URL: u, Host: host, RequestURI: path, Header: http.Header{}, ProtoMajor: 1, ProtoMinor: 1})
		return w
	}
	mux := everything
	theirs, ours := ask(mux), ask(audit.NotFound(mux))
	if handler := theirs.Header().Get("X-Handler"); handler != "" || theirs.Code == 301 && u.EscapedPath() == "/moved" && method != "CONNECT" {
		if ours.Header().Get("X-Handler") != handler || ours.Code != theirs.Code || ours.Body.String() != theirs.Body.String() {
			t.Errorf("%s %s: handler %q answered %d; here %q, %d", method, path, handler, theirs.Code, ours.Header().Get("X-Handler"), ours.Code)
		}
		return
	}
	want := http.StatusNotFound
	if theirs.Code == http.StatusMethodNotAllowed {
		want = theirs.Code
	}
	if ours.Code != want || ours.Header().Get("Location") != "" || ours.Header().Get("Allow") != theirs.Header().Get("Allow") {
		t.Errorf("%s %s: mux says %d, NotFound %d %v", method, path, theirs.Code, ours.Code, ours.Header())
	}
}

func FuzzNotFound(f *testing.F) {
	for _, p := range []string{"/accounts", "/tree", "/tree/", "//", "/..", "/a/%2f/c", "/exact", "/files", "/files/x/", "/moved", "/host", "*", "", "/tunnel"} {
		for _, m := range []string{"GET", "PUT", "CONNECT", "OPTIONS"} {
			f.Add(m, "api.example", p)
		}
	}
	f.Fuzz(lawful)
}

func TestNotFoundLaw(t *testing.T) {
	segments := []string{"accounts", "tree", "leaf", "exact", "files", "a", "b", "c", "", "..", ".", "%2F", "host", "x", "moved"}
	n := 0
	for _, one := range segments {
		for _, two := range segments {
			for _, three := range segments {
				for _, method := range []string{"GET", "DELETE", "CONNECT"} {
					for _, path := range []string{"/" + one, "/" + one + "/" + two, "/" + one + "/" + two + "/" + three} {
						lawful(t, method, "api.example:443", path)
						n++
					}
				}
			}
		}
	}
	if n < 10000 {
		t.Errorf("only %d paths", n)
	}
}

func TestAhead(t *testing.T) {
	down, ran := false, 0
	s := &spy{fail: func(int) error {
		if down {
			return errDown
		}
		return nil
	}}
	over := make(outcomes, 1)
	act := func(http.ResponseWriter, *http.Request) {}
	mux := http.NewServeMux()
	mux.Handle("POST /payments", audit.Ahead(audit.Ahead(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ran++
		if s.count() != 1 {
			t.Errorf("%d records before the handler", s.count())
		}
		act(w, r)
	}))))
	overBoth(t, trail(t, s, over.into).Wrap(mux), func(t *testing.T, client *http.Client, url string) {
		ahead := func(status int) audit.Done {
			t.Helper()
			a := do(t, client, "POST", url+"/payments")
			if a.err != nil || a.StatusCode != status {
				t.Errorf("%+v", a)
			}
			if status >= 400 {
				a.isProblem(t, status)
			}
			s.one(t).has(t, line{"ahead": true, "status": nil, "decision": "allow", "route": "POST /payments"})
			return <-over
		}
		down, ran = false, 0
		act = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) }
		if d := ahead(201); d.Status != 201 || !d.Recorded || d.Late != "" {
			t.Errorf("Done: %+v", d)
		}
		act = func(w http.ResponseWriter, r *http.Request) { audit.Refused(w, r, refusal(409)) }
		if d := ahead(409); d.Status != 409 || d.Late != refused || d.Decision != "deny" {
			t.Errorf("Done: %+v", d)
		}
		act = func(http.ResponseWriter, *http.Request) { panic("x") }
		if d := ahead(500); d.Status != 500 || d.Late != audit.ErrPanic || !d.Panicked {
			t.Errorf("Done: %+v", d)
		}
		down = true
		do(t, client, "POST", url+"/payments").isProblem(t, 503)
		if d := <-over; ran != 3 || d.Recorded || d.Status != 503 {
			t.Errorf("ran %d times; Done: %+v", ran, d)
		}
		down = false
		do(t, client, "POST", url+"/payments").isProblem(t, 503) // the probe
		<-over
		s.one(t)
	})
	w := httptest.NewRecorder()
	audit.Ahead(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("ran") })).ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	if w.Code != 500 {
		t.Errorf("without a log: %d", w.Code)
	}
}

func TestMatching(t *testing.T) {
	for _, reason := range []audit.Reason{audit.ErrInternal, audit.ErrMisplaced, audit.ErrSink, audit.ErrPanic, audit.ErrNotFound, audit.ErrMethodNotAllowed} {
		err := fmt.Errorf("outer: %w", &audit.Refusal{Reason: reason, Cause: io.EOF})
		if !errors.Is(err, reason) || !errors.Is(err, io.EOF) || errors.Is(err, other) || reason.Error() != string(reason) || !strings.HasSuffix(err.Error(), string(reason)) {
			t.Errorf("%s does not match", reason)
		}
	}
}
