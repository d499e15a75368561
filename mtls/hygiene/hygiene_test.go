package hygiene_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/mtls/hygiene"
)

// spy is a handler that tells whether it ran and what body it saw.
type spy struct {
	ran  bool
	body string
}

func (s *spy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.ran, s.body = true, string(body)
	w.WriteHeader(http.StatusNoContent)
}

// through sends r through audit, the headers and a door; it gives answer and reason.
func through(t testing.TB, wrap func(http.Handler) http.Handler, s *spy, r *http.Request, waive bool) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var lines bytes.Buffer
	config := audit.Config{Handler: audit.NewLines(&lines)}
	if waive {
		config.Waive = func(*http.Request, *audit.Refusal) bool { return true }
	}
	trail, err := audit.New(config)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	trail.Wrap(hygiene.Headers(wrap(s))).ServeHTTP(w, r)
	var record struct{ Reason string }
	if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	return w, record.Reason
}

func request(method, target, body string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.TLS = &tls.ConnectionState{}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

func securityHeaders(t testing.TB, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Frame-Options": "DENY",
	} {
		if got := h.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestDoor(t *testing.T) {
	door, err := hygiene.New(hygiene.Config{
		Hosts: []string{"api.bank.example", "Api2.bank.example:8443", "[2001:db8::1]"}, Methods: []string{"GET", "POST"}, MaxFields: 4, MaxFieldBytes: 100, MaxTarget: 40,
		Encrypted: func(r *http.Request) bool { return r.RemoteAddr == "listed" },
	})
	if err != nil {
		t.Fatal(err)
	}
	const url = "https://api.bank.example/accounts"
	plain, listed := request("GET", url, ""), request("GET", url, "")
	plain.TLS, listed.TLS, listed.RemoteAddr = nil, nil, "listed"
	at := func(host string) *http.Request {
		r := request("GET", url, "")
		r.Host = host
		return r
	}
	for name, c := range map[string]struct {
		r      *http.Request
		status int
		reason audit.Reason
	}{
		"good":                          {request("GET", url, ""), 204, ""},
		"FAPI2-SP-5.2.1-1/plain":        {plain, 400, hygiene.ErrPlain},
		"M13/plain from a listed proxy": {listed, 204, ""},
		"C5/default port":               {at("api.bank.example:443"), 204, ""},
		"C5/letter case":                {at("API.bank.EXAMPLE"), 204, ""},
		"C5/listed port":                {at("api2.bank.example:8443"), 204, ""},
		"C5/IPv6":                       {at("[2001:db8::1]:443"), 204, ""},
		"C5/another host":               {at("evil.example"), 421, hygiene.ErrHost},
		"C5/another port":               {at("api.bank.example:8443"), 421, hygiene.ErrHost},
		"C5/port not given":             {at("api2.bank.example"), 421, hygiene.ErrHost},
		"C5/none":                       {at(""), 421, hygiene.ErrHost},
		"C5/trailing dot":               {at("api.bank.example."), 421, hygiene.ErrHost},
		"C5/below":                      {at("x.api.bank.example"), 421, hygiene.ErrHost},
		"C7/method":                     {request("DELETE", url, ""), 405, hygiene.ErrMethod},
		"C7/method in small letters":    {request("get", url, ""), 405, hygiene.ErrMethod},
		"C7/target":                     {request("GET", "/"+strings.Repeat("x", 40), ""), 414, hygiene.ErrTarget},
		"C7/field lines":                {request("GET", url, "", "A", "1", "A", "2", "B", "3", "B", "4", "C", "5"), 431, hygiene.ErrFields},
		"C7/field lines at the bound":   {request("GET", url, "", "A", "1", "A", "2", "B", "3", "B", "4"), 204, ""},
		"C7/field bytes":                {request("GET", url, "", "Abc", strings.Repeat("x", 98)), 431, hygiene.ErrFields},
		"C7/field bytes at the bound":   {request("GET", url, "", "Abc", strings.Repeat("x", 97)), 204, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "C7/target" {
				c.r.Host = "api.bank.example"
			}
			s := new(spy)
			w, reason := through(t, door.Wrap, s, c.r, false)
			if w.Code != c.status || reason != string(c.reason) || s.ran != (c.status == 204) {
				t.Errorf("%d %q, handler ran %v", w.Code, reason, s.ran)
			}
			if c.status == 405 && w.Header().Get("Allow") != "GET, POST" {
				t.Errorf("Allow: %q", w.Header().Get("Allow"))
			}
			t.Run("C12/RFC9440-2.4-3/FAPI2-SP-5.2.3-1", func(t *testing.T) { securityHeaders(t, w.Header()) })
		})
	}
}

func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		config hygiene.Config
		want   []string
	}{
		"nothing": {hygiene.Config{}, []string{"Hosts is required"}},
		"everything": {hygiene.Config{Hosts: []string{"https://a", ""}, AnyHost: true, Methods: []string{"get"}, MaxFields: -1},
			[]string{"exclude each other", `"https://a" is no host`, `"" is no host`, "capital letters", "negative"}},
	} {
		t.Run(name, func(t *testing.T) {
			door, err := hygiene.New(c.config)
			if door != nil {
				t.Error("a door that was not asked for") // one whose error is passed over would serve any host
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %v", want, err)
				}
			}
		})
	}
	content, err := hygiene.NewContent(hygiene.ContentConfig{MaxBody: -1})
	if content != nil || err == nil || !strings.Contains(err.Error(), "MediaTypes is required") || !strings.Contains(err.Error(), "negative") {
		t.Error(err)
	}
	for _, bad := range []string{"json", "Application/JSON", "application/json; charset=utf-8", "*"} {
		if _, err := hygiene.NewContent(hygiene.ContentConfig{MediaTypes: []string{bad}}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	// One more byte than the bound is read: no bound may be so large that there is none.
	for _, limit := range []int64{1<<30 + 1, math.MaxInt64} {
		if _, err := hygiene.NewContent(hygiene.ContentConfig{MediaTypes: []string{"application/json"}, MaxBody: limit}); err == nil {
			t.Errorf("MaxBody %d was taken", limit)
		}
	}
	if _, err := hygiene.New(hygiene.Config{AnyHost: true}); err != nil {
		t.Error(err)
	}
}

func TestHeadersAreNotShared(t *testing.T) {
	var kept []http.Header
	h := hygiene.Headers(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Referrer-Policy"] = append(w.Header()["Referrer-Policy"], "more")
		w.Header()["Cache-Control"][0] = "changed"
		kept = append(kept, w.Header())
	}))
	h.ServeHTTP(httptest.NewRecorder(), request("GET", "/", ""))
	w := httptest.NewRecorder()
	hygiene.Headers(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, request("GET", "/", ""))
	securityHeaders(t, w.Header())
	if kept[0].Get("Content-Security-Policy") == "more" {
		t.Error("values share their memory")
	}
}
