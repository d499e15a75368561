package encrypt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/encrypt"
)

// opens asserts that a sealed document opens to want.
func opens(t testing.TB, f *encrypt.Fields, sealed, want string) {
	t.Helper()
	got, err := f.OpenJSON(context.Background(), nil, []byte(sealed), encrypt.Binding{})
	if err != nil || string(got) != want {
		t.Fatalf("%.300q opens to %.200q, %v", sealed, got, err)
	}
}

func ibanFields(t testing.TB) *encrypt.Fields {
	return fields(t, encrypt.Config{Seal: []string{"/accounts/*/iban"}, Open: []string{"/accounts/*/iban"}})
}

const account = `{"accounts":[{"id":"1", "iban":"DE89370400440532013000","balance":0.10}]}`

// E1: as middleware, in answers.
func TestWrapSeals(t *testing.T) {
	f := ibanFields(t)
	var seen http.Header
	s, rec := server(t, f, nil, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		h := w.Header()
		h.Set("Content-Type", "application/json; charset=utf-8")
		h.Set("Content-Length", fmt.Sprint(len(account)))
		h.Set("Accept-Ranges", "bytes")
		h.Set("Content-Digest", "sha-256=:x:")
		h.Set("Repr-Digest", "sha-256=:x:")
		h.Set("Digest", "x")
		h.Set("Content-Md5", "x")
		h.Set("ETag", `"v1"`)
		h.Set("X-Other", "kept")
		w.WriteHeader(http.StatusCreated)
		for _, c := range []byte(account) {
			if n, err := w.Write([]byte{c}); n != 1 || err != nil {
				t.Error(n, err)
			}
		}
	})
	res, body, err := call(t, s, "GET", "", "Range", "bytes=0-9", "If-Range", `"v1"`, "Accept-Encoding", "gzip", "X-Own", "kept")
	if err != nil || res.StatusCode != 201 {
		t.Fatal(res, err)
	}
	opens(t, f, body, account)
	if strings.Contains(body, "DE89") || !strings.Contains(body, `"balance":0.10`) {
		t.Error(body)
	}
	for _, name := range []string{"Accept-Ranges", "Content-Digest", "Repr-Digest", "Digest", "Content-Md5"} {
		if v := res.Header.Get(name); v != "" {
			t.Error(name, v)
		}
	}
	if res.Header.Get("ETag") != `W/"v1"` || res.Header.Get("X-Other") != "kept" || res.ContentLength == int64(len(account)) {
		t.Error(res.Header)
	}
	for _, name := range []string{"Range", "If-Range", "Accept-Encoding"} {
		if seen.Get(name) != "" {
			t.Error("the handler saw", name)
		}
	}
	if seen.Get("X-Own") != "kept" {
		t.Error(seen)
	}
	if line := rec.last(t); line["decision"] != "allow" || strings.Contains(rec.raw.String(), "DE89") {
		t.Error(line)
	}
}

// The route is recorded although Wrap hands on a copy of the request.
func TestFollow(t *testing.T) {
	f := ibanFields(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	s, rec := server(t, f, nil, mux.ServeHTTP)
	s.URL += "/accounts"
	if res, _, err := call(t, s, "GET", "", "Range", "bytes=0-1"); err != nil || res.StatusCode != 204 {
		t.Fatal(res, err)
	}
	if line := rec.last(t); line["route"] != "GET /accounts" {
		t.Error(line)
	}
}

func TestBodyless(t *testing.T) {
	f := ibanFields(t)
	for _, c := range []struct {
		name, method string
		status       int
	}{{"HEAD", "HEAD", 200}, {"204", "GET", 204}, {"304", "GET", 304}, {"empty", "GET", 200}, {"empty 201", "POST", 201}, {"nothing", "GET", 0}} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := server(t, f, nil, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"v1"`)
				w.Header().Set("X-Other", "kept")
				if c.method == "HEAD" {
					w.Header().Set("Content-Type", jsonType)
					w.Header().Set("Content-Length", "77")
				}
				if c.status != 0 {
					w.WriteHeader(c.status)
				}
				n, err := w.Write(nil)
				if c.method == "HEAD" {
					n, err = w.Write([]byte(account))
				}
				if c.status == 204 && !errors.Is(err, http.ErrBodyNotAllowed) || c.method == "HEAD" && n != len(account) {
					t.Error(n, err)
				}
			})
			res, body, err := call(t, s, c.method, "")
			want := max(c.status, 200)
			if err != nil || res.StatusCode != want || body != "" || res.Header.Get("X-Other") != "kept" || res.Header.Get("ETag") != `W/"v1"` {
				t.Fatal(res, body, err)
			}
			if c.method == "HEAD" && res.Header.Get("Content-Length") != "" {
				t.Error(res.Header)
			}
		})
	}
}

// The writer shows what is harmless, and no way round the rules.
func TestWriter(t *testing.T) {
	f := ibanFields(t)
	var left http.ResponseWriter
	s, _ := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
		left = w
		if _, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
			t.Error("Unwrap leads past the rules")
		}
		if _, ok := w.(io.ReaderFrom); ok {
			t.Error("ReadFrom leads past the rules")
		}
		rc := http.NewResponseController(w)
		if _, _, err := rc.Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Error("hijacked", err)
		}
		soon := time.Now().Add(time.Minute)
		if err := errors.Join(rc.SetReadDeadline(soon), rc.SetWriteDeadline(soon), rc.EnableFullDuplex()); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, `{}`)
	})
	res, body, err := call(t, s, "GET", "")
	if err != nil || res.StatusCode != 202 || body != `{}` {
		t.Fatal(res, body, err)
	}
	if _, err := left.Write([]byte("[1]")); err == nil {
		t.Error("written after the end")
	}
	if err := left.(interface{ FlushError() error }).FlushError(); err == nil {
		t.Error("flushed after the end")
	}
	left.WriteHeader(500)
}

// Digests that a handler announces as trailers speak of other bytes.
func TestTrailers(t *testing.T) {
	f := ibanFields(t)
	s, _ := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		w.Header().Set("Trailer", "Content-Digest, X-Sum")
		_, _ = io.WriteString(w, account)
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("Content-Digest", "sha-256=:x:")
		w.Header().Set(http.TrailerPrefix+"Repr-Digest", "sha-256=:x:")
		w.Header().Set("X-Sum", "1")
	})
	res, _, err := call(t, s, "GET", "")
	if err != nil || res.Trailer.Get("X-Sum") != "1" || res.Trailer.Get("Content-Digest")+res.Trailer.Get("Repr-Digest") != "" {
		t.Error(res.Trailer, err)
	}
}

func TestETag(t *testing.T) {
	f := ibanFields(t)
	for in, want := range map[string]string{`"a"`: `W/"a"`, `W/"a"`: `W/"a"`, `bad`: ""} {
		s, _ := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", in)
			w.Header().Set("Content-Type", jsonType)
			_, _ = io.WriteString(w, `{}`)
		})
		if res, _, err := call(t, s, "GET", ""); err != nil || res.Header.Get("ETag") != want {
			t.Error(in, res.Header, err)
		}
	}
}

func (c *counting) Header() http.Header { return c.header }
func (c *counting) WriteHeader(int)     {}
func (c *counting) Write(p []byte) (int, error) {
	c.bytes += len(p)
	c.largest = max(c.largest, len(p))
	return len(p), nil
}
