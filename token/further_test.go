package token_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// T4, RFC9068-5-1, FAPI2-SP-6.3: each issuer is verified with its own keys, audiences and binding, and an unknown one
// asks nobody.
func TestIssuers(t *testing.T) {
	a, b := newBench(t, 0), newBench(t, 0)
	asked := 0
	source := func(s *bench) token.KeySource {
		keys, err := token.NewKeySet([]byte(`{"keys":[` + s.jwkText("es") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return token.KeySourceFunc(func(ctx context.Context, kid string) ([]token.Key, error) {
			asked++
			return keys.Find(ctx, kid)
		})
	}
	one := func(issuer string, s *bench, binding token.Binding) *token.JWT {
		j, err := token.NewJWT(token.JWTConfig{Issuer: issuer, Audiences: []string{benchOrigin}, Keys: source(s), Binding: binding})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	issuers, err := token.NewIssuers(one(benchIssuer, a, token.BindingAny), one("https://b.example", b, token.BindingCertificate))
	if err != nil {
		t.Fatal(err)
	}
	const header = `{"alg":"ES256","kid":"es","typ":"at+jwt"}`
	fromB := strings.Replace(a.payload(), benchIssuer, "https://b.example", 1)
	withCertificate := strings.Replace(fromB, `"jkt"`, `"x5t#S256"`, 1)
	for _, c := range []struct {
		id, raw string
		want    error
		asks    int
	}{
		{"its own key", a.signTexts(header, a.payload()), nil, 1},
		{"the other issuer, its own key", b.signTexts(header, withCertificate), nil, 1},
		{"the other's key under the same kid", b.signTexts(header, a.payload()), token.ErrSignature, 1},
		{"T4 binding of the issuer", b.signTexts(header, fromB), token.ErrUnbound, 0},
		{"unknown issuer", a.signTexts(header, strings.Replace(a.payload(), benchIssuer, "https://c.example", 1)), token.ErrIssuer, 0},
		{"trailing slash", a.signTexts(header, strings.Replace(a.payload(), benchIssuer, benchIssuer+"/", 1)), token.ErrIssuer, 0},
	} {
		asked = 0
		if _, err := issuers.Resolve(context.Background(), c.raw); !errors.Is(err, c.want) || asked != c.asks {
			t.Errorf("%s: %v, asked %d times", c.id, err, asked)
		}
	}
	if _, err := token.NewIssuers(one("x", a, 0), one("x", b, 0)); err == nil {
		t.Error("an issuer twice")
	}
}

// T23, RFC9068-4-2, pitfalls 25 to 28: encrypted tokens around signed ones.
func TestEncryptedTokens(t *testing.T) {
	s := newBench(t, 0)
	ours, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, err := jwk.Import(ours)
	if err != nil {
		t.Fatal(err)
	}
	_ = private.Set("kid", "enc-1")
	text, err := json.Marshal(private)
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := token.NewEncrypted(token.EncryptedConfig{Keys: []byte(`{"keys":[` + string(text) + `]}`), Signed: s.jwt})
	if err != nil {
		t.Fatal(err)
	}
	resolver := token.Shapes{Signed: s.jwt, Encrypted: encrypted}
	wrap := func(inner, cty string, alg jwa.KeyEncryptionAlgorithm, enc jwa.ContentEncryptionAlgorithm) string {
		h := jwe.NewHeaders()
		if cty != "" {
			_ = h.Set("cty", cty)
		}
		out, err := jwe.Encrypt([]byte(inner), jwe.WithKey(alg, &ours.PublicKey), jwe.WithContentEncryption(enc), jwe.WithProtectedHeaders(h))
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	signed := s.signTexts(`{"alg":"ES256","kid":"es","typ":"at+jwt"}`, s.payload())
	oaep, gcm := jwa.RSA_OAEP_256(), jwa.A256GCM()
	good := wrap(signed, "JWT", oaep, gcm)
	for _, c := range []struct {
		id, raw string
		want    error
	}{
		{"RFC9068-4-2", good, nil},
		{"cty at+jwt", wrap(signed, "at+jwt", oaep, gcm), nil},
		{"plain signed", signed, nil},
		{"pitfall-25 no signature inside", wrap(s.payload(), "JWT", oaep, gcm), token.ErrMalformed},
		{"pitfall-25 alg none inside", wrap(s.signTexts(`{"alg":"none","typ":"at+jwt"}`, s.payload()), "JWT", oaep, gcm), token.ErrAlgorithm},
		{"nested twice", wrap(good, "JWT", oaep, gcm), token.ErrMalformed},
		{"stranger's signature inside", wrap(newBench(t, 0).signTexts(`{"alg":"ES256","kid":"es","typ":"at+jwt"}`, s.payload()), "JWT", oaep, gcm), token.ErrSignature},
		{"pitfall-28 RSA-OAEP", wrap(signed, "JWT", jwa.RSA_OAEP(), gcm), token.ErrMalformed},
		{"RFC9068-4-2 A128CBC-HS256", wrap(signed, "JWT", oaep, jwa.A128CBC_HS256()), token.ErrMalformed},
		{"cty octets", wrap(signed, "octet-stream", oaep, gcm), token.ErrType},
		{"tag changed", good[:len(good)-4] + "AAAA", token.ErrDecryption},
		{"four parts", strings.TrimSuffix(good, "."+good[strings.LastIndex(good, ".")+1:]), token.ErrMalformed},
		{"opaque without a resolver", "opaque", token.ErrMalformed},
	} {
		if _, err := resolver.Resolve(context.Background(), c.raw); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.id, err)
		}
	}
	v := s.verifierOver(resolver)
	if _, err := v.Authenticate(s.request(good, s.proof(good))); err != nil {
		t.Error("through the Verifier:", err)
	}
}

// nonced is a proof with iat off by skew and a nonce, when given.
func (b *bench) nonced(raw, jti string, skew time.Duration, nonce string) string {
	text := unb64(b.tb, strings.Split(b.proof(raw), ".")[1])
	var claims map[string]any
	if err := json.Unmarshal([]byte(text), &claims); err != nil {
		b.tb.Fatal(err)
	}
	claims["jti"], claims["iat"] = jti, time.Now().Add(skew).Unix()
	if nonce != "" {
		claims["nonce"] = nonce
	}
	return b.sign(map[string]any{"alg": "ES256", "typ": "dpop+jwt", "jwk": ecJWK(b.tb, &b.client.PublicKey)}, claims, b.client)
}

// R12, R13, RFC9449-11.1-4: when a nonce is demanded, and when its time stands in for iat.
func TestNoncePolicyMatrix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBench(t, 0)
		nonces, err := replay.NewNonces(replay.NonceConfig{Service: benchOrigin, Lifetime: 4 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		raw := s.token("ES256", true)
		verifier := func(change func(*token.Config)) *token.Verifier {
			c := s.configOver(s.jwt)
			c.Nonces, c.MaxAge = nonces, time.Minute
			change(&c)
			v, err := token.New(c)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		risky := false
		always := verifier(func(c *token.Config) { c.Nonce = token.NonceAlways })
		forIAT := verifier(func(c *token.Config) { c.Nonce, c.NonceForIAT = token.NonceAlways, true })
		skewed := verifier(func(c *token.Config) { c.Nonce = token.NonceSkewed })
		onRisk := verifier(func(c *token.Config) {
			c.Nonce, c.Risky = token.NonceOnRisk, func(*http.Request, token.Grant) bool { return risky }
		})
		never := verifier(func(c *token.Config) { c.Nonce, c.Nonces = token.NonceNever, nil })
		n := 0
		try := func(v *token.Verifier, skew time.Duration, nonce string) error {
			n++
			_, err := v.Authenticate(s.request(raw, s.nonced(raw, strings.Repeat("j", n), skew, nonce)))
			return err
		}
		for _, c := range []struct {
			name  string
			v     *token.Verifier
			skew  time.Duration
			nonce string
			want  error
		}{
			{"always, none", always, 0, "", token.ErrNonceMissing},
			{"always, ours", always, 0, nonces.Mint(), nil},
			{"always, ours, clock off", always, -time.Hour, nonces.Mint(), token.ErrProofTime},
			{"for iat, ours, clock off", forIAT, -time.Hour, nonces.Mint(), nil},
			{"for iat, ours, clock ahead", forIAT, time.Hour, nonces.Mint(), nil},
			{"for iat, none, clock off", forIAT, -time.Hour, "", token.ErrNonceMissing},
			{"for iat, foreign, clock off", forIAT, -time.Hour, "foreign", token.ErrNonce},
			{"skewed, none, clock right", skewed, 0, "", nil},
			{"skewed, none, clock off", skewed, -time.Hour, "", token.ErrNonceMissing},
			{"skewed, ours, clock off", skewed, time.Hour, nonces.Mint(), nil},
			{"RFC9449-9-3 skewed, foreign, clock right", skewed, 0, "foreign", token.ErrNonce},
			{"risk, none, quiet", onRisk, 0, "", nil},
			{"never, foreign", never, 0, "foreign", nil},
			{"never, clock off", never, -time.Hour, "", token.ErrProofTime},
		} {
			if err := try(c.v, c.skew, c.nonce); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		}
		risky = true
		if err := try(onRisk, 0, ""); !errors.Is(err, token.ErrNonceMissing) {
			t.Error("risk, none, risky:", err)
		}
		if err := try(onRisk, 0, nonces.Mint()); err != nil {
			t.Error("risk, ours, risky:", err)
		}
		// RFC9449-11.1-5, -6: a proof that a nonce kept alive is refused a second time for as long as it lives
		for _, v := range []*token.Verifier{forIAT, skewed} {
			for _, skew := range []time.Duration{0, 10 * time.Second, -time.Hour, time.Hour} {
				n++
				r := s.request(raw, s.nonced(raw, strings.Repeat("j", n), skew, nonces.Mint()))
				if _, err := v.Authenticate(r); err != nil {
					t.Fatal(err)
				}
				for range 100 {
					time.Sleep(10 * time.Second)
					if _, err := v.Authenticate(r); err == nil {
						t.Fatal("a second time", skew)
					}
				}
				raw = s.token("ES256", true)
			}
		}
	})
}

// RFC 9728: the document says what is enforced, and the challenges name it.
func TestMetadata(t *testing.T) {
	s := newBench(t, 0)
	c := s.configOver(s.jwt)
	c.ResourceMetadata = benchOrigin + "/.well-known/oauth-protected-resource"
	v, err := token.New(c)
	if err != nil {
		t.Fatal(err)
	}
	m, err := token.NewMetadata(token.MetadataConfig{Resource: benchOrigin + "/", Verifiers: []*token.Verifier{v}, AuthorizationServers: []string{benchIssuer}, Scopes: []string{"accounts"}})
	if err != nil {
		t.Fatal(err)
	}
	if m.Path() != "/.well-known/oauth-protected-resource" {
		t.Error("RFC9728-3-1:", m.Path())
	}
	if p, err := token.MetadataPath("https://rs/a/b"); p != "/.well-known/oauth-protected-resource/a/b" {
		t.Error("RFC9728-3-1:", p, err)
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", m.Path(), nil))
	var d map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatal("RFC9728-3.2:", w.Code, w.Header(), err)
	}
	if d["resource"] != benchOrigin+"/" || d["tls_client_certificate_bound_access_tokens"] != true || d["dpop_bound_access_tokens_required"] != nil ||
		len(d["dpop_signing_alg_values_supported"].([]any)) != 4 || len(d["bearer_methods_supported"].([]any)) != 1 {
		t.Error("RFC9728-2-other:", d)
	}
	for _, absent := range []string{"resource_name", "jwks_uri", "authorization_details_types_supported"} {
		if _, ok := d[absent]; ok {
			t.Error("RFC9728-3.2:", absent)
		}
	}
	w = httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("POST", m.Path(), nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Error("RFC9728-3.1:", w.Code, w.Header())
	}
	r := s.request("x", "")
	r.Header.Del("Authorization")
	_, err = v.Authenticate(r)
	var f *audit.Refusal
	if !errors.As(err, &f) || slices.ContainsFunc(f.Header["Www-Authenticate"], func(l string) bool {
		return !strings.Contains(l, `, resource_metadata="`+benchOrigin+`/.well-known/oauth-protected-resource"`)
	}) {
		t.Error("RFC9728-5.1:", f)
	}
	for _, bad := range []string{"", "http://rs", "https://rs#f", "https://rs?q", "rs"} {
		if _, err := token.NewMetadata(token.MetadataConfig{Resource: bad, Verifiers: []*token.Verifier{v}}); err == nil {
			t.Error("RFC9728-2-resource accepted:", bad)
		}
	}
}

// Profiles are ready but for what only the bank knows, and each refuses what its standard refuses.
func TestProfiles(t *testing.T) {
	s := newBench(t, 0)
	for name, p := range map[string]token.Profile{
		"FAPI2": token.FAPI2(), "FAPI1-ADV": token.FAPI1Advanced(), "UK": token.UKOpenBanking(), "BR": token.OpenFinanceBrasil(), "CDR": token.CDR(),
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := token.NewKeySet([]byte(`{"keys":[` + s.jwkText("es") + `,` + s.rsaText("ps") + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			p.JWT.Issuer, p.JWT.Audiences, p.JWT.Keys = benchIssuer, []string{benchOrigin}, keys
			resolver, err := token.NewJWT(p.JWT)
			if err != nil {
				t.Fatal(err)
			}
			base := s.configOver(resolver)
			p.Verifier.Resolver, p.Verifier.Revocations, p.Verifier.Certificate = resolver, base.Revocations, base.Certificate
			p.Verifier.Origin, p.Verifier.Replay, p.Verifier.Nonce = base.Origin, base.Replay, token.NonceNever
			v, err := token.New(p.Verifier)
			if err != nil {
				t.Fatal(err)
			}
			short := func(alg string, dpop bool) string { return s.tokenFor(alg, dpop, 5*time.Minute) }
			accepts := func(raw, proof string) bool {
				r := s.request(raw, proof)
				if name == "BR" {
					r.Header.Set("X-Fapi-Interaction-Id", "93bac548-d2de-4546-b106-880a5018460d")
				}
				w := httptest.NewRecorder()
				log, err := audit.New(audit.Config{Handler: audit.NewLines(new(strings.Builder))})
				if err != nil {
					t.Fatal(err)
				}
				log.Wrap(v.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))).ServeHTTP(w, r)
				return w.Code == 204
			}
			ps, es, dpop := short("PS256", false), short("ES256", false), short("ES256", true)
			if !accepts(ps, "") {
				t.Error("PS256 with a certificate is refused")
			}
			if accepts(es, "") != (name != "BR") {
				t.Error("BR-6.1-5: ES256")
			}
			if accepts(dpop, s.proof(dpop)) != (name == "FAPI2") {
				t.Error("DPoP")
			}
			if long := s.tokenFor("PS256", false, 50*time.Minute); accepts(long, "") != (name != "BR" && name != "CDR") {
				t.Error("lifetime")
			}
			if name == "BR" {
				w := httptest.NewRecorder()
				v.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("ran") })).ServeHTTP(w, s.request(ps, ""))
				if w.Code != 400 {
					t.Error("BR-5.2.2-23:", w.Code)
				}
			}
		})
	}
}

func (b *bench) rsaText(kid string) string {
	text, err := json.Marshal(map[string]string{"kty": "RSA", "n": b64(b.ps.N.Bytes()), "e": "AQAB", "kid": kid})
	if err != nil {
		b.tb.Fatal(err)
	}
	return string(text)
}
