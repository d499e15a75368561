package token_test

import (
	"crypto/sha1" //nolint:gosec // the thumbprint that must not be enough
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

func TestConfirmation(t *testing.T) {
	k := newRig(t)
	sum := sha256.Sum256(k.cert.Raw)
	spki := sha256.Sum256(k.cert.RawSubjectPublicKeyInfo)
	old := sha1.Sum(k.cert.Raw) //nolint:gosec // see the import
	good := enc64(sum[:])
	bad, mismatch := token.ErrConfirmation, token.ErrCertificateMismatch
	for _, c := range []struct {
		id, cnf string
		reason  audit.Reason
	}{
		{"RFC8705-3.1-1, pitfall-73 padded", `{"x5t#S256":` + quote(good+"=") + `}`, bad},
		{"RFC8705-3.1-1, pitfall-73 hex", `{"x5t#S256":` + quote(hexOf(sum[:])) + `}`, bad},
		{"RFC8705-3.1-1 standard base64", `{"x5t#S256":` + quote(base64.StdEncoding.EncodeToString(sum[:])) + `}`, bad},
		{"RFC8705-3.1-1 standard alphabet", `{"x5t#S256":` + quote("+/"+good[2:]) + `}`, bad},
		{"RFC8705-3.1-1 space", `{"x5t#S256":` + quote(good+" ") + `}`, bad},
		{"RFC8705-3.1-1 line break", `{"x5t#S256":` + quote(good[:20]+"\r\n"+good[20:]) + `}`, bad},
		{"RFC8705-3.1-1 short", `{"x5t#S256":` + quote(good[:42]) + `}`, bad},
		{"RFC8705-3.1-1 spare bits", `{"x5t#S256":` + quote(good[:42]+string(spare(good[42]))) + `}`, bad},
		{"RFC8705-3.1-3 the first 42 characters", `{"x5t#S256":` + quote(good[:42]+string(another(good[42]))) + `}`, mismatch},
		{"RFC8705-3.1-3 all but the first", `{"x5t#S256":` + quote(string(another(good[0]))+good[1:]) + `}`, mismatch},
		{"RFC8705-3.1-2 of the key", `{"x5t#S256":` + quote(enc64(spki[:])) + `}`, mismatch},
		{"RFC8705-7.2, pitfall-74 SHA-1", `{"x5t":` + quote(enc64(old[:])) + `}`, bad},
		{"RFC8705-7.2, pitfall-74 SHA-256 as x5t", `{"x5t":` + quote(good) + `}`, bad},
		{"RFC7800-3.1, pitfall-21 jku", `{"jku":"https://x"}`, bad},
		{"RFC7800-3.1 kid", `{"kid":"1"}`, bad}, {"RFC7800-3.1 jwk", `{"jwk":` + k.client.jwk.String() + `}`, bad},
		{"RFC7800-3.1 jwe", `{"jwe":"x"}`, bad},
		{"RFC7800-3.1, pitfall-21 empty", `{}`, bad}, {"RFC7800-3.1, pitfall-21 null", `null`, bad}, {"RFC7800-3.1, pitfall-21 array", `[]`, bad},
		{"RFC7800-3.1, pitfall-21 array of one", `[` + k.x5t(k.cert) + `]`, bad}, {"RFC7800-3.1, pitfall-21 string", quote(good), bad},
		{"RFC7800-3.1 number", `1`, bad}, {"RFC7800-3.1 true", `true`, bad}, {"RFC7800-3.1 x5t null", `{"x5t#S256":null}`, bad},
		{"pitfall-81 x5t number", `{"x5t#S256":1}`, bad}, {"RFC7800-3.1 x5t object", `{"x5t#S256":{}}`, bad}, {"RFC7800-3.1 x5t array", `{"x5t#S256":[` + quote(good) + `]}`, bad},
		{"RFC7800-3.1 x5t empty", `{"x5t#S256":""}`, bad}, {"RFC7800-3.1 jkt empty beside", `{"x5t#S256":` + quote(good) + `,"jkt":""}`, bad},
		{"RFC7800-3.1 jkt null beside", `{"x5t#S256":` + quote(good) + `,"jkt":null}`, bad},
		{"pitfall-12 X5T#S256", `{"X5T#S256":` + quote(good) + `}`, bad}, {"pitfall-12 JKT beside", `{"x5t#S256":` + quote(good) + `,"JKT":"x"}`, bad},
	} {
		t.Run(c.id, func(t *testing.T) {
			k.withBearer(k.access().bind(c.cnf).compact()).is(t, eIT, c.reason)
		})
	}
	t.Run("RFC8705-3-1", func(t *testing.T) { k.withBearer(k.bearer()).ok(t) })
	t.Run("RFC7800-3.1: unknown members beside", func(t *testing.T) {
		k.withBearer(k.access().bind(`{"kid":"1","x5t":"x","x5t#S256":` + quote(good) + `,"y":[1]}`).compact()).ok(t)
	})
	t.Run("RFC8705-3.1-2: a new certificate for the same key and name", func(t *testing.T) {
		k.call(over(k.asking("Authorization", "Bearer "+k.bearer()), k.other)).is(t, eIT, mismatch)
	})
	t.Run("pitfall-77: certificate headers are nobody's", func(t *testing.T) {
		pem := ":" + base64.StdEncoding.EncodeToString(k.cert.Raw) + ":"
		a := k.call(k.asking("Authorization", "Bearer "+k.bearer(), "Client-Cert", pem, "X-Forwarded-Client-Cert", "Hash="+hexOf(sum[:]), "Ssl-Client-Cert", pem))
		a.is(t, eIT, token.ErrNoCertificate)
	})
}

func another(c byte) byte {
	if c == 'A' {
		return 'E' // 'B' to 'D' differ in the spare bits only
	}
	return 'A'
}

// TestConfirmationByResolver: what a Resolver of one's own says is judged as strictly.
func TestConfirmationByResolver(t *testing.T) {
	k := newRig(t)
	for _, c := range []struct {
		id     string
		edit   func(*token.Claims)
		reason audit.Reason
	}{
		{"pitfall-24: bad x5t", func(c *token.Claims) { c.X5T += "=" }, token.ErrConfirmation}, {"bad jkt", func(c *token.Claims) { c.JKT = "x" }, token.ErrConfirmation},
		{"no issuer", func(c *token.Claims) { c.Issuer = "" }, token.ErrClaims}, {"nobody", func(c *token.Claims) { c.Client = "" }, token.ErrClaims},
		{"RFC9068-4-6: expired", func(c *token.Claims) { c.Expires = time.Now() }, token.ErrExpired}, {"no expiry", func(c *token.Claims) { c.Expires = time.Time{} }, token.ErrClaims},
		{"RFC8705-3.2: no confirmation", func(c *token.Claims) { c.X5T = "" }, token.ErrUnbound},
	} {
		t.Run(c.id, func(t *testing.T) {
			opaque(k)
			inner := k.resolver
			k.resolver = token.ResolverFunc(func(ctx ctx, raw string) (*token.Claims, error) {
				claims, err := inner.Resolve(ctx, raw)
				c.edit(claims)
				return claims, err
			})
			for _, cached := range []bool{false, true} {
				k.cached = cached
				k.build()
				k.withBearer("opaque").is(t, eIT, c.reason)
			}
		})
	}
	t.Run("no claims and no error", func(t *testing.T) {
		k.resolver = token.ResolverFunc(func(ctx, string) (*token.Claims, error) { return nil, nil })
		k.cached = false
		k.build()
		k.withBearer("opaque").is(t, eIT, token.ErrClaims)
	})
	t.Run("RFC8705-3.2: opaque and bound", func(t *testing.T) {
		opaque(k)
		k.build()
		k.withBearer("opaque").ok(t)
		k.call(over(k.asking("Authorization", "Bearer opaque"), k.other)).is(t, eIT, token.ErrCertificateMismatch)
	})
}

func TestMemoOfTheCertificate(t *testing.T) {
	k := newRig(t, func(k *rig) { k.cached = true })
	raw := k.bearer()
	ask := func(c *x509.Certificate) answer { return k.call(over(k.asking("Authorization", "Bearer "+raw), c)) }
	t.Run("RFC8705-3-2: right, other, none, right again", func(t *testing.T) {
		copied, err := x509.ParseCertificate(k.cert.Raw)
		must(err)
		for range 3 {
			ask(k.cert).ok(t)
			ask(k.cert).ok(t)
			ask(k.other).is(t, eIT, token.ErrCertificateMismatch)
			k.call(k.asking("Authorization", "Bearer "+raw)).is(t, eIT, token.ErrNoCertificate)
			ask(copied).ok(t)
			ask(k.other).is(t, eIT, token.ErrCertificateMismatch)
		}
	})
	t.Run("the thumbprint that was shown is recorded", func(t *testing.T) {
		a := ask(k.other)
		if r := a.records[0]; r["presented_x5t"] != sum64(k.other.Raw) || r["x5t"] != sum64(k.cert.Raw) || r["client"] != "tpp-1" {
			t.Errorf("OPS-audit-1: %v", r)
		}
	})
	t.Run("concurrently", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				cert, want := k.cert, 200
				if i%2 == 1 {
					cert, want = k.other, 401
				}
				for range 50 {
					w := httptest.NewRecorder()
					k.chain.ServeHTTP(w, over(k.asking("Authorization", "Bearer "+raw), cert))
					if w.Code != want {
						t.Errorf("%d, want %d", w.Code, want)
					}
				}
			})
		}
		all.Wait()
	})
}

// TestOverTLS has real connections: HTTP/1.1 and HTTP/2, with and without certificates.
func TestOverTLS(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		k := newRig(t, func(k *rig) { k.cached = true })
		server := httptest.NewUnstartedServer(k.chain)
		server.EnableHTTP2 = h2
		server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		server.StartTLS()
		t.Cleanup(server.Close)
		client := func(certs ...*x509.Certificate) *http.Client {
			transport := server.Client().Transport.(*http.Transport).Clone()
			for _, c := range certs {
				transport.TLSClientConfig.Certificates = append(transport.TLSClientConfig.Certificates, tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: k.client.private})
			}
			t.Cleanup(transport.CloseIdleConnections)
			return &http.Client{Transport: transport}
		}
		ask := func(c *http.Client, raw string) (int, http.Header) {
			r, err := http.NewRequest("GET", server.URL+"/accounts", nil)
			must(err)
			r.Header.Set("Authorization", "Bearer "+raw)
			resp, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			must(resp.Body.Close())
			if want := map[bool]int{false: 1, true: 2}[h2]; resp.ProtoMajor != want {
				t.Fatalf("HTTP/%d", resp.ProtoMajor)
			}
			return resp.StatusCode, resp.Header
		}
		name := map[bool]string{false: "HTTP/1.1 ", true: "HTTP/2 "}[h2]
		mine, theirs := k.bearer(), k.access().bind(k.x5t(k.other)).compact()
		right, wrong, none := client(k.cert), client(k.other), client()
		t.Run(name+"RFC8705-3-1, RFC8705-3-2, RFC8705-3-3, RFC8705-3-4, RFC8705-5", func(t *testing.T) {
			for range 2 {
				if status, h := ask(right, mine); status != 200 || h.Get("Date") == "" {
					t.Errorf("RFC9110-6.6.1: %d, %v", status, h)
				}
				for _, c := range []*http.Client{wrong, none} {
					status, h := ask(c, mine)
					if status != 401 || !strings.Contains(h.Get("WWW-Authenticate"), `error="invalid_token"`) || h.Get("Date") == "" {
						t.Errorf("%d, %v", status, h)
					}
				}
				if status, _ := ask(wrong, theirs); status != 200 {
					t.Errorf("the other client: %d", status)
				}
			}
		})
		t.Run(name+"RFC8705-h2: two tokens on one connection", func(t *testing.T) {
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					raw, want := mine, 200
					if i%2 == 1 {
						raw, want = theirs, 401
					}
					if status, _ := ask(right, raw); status != want {
						t.Errorf("%d, want %d", status, want)
					}
				})
			}
			all.Wait()
		})
	}
}

// Certificates that share a place in the memory of thumbprints are still told apart.
func TestThumbprintsOfMany(t *testing.T) {
	k := newRig(t)
	raw := k.bearer()
	for i := range 300 {
		k.call(over(k.asking("Authorization", "Bearer "+raw), k.cert)).ok(t)
		other := &x509.Certificate{Raw: append(make([]byte, 100), byte(i), byte(i>>8))}
		k.call(over(k.asking("Authorization", "Bearer "+raw), other)).is(t, eIT, token.ErrCertificateMismatch)
	}
}
