package hygiene_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
			_, err := hygiene.New(c.config)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %v", want, err)
				}
			}
		})
	}
	_, err := hygiene.NewContent(hygiene.ContentConfig{MaxBody: -1})
	if err == nil || !strings.Contains(err.Error(), "MediaTypes is required") || !strings.Contains(err.Error(), "negative") {
		t.Error(err)
	}
	for _, bad := range []string{"json", "Application/JSON", "application/json; charset=utf-8", "*"} {
		if _, err := hygiene.NewContent(hygiene.ContentConfig{MediaTypes: []string{bad}}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := hygiene.New(hygiene.Config{AnyHost: true}); err != nil {
		t.Error(err)
	}
}

// broken ends in the middle.
type broken struct{ io.Reader }

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestContent(t *testing.T) {
	content, err := hygiene.NewContent(hygiene.ContentConfig{
		MediaTypes: []string{"application/json", "application/vnd.bank+json", "text/plain"}, MaxBody: 64,
		Schema: func(_ *http.Request, body []byte) error {
			switch {
			case bytes.Contains(body, []byte("wrong")):
				return errors.New("not one of ours")
			case bytes.Contains(body, []byte("limit")):
				return &audit.Refusal{Reason: "bank: limit", Status: http.StatusForbidden}
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	post := func(kind, body string, fields ...string) *http.Request {
		r := request("POST", "https://api.bank.example/payments", body, fields...)
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		return r
	}
	chunked := func(kind, body string) *http.Request {
		r := post(kind, body)
		r.ContentLength = -1
		return r
	}
	cut := post("text/plain", "")
	cut.Body, cut.ContentLength = io.NopCloser(&broken{strings.NewReader("half")}), 10
	bounded := chunked("text/plain", strings.Repeat("x", 60))
	bounded.Body = http.MaxBytesReader(nil, bounded.Body, 10)
	const js = "application/json"
	long := `"` + strings.Repeat("x", 63) + `"`
	for name, c := range map[string]struct {
		r      *http.Request
		status int
		reason audit.Reason
		body   string
	}{
		"good":                      {post(js, `{"a":[1,0.10]}`), 204, "", `{"a":[1,0.10]}`},
		"good, charset":             {post("application/json;charset=UTF-8", `1`), 204, "", `1`},
		"good, +json":               {post("application/vnd.bank+json", `{}`), 204, "", `{}`},
		"good, chunked":             {chunked(js, `{}`), 204, "", `{}`},
		"good, another type":        {post("text/plain", `{"a":1,"a":2}`), 204, "", `{"a":1,"a":2}`},
		"no body":                   {post("", ""), 204, "", ""},
		"no body, chunked":          {chunked(js, ""), 204, "", ""},
		"C7/no media type":          {post("", "{}"), 415, hygiene.ErrMediaType, ""},
		"C7/another media type":     {post("application/xml", "<a/>"), 415, hygiene.ErrMediaType, ""},
		"C7/two media types":        {post(js, "{}", "Content-Type", "text/plain"), 204, "", "{}"},
		"C7/another charset":        {post("application/json;charset=utf-16", "{}"), 415, hygiene.ErrMediaType, ""},
		"C7/another parameter":      {post("application/json;a=b", "{}"), 415, hygiene.ErrMediaType, ""},
		"C7/content coding":         {post(js, "{}", "Content-Encoding", "gzip"), 415, hygiene.ErrEncoding, ""},
		"C7/body at the bound":      {post(js, long[1:]), 400, hygiene.ErrJSON, ""},
		"C7/body too long":          {post(js, long), 413, hygiene.ErrBody, ""},
		"C7/body too long, chunked": {chunked(js, long), 413, hygiene.ErrBody, ""},
		"C7/body bounded outside":   {bounded, 413, hygiene.ErrBody, ""},
		"C7/body cut short":         {cut, 400, hygiene.ErrBroken, ""},
		"C8/member twice":           {post(js, `{"a":1,"a":2}`), 400, hygiene.ErrJSON, ""},
		"C8/member twice, escaped":  {post(js, `{"a":1,"\u0061":2}`), 400, hygiene.ErrJSON, ""},
		"C8/member twice, inside":   {post(js, `[{"a":{"b":1,"b":1}}]`), 400, hygiene.ErrJSON, ""},
		"C8/too deep":               {post(js, strings.Repeat("[", 32)+strings.Repeat("]", 32)), 204, "", strings.Repeat("[", 32) + strings.Repeat("]", 32)},
		"C8/something after it":     {post(js, `{} {}`), 400, hygiene.ErrJSON, ""},
		"C8/number":                 {post(js, `01`), 400, hygiene.ErrJSON, ""},
		"C8/not a number":           {post(js, `NaN`), 400, hygiene.ErrJSON, ""},
		"C8/not UTF-8":              {post(js, "\"\xff\""), 400, hygiene.ErrJSON, ""},
		"C8/half a surrogate":       {post(js, `"\ud800"`), 400, hygiene.ErrJSON, ""},
		"C8/byte order mark":        {post(js, "\ufeff{}"), 400, hygiene.ErrJSON, ""},
		"C8/+json too":              {post("application/vnd.bank+json", `{"a":1,"a":1}`), 400, hygiene.ErrJSON, ""},
		"C10/schema":                {post(js, `"wrong"`), 422, hygiene.ErrSchema, ""},
		"C10/schema's own refusal":  {post(js, `"limit"`), 403, "bank: limit", ""},
		"C10/an honest odd name":    {post(js, `"Robert'); DROP TABLE--"`), 204, "", `"Robert'); DROP TABLE--"`},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "C7/two media types" {
				c.r.Header["Content-Type"] = []string{js, "text/plain"}
				c.status, c.reason, c.body = 415, hygiene.ErrMediaType, ""
			}
			s := new(spy)
			w, reason := through(t, content.Wrap, s, c.r, false)
			if w.Code != c.status || reason != string(c.reason) || s.ran != (c.status == 204) || s.body != c.body {
				t.Errorf("%d %q, handler ran %v with %q", w.Code, reason, s.ran, s.body)
			}
		})
	}
	t.Run("C8/33 levels", func(t *testing.T) {
		wide, err := hygiene.NewContent(hygiene.ContentConfig{MediaTypes: []string{js}})
		if err != nil {
			t.Fatal(err)
		}
		w, reason := through(t, wide.Wrap, new(spy), post(js, strings.Repeat("[", 33)+strings.Repeat("]", 33)), false)
		if w.Code != 400 || reason != string(hygiene.ErrJSON) {
			t.Errorf("%d %q", w.Code, reason)
		}
	})
	t.Run("pitfall-111/a waived refusal leaves the body whole", func(t *testing.T) {
		for _, body := range []string{`{"a":1,"a":2}`, strings.Repeat("x", 1000)} {
			s := new(spy)
			if w, _ := through(t, content.Wrap, s, chunked(js, body), true); w.Code != 204 || s.body != body {
				t.Errorf("%d, %d of %d bytes", w.Code, len(s.body), len(body))
			}
		}
	})
}

// TestSmuggling holds net/http to what this package leaves to it: a request inside a request never runs.
func TestSmuggling(t *testing.T) {
	for name, c := range map[string]struct {
		raw      string
		statuses string
	}{
		"C9/two lengths": {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 44\r\n\r\nabcd", "400"},
		"C9/length and chunks": {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
			"GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "204 / /after"},
		"C9/unknown coding":       {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
		"C9/coding twice":         {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501"},
		"C9/space before a colon": {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\nabcd", "400"},
		"C9/two hosts":            {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
		"C9/length with a sign":   {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd", "400"},
		"C9/chunk size too long":  {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n11111111111111111\r\n", "204 /"},
		"C9/folded field":         {"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\nConnection: close\r\n\r\n", "204 /"},
	} {
		t.Run(name, func(t *testing.T) {
			var ran []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				ran = append(ran, r.URL.Path)
				if strings.ContainsAny(r.Header.Get("X-A"), "\r\n") {
					t.Error("a line end inside a value")
				}
				w.WriteHeader(http.StatusNoContent)
			}))
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			_, _ = io.WriteString(conn, c.raw)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, conn) // until the server has said everything
			_ = conn.Close()
			server.Close()
			got := strings.TrimSpace(answer.Status[:3] + " " + strings.Join(ran, " "))
			if got != c.statuses {
				t.Errorf("%s, want %s", got, c.statuses)
			}
		})
	}
}

func TestHeadersAreNotShared(t *testing.T) {
	var kept []http.Header
	h := hygiene.Headers(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X-Frame-Options"] = append(w.Header()["X-Frame-Options"], "more")
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
