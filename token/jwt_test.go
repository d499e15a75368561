package token_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/token"
)

// tokens sends each broken token, bound to the client's certificate and over its connection, and wants invalid_token.
func (k *rig) tokens(t *testing.T, id string, list []broke) {
	for _, c := range list {
		t.Run(id+" "+c.name, func(t *testing.T) { k.withBearer(k.bearer(c.edit)).is(t, eIT, c.reason) })
	}
	t.Run(id+" the same unbroken", func(t *testing.T) { k.withBearer(k.bearer()).ok(t) })
}

func unsigned(d *draft) { d.signature = func(string) []byte { return nil } }
func all(edits ...func(*draft)) func(*draft) {
	return func(d *draft) {
		for _, edit := range edits {
			edit(d)
		}
	}
}

func TestTokenHeader(t *testing.T) {
	k := newRig(t)
	for _, typ := range []string{"at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"} {
		t.Run("T3, RFC9068-4-1 "+typ, func(t *testing.T) { k.withBearer(k.bearer(header("typ", quote(typ)))).ok(t) })
	}
	k.tokens(t, "T3, RFC9068-4-1, pitfall-11, RFC8725-3.11", []broke{
		{"no typ", func(d *draft) { d.header.remove("typ") }, token.ErrType},
		{"JWT", header("typ", `"JWT"`), token.ErrType}, {"ID token", all(header("typ", `"JWT"`), claim("nonce", `"n"`)), token.ErrType},
		{"logout token", header("typ", `"logout+jwt"`), token.ErrType}, {"introspection", header("typ", `"token-introspection+jwt"`), token.ErrType},
		{"proof", header("typ", `"dpop+jwt"`), token.ErrType}, {"longer", header("typ", `"at+jwt2"`), token.ErrType},
		{"other type", header("typ", `"text/at+jwt"`), token.ErrType}, {"typ null", header("typ", `null`), token.ErrClaims},
		{"typ number", header("typ", `1`), token.ErrClaims}, {"typ empty", header("typ", `""`), token.ErrClaims},
	})
	k.tokens(t, "T1, RFC9068-4-5, FAPI2-SP-5.4.1-1.3, pitfall-1", []broke{
		{"none", all(header("alg", `"none"`), unsigned), token.ErrAlgorithm}, {"None", all(header("alg", `"None"`), unsigned), token.ErrAlgorithm},
		{"nOnE", all(header("alg", `"nOnE"`), unsigned), token.ErrAlgorithm}, {"NONE", all(header("alg", `"NONE"`), unsigned), token.ErrAlgorithm},
		{"no alg", func(d *draft) { d.header.remove("alg") }, token.ErrAlgorithm}, {"alg null", header("alg", `null`), token.ErrClaims},
		{"alg array", header("alg", `["ES256"]`), token.ErrClaims},
	})
	for _, alg := range []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS384", "PS512", "ES384", "ES512", "ES256K", "Ed448", "es256", "ES256 "} {
		t.Run("T1, FAPI2-SP-5.4.1-1.2, RFC9068-2.1 "+alg, func(t *testing.T) {
			k.withBearer(k.bearer(header("alg", quote(alg)))).is(t, eIT, token.ErrAlgorithm)
		})
	}
	t.Run("T2, pitfall-2: HS256 under the public key", func(t *testing.T) {
		for _, secret := range []string{k.es.published().String(), k.ps.published().String(), keySetOf(k.es.published())} {
			k.withBearer(k.bearer(header("alg", `"HS256"`), func(d *draft) { d.signature = hmacBy(secret) })).is(t, eIT, token.ErrAlgorithm)
		}
	})
	k.tokens(t, "T10, RFC7515-4.1.11, RFC7797-4, RFC8725-3.6, pitfall-6, pitfall-7", []broke{
		{"crit unknown", all(header("crit", `["x"]`), header("x", `1`)), token.ErrCritical}, {"crit exp", header("crit", `["exp"]`), token.ErrCritical},
		{"crit empty", header("crit", `[]`), token.ErrCritical}, {"crit absent parameter", header("crit", `["y"]`), token.ErrCritical},
		{"crit twice the same", header("crit", `["x","x"]`), token.ErrCritical}, {"crit null", header("crit", `null`), token.ErrCritical},
		{"b64 false", header("b64", `false`), token.ErrCritical}, {"b64 in crit", all(header("b64", `false`), header("crit", `["b64"]`)), token.ErrCritical},
		{"zip", header("zip", `"DEF"`), token.ErrCritical},
	})
	t.Run("unknown header members are ignored", func(t *testing.T) {
		k.withBearer(k.bearer(header("x", `{"a":[1]}`), header("cty", `"x"`))).ok(t)
	})
	for _, p := range []*pair{k.es, k.ps, k.ed} {
		t.Run("FAPI2-SP-5.4.1-1.2 "+p.alg, func(t *testing.T) { k.withBearer(k.bearer(func(d *draft) { d.by(p) })).ok(t) })
	}
	t.Run("RFC9864-2.2 Ed25519", func(t *testing.T) {
		k.withBearer(k.bearer(func(d *draft) { d.by(k.ed) }, header("alg", `"Ed25519"`))).ok(t)
	})
	k.tokens(t, "RFC7515-10.7, RFC8725-3.1: alg and key", []broke{
		{"alg of another kind", header("alg", `"PS256"`), token.ErrUnknownKey}, {"EdDSA with an EC key", header("alg", `"EdDSA"`), token.ErrUnknownKey},
		{"key of another kind", header("kid", `"ps"`), token.ErrUnknownKey},
		{"unknown kid", header("kid", `"zz"`), token.ErrUnknownKey}, {"no kid", func(d *draft) { d.header.remove("kid") }, token.ErrUnknownKey},
		{"kid null", header("kid", `null`), token.ErrClaims}, {"kid number", header("kid", `1`), token.ErrClaims}, {"kid empty", header("kid", `""`), token.ErrClaims},
		{"kid of a path", header("kid", `"../../es"`), token.ErrUnknownKey},
	})
	t.Run("Algorithms narrow", func(t *testing.T) {
		k := newRig(t, func(k *rig) { k.jwt.Algorithms = []string{jose.PS256} })
		k.withBearer(k.bearer()).is(t, eIT, token.ErrAlgorithm)
		k.withBearer(k.bearer(func(d *draft) { d.by(k.ps) })).ok(t)
	})
}

// TestTokenKeyInjection: a key that the token brings along is not looked at, and nothing is fetched.
func TestTokenKeyInjection(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	k := newRig(t)
	evil := newPair(jose.ES256, "es")
	for _, c := range []struct {
		member, value string
		reason        audit.Reason
	}{
		{"jwk", evil.published().String(), token.ErrSignature}, {"jku", quote(server.URL + "/jwks"), token.ErrSignature},
		{"x5u", quote(server.URL + "/cert"), token.ErrSignature}, {"x5c", `["` + base64.StdEncoding.EncodeToString(k.cert.Raw) + `"]`, token.ErrSignature},
		{"iss", quote(server.URL), token.ErrSignature},
	} {
		t.Run("RFC9068-4-5, FAPI2-SP-5.4.2-1 "+c.member, func(t *testing.T) {
			k.withBearer(k.bearer(func(d *draft) { d.key = evil }, header(c.member, c.value))).is(t, eIT, c.reason)
			k.withBearer(k.bearer(func(d *draft) { d.key = evil }, header(c.member, c.value), header("kid", `"evil"`))).is(t, eIT, token.ErrUnknownKey)
			k.withBearer(k.bearer(header(c.member, c.value))).ok(t)
		})
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests went out", n)
	}
	t.Run("RFC9068-5-1: a key of another issuer, the same kid", func(t *testing.T) {
		k.withBearer(k.bearer(func(d *draft) { d.key = evil })).is(t, eIT, token.ErrSignature)
		k.withBearer(k.bearer(func(d *draft) { d.key = evil }, claim("iss", `"https://other.example"`))).is(t, eIT, token.ErrIssuer)
	})
}

func TestTokenClaims(t *testing.T) {
	k := newRig(t)
	k.tokens(t, "RFC9068-4-3", []broke{
		{"trailing slash", claim("iss", quote(rigIssuer+"/")), token.ErrIssuer}, {"case", claim("iss", quote(strings.ToUpper(rigIssuer))), token.ErrIssuer},
		{"tenant", claim("iss", quote(rigIssuer+"/tenant")), token.ErrIssuer}, {"prefix", claim("iss", quote(rigIssuer[:len(rigIssuer)-1])), token.ErrIssuer},
		{"array", claim("iss", `[`+quote(rigIssuer)+`]`), token.ErrClaims}, {"missing", func(d *draft) { d.claims.remove("iss") }, token.ErrIssuer},
		{"space", claim("iss", quote(rigIssuer+" ")), token.ErrIssuer},
	})
	for _, aud := range []string{quote(rigAudience), `[` + quote(rigAudience) + `]`, `["x",` + quote(rigAudience) + `]`, `["1","2","3","4","5","6","7","8","9",` + quote(rigAudience) + `]`} {
		t.Run("T5, RFC9068-4-4, pitfall-10 "+aud, func(t *testing.T) { k.withBearer(k.bearer(claim("aud", aud))).ok(t) })
	}
	k.tokens(t, "RFC9068-4-4, pitfall-10", []broke{
		{"missing", func(d *draft) { d.claims.remove("aud") }, token.ErrAudience}, {"other", claim("aud", `"https://other.example/"`), token.ErrAudience},
		{"prefix", claim("aud", quote(rigAudience[:20])), token.ErrAudience}, {"longer", claim("aud", quote(rigAudience+"x")), token.ErrAudience},
		{"empty array", claim("aud", `[]`), token.ErrClaims}, {"numbers", claim("aud", `[1,2]`), token.ErrClaims},
		{"ours and a number", claim("aud", `[`+quote(rigAudience)+`,1]`), token.ErrClaims}, {"ours and null", claim("aud", `[`+quote(rigAudience)+`,null]`), token.ErrClaims},
		{"object", claim("aud", `{"a":`+quote(rigAudience)+`}`), token.ErrClaims}, {"null", claim("aud", `null`), token.ErrClaims},
		{"nested", claim("aud", `[[`+quote(rigAudience)+`]]`), token.ErrClaims}, {"others", claim("aud", `["a","b"]`), token.ErrAudience},
		{"in one string", claim("aud", quote("x "+rigAudience)), token.ErrAudience},
	})
	reasons := map[string]audit.Reason{"iss": token.ErrIssuer, "aud": token.ErrAudience}
	for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
		reason := token.ErrClaims
		if r, ok := reasons[name]; ok {
			reason = r
		}
		t.Run("T6, RFC9068-2.2 no "+name, func(t *testing.T) {
			k.withBearer(k.bearer(func(d *draft) { d.claims.remove(name) })).is(t, eIT, reason)
		})
	}
	for _, name := range []string{"iss", "sub", "client_id", "jti", "sid", "acr"} {
		for _, value := range []string{"null", "1", "true", "{}", "[]", `""`, `["x"]`} {
			t.Run("RFC9068-2.2, pitfall-13 "+name+" "+value, func(t *testing.T) { k.withBearer(k.bearer(claim(name, value))).is(t, eIT, token.ErrClaims) })
		}
	}
	for _, value := range []string{"null", "1", `"pwd"`, "{}", `[1]`, `["pwd",null]`, `[""]`} {
		t.Run("RFC9068-2.2.1 amr "+value, func(t *testing.T) { k.withBearer(k.bearer(claim("amr", value))).is(t, eIT, token.ErrClaims) })
	}
	for _, value := range []string{"null", "1", `["accounts"]`, "{}", "true"} {
		t.Run("RFC6750-3.1-3 scope "+value, func(t *testing.T) { k.withBearer(k.bearer(claim("scope", value))).is(t, eIT, token.ErrClaims) })
	}
	for _, value := range []string{"\"a\\u0000b\"", "\"a\\nb\"", "\"\u00e9\"", "\"a\u007fb\""} {
		t.Run("RFC6749-A.1 client_id "+value, func(t *testing.T) { k.withBearer(k.bearer(claim("client_id", value))).is(t, eIT, token.ErrClaims) })
	}
	t.Run("RFC9068-2.2.1: good ones", func(t *testing.T) {
		k.withBearer(k.bearer(claim("acr", `"urn:bank:sca"`), claim("amr", `["pwd","hwk"]`), claim("x", `[{"y":null}]`), claim("client_id", `"a b~!"`))).ok(t)
	})
}

func TestTokenSyntax(t *testing.T) {
	k := newRig(t)
	bad := token.ErrMalformed
	k.tokens(t, "JOSE", []broke{
		{"two parts", composed(func(h, c, _ string) string { return h + "." + c }), bad}, {"four parts", composed(func(h, c, s string) string { return h + "." + c + "." + s + "." }), bad},
		{"pitfall-25: five parts", composed(func(h, c, s string) string { return h + "." + c + "." + s + ".AAAA.AAAA" }), bad},
		{"opaque", composed(func(string, string, string) string { return "2YotnFZFEjr1zCsicMWpAA" }), bad},
		{"pitfall-15: dots", composed(func(string, string, string) string { return "a" + strings.Repeat(".", 10000) }), bad},
		{"RFC7515-5.2-1: other spare bits in the header", func(d *draft) {
			d.rawHeader = d.header.String() + " " // 1 byte more or less changes how many bits are spare
			for len(d.rawHeader)%3 == 0 {
				d.rawHeader += " "
			}
			d.compose = func(h, c, s string) string { return h[:len(h)-1] + string(spare(h[len(h)-1])) + "." + c + "." + s }
		}, bad},
		{"RFC7515-5.2-1: other spare bits in the signature", composed(func(h, c, s string) string { return h + "." + c + "." + s[:len(s)-1] + string(spare(s[len(s)-1])) }), token.ErrSignature},
		{"RFC7515-5.2-1: padding", composed(func(h, c, s string) string { return h + "." + c + "." + s + "==" }), token.ErrSignature},
		{"RFC7515-5.2-1: standard alphabet", composed(func(h, c, s string) string { return h + "." + c + "+/." + s }), bad},
		{"RFC7515-4: alg twice", func(d *draft) { d.header.add("alg", `"ES256"`) }, bad}, {"RFC7515-4: kid twice", func(d *draft) { d.header.add("kid", `"es"`) }, bad},
		{"escaped twin", func(d *draft) { d.rawHeader = strings.Replace(d.header.String(), `{`, `{"\u0061lg":"none",`, 1) }, bad},
		{"pitfall-12: Alg", func(d *draft) { d.header.add("Alg", `"none"`) }, bad}, {"pitfall-12: EXP", func(d *draft) { d.claims.add("EXP", `1`) }, bad},
		{"pitfall-12: Cnf", func(d *draft) { d.claims.add("Cnf", `{}`) }, bad}, {"pitfall-12: ſcope", func(d *draft) { d.claims.add("ſcope", `"x"`) }, bad},
		{"pitfall-12: exp twice", func(d *draft) { d.claims.add("exp", `99999999999`) }, bad}, {"cnf twice", func(d *draft) { d.claims.add("cnf", `{}`) }, bad},
		{"nested twice", claim("x", `{"a":1,"a":2}`), bad}, {"claims null", func(d *draft) { d.rawClaims = "null" }, bad},
		{"claims array", func(d *draft) { d.rawClaims = "[]" }, bad}, {"claims string", func(d *draft) { d.rawClaims = `"x"` }, bad},
		{"trailing text", func(d *draft) { d.rawClaims = d.claims.String() + "x" }, bad}, {"comment", func(d *draft) { d.rawClaims = "/**/" + d.claims.String() }, bad},
		{"BOM", func(d *draft) { d.rawClaims = "\ufeff" + d.claims.String() }, bad}, {"invalid UTF-8", func(d *draft) { d.rawClaims = strings.Replace(d.claims.String(), "tpp", "\xfftpp", 1) }, bad},
		{"too deep", claim("x", strings.Repeat("[", 40)+strings.Repeat("]", 40)), bad},
		{"pitfall-3, pitfall-4: JSON serialisation", func(d *draft) {
			d.compose = func(h, c, s string) string {
				return enc64(`{"payload":"` + c + `","protected":"` + h + `","signature":"` + s + `"}`)
			}
		}, bad},
	})
	t.Run("pitfall-8, RFC6750-3-4: names and values are not echoed", func(t *testing.T) {
		for _, edit := range []func(*draft){
			func(d *draft) { d.claims.add(`x","admin":"true`, `1`) }, claim("scope", `"accounts\"\r\nSet-Cookie: a=b"`), header("x\r\ny", `"\"é\\"`), claim("sub", `"a\r\nb\u0000"`),
		} {
			a := k.withBearer(k.bearer(edit))
			if a.status != 200 && a.status != 403 {
				t.Errorf("%d, %v", a.status, a.records)
			}
			for _, line := range a.header["Www-Authenticate"] {
				parseChallenge(t, line)
			}
			a.silent(t)
		}
		a := k.withBearer(k.bearer(claim("iss", `"https://evil.example/\"\r\nX: y"`), claim("scope", `"é"`)))
		a.is(t, eIT, token.ErrIssuer)
	})
	sign := func(f func([]byte) []byte) func(*draft) {
		return func(d *draft) { d.signature = func(s string) []byte { return f(d.key.sign(s)) } }
	}
	k.tokens(t, "RFC7518-3.4, pitfall-40", []broke{
		{"changed", sign(func(b []byte) []byte { b[7] ^= 1; return b }), token.ErrSignature}, {"63 bytes", sign(func(b []byte) []byte { return b[:63] }), token.ErrSignature},
		{"a zero between r and s", sign(func(b []byte) []byte { return append(append(b[:32:32], 0), b[32:]...) }), token.ErrSignature}, {"65 bytes", sign(func(b []byte) []byte { return append(b, 0) }), token.ErrSignature}, {"zero", sign(func([]byte) []byte { return make([]byte, 64) }), token.ErrSignature},
		{"empty", unsigned, token.ErrSignature}, {"claims of another", func(d *draft) { s := d.key.sign("x.y"); d.signature = func(string) []byte { return s } }, token.ErrSignature},
	})
	k.tokens(t, "RFC7518-3.5", []broke{
		{"salt of 0", all(func(d *draft) { d.by(k.ps) }, func(d *draft) { d.signature = func(s string) []byte { return signPSS(rsaKey(), s, 0) } }), token.ErrSignature},
		{"salt of 20", all(func(d *draft) { d.by(k.ps) }, func(d *draft) { d.signature = func(s string) []byte { return signPSS(rsaKey(), s, 20) } }), token.ErrSignature},
		{"PKCS #1 v1.5", all(func(d *draft) { d.by(k.ps) }, func(d *draft) { d.signature = func(s string) []byte { return signPKCS1(rsaKey(), s) } }), token.ErrSignature},
	})
}
