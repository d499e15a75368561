package audit_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tegata-go/tegata/audit"
)

func now() time.Time { return time.Now() }

func attr(key string, v any) slog.Attr { return slog.Any(key, v) }

// valuer gives v as its log value, and panics when it has none.
type valuer struct{ v any }

func (v valuer) Error() string { return "token eyJSECRET" }
func (v valuer) LogValue() slog.Value {
	if v.v == nil {
		panic("eyJSECRET")
	}
	return slog.AnyValue(v.v)
}

// with runs a request that adds facts and gives its record.
func with(t testing.TB, facts ...slog.Attr) line {
	t.Helper()
	s := &spy{}
	r := httptest.NewRequest("GET", "/accounts/123?token=eyJSECRET", nil)
	r.Header.Set("X-Fapi-Interaction-Id", anID)
	trail(t, s).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		audit.Add(r.Context(), facts...)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return s.one(t)
}

func TestFacts(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, c := range []struct {
		name    string
		add     []slog.Attr
		want    line
		dropped any
	}{
		{"basic kinds", []slog.Attr{attr("s", "x"), attr("i", -1), attr("u", uint64(7)), attr("b", true), attr("f", 1.5), attr("d", time.Second), attr("t", at)},
			line{"s": "x", "i": int64(-1), "u": uint64(7), "b": true, "f": 1.5, "d": time.Second, "t": at}, nil},
		{"rooms' own", []slog.Attr{attr("client", "c"), attr("subject", "s"), attr("token", "t"), attr("jkt", "j"), attr("x5t", "x")},
			line{"client": "c", "subject": "s", "token": "t", "jkt": "j", "x5t": "x"}, nil},
		{"resolved at once", []slog.Attr{attr("v", valuer{"x"}), attr("n", valuer{valuer{3}})}, line{"v": "x", "n": int64(3)}, nil},
		{"a valuer that panics", []slog.Attr{attr("v", valuer{nil})}, line{"v": nil}, int64(1)},
		{"no basic kind", []slog.Attr{attr("e", fmt.Errorf("x")), attr("l", []string{"x"}), attr("m", map[string]int{}), slog.Group("g", "a", 1)},
			line{"e": nil, "l": nil, "m": nil, "g": nil}, int64(4)},
		{"names of ours", []slog.Attr{attr("status", 1), attr("decision", "allow"), attr("reason", "x"), attr("interaction_id", "x"), attr("route", "x"),
			attr("time", "x"), attr("Decision", "allow"), attr("PEER", "x"), attr("dropped", 0), attr("level", "x"), attr("msg", "x"), attr("schema", 9)},
			line{"status": int64(200), "decision": "allow", "Decision": nil, "reason": nil, "PEER": nil, "level": nil, "schema": int64(1)}, int64(12)},
		{"bad names", []slog.Attr{attr("", 1), attr("a b", 1), attr("a\nb", 1), attr("a\"", 1), attr("ü", 1), attr(strings.Repeat("k", 65), 1)}, line{}, int64(6)},
		{"written once", []slog.Attr{attr("client", "good"), attr("client", "evil"), attr("Client", "evil"), attr("client", "good")}, line{"client": "good", "Client": nil}, int64(2)},
		{"pitfall-108/control characters", []slog.Attr{attr("s", "a\r\nb\x00c\x1bd\u2028e\u202ef\xffg\u0085h"), attr("j", "口座 ok")},
			line{"s": "a??b?c?d?e?f?g?h", "j": "口座 ok"}, nil},
		{"the interaction id", []slog.Attr{attr("jti", "x-"+anID)}, line{"jti": nil}, int64(1)},
	} {
		t.Run("A7/"+c.name, func(t *testing.T) {
			l := with(t, c.add...)
			l.has(t, c.want)
			l.has(t, line{"dropped": c.dropped})
			if strings.Contains(fmt.Sprint(l), "SECRET") {
				t.Errorf("secret in %v", l)
			}
		})
	}
}

func TestFactsAreBounded(t *testing.T) {
	var many []slog.Attr
	for i := range 40 {
		many = append(many, attr(fmt.Sprint("k", i), i))
	}
	l := with(t, many...)
	l.has(t, line{"k31": int64(31), "k32": nil, "dropped": int64(8)})
	l = with(t, attr("s", strings.Repeat("ü", 1000)), attr("a", strings.Repeat("a", 257)), attr("b", strings.Repeat("b", 256)))
	if s := l["s"].(string); len(s) > 256 || !utf8.ValidString(s) {
		t.Errorf("%d bytes", len(s))
	}
	l.has(t, line{"a": strings.Repeat("a", 256), "b": strings.Repeat("b", 256)})
}

func TestFactsAfterTheRecordAreTooLate(t *testing.T) {
	s := &spy{}
	trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		audit.Add(r.Context(), attr("a", 1))
		w.WriteHeader(204)
		audit.Add(r.Context(), attr("b", 1))
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	s.one(t).has(t, line{"a": int64(1), "b": nil, "status": int64(204)})
}

func TestOwnAttributes(t *testing.T) {
	for _, c := range []struct{ method, peer, wantMethod, wantPeer string }{
		{"GET", "192.0.2.1:1234", "GET", "192.0.2.1"},
		{"PROPFIND", "[2001:db8::1]:1", "PROPFIND", "2001:db8::1"},
		{"get", "[fe80::1%eth0]:1", "OTHER", "fe80::1"},
		{anID, "192.0.2.1", "OTHER", "192.0.2.1"},
		{strings.Repeat("A", 17), "2001:db8::1", "OTHER", "2001:db8::1"},
		{"DELETE", "@", "DELETE", "unknown"},
		{"DELETE", "", "DELETE", "unknown"},
		{"DELETE", "evil\nline:1", "DELETE", "unknown"},
		{"DELETE", "[::1", "DELETE", "::1"},
		{"DELETE", "[::ffff:192.0.2.1]:1", "DELETE", "::ffff:192.0.2.1"},
		{"DELETE", "bank.example:443", "DELETE", "unknown"},
	} {
		t.Run("A1,A7/"+c.method+" "+c.peer, func(t *testing.T) {
			s := &spy{}
			r := httptest.NewRequest("GET", "/", nil)
			r.Method, r.RemoteAddr = c.method, c.peer
			trail(t, s).Wrap(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
			l := s.one(t)
			l.has(t, line{"method": c.wantMethod, "peer": c.wantPeer, "status": int64(404), "decision": "allow"})
			if us, ok := l["latency_us"].(int64); !ok || us < 0 {
				t.Errorf("latency_us %v", l["latency_us"])
			}
		})
	}
}

func TestRouteIsThePatternOfTheCopyThatWentOn(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/tree/", func(http.ResponseWriter, *http.Request) {})
	copying := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		audit.Follow(r)
		mux.ServeHTTP(w, r)
	})
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/accounts/IBAN123?x=eyJSECRET", "GET /accounts/{id}"},
		{"GET", "/IBAN123", ""},
		{"CONNECT", "/tree", ""}, // the mux writes the raw path into r.Pattern
	} {
		s := &spy{}
		r := httptest.NewRequest("GET", c.path, nil)
		r.Method = c.method
		trail(t, s).Wrap(copying).ServeHTTP(httptest.NewRecorder(), r)
		l := s.one(t)
		l.has(t, line{"route": c.want})
		if text := fmt.Sprint(l); strings.Contains(text, "IBAN") || strings.Contains(text, "SECRET") || strings.Contains(text, "/tree") {
			t.Errorf("raw path in %v", l)
		}
	}
}

func TestNothingOfTheRequestIsRecorded(t *testing.T) { // pitfall 17, pitfall 110
	var out bytes.Buffer
	l, err := audit.New(audit.Config{Handler: audit.NewLines(&out)})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/SECRET/path?q=SECRET", strings.NewReader("SECRET"))
	for _, name := range []string{"Authorization", "Dpop", "Cookie", "User-Agent", "X-Forwarded-For", "Traceparent", "X-Fapi-Interaction-Id", "Host"} {
		r.Header.Set(name, "SECRET")
	}
	r.Host = "SECRET"
	r.RemoteAddr = "SECRET"
	w := httptest.NewRecorder()
	l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		audit.Refused(w, r, fmt.Errorf("SECRET %v", r.URL))
	})).ServeHTTP(w, r)
	if text := out.String() + w.Body.String() + fmt.Sprint(w.Header()); strings.Contains(text, "SECRET") {
		t.Errorf("%s", text)
	}
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("lines: %s", out.String())
	}
}

func FuzzFactText(f *testing.F) {
	for _, s := range []string{"", "a", "a\nb", "\xff\xfe", "\u202e", strings.Repeat("é", 300), anID} {
		f.Add("k", s)
	}
	f.Fuzz(func(t *testing.T, key, s string) {
		l := with(t, attr(key, s))
		_, dropped := l["dropped"]
		got, ok := l[key].(string)
		if dropped {
			return
		}
		if !ok || len(got) > 256 || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			t.Errorf("%q became %q", s, got)
		}
		if utf8.ValidString(s) && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || r == utf8.RuneError }) && got != s {
			t.Errorf("%q became %q without need", s, got)
		}
	})
}

// adder adds a fact while it is asked for its value.
type adder struct{ r *http.Request }

func (a adder) LogValue() slog.Value {
	audit.Add(a.r.Context(), attr("inner", 1))
	return slog.StringValue("x")
}

func TestValuerMayAddFacts(t *testing.T) {
	s := &spy{}
	trail(t, s).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		audit.Add(r.Context(), attr("outer", adder{r})) // would deadlock if asked under the lock
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	s.one(t).has(t, line{"inner": int64(1), "outer": "x"})
}

func (a adder) Error() string { return "x" }

// Is is asked when an error is handed over a second time.
func (a adder) Is(error) bool {
	audit.Add(a.r.Context(), attr("asked", 1))
	return true
}

func TestCauseMayAddFacts(t *testing.T) {
	done := make(chan struct{})
	s := &spy{}
	go func() {
		defer close(done)
		l := trail(t, s, func(c *audit.Config) {
			c.Waive = func(_ *http.Request, f *audit.Refusal) bool { return f.Reason == audit.ErrInternal }
		})
		l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, err := range []error{adder{r}, &adder{r}} { // one may be the other, and is asked
				if audit.Refused(w, r, err) {
					t.Error("not waived")
				}
			}
			audit.Refused(w, r, &audit.Refusal{Reason: refused, Status: 401, Cause: adder{r}})
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	select {
	case <-done:
		s.one(t).has(t, line{"cause": "x", "asked": int64(1)})
	case <-time.After(20 * time.Second):
		t.Fatal("an error was asked under the lock")
	}
}
