package audit_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
)

// through answers f inside a log and gives what the client gets and what Answer says.
func through(t *testing.T, f *audit.Refusal, adjust func(*audit.Config), before func(w http.ResponseWriter, r *http.Request)) (*httptest.ResponseRecorder, http.Header, string) {
	t.Helper()
	if adjust == nil {
		adjust = func(*audit.Config) {}
	}
	w, s := httptest.NewRecorder(), &spy{}
	var header http.Header
	var body []byte
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Fapi-Interaction-Id", anID)
	trail(t, s, adjust).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before != nil {
			before(w, r)
		}
		_, header, body = audit.Answer(r, f)
		audit.Refused(w, r, f)
	})).ServeHTTP(w, r)
	s.one(t)
	return w, header, string(body)
}

func TestChallengeIsCompleted(t *testing.T) {
	complete := func(_ http.ResponseWriter, r *http.Request) {
		audit.Challenges(r, func(code string) []string {
			if code == "" {
				return []string{`Bearer realm="bank"`, `DPoP realm="bank", algs="ES256"`}
			}
			return []string{`Bearer realm="bank", error="` + code + `"`}
		})
	}
	broken := func(_ http.ResponseWriter, r *http.Request) {
		audit.Challenges(r, func(string) []string { return []string{"", "a\r\nSet-Cookie: x"} })
	}
	own := http.Header{"WWW-Authenticate": {`DPoP error="use_dpop_nonce"`}} // not canonical
	for _, c := range []struct {
		name   string
		f      audit.Refusal
		before func(http.ResponseWriter, *http.Request)
		want   []string
	}{
		{"RFC9110-15.5.2/clean", audit.Refusal{Status: 401}, complete, []string{`Bearer realm="bank"`, `DPoP realm="bank", algs="ES256"`}},
		{"RFC9110-15.5.2/code", audit.Refusal{Status: 401, Code: "invalid_token"}, complete, []string{`Bearer realm="bank", error="invalid_token"`}},
		{"RFC9110-15.5.2/own", audit.Refusal{Status: 401, Header: own}, complete, []string{`DPoP error="use_dpop_nonce"`}},
		{"RFC9110-15.5.2/nobody completes", audit.Refusal{Status: 401}, nil, []string{`Bearer realm="api"`}},
		{"RFC9110-15.5.2/nothing fit to send", audit.Refusal{Status: 401}, broken, []string{`Bearer realm="api"`}},
		{"RFC6750-3-1/scope", audit.Refusal{Status: 403, Code: "insufficient_scope"}, complete, []string{`Bearer realm="bank", error="insufficient_scope"`}},
		{"RFC6750-3-1/scope, nobody completes", audit.Refusal{Status: 403, Code: "insufficient_scope"}, nil, []string{`Bearer realm="api", error="insufficient_scope"`}},
		{"RFC6750-3-1/another 403", audit.Refusal{Status: 403, Code: "other"}, complete, nil},
		{"RFC6750-3-1/400", audit.Refusal{Status: 400, Code: "invalid_request"}, complete, nil},
		{"pitfall-107/line break", audit.Refusal{Status: 401, Header: http.Header{"Www-Authenticate": {"Bearer x=\"\r\nSet-Cookie: a=b\""}}}, nil, []string{`Bearer realm="api"`}},
		{"pitfall-107/code from a client", audit.Refusal{Status: 401, Code: "x\", realm=\"evil"}, complete, []string{`Bearer realm="bank"`, `DPoP realm="bank", algs="ES256"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, header, _ := through(t, &c.f, nil, c.before)
			if got := w.Header()["Www-Authenticate"]; !reflect.DeepEqual(got, c.want) {
				t.Errorf("WWW-Authenticate %q, want %q", got, c.want)
			}
			if !reflect.DeepEqual(header["Www-Authenticate"], c.want) {
				t.Errorf("Answer: %q, want %q", header["Www-Authenticate"], c.want)
			}
		})
	}
}

func TestAnswerIsWhatIsSent(t *testing.T) {
	f := &audit.Refusal{Reason: refused, Status: 403, Code: "insufficient_scope", Detail: "scope \"payments\" is missing",
		Header: http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope", scope="payments"`}, "Content-Type": {"text/html"},
			"Content-Length": {"3"}, "Cache-Control": {"public"}, "X-Fapi-Interaction-Id": {"evil"}, "Dpop-Nonce": {"n1"}}}
	w, header, body := through(t, f, nil, nil)
	if !reflect.DeepEqual(w.Header(), header) || w.Body.String() != body || w.Code != 403 {
		t.Errorf("sent %v %s\nsaid %v %s", w.Header(), w.Body, header, body)
	}
	want := http.Header{"Www-Authenticate": f.Header["Www-Authenticate"], "Content-Type": {"application/problem+json"},
		"Cache-Control": {"no-store"}, "X-Fapi-Interaction-Id": {anID}, "Dpop-Nonce": {"n1"}}
	if !reflect.DeepEqual(header, want) {
		t.Errorf("header %v, want %v", header, want)
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(members, map[string]any{"title": "Forbidden", "status": 403.0, "detail": "scope \"payments\" is missing", "code": "insufficient_scope"}) {
		t.Errorf("body %s", body)
	}
	header["Www-Authenticate"][0] = "changed" // shared with nobody
	if f.Header.Get("Www-Authenticate") == "changed" {
		t.Error("the refusal's slice was given away")
	}
}

func TestRefusedReplacesWhatTheHandlerSaid(t *testing.T) {
	cleared := []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Content-Range", "Accept-Ranges",
		"Content-Disposition", "Content-Language", "Location", "Trailer", "Content-Digest"}
	w, _, _ := through(t, refusal(403), nil, func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range cleared {
			w.Header().Set(name, "1")
		}
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Vary", "Origin")
	})
	for _, name := range cleared {
		if got := w.Header().Values(name); got != nil {
			t.Errorf("%s is left: %q", name, got)
		}
	}
	if w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Vary") != "Origin" {
		t.Errorf("%v", w.Header())
	}
}

// TestRefusedDropsTrailers: what was to go out behind the handler's body does not go out behind ours.
func TestRefusedDropsTrailers(t *testing.T) {
	s := &spy{}
	h := trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Declared")
		w.Header().Set(http.TrailerPrefix+"X-Late", "1")
		audit.Refused(w, r, refusal(403))
		w.Header().Set("X-Declared", "1")
	}))
	overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
		a := do(t, client, "GET", url)
		a.isProblem(t, 403)
		if len(a.Trailer) > 0 {
			t.Errorf("trailer %v", a.Trailer)
		}
		s.one(t)
	})
}

func TestBody(t *testing.T) {
	body := func(f func(*http.Request, audit.Problem) (string, []byte)) func(*audit.Config) {
		return func(c *audit.Config) { c.Body = f }
	}
	for _, c := range []struct {
		name, contentType, body string
		f                       func(*http.Request, audit.Problem) (string, []byte)
	}{
		{"own", "application/json", `{"Errors":["insufficient_scope"]}`, func(_ *http.Request, p audit.Problem) (string, []byte) {
			return "application/json", []byte(`{"Errors":["` + p.Code + `"]}`)
		}},
		{"panics", "application/problem+json", "", func(*http.Request, audit.Problem) (string, []byte) { panic("x") }},
		{"declines", "application/problem+json", "", func(*http.Request, audit.Problem) (string, []byte) { return "", nil }},
		{"line break", "application/problem+json", "", func(*http.Request, audit.Problem) (string, []byte) { return "a\r\nb: c", nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &audit.Refusal{Reason: refused, Status: 403, Code: "insufficient_scope"}
			w, _, _ := through(t, f, body(c.f), nil)
			if got := w.Header().Get("Content-Type"); got != c.contentType {
				t.Errorf("Content-Type %q", got)
			}
			if c.body != "" && w.Body.String() != c.body || c.body == "" && !strings.Contains(w.Body.String(), `"status":403`) {
				t.Errorf("body %s", w.Body)
			}
			if w.Code != 403 || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Www-Authenticate") == "" {
				t.Errorf("%d %v", w.Code, w.Header())
			}
		})
	}
}

func TestProblemIsBounded(t *testing.T) {
	const long = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" // 100
	const detail = long + long + long + long + long + long + long + long + long + long + long + long + long + long + long + long + long + long + long + long + long
	f := &audit.Refusal{Reason: refused, Status: 400, Detail: detail, Code: strings.Repeat("a", 3000)}
	w, _, _ := through(t, f, nil, nil)
	if w.Body.Len() >= 2048 || !json.Valid(w.Body.Bytes()) {
		t.Errorf("%d bytes: %s", w.Body.Len(), w.Body)
	}
}

func TestLateRefusal(t *testing.T) {
	s, over := &spy{}, make(outcomes, 1)
	h := trail(t, s, over.into).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, strings.Repeat("x", 5000))
		_ = http.NewResponseController(w).Flush()
		audit.Refused(w, r, refusal(403))
		t.Error("went on")
	}))
	overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
		a := do(t, client, "GET", url)
		if a.err == nil {
			t.Errorf("a cut answer looks whole: %d, %d bytes", a.StatusCode, len(a.body))
		}
		s.one(t).has(t, line{"decision": "allow", "status": int64(200)})
		if d := <-over; d.Late != refused || d.Decision != "deny" || d.Panicked || d.Status != 200 || !d.Recorded || d.Bytes != 5000 {
			t.Errorf("Done: %+v", d)
		}
	})
}

func TestResponsesShareNothing(t *testing.T) {
	s := &spy{}
	f := http.Header{"Allow": {"GET"}}
	h := trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		audit.Refused(w, r, &audit.Refusal{Reason: refused, Status: 405, Header: f})
	}))
	var first http.Header
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		got := w.Header()
		if first == nil {
			first = got
			for _, v := range first {
				for i := range v[:cap(v)] {
					v[:cap(v)][i] = "scribbled"
				}
			}
			continue
		}
		for name, v := range got {
			for _, x := range v {
				if x == "scribbled" {
					t.Errorf("%s is shared", name)
				}
			}
		}
	}
}
