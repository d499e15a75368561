package token_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

func withNonces(k *rig) {
	nonces, err := replay.NewNonces(replay.NonceConfig{Service: rigOrigin})
	must(err)
	k.config.Nonce, k.config.Nonces = token.NonceAlways, nonces
}

// TestDecisionTable is section 0.2 of the matrix, row by row, with the shape and the reason of each answer.
func TestDecisionTable(t *testing.T) {
	k := newRig(t)
	bearer, bound := k.bearer(), k.dpop()
	none := k.access().compact()
	both := k.access().bind(k.both()).compact()
	for _, c := range []struct {
		name   string
		header []string
		query  string
		shape  shape
		reason audit.Reason
	}{
		{"RFC9449-7.1-5, RFC9449-7.2-2, RFC9110-15.5.2: no credentials", nil, "", c0, token.ErrMissing},
		{"no credentials but a proof", []string{"DPoP", k.proof(bound)}, "", c0, token.ErrMissing},
		{"Basic", []string{"Authorization", "Basic dXNlcjpwYXNz"}, "", c0, token.ErrScheme},
		{"unknown scheme", []string{"Authorization", "Foo " + bearer}, "", c0, token.ErrScheme},
		{"RFC6750-2.3-1: query only", nil, "access_token=" + bearer, c0, token.ErrInQuery},
		{"pitfall-18, RFC6750-2-1, RFC6750-3.1-1: header and query", []string{"Authorization", "Bearer " + bearer}, "access_token=" + bearer, eIR, token.ErrSeveral},
		{"DPoP header and query", []string{"Authorization", "DPoP " + bound, "DPoP", k.proof(bound)}, "access_token=" + bound, eIR, token.ErrSeveral},
		{"pitfall-19: two Bearer lines", []string{"Authorization", "Bearer " + bearer, "Authorization", "Bearer " + bearer}, "", eIR, token.ErrSeveral},
		{"RFC9449-7.2-4: Bearer and DPoP lines", []string{"Authorization", "Bearer " + bearer, "Authorization", "DPoP " + bound, "DPoP", k.proof(bound)}, "", eIR, token.ErrSeveral},
		{"RFC9449-7.2-3: malformed credentials", []string{"Authorization", "Bearer a b"}, "", eIR1, token.ErrCredentials},
		{"RFC8705-3-5, RFC9449-7.2-3: Bearer, unbound", []string{"Authorization", "Bearer " + none}, "", eIT, token.ErrUnbound},
		{"D14, RFC9449-7.2-1, pitfall-49: Bearer, bound to a DPoP key", []string{"Authorization", "Bearer " + bound}, "", eIT, token.ErrDowngrade},
		{"RFC9449-7.2-1, pitfall-49: Bearer, bound to a DPoP key, with a good proof", []string{"Authorization", "Bearer " + bound, "DPoP", k.proof(bound)}, "", eIT, token.ErrDowngrade},
		{"RFC8705-3-6: Bearer, bound to both", []string{"Authorization", "Bearer " + both}, "", eIT, token.ErrDowngrade},
		{"RFC9449-7.1-2: DPoP without proof", []string{"Authorization", "DPoP " + bound}, "", eIDP, token.ErrProofMissing},
		{"RFC8705-3-6: DPoP without proof, bound to both", []string{"Authorization", "DPoP " + both}, "", eIDP, token.ErrProofMissing},
		{"DPoP, two proofs", []string{"Authorization", "DPoP " + bound, "DPoP", k.proof(bound), "DPoP", k.proof(bound)}, "", eIDP, token.ErrProofSeveral},
		{"DPoP, invalid proof", []string{"Authorization", "DPoP " + bound, "DPoP", "invalid"}, "", eIDP, token.ErrProofMalformed},
		{"D15, RFC9449-7.1-4: DPoP, unbound", []string{"Authorization", "DPoP " + none, "DPoP", k.proof(none)}, "", eIT, token.ErrNotDPoP},
		{"DPoP, bound to a certificate", []string{"Authorization", "DPoP " + bearer, "DPoP", k.proof(bearer)}, "", eIT, token.ErrNotDPoP},
		{"DPoP, another key", []string{"Authorization", "DPoP " + bound, "DPoP", k.proofBy(k.es, bound).compact()}, "", eIT, token.ErrKeyMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := over(k.asking(c.header...), k.cert)
			r.URL.RawQuery = c.query
			k.call(r).is(t, c.shape, c.reason)
		})
	}
	t.Run("only unknown confirmations", func(t *testing.T) {
		for _, cnf := range []string{`{"jku":"https://x.example"}`, `{"kid":"1"}`, `{"jwk":{}}`} {
			raw := k.access().bind(cnf).compact()
			k.withBearer(raw).is(t, eIT, token.ErrConfirmation)
			k.withDPoP(raw, k.proof(raw)).is(t, eIT, token.ErrConfirmation)
		}
	})
	t.Run("Bearer with its certificate", func(t *testing.T) { k.withBearer(bearer).ok(t) })
	t.Run("Bearer with another certificate", func(t *testing.T) {
		k.call(over(k.asking("Authorization", "Bearer "+bearer), k.other)).is(t, eIT, token.ErrCertificateMismatch)
	})
	t.Run("pitfall-75: Bearer without certificate", func(t *testing.T) {
		k.call(k.asking("Authorization", "Bearer "+bearer)).is(t, eIT, token.ErrNoCertificate)
	})
	t.Run("DPoP", func(t *testing.T) { k.withDPoP(bound, k.proof(bound)).ok(t) })
	t.Run("RFC8705-3-6, pitfall-76: DPoP and certificate", func(t *testing.T) {
		ask := func() *http.Request { return k.asking("Authorization", "DPoP "+both, "DPoP", k.proof(both)) }
		k.call(over(ask(), k.cert)).ok(t)
		k.call(over(ask(), k.other)).is(t, eIT, token.ErrCertificateMismatch)
		k.call(ask()).is(t, eIT, token.ErrNoCertificate)
	})
	t.Run("DPoP without nonce, with a stale nonce", func(t *testing.T) {
		k := newRig(t, withNonces)
		raw := k.dpop()
		k.withDPoP(raw, k.proof(raw)).is(t, eUDN, token.ErrNonceMissing)
		k.withDPoP(raw, k.proof(raw, claim("nonce", `"c3RhbGU"`))).is(t, eUDN, token.ErrNonce)
	})
	t.Run("RFC6750-only: Bearer, unbound", func(t *testing.T) {
		k := newRig(t, func(k *rig) { k.config.Binding = token.DangerouslyUnbound })
		raw := k.access().compact()
		k.call(k.asking("Authorization", "Bearer "+raw)).ok(t)
	})
}

func claim(name, json string) func(*draft)  { return func(d *draft) { d.claims.set(name, json) } }
func header(name, json string) func(*draft) { return func(d *draft) { d.header.set(name, json) } }

// opaque resolves any text to a token of the client, bound to its certificate.
func opaque(k *rig) {
	k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) {
		return &token.Claims{
			Issuer: rigIssuer, Client: "tpp-1", Scope: []string{"accounts"}, X5T: sum64(k.cert.Raw), Expires: time.Now().Add(time.Minute),
		}, nil
	})
}

func TestCredentials(t *testing.T) {
	k := newRig(t, opaque)
	t.Run("RFC6750-2.1-1, RFC6750-2.1-2, RFC9449-7.1-1", func(t *testing.T) {
		for _, raw := range []string{"abc", "a==", "ABCxyz019-._~+/", strings.Repeat("a", 12<<10)} {
			for _, space := range []string{" ", "   "} {
				k.call(over(k.asking("Authorization", "Bearer"+space+raw), k.cert)).ok(t)
			}
		}
		for _, credentials := range []string{
			"Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer a%41", `Bearer a"b`, "Bearer a\x01b", "Bearer é", "Bearer a;b", "Bearer =", "Bearer a=b",
			"Bearer a\tb", "Bearer \ta", "DPoP", "DPoP ,", `DPoP t="x"`, "Bearer aaa, DPoP bbb",
		} {
			k.call(over(k.asking("Authorization", credentials), k.cert)).is(t, eIR1, token.ErrCredentials)
		}
	})
	t.Run("T9, pitfall-15: size", func(t *testing.T) {
		for _, raw := range []string{strings.Repeat("a", 12<<10+1), strings.Repeat("a", 10<<20), strings.Repeat(".", 20000)} {
			k.call(over(k.asking("Authorization", "Bearer "+raw), k.cert)).is(t, eIT, token.ErrTooLarge)
		}
	})
	t.Run("pitfall-20, RFC6750-3.1-4: the scheme is compared whole", func(t *testing.T) {
		for _, credentials := range []string{"", "Foo x", "Bearerx abc", "xBearer abc", "Bearer\tabc", "Bearer,abc", "DPoPx abc", "Basic Bearer", "Digest x=Bearer"} {
			k.call(over(k.asking("Authorization", credentials), k.cert)).is(t, c0, token.ErrScheme)
		}
	})
	t.Run("D16, RFC9110-11.1: schemes ignore case", func(t *testing.T) {
		k := newRig(t)
		for _, scheme := range []string{"bEARER", "bearer", "BEARER"} {
			k.call(over(k.asking("Authorization", scheme+" "+k.bearer()), k.cert)).ok(t)
		}
		for _, scheme := range []string{"dpOp", "DPOP", "dpop"} {
			raw := k.dpop()
			k.call(k.asking("Authorization", scheme+" "+raw, "dpop", k.proof(raw))).ok(t)
			k.call(k.asking("Authorization", scheme+" "+raw)).is(t, eIDP, token.ErrProofMissing)
		}
	})
	t.Run("RFC9449-7.1-6, RFC6750-5.2: other places", func(t *testing.T) {
		for _, header := range [][]string{
			{"Proxy-Authorization", "DPoP abcdefghijklmnop"}, {"Cookie", "access_token=abcdefghijklmnop"}, {"X-Authorization", "Bearer abcdefghijklmnop"},
		} {
			k.call(over(k.asking(header...), k.cert)).is(t, c0, token.ErrMissing)
		}
	})
}

// TestPlaces is about tokens in the query and in the body.
func TestPlaces(t *testing.T) {
	var read string
	k := newRig(t, opaque, func(k *rig) {
		k.handler = func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			read = string(b)
		}
	})
	post := func(body string) *http.Request {
		r := httptest.NewRequest("POST", rigOrigin+"/accounts", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return over(r, k.cert)
	}
	for _, query := range []string{
		"access_token=abcdefghijklmnop", "a=b&access_token=abcdefghijklmnop", "%61ccess_token=abcdefghijklmnop", "access%5Ftoken=abcdefghijklmnop", "access%5ftoken",
		"access_token=abcdefghijklmnop;x=1", "x=1;access_token=abcdefghijklmnop", "&&access_token", "a=%&access_token=",
	} {
		t.Run("T21, RFC6750-2.3-1 "+query, func(t *testing.T) {
			r := over(k.asking(), k.cert)
			r.URL.RawQuery = query
			k.call(r).is(t, c0, token.ErrInQuery)
			r = over(k.asking("Authorization", "Bearer abc"), k.cert)
			r.URL.RawQuery = query
			k.call(r).is(t, eIR, token.ErrSeveral)
		})
	}
	t.Run("RFC6750-2.3-1: other parameters", func(t *testing.T) {
		for _, query := range []string{"a=access_token", "access_tokens=1", "Access_Token=1", "xaccess_token=1", "access_token%00=1", "a=b;c=%"} {
			r := over(k.asking("Authorization", "Bearer abc"), k.cert)
			r.URL.RawQuery = query
			k.call(r).ok(t)
		}
	})
	t.Run("RFC6750-2.2: a form body is not read for tokens", func(t *testing.T) {
		const body = "access_token=abcdefghijklmnop&amount=1"
		k.call(post(body)).is(t, c0, token.ErrMissing)
		r := post(body)
		r.Header.Set("Authorization", "Bearer abc")
		k.call(r).ok(t)
		if read != body {
			t.Errorf("the handler read %q", read)
		}
	})
	t.Run("RFC6750-2.2: the body of a refused request is not touched", func(t *testing.T) {
		r := post("")
		r.Body = io.NopCloser(untouched{t})
		k.call(r).is(t, c0, token.ErrMissing)
	})
}

type untouched struct{ testing.TB }

func (u untouched) Read([]byte) (int, error) {
	u.Error("the body was read")
	return 0, io.EOF
}
