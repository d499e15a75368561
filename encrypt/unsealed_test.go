package encrypt_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
)

// A field that would leave in clear: 500, recorded, final, and nothing of the answer is sent.
func TestUnsealed(t *testing.T) {
	f := ibanFields(t)
	for _, c := range []struct {
		name   string
		status int
		header [2]string
		body   string
		reason audit.Reason
	}{
		{"text", 200, [2]string{"Content-Type", "text/plain"}, account, encrypt.ErrUnsealed},
		{"no type", 200, [2]string{"X", "y"}, account, encrypt.ErrUnsealed},
		{"error page", 404, [2]string{"Content-Type", "text/plain"}, "404", encrypt.ErrUnsealed},
		{"lines", 200, [2]string{"Content-Type", "application/x-ndjson"}, account, encrypt.ErrUnsealed},
		{"gzip", 200, [2]string{"Content-Encoding", "gzip"}, account, encrypt.ErrUnsealed},
		{"part", 206, [2]string{"Content-Range", "bytes 0-3/9"}, `"DE8"`, encrypt.ErrUnsealed},
		{"part without a range", 206, [2]string{}, `"DE8"`, encrypt.ErrUnsealed},
		{"range of another status", 200, [2]string{"Content-Range", "bytes 0-3/9"}, `"DE8"`, encrypt.ErrUnsealed},
		{"value too large", 200, [2]string{}, `{"accounts":[{"iban":"` + strings.Repeat("DE89", 1<<15) + `"}]}`, encrypt.ErrUnsealed},
		{"case variant", 200, [2]string{}, `{"accounts":[{"IBAN":"DE89"}]}`, encrypt.ErrResponse},
		{"not JSON", 200, [2]string{}, `DE89`, encrypt.ErrResponse},
		{"cut", 200, [2]string{}, account[:60], encrypt.ErrResponse},
		{"two", 200, [2]string{}, account + account, encrypt.ErrResponse},
	} {
		t.Run(c.name, func(t *testing.T) {
			everything := func(*http.Request, *audit.Refusal) bool { return true } // final: it is asked in vain
			s, rec := server(t, f, everything, func(w http.ResponseWriter, _ *http.Request) {
				if c.header[0] != "X" {
					w.Header().Set("Content-Type", jsonType)
				}
				if c.header[0] != "" {
					w.Header().Set(c.header[0], c.header[1])
				}
				w.WriteHeader(c.status)
				_, first := io.WriteString(w, c.body)
				_, second := w.Write([]byte(" "))
				if first != nil && second == nil {
					t.Error("a write after the fault succeeded")
				}
			})
			res, body, err := call(t, s, "GET", "")
			if err != nil || res.StatusCode != 500 || res.Header.Get("Content-Type") != "application/problem+json" || !json.Valid([]byte(body)) {
				t.Fatal(res, body, err)
			}
			if strings.Contains(body, "DE8") || res.Header.Get("Content-Encoding")+res.Header.Get("Content-Range") != "" {
				t.Error(body, res.Header)
			}
			if line := rec.last(t); line["reason"] != string(c.reason) || line["decision"] != "deny" || strings.Contains(rec.raw.String(), "DE8") {
				t.Error(line)
			}
		})
	}
}

// After the header is out a fault cuts the answer: it is never taken for a whole one.
func TestCut(t *testing.T) {
	f := ibanFields(t)
	long := `{"accounts":[` + strings.Repeat(`{"iban":"DE89","x":"`+strings.Repeat("x", 100)+`"},`, 500)
	for _, c := range []struct {
		name    string
		handler func(w http.ResponseWriter)
	}{
		{"bad JSON late", func(w http.ResponseWriter) { _, _ = io.WriteString(w, long+"x") }},
		{"end missing", func(w http.ResponseWriter) { _, _ = io.WriteString(w, long+"{}]") }},
		{"end missing after flush", func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"accounts":[{"iban":"DE89`)
			_ = http.NewResponseController(w).Flush()
		}},
		{"text after flush", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			w.Header().Set("Content-Type", jsonType)
			_, _ = io.WriteString(w, account)
		}},
		{"panic", func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, long)
			panic("DE89")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, rec := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", jsonType)
				c.handler(w)
			})
			res, body, err := call(t, s, "GET", "")
			if err == nil {
				t.Fatalf("a whole answer: %v %.100q", res, body)
			}
			if strings.Contains(body, "DE89") || strings.Contains(rec.raw.String(), "DE89") {
				t.Error("plaintext left")
			}
		})
	}
}

// The header may not change between the judgement of the body and its way out.
func TestHeaderChanges(t *testing.T) {
	f := ibanFields(t)
	for _, change := range [][2]string{{"Content-Type", "text/plain"}, {"Content-Type", "application/x+json"}, {"Content-Encoding", "gzip"}, {"Content-Range", "bytes 0-1/9"}} {
		s, rec := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			_, _ = io.WriteString(w, account)
			w.Header().Set(change[0], change[1])
		})
		res, body, err := call(t, s, "GET", "")
		if err != nil || res.StatusCode != 500 || rec.last(t)["reason"] != string(encrypt.ErrUnsealed) || strings.Contains(body, "eyJ") {
			t.Error(change, res, body, err)
		}
	}
}

// A refusal of an inner layer, and a panic, come out as they are.
func TestInnerRefusal(t *testing.T) {
	f := ibanFields(t)
	s, rec := server(t, f, nil, func(w http.ResponseWriter, r *http.Request) {
		audit.Refused(w, r, &audit.Refusal{Reason: "test: no", Status: http.StatusConflict, Code: "conflict", Detail: "no",
			Header: http.Header{"Retry-After": {"7"}}})
	})
	res, body, err := call(t, s, "GET", "")
	if err != nil || res.StatusCode != 409 || res.Header.Get("Retry-After") != "7" || res.Header.Get("Content-Type") != "application/problem+json" ||
		!strings.Contains(body, `"detail":"no"`) || rec.last(t)["reason"] != "test: no" {
		t.Error(res, body, err)
	}
	if n := res.ContentLength; n != int64(len(body)) {
		t.Error("Content-Length", n)
	}
	// Before anything was sent a panic of the handler is still a whole 500, and what it wrote stays here.
	s, rec = server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, account)
		panic("DE89")
	})
	if res, body, err := call(t, s, "GET", ""); err != nil || res.StatusCode != 500 || strings.Contains(body, "eyJ") || strings.Contains(rec.raw.String(), "DE89") {
		t.Error(res, body, err)
	}
	// A refusal after a written body is no whole answer either.
	s, _ = server(t, f, nil, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, `{"accounts":[`)
		audit.Refused(w, r, &audit.Refusal{Reason: "test: no", Status: http.StatusConflict})
	})
	if res, body, err := call(t, s, "GET", ""); err != nil || res.StatusCode != 500 || strings.Contains(body, "accounts") {
		t.Error(res, body, err)
	}
}
