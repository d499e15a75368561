package encrypt_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
)

// request is what a server would hand over.
func request(body, contentType string) *http.Request {
	r := httptest.NewRequest("POST", "/payments", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// chunked makes the length unknown.
func chunked(r *http.Request) *http.Request {
	r.ContentLength = -1
	r.Body = io.NopCloser(io.MultiReader(r.Body)) // only a Reader
	return r
}

func readAll(t testing.TB, r *http.Request) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOpenBody(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/a"}, Open: []string{"/a"}})
	sealed := seal(t, f, `{"a":0.10, "b":1}`, encrypt.Binding{})
	const want = `{"a":0.10, "b":1}`

	t.Run("opened", func(t *testing.T) {
		r := request(sealed, "application/json; charset=utf-8")
		r.Header.Set("Content-Length", "999")
		r.Header.Set("Content-Digest", "sha-256=:x:")
		r.Header.Set("X-Other", "kept")
		out, err := f.OpenBody(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, out); got != want || out.ContentLength != int64(len(want)) || out.Header.Get("Content-Length") != "17" {
			t.Error(got, out.ContentLength, out.Header)
		}
		if out.Header.Get("Content-Digest") != "" || out.Header.Get("X-Other") != "kept" {
			t.Error(out.Header)
		}
		if r.Header.Get("Content-Digest") == "" || r.Header.Get("Content-Length") != "999" {
			t.Error("the caller's header was changed")
		}
	})
	t.Run("unknown length", func(t *testing.T) {
		r := chunked(request(sealed, jsonType))
		r.TransferEncoding = []string{"chunked"}
		out, err := f.OpenBody(r)
		if err != nil || readAll(t, out) != want || out.ContentLength != int64(len(want)) || out.TransferEncoding != nil {
			t.Error(out, err)
		}
	})
	t.Run("field absent", func(t *testing.T) {
		r := request(` {"b": 1E0}`, jsonType)
		r.Header.Set("Content-Digest", "sha-256=:x:")
		out, err := f.OpenBody(r)
		if err != nil || readAll(t, out) != ` {"b": 1E0}` || out.Header.Get("Content-Digest") == "" {
			t.Error(out, err)
		}
	})
}

// An empty body is no body, and one whose length nobody set is one.
func TestOpenBodyOfNoLength(t *testing.T) {
	f := fields(t, encrypt.Config{Open: []string{"/a"}})
	t.Run("no body", func(t *testing.T) {
		r := httptest.NewRequest("GET", "/", nil)
		if out, err := f.OpenBody(r); err != nil || out != r {
			t.Error(out, err)
		}
		if out, err := f.OpenBody(chunked(request("", ""))); err != nil || out.Body == nil || readAll(t, out) != "" || out.ContentLength != 0 {
			t.Error(out, err)
		}
	})
	t.Run("length that nobody set", func(t *testing.T) {
		r, err := http.NewRequest("POST", "/", io.MultiReader(strings.NewReader(`{"a":"DE89"}`)))
		if err != nil || r.ContentLength != 0 {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", jsonType)
		_, err = f.OpenBody(r)
		refused(t, err, encrypt.ErrOpen, 400)
	})
	t.Run("nothing to open", func(t *testing.T) {
		r := request("not JSON", "text/plain")
		if out, err := fields(t, encrypt.Config{Seal: []string{"/a"}}).OpenBody(r); err != nil || out != r {
			t.Error(out, err)
		}
	})
}

// A refusal leaves the body as it was sent, for a caller whose report-only waives it.
func TestOpenBodyRefuses(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/a"}, Open: []string{"/a"}, MaxBody: 2000, MaxValue: 300})
	long := `{"a":"` + strings.Repeat("x", 3000) + `"}`
	for _, c := range []struct {
		name, body, contentType, coding string
		reason                          audit.Reason
		status                          int
	}{
		{"plain value", `{"a":"DE89"}`, jsonType, "", encrypt.ErrOpen, 400},
		{"case variant", `{"A":"DE89"}`, jsonType, "", encrypt.ErrJSON, 400},
		{"duplicate", `{"b":1,"b":2}`, jsonType, "", encrypt.ErrJSON, 400},
		{"cut", `{"b":1`, jsonType, "", encrypt.ErrJSON, 400},
		{"only white space", ` `, jsonType, "", encrypt.ErrJSON, 400},
		{"deep", strings.Repeat("[", 65) + strings.Repeat("]", 65), jsonType, "", encrypt.ErrJSON, 400},
		{"too long", long, jsonType, "", encrypt.ErrTooLarge, 413},
		{"value too long", `{"a":"` + strings.Repeat("x", 3700) + `"}`, jsonType, "", encrypt.ErrTooLarge, 413},
		{"no type", `{}`, "", "", encrypt.ErrMediaType, 415},
		{"text", `{}`, "text/plain", "", encrypt.ErrMediaType, 415},
		{"form", `a=1`, "application/x-www-form-urlencoded", "", encrypt.ErrMediaType, 415},
		{"sequence", `{}`, "application/json-seq", "", encrypt.ErrMediaType, 415},
		{"charset", `{}`, "application/json; charset=utf-16", "", encrypt.ErrMediaType, 415},
		{"broken type", `{}`, "application/json; x", "", encrypt.ErrMediaType, 415},
		{"bare suffix", `{}`, "application/+json", "", encrypt.ErrMediaType, 415},
		{"gzip", `{}`, jsonType, "gzip", encrypt.ErrEncoding, 415},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, known := range []bool{true, false} {
				r := request(c.body, c.contentType)
				if c.coding != "" {
					r.Header.Set("Content-Encoding", c.coding)
				}
				if !known {
					chunked(r)
				}
				out, err := f.OpenBody(r)
				refused(t, err, c.reason, c.status)
				if got := readAll(t, out); got != c.body {
					t.Errorf("known length %v: the body has become %.40q", known, got)
				}
				if strings.Contains(err.Error(), "DE89") {
					t.Error(err)
				}
			}
		})
	}
	twice := request(`{}`, jsonType)
	twice.Header.Add("Content-Type", "text/plain")
	_, err := f.OpenBody(twice)
	refused(t, err, encrypt.ErrMediaType, 415)
	for _, ok := range []string{"application/problem+json", "Application/JSON", "application/vnd.x+json;v=1"} {
		if _, err := f.OpenBody(request(`{}`, ok)); err != nil {
			t.Error(ok, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
func (failing) Close() error               { return nil }

func TestOpenBodyUnread(t *testing.T) {
	f := fields(t, encrypt.Config{Open: []string{"/a"}})
	r := chunked(request("", jsonType))
	r.Body = failing{errors.New("DE89")}
	_, err := f.OpenBody(r)
	refused(t, err, encrypt.ErrBody, 400)
	r.Body = failing{&http.MaxBytesError{Limit: 1}}
	_, err = f.OpenBody(r)
	refused(t, err, encrypt.ErrTooLarge, 413)
}

// An announced length alone makes nobody allocate.
func TestAnnouncedLength(t *testing.T) {
	f := fields(t, encrypt.Config{Open: []string{"/a"}, MaxBody: 1 << 30})
	r := request("{}", jsonType)
	r.ContentLength = 1 << 30
	if got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			r.Body = io.NopCloser(bytes.NewReader([]byte("{}")))
			if _, err := f.OpenBody(r); err != nil {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp(); got > 128<<10 {
		t.Errorf("%d bytes", got)
	}
}

// E1, FLE-handler: the handler runs on what was opened, or not at all; nothing of it is recorded.
func TestWrapOpens(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/iban"}, Open: []string{"/iban"}})
	sealed := seal(t, f, `{"iban":"DE89370400440532013000"}`, encrypt.Binding{})
	var got string
	ran := 0
	handler := func(w http.ResponseWriter, r *http.Request) {
		ran++
		body, _ := io.ReadAll(r.Body)
		got = string(body)
		w.WriteHeader(http.StatusNoContent)
	}
	s, rec := server(t, f, nil, handler)
	if res, _, err := call(t, s, "POST", sealed); err != nil || res.StatusCode != 204 || got != `{"iban":"DE89370400440532013000"}` || ran != 1 {
		t.Fatal(res, err, got)
	}
	for _, c := range []struct {
		body, contentType string
		status            int
		reason            audit.Reason
		header            string
	}{
		{`{"iban":"DE89370400440532013000"}`, jsonType, 400, encrypt.ErrOpen, ""},
		{strings.Replace(sealed, "..", "..A", 1), jsonType, 400, encrypt.ErrOpen, ""},
		{`{"iban"`, jsonType, 400, encrypt.ErrJSON, ""},
		{`"` + strings.Repeat("x", 1<<20) + `"`, jsonType, 413, encrypt.ErrTooLarge, ""},
		{`{}`, "text/plain", 415, encrypt.ErrMediaType, "Accept"},
	} {
		t.Run("FLE-handler/"+string(c.reason), func(t *testing.T) {
			res, body, err := call(t, s, "POST", c.body, "Content-Type", c.contentType)
			if err != nil || res.StatusCode != c.status || ran != 1 || strings.Contains(body, "DE89") {
				t.Fatal(res, body, err, ran)
			}
			if c.header != "" && res.Header.Get(c.header) == "" {
				t.Error("no", c.header)
			}
			if line := rec.last(t); line["reason"] != string(c.reason) || line["decision"] != "deny" {
				t.Error(line)
			}
		})
	}
	if strings.Contains(rec.raw.String(), "DE89") {
		t.Error("plaintext in the log")
	}
}

// Report-only: the handler gets the body as it was sent.
func TestWaived(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/iban"}, Open: []string{"/iban"}})
	got := ""
	s, rec := server(t, f, func(*http.Request, *audit.Refusal) bool { return true }, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = string(body)
	})
	for _, body := range []string{`{"iban":"DE89"}`, `{"iban"`, `"` + strings.Repeat("x", 1<<20) + `"`} {
		if res, _, err := call(t, s, "POST", body); err != nil || res.StatusCode != 200 || got != body {
			t.Fatalf("%v %v: %.40q", res, err, got)
		}
		if line := rec.last(t); line["decision"] != "would_deny" {
			t.Error(line)
		}
	}
}

func TestClientAndRecord(t *testing.T) {
	header := func(name string) func(*http.Request) (string, error) {
		return func(r *http.Request) (string, error) {
			if r.Header.Get(name) == "none" {
				return "ignored", &audit.Refusal{Reason: "test: nobody", Status: http.StatusUnauthorized}
			}
			return r.Header.Get(name), nil
		}
	}
	rules := []string{"/a"}
	f := fields(t, encrypt.Config{Seal: rules, Open: rules, Client: header("X-Client"), Record: header("X-Record")})
	ran := false
	s, _ := server(t, f, nil, func(w http.ResponseWriter, r *http.Request) {
		ran = true
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, `{"a":1}`)
	})
	_, sealed, err := call(t, s, "GET", "", "X-Client", "c1", "X-Record", "r1")
	_, errOpen := f.OpenJSON(context.Background(), nil, []byte(sealed), encrypt.Binding{Client: "c1", Record: "r1"})
	if err != nil || errOpen != nil {
		t.Fatal("the answer is not bound to the caller:", err, errOpen)
	}
	for _, c := range []struct {
		client, record string
		status         int
	}{{"c1", "r1", 200}, {"c2", "r1", 400}, {"c1", "r2", 400}, {"", "r1", 500}, {"c1", "", 500}, {"none", "r1", 401}, {"c1", "none", 401}} {
		ran = false
		res, body, err := call(t, s, "POST", sealed, "X-Client", c.client, "X-Record", c.record)
		if err != nil || res.StatusCode != c.status || ran != (c.status == 200) {
			t.Errorf("pitfall-99/%s %s: %v %s %v", c.client, c.record, res, body, err)
		}
	}
}
