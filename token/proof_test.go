package token_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/token"
)

// broke is one way to break a proof or a token.
type broke struct {
	name   string
	edit   func(*draft)
	reason audit.Reason
}

// proofs sends each broken proof, of the client and for a good token, and wants invalid_dpop_proof.
func (k *rig) proofs(t *testing.T, id string, list []broke) {
	raw := k.dpop()
	for _, c := range list {
		t.Run(id+" "+c.name, func(t *testing.T) { k.withDPoP(raw, k.proof(raw, c.edit)).is(t, eIDP, c.reason) })
	}
	t.Run(id+" the same unbroken", func(t *testing.T) { k.withDPoP(raw, k.proof(raw)).ok(t) })
}

func composed(f func(h, c, s string) string) func(*draft) { return func(d *draft) { d.compose = f } }

func TestProofSyntax(t *testing.T) {
	k := newRig(t)
	bad := token.ErrProofMalformed
	k.proofs(t, "RFC9449-4.3-2", []broke{
		{"two parts", composed(func(h, c, _ string) string { return h + "." + c }), bad},
		{"one part", composed(func(h, _, _ string) string { return h }), bad},
		{"four parts", composed(func(h, c, s string) string { return h + "." + c + "." + s + "." + s }), bad},
		{"five parts", composed(func(h, c, s string) string { return h + "." + c + "." + s + "." + s + "." + s }), bad},
		{"trailing dot", composed(func(h, c, s string) string { return h + "." + c + "." + s + "." }), bad},
		{"leading dot", composed(func(h, c, s string) string { return "." + h + "." + c + "." + s }), bad},
		{"dots", composed(func(string, string, string) string { return strings.Repeat(".", 8000) }), bad},
		{"empty", composed(func(string, string, string) string { return "" }), bad},
		{"padded header", composed(func(h, c, s string) string { return h + "=." + c + "." + s }), bad},
		{"padded claims", composed(func(h, c, s string) string { return h + "." + c + "=." + s }), bad},
		{"padded signature", composed(func(h, c, s string) string { return h + "." + c + "." + s + "==" }), token.ErrProofSignature},
		{"standard base64", func(d *draft) {
			d.claims.set("x", `"???>>>???>>>"`)
			d.compose = func(h, _, s string) string {
				return h + "." + base64.RawStdEncoding.EncodeToString([]byte(d.claims.String())) + "." + s
			}
		}, bad},
		{"line break inside", composed(func(h, c, s string) string { return h + "." + c[:8] + "\r\n" + c[8:] + "." + s }), bad},
		{"JSON serialisation", composed(func(h, c, s string) string {
			return `{"protected":"` + h + `","payload":"` + c + `","signature":"` + s + `"}`
		}), bad},
		{"pitfall-5: JSON without protected", composed(func(_, c, s string) string { return `{"payload":"` + c + `","signature":"` + s + `"}` }), bad},
		{"header is no JSON", func(d *draft) { d.rawHeader = "header" }, bad},
		{"header is an array", func(d *draft) { d.rawHeader = "[]" }, bad},
		{"header is null", func(d *draft) { d.rawHeader = "null" }, bad},
		{"claims are no JSON", func(d *draft) { d.rawClaims = "claims" }, bad},
		{"claims are an array", func(d *draft) { d.rawClaims = "[" + d.claims.String() + "]" }, bad},
		{"text after the claims", func(d *draft) { d.rawClaims = d.claims.String() + "{}" }, bad},
		{"alg twice", func(d *draft) { d.header.add("alg", `"ES256"`) }, bad},
		{"jwk twice", func(d *draft) { d.header.add("jwk", k.es.jwk.String()) }, bad},
		{"jti twice", func(d *draft) { d.claims.add("jti", `"x"`) }, bad},
		{"htu twice", func(d *draft) { d.claims.add("htu", `"https://evil.example/"`) }, bad},
		{"unknown claim twice", func(d *draft) { d.claims.add("x", `1`); d.claims.add("x", `1`) }, bad},
		{"pitfall-12: Alg", func(d *draft) { d.header.add("Alg", `"none"`) }, bad},
		{"pitfall-12: JWK", func(d *draft) { d.header.add("JWK", k.es.jwk.String()) }, bad},
		{"pitfall-12: HTU", func(d *draft) { d.claims.add("HTU", `"https://evil.example/"`) }, bad},
		{"invalid UTF-8", func(d *draft) { d.rawClaims = strings.Replace(d.claims.String(), `{`, "{\"x\":\"\xff\",", 1) }, bad},
		{"lone surrogate", func(d *draft) { d.claims.add("x", `"\ud800"`) }, bad},
		{"nested", header("cty", `"JWT"`), bad},
		{"pitfall-7: b64 false", header("b64", `false`), bad},
		{"b64 false in crit", func(d *draft) { d.header.set("b64", `false`); d.header.set("crit", `["b64"]`) }, bad},
		{"RFC7515-4.1.11: unknown crit", func(d *draft) { d.header.set("x", `1`); d.header.set("crit", `["x"]`) }, bad},
		{"RFC7515-4.1.11: empty crit", header("crit", `[]`), bad},
		{"RFC7515-4.1.11: crit of a registered name", header("crit", `["alg"]`), bad},
		{"RFC9449-4.1-2: leading DPoP", composed(func(h, c, s string) string { return "DPoP " + h + "." + c + "." + s }), bad},
		{"RFC9449-4.1-2: quotes", composed(func(h, c, s string) string { return `"` + h + "." + c + "." + s + `"` }), bad},
		{"RFC9449-4.1-2: space", composed(func(h, c, s string) string { return h + ". " + c + "." + s }), bad},
		{"too large", claim("x", quote(strings.Repeat("x", 8<<10))), token.ErrProofTooLarge},
	})
	t.Run("D19, RFC9110-15.5.14: 32 KiB of proof", func(t *testing.T) {
		k.withDPoP(k.dpop(), strings.Repeat("a", 32<<10)).is(t, eIDP, token.ErrProofTooLarge)
	})
}

func TestProofCount(t *testing.T) {
	k := newRig(t)
	raw := k.dpop()
	p, q := k.proof(raw), k.proof(raw)
	t.Run("D6, RFC9449-4.3-1, pitfall-41: two lines", func(t *testing.T) {
		k.call(k.asking("Authorization", "DPoP "+raw, "DPoP", p, "dpop", q)).is(t, eIDP, token.ErrProofSeveral)
	})
	t.Run("RFC9449-4.3-1, pitfall-41: the same line twice", func(t *testing.T) {
		k.call(k.asking("Authorization", "DPoP "+raw, "DPoP", p, "DPoP", p)).is(t, eIDP, token.ErrProofSeveral)
	})
	t.Run("RFC9449-4.3-1, pitfall-41: joined by a comma", func(t *testing.T) {
		k.withDPoP(raw, p+", "+q).is(t, eIDP, token.ErrProofMalformed)
		k.withDPoP(raw, p+","+q).is(t, eIDP, token.ErrProofMalformed)
	})
	t.Run("RFC9449-4.3-1: empty line", func(t *testing.T) { k.withDPoP(raw, "").is(t, eIDP, token.ErrProofMalformed) })
	t.Run("RFC9449-7.1-2: none", func(t *testing.T) {
		k.call(k.asking("Authorization", "DPoP "+raw)).is(t, eIDP, token.ErrProofMissing)
	})
	t.Run("neither proof was spent", func(t *testing.T) {
		k.withDPoP(raw, p).ok(t)
		k.withDPoP(raw, q).ok(t)
	})
}

// TestProofMembers takes each required member away and gives it every wrong type.
func TestProofMembers(t *testing.T) {
	k := newRig(t)
	raw := k.dpop()
	wrong := []string{`null`, `{}`, `[]`, `true`, `""`, `1`, `-1`, `["x"]`}
	refused := func(t *testing.T, edit func(*draft)) {
		t.Helper()
		a := k.withDPoP(raw, k.proof(raw, edit))
		if len(a.records) != 1 {
			t.Fatalf("%d records", len(a.records))
		}
		reason, _ := a.records[0]["reason"].(string)
		a.is(t, eIDP, audit.Reason(reason))
		if !strings.HasPrefix(reason, "token: DPoP proof") {
			t.Errorf("reason %q", reason)
		}
	}
	for _, name := range []string{"typ", "alg", "jwk"} {
		t.Run("D4, RFC9449-4.3-3 no "+name, func(t *testing.T) { refused(t, func(d *draft) { d.header.remove(name) }) })
		for _, value := range append(wrong, `"x"`) {
			t.Run("RFC9449-4.3-3, pitfall-45 "+name+" "+value, func(t *testing.T) { refused(t, header(name, value)) })
		}
	}
	for _, name := range []string{"jti", "htm", "htu", "iat", "ath"} {
		t.Run("D4, RFC9449-4.3-3, pitfall-46 no "+name, func(t *testing.T) { refused(t, func(d *draft) { d.claims.remove(name) }) })
		for _, value := range wrong {
			t.Run("RFC9449-4.3-3 "+name+" "+value, func(t *testing.T) { refused(t, claim(name, value)) })
		}
	}
	t.Run("RFC9449-4.3-3 iat as a string", func(t *testing.T) {
		refused(t, func(d *draft) {
			for i, m := range d.claims {
				if m.name == "iat" {
					d.claims[i].json = quote(m.json)
				}
			}
		})
	})
	k.proofs(t, "RFC9449-4.3-4, RFC9449-11.5", []broke{
		{"typ extended", header("typ", `"dpop+jwt+wrongyousee"`), token.ErrProofType},
		{"typ JWT", header("typ", `"JWT"`), token.ErrProofType},
		{"typ at+jwt", header("typ", `"at+jwt"`), token.ErrProofType},
		{"typ in upper case", header("typ", `"DPoP+JWT"`), token.ErrProofType},
		{"typ with application/", header("typ", `"application/dpop+jwt"`), token.ErrProofType},
		{"a client assertion", func(d *draft) { d.header.set("typ", `"client-authentication+jwt"`); d.claims.set("iss", `"tpp-1"`) }, token.ErrProofType},
	})
	t.Run("RFC9449-4.3-4 the access token as proof", func(t *testing.T) { k.withDPoP(raw, raw).is(t, eIDP, token.ErrProofType) })
	t.Run("D5, RFC9449-4.2-1, pitfall-56: extra members are ignored", func(t *testing.T) {
		k.withDPoP(raw, k.proof(raw, func(d *draft) {
			d.header.set("tx_id", `"1"`)
			d.header.set("kid", `"es"`)
			d.header.set("jku", `"https://evil.example"`)
			d.header.set("x5c", `["MII"]`)
			d.claims.set("tx_id_key", `{"a":[1,{"b":null}]}`)
			d.claims.set("iss", `7`)
		})).ok(t)
	})
	k.proofs(t, "pitfall-63", []broke{
		{"a jti of 257 characters", claim("jti", quote(strings.Repeat("é", 257))), token.ErrProofClaims},
		{"a jti of 5 KiB", claim("jti", quote(strings.Repeat("x", 5<<10))), token.ErrProofClaims},
		{"a jti of 1 MB", claim("jti", quote(strings.Repeat("x", 1<<20))), token.ErrProofTooLarge},
	})
	t.Run("D19, RFC9449-11.1-3: long but fair jti", func(t *testing.T) {
		k.withDPoP(raw, k.proof(raw, claim("jti", quote(random()[:10]+strings.Repeat("é", 246))))).ok(t)
	})
}

func TestProofMethodAndToken(t *testing.T) {
	k := newRig(t)
	k.proofs(t, "RFC9449-4.3-8, RFC9110-9.1, pitfall-55", []broke{
		{"PUT", claim("htm", `"PUT"`), token.ErrProofMethod}, {"get", claim("htm", `"get"`), token.ErrProofMethod},
		{"Get", claim("htm", `"Get"`), token.ErrProofMethod}, {"HEAD", claim("htm", `"HEAD"`), token.ErrProofMethod},
		{"space", claim("htm", `"GET "`), token.ErrProofMethod},
	})
	raw := k.dpop()
	for _, method := range []string{"GET", "POST", "PATCH", "DELETE", "HEAD", "PURGE"} {
		t.Run("D7, RFC9449-4.3-8 "+method, func(t *testing.T) {
			r := k.asking("Authorization", "DPoP "+raw, "DPoP", k.proof(raw, claim("htm", quote(method))))
			r.Method = method
			k.call(r).ok(t)
		})
	}
	t.Run("RFC9449-4.3-8: overriding fields are not honoured", func(t *testing.T) {
		r := k.asking("Authorization", "DPoP "+raw, "DPoP", k.proof(raw, claim("htm", `"DELETE"`)), "X-HTTP-Method-Override", "DELETE", "X-Original-Method", "DELETE")
		k.call(r).is(t, eIDP, token.ErrProofMethod)
	})
	other := k.dpop()
	sum := sha256.Sum256([]byte(raw))
	for _, c := range []struct{ name, ath string }{
		{"of another token", sum64(other)}, {"padded", sum64(raw) + "="}, {"of the credentials", sum64("DPoP " + raw)},
		{"hex", strings.ToLower(hexOf(sum[:]))}, {"standard base64", base64.RawStdEncoding.EncodeToString(sum[:]) + "+"}, {"cut", sum64(raw)[:42]},
		{"other spare bits", sum64(raw)[:42] + string(sum64(raw)[42]+1)}, {"with a space", sum64(raw) + " "}, {"of nothing", sum64("")},
	} {
		t.Run("D11, RFC9449-4.3-12a, pitfall-47: ath "+c.name, func(t *testing.T) {
			k.withDPoP(raw, k.proof(raw, claim("ath", quote(c.ath)))).is(t, eIDP, token.ErrProofToken)
		})
	}
	t.Run("D12, RFC9449-4.3-12b, pitfall-48: fresh key", func(t *testing.T) {
		for _, alg := range []string{jose.ES256, jose.PS256, jose.EdDSA} {
			a := k.withDPoP(raw, k.proofBy(newPair(alg, ""), raw).compact())
			a.is(t, eIT, token.ErrKeyMismatch)
			if line := a.header["Www-Authenticate"][1]; !strings.Contains(line, `error_description="Invalid DPoP key binding"`) {
				t.Errorf("challenge %q", line)
			}
		}
	})
	t.Run("RFC9449-6.1-1: malformed jkt", func(t *testing.T) {
		k := newRig(t, func(k *rig) { k.log.Waive = nil })
		jkt := k.client.jkt
		for _, value := range []string{quote(jkt + "="), quote(jkt[:42]), quote(" " + jkt), quote(strings.ToUpper(jkt) + "x"), `""`, `null`, `1`, `{}`, `[` + quote(jkt) + `]`} {
			raw := k.access().bind(`{"jkt":` + value + `}`).compact()
			k.withDPoP(raw, k.proof(raw)).is(t, eIT, token.ErrConfirmation)
		}
		wrong := sum64(k.client.published().String())
		raw := k.access().bind(`{"jkt":` + quote(wrong) + `}`).compact()
		k.withDPoP(raw, k.proof(raw)).is(t, eIT, token.ErrKeyMismatch)
	})
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	s := ""
	for _, c := range b {
		s += string(digits[c>>4]) + string(digits[c&15])
	}
	return s
}
