package encrypt_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
)

func bodies(t testing.TB, c encrypt.BodiesConfig) *encrypt.Bodies {
	t.Helper()
	if c.Keys == nil && c.Recipient == nil {
		c.Keys = ring(t, "k1")
	}
	b, err := encrypt.NewBodies(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// behind serves next behind b and an audit log.
func behind(t testing.TB, b *encrypt.Bodies, next http.HandlerFunc) (*httptest.Server, *records) {
	t.Helper()
	rec := &records{}
	trail, err := audit.New(audit.Config{Handler: rec, Waive: func(_ *http.Request, f *audit.Refusal) bool { return f.Status >= 500 }})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(trail.Wrap(b.Wrap(next)))
	t.Cleanup(s.Close)
	return s, rec
}

// E6, UK-enc, FAPI1-ADV-8.6.1: the whole answer is one compact JWE for the client, the whole request one for us.
func TestBodies(t *testing.T) {
	for _, p := range people(t) {
		for _, mediaType := range []string{encrypt.JOSE, encrypt.JOSEJWE} {
			t.Run("UK-enc/"+p.alg+" "+mediaType, func(t *testing.T) {
				b := bodies(t, encrypt.BodiesConfig{Seal: true, Open: true, MediaType: mediaType, Recipient: p.recipient(t).Always, Private: p.keys(t), DangerouslyOpenUnbound: true})
				s, _ := behind(t, b, func(w http.ResponseWriter, r *http.Request) {
					body, err := io.ReadAll(r.Body)
					if err != nil || string(body) != `{"n":0.10}` || r.Header.Get("Content-Type") != jsonType || r.ContentLength != 10 {
						t.Error(string(body), err, r.Header, r.ContentLength)
					}
					w.Header().Set("Content-Type", "application/json; charset=utf-8")
					w.Header().Set("ETag", `"1"`)
					w.Header().Set("Content-Length", "6")
					w.WriteHeader(http.StatusCreated)
					_, _ = io.WriteString(w, `{"a":`)
					_, _ = io.WriteString(w, `1}`)
				})
				res, body, err := call(t, s, "POST", p.sealAlone(t, `{"n":0.10}`), "Content-Type", mediaType)
				if err != nil || res.StatusCode != 201 || res.Header.Get("Content-Type") != mediaType || res.Header.Get("ETag") != `W/"1"` || res.ContentLength != int64(len(body)) {
					t.Fatal(res, body, err)
				}
				if got := p.opensAlone(t, body); got != `{"a":1}` {
					t.Error(got)
				}
				if h := decode(t, strings.Split(body, ".")[0]); !strings.Contains(h, `"cty":"application/json; charset=utf-8"`) || !strings.Contains(h, `"tgt"`) {
					t.Error(h)
				}
			})
		}
	}
}

// What leaves one side of ours enters the other, bound to client and record.
func TestBodiesBound(t *testing.T) {
	as := func(s string) func(*http.Request) (string, error) {
		return func(*http.Request) (string, error) { return s, nil }
	}
	for _, alg := range []string{encrypt.A256GCM, encrypt.A256KW} {
		k, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: []encrypt.Key{{ID: "k1", Secret: secret('1'), Algorithm: alg}}})
		if err != nil {
			t.Fatal(err)
		}
		out := bodies(t, encrypt.BodiesConfig{Keys: k, Seal: true, Client: as("c1"), Record: as("r1")})
		s, _ := behind(t, out, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "DE89")
		})
		_, message, err := call(t, s, "GET", "")
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			config encrypt.BodiesConfig
			body   string
			status int
		}{
			"home":           {encrypt.BodiesConfig{Client: as("c1"), Record: as("r1")}, message, 200},
			"another client": {encrypt.BodiesConfig{Client: as("c2"), Record: as("r1")}, message, 400},
			"another record": {encrypt.BodiesConfig{Client: as("c1"), Record: as("r2")}, message, 400},
			"not bound":      {encrypt.BodiesConfig{}, message, 400},
			"changed":        {encrypt.BodiesConfig{Client: as("c1"), Record: as("r1")}, message[:len(message)-3] + string(flip(message[len(message)-3])) + message[len(message)-2:], 400},
			"line end":       {encrypt.BodiesConfig{Client: as("c1"), Record: as("r1")}, message + "\n", 400},
			"no target":      {encrypt.BodiesConfig{}, foreign(t, "k1", `{"alg":"dir","enc":"A256GCM","kid":"k1"}`, `1`), 400},
			"field of ours":  {encrypt.BodiesConfig{}, foreign(t, "k1", `{"alg":"dir","enc":"A256GCM","kid":"k1","tgt":"`+target(t, "k1", "", jsonType, "", "")+`"}`, `1`), 400},
			"in clear":       {encrypt.BodiesConfig{}, `{"a":1}`, 400},
		} {
			t.Run("pitfall-99/"+alg+" "+name, func(t *testing.T) {
				c.config.Keys, c.config.Open = k, true
				ran := false
				s, rec := behind(t, bodies(t, c.config), func(_ http.ResponseWriter, r *http.Request) {
					got, _ := io.ReadAll(r.Body)
					ran = string(got) == "DE89" && r.Header.Get("Content-Type") == "text/plain"
				})
				res, _, err := call(t, s, "POST", c.body, "Content-Type", encrypt.JOSE)
				if err != nil || res.StatusCode != c.status || ran != (c.status == 200) || !ran && rec.last(t)["reason"] != string(encrypt.ErrOpen) {
					t.Error(res, err, ran, rec.last(t))
				}
			})
		}
	}
}

func TestBodiesRefuse(t *testing.T) {
	p := people(t)[0]
	open := bodies(t, encrypt.BodiesConfig{Open: true, Private: p.keys(t), Keys: ring(t, "k1"), MaxBody: 2000, DangerouslyOpenUnbound: true})
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		reason                  audit.Reason
	}{
		{"JSON", jsonType, `{"a":1}`, 415, encrypt.ErrMediaType},
		{"too large", encrypt.JOSE, strings.Repeat("x", 2001), 413, encrypt.ErrTooLarge},
		{"cty that is none", encrypt.JOSE, foreign(t, "k1", `{"alg":"dir","enc":"A256GCM","kid":"k1","cty":"a/b/c"}`, `1`), 400, encrypt.ErrOpen},
		{"RFC7516-zip", encrypt.JOSE, foreign(t, "k1", `{"alg":"dir","enc":"A256GCM","kid":"k1","zip":"DEF"}`, `1`), 400, encrypt.ErrOpen},
		{"unknown key", encrypt.JOSE, foreign(t, "k9", `{"alg":"dir","enc":"A256GCM","kid":"k9"}`, `1`), 400, encrypt.ErrOpen},
		{"RSA without a key", encrypt.JOSE, people(t)[1].sealAlone(t, `1`), 400, encrypt.ErrOpen},
	} {
		t.Run("FLE-handler/"+c.name, func(t *testing.T) {
			ran := false
			s, rec := behind(t, open, func(http.ResponseWriter, *http.Request) { ran = true })
			res, _, err := call(t, s, "POST", c.body, "Content-Type", c.contentType)
			if err != nil || res.StatusCode != c.status || ran || rec.last(t)["reason"] != string(c.reason) {
				t.Error(res, err, ran, rec.last(t))
			}
		})
	}
	seals := bodies(t, encrypt.BodiesConfig{Seal: true, MaxBody: 100})
	for name, handler := range map[string]http.HandlerFunc{
		"coded":     func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "gzip") },
		"part":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206) },
		"two types": func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = []string{"a/b", "c/d"} },
		"too large": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 100)) },
	} {
		t.Run("E9/"+name, func(t *testing.T) {
			s, rec := behind(t, seals, func(w http.ResponseWriter, r *http.Request) {
				handler(w, r)
				_, _ = io.WriteString(w, "DE89")
			})
			res, body, err := call(t, s, "GET", "")
			if err != nil || res.StatusCode != 500 || strings.Contains(body, "DE89") || rec.last(t)["reason"] != string(encrypt.ErrUnsealed) {
				t.Error(res, body, err)
			}
		})
	}
}

func TestBodiesWithout(t *testing.T) {
	b := bodies(t, encrypt.BodiesConfig{Seal: true, Open: true})
	for _, c := range []struct {
		method string
		status int
	}{{"HEAD", 200}, {"GET", 204}, {"GET", 304}, {"GET", 202}, {"GET", 0}} {
		s, _ := behind(t, b, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			if c.status > 0 {
				w.WriteHeader(c.status)
			}
			if c.method == "HEAD" {
				_, _ = io.WriteString(w, "{}")
			}
		})
		res, body, err := call(t, s, c.method, "")
		if err != nil || res.StatusCode != max(c.status, 200) || body != "" {
			t.Error(res, body, err)
		}
		if c.method == "HEAD" && (res.Header.Get("Content-Type") != encrypt.JOSE || res.Header.Get("Content-Length") != "") {
			t.Error(res.Header)
		}
	}
	// Errors of inner layers are sealed like everything else.
	s, _ := behind(t, b, func(w http.ResponseWriter, r *http.Request) {
		audit.Refused(w, r, &audit.Refusal{Reason: "test: no", Status: http.StatusConflict, Detail: "no"})
	})
	res, body, err := call(t, s, "GET", "")
	if err != nil || res.StatusCode != 409 || res.Header.Get("Content-Type") != encrypt.JOSE {
		t.Fatal(res, body, err)
	}
	plain, err := jwe.Decrypt([]byte(body), jwe.WithKey(jwa.DIRECT(), secret('1')))
	if err != nil || !strings.Contains(string(plain), `"detail":"no"`) {
		t.Error(string(plain), err)
	}
}

// UK-enc: only who asks by Accept gets a sealed answer, when that was chosen by name.
func TestWhenAccepted(t *testing.T) {
	b := bodies(t, encrypt.BodiesConfig{Seal: true, MediaType: encrypt.JOSEJWE, DangerouslyWhenAccepted: true})
	s, _ := behind(t, b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, "{}")
	})
	for accept, sealed := range map[string]bool{
		"application/jose+jwe": true, "application/json, Application/JOSE+JWE;q=0.5": true, "application/jose": true,
		"": false, "*/*": false, "application/json": false, "application/jose+jwe;q=0": false, "application/jose+jwe; q=0.000": false, "application/josejwe": false,
	} {
		res, body, err := call(t, s, "GET", "", "Accept", accept)
		if err != nil || sealed != strings.HasPrefix(body, "eyJ") || sealed != (res.Header.Get("Content-Type") == encrypt.JOSEJWE) || res.Header.Get("Vary") != "Accept" {
			t.Errorf("%q: %v %q %v", accept, res, body, err)
		}
	}
}

func TestNewBodies(t *testing.T) {
	for want, c := range map[string]encrypt.BodiesConfig{
		"neither Seal nor Open":   {Keys: ring(t, "k1")},
		"Seal has neither":        {Seal: true},
		"MediaType is neither":    {Seal: true, Keys: ring(t, "k1"), MediaType: jsonType},
		"without Seal":            {Open: true, Keys: ring(t, "k1"), DangerouslyWhenAccepted: true},
		"Private without a rule":  {Seal: true, Keys: ring(t, "k1"), Private: people(t)[0].keys(t)},
		"MaxBody or MaxValue is ": {Seal: true, Keys: ring(t, "k1"), MaxBody: -1},
	} {
		if _, err := encrypt.NewBodies(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	var zero encrypt.Bodies
	_, err := zero.OpenBody(httptest.NewRequest("POST", "/", strings.NewReader("x")))
	refused(t, err, encrypt.ErrUnsealed, 500)
	w := httptest.NewRecorder()
	zero.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("ran") })).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 {
		t.Error(w.Code)
	}
}
