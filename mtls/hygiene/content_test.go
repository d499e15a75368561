package hygiene_test

import (
	"bufio"
	"bytes"
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

// counted is a body of 1 MiB that counts what is read of it.
type counted struct{ n int }

func (c *counted) Read(p []byte) (int, error) {
	if c.n > 1<<20 {
		return 0, io.EOF
	}
	c.n += len(p)
	return len(p), nil
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
	t.Run("C7/no more is read than may come", func(t *testing.T) {
		endless := &counted{}
		r := chunked("text/plain", "x")
		r.Body = io.NopCloser(endless)
		if w, _ := through(t, content.Wrap, new(spy), r, false); w.Code != 413 || endless.n > 1<<10 {
			t.Errorf("%d after %d bytes", w.Code, endless.n)
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
